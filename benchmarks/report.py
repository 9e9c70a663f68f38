"""What a subject has measured: tables of figures, and the goals that these are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

Figures = Mapping[str, float]
"""What one run has come to, by key."""
FAILED = "failed: "
"""How the remark of a contender begins that was run in vain; any other remark says why it was not run."""
FAR = 2
OURS = ("supinit", "supctl")


@dataclass(frozen=True, slots=True)
class Column:
    """The values of one key: the median, and from where to where they go; or the worst, which is the greatest."""

    key: str
    heading: str
    digits: int = 0
    is_worst: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """Whether the values of one key are all 0: "yes", else "no"."""

    key: str
    heading: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of one key over that of the row `base`."""

    key: str
    heading: str
    base: str


AnyColumn = Column | Doubt | Ratio


@dataclass(frozen=True, slots=True)
class Row:
    """One contender: the values of all runs by key, or why there are none."""

    name: str
    figures: Mapping[str, tuple[float, ...]]
    remark: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether it was run and did not do what it was started for."""
        return self.remark.startswith(FAILED)

    def median(self, key: str) -> float | None:
        return median(self.figures[key]) if self.figures.get(key) else None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in the order in which they ran."""

    title: str
    columns: tuple[AnyColumn, ...]
    rows: tuple[Row, ...]

    def median(self, row: str, key: str) -> float | None:
        """Return the median of a row's values. None: there are none."""
        return next((found.median(key) for found in self.rows if found.name == row), None)

    def ratio(self, row: str, key: str, base: str) -> float | None:
        return quotient(self.median(row, key), self.median(base, key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure should be. `measured` is None where it could not be measured."""

    text: str
    measured: float | None
    limit: float
    is_least: bool
    unit: str = "x"
    is_guarded: bool = True
    """Whether a clear miss is a regression: not where the peer only waits, or where the goal is far away as it is."""
    guard: float | None = None
    """From where on a miss is a regression, for a goal that is not reached yet; otherwise FAR times the limit."""

    @property
    def is_met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.is_least else self.measured <= self.limit

    @property
    def is_far_off(self) -> bool:
        """Whether a ratio is missed so clearly that no busy machine explains it. Absolute times never are."""
        if self.measured is None or self.unit != "x" or not self.is_guarded:
            return False
        if self.is_least:
            return self.measured < (self.limit / FAR if self.guard is None else self.guard)
        return self.measured > (self.limit * FAR if self.guard is None else self.guard)


def at_most(text: str, measured: float | None, limit: float, unit: str = "x", guard: float | None = None) -> Goal:
    return Goal(text=text, measured=measured, limit=limit, is_least=False, unit=unit, guard=guard)


def at_least(text: str, measured: float | None, limit: float) -> Goal:
    return Goal(text=text, measured=measured, limit=limit, is_least=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a subject has to say."""

    subject: str
    tables: tuple[Table, ...]
    goals: tuple[Goal, ...]
    remarks: tuple[str, ...] = ()

    @property
    def regressions(self) -> list[str]:
        """What must not be: a ratio that is far off, or a supinit that did not do what it was started for."""
        rows = [(table.title, row) for table in self.tables for row in table.rows]
        failed = [
            f"{title}: {row.name} {row.remark}" for title, row in rows if row.has_failed and row.name.startswith(OURS)
        ]
        return failed + [f"{goal.text}: {goal.measured:.2f}" for goal in self.goals if goal.is_far_off]


def quotient(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None
