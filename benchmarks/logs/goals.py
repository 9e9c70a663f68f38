"""What the logs of supinit are to reach, beside its peers in the same run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.report import Goal, Table, quotient

MODES = ("raw", "prefix", "json")
REAPING = 10
"""CPU milliseconds in which supinit reaps a child and says so, with no line to carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """A flood of one child, of ten, and with a write(2) for each line; rotated files; little from each of ten."""

    one: Table
    ten: Table
    single: Table
    files: Table
    steady: Table

    @property
    def all(self) -> tuple[Table, ...]:
        return self.one, self.ten, self.single, self.files, self.steady


def goals(tables: Tables) -> tuple[Goal, ...]:
    single = _beside(tables.single, "raw", "speed", "supervisord", 1.0)
    return (
        *_flood(tables.one),
        replace(single, text=f"{single.text}, a write for each line"),
        *_files(tables.files),
        *_ten(tables),
        *_steady(tables.steady),
        *_nothing(tables),
    )


def _flood(one: Table) -> Iterator[Goal]:
    """What is said of a flood is said of one child that writes blocks."""
    for mode, key, base, limit in (
        ("raw", "speed", "supervisord", 1.0),
        ("raw", "cost", "supervisord", 1.0),
        ("prefix", "speed", "supervisord", 0.6),
        ("prefix", "speed", "s6-log", 2.5),
        ("prefix", "cost", "s6-log", 0.4),
        ("json", "speed", "supervisord", 0.4),
    ):
        yield _beside(one, mode, key, base, limit)


def _files(files: Table) -> Iterator[Goal]:
    yield _beside(files, "file", "speed", "s6-log", 2.5)


def _ten(tables: Tables) -> Iterator[Goal]:
    for mode in MODES:
        speeds = (table.median(f"supinit {mode}", "speed") for table in (tables.ten, tables.one))
        text = f"{mode}: MB/s of ten children : one"
        yield Goal(text=text, measured=quotient(*speeds), limit=0.85, is_least=True)


def _steady(steady: Table) -> Iterator[Goal]:
    for mode in MODES:
        share = steady.median(f"supinit {mode}", "share")
        text = f"{mode}: 10 x 1,000 lines a second"
        yield Goal(text=text, measured=share, limit=2.0, is_least=False, unit="% of a core")


def _nothing(tables: Tables) -> Iterator[Goal]:
    """inherit costs nothing, and nothing is lost or torn, by those modes through which lines go."""
    cpu = tables.one.median("supinit inherit", "cpu")
    milliseconds = None if cpu is None else cpu * 1000
    yield Goal(text="inherit: CPU of a run", measured=milliseconds, limit=REAPING, is_least=False, unit="ms")
    for key, text in (("lost", "raw, prefix, json, file: lines lost"), ("torn", "raw, prefix, json, file: lines torn")):
        yield Goal(text=text, measured=_worst(tables, key), limit=0, is_least=False, unit="lines")


def _worst(tables: Tables, key: str) -> float | None:
    """Return the greatest value of all modes. None: one of them has no figures, so nobody knows."""
    names = {f"supinit {mode}" for mode in (*MODES, "file")}
    rows = [row for table in tables.all for row in table.rows if row.name in names]
    if any(key not in row.figures for row in rows):
        return None
    return max(value for row in rows for value in row.figures[key])


def _beside(table: Table, mode: str, key: str, base: str, limit: float) -> Goal:
    is_speed = key == "speed"
    text = f"{mode}: {'MB/s' if is_speed else 'CPU s/GB'} : {base}"
    return Goal(text=text, measured=table.ratio(f"supinit {mode}", key, base), limit=limit, is_least=is_speed)
