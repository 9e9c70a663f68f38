"""Findings of a conversion: what is lost or different (warnings) and errors of the source (problems), each with a line.

Warnings come in the order of their weight: first what changes how the container works, then small differences, then
one line for each group of options that share a reason.
"""

from __future__ import annotations

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NOT_NEEDED = "not needed under supinit"


class Location(Record):
    """A line of a file. Lines count from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Findings:
    """Collects findings. A repeated one is kept once."""

    def __init__(self) -> None:
        self._problems: dict[tuple[Location, str], None] = {}
        self._warnings: dict[tuple[Location, str], None] = {}
        self._mentions: dict[tuple[Location, str], None] = {}
        self._groups: dict[str, dict[tuple[Location, str, str], None]] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        return _in_order(self._problems)

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*_in_order(self._warnings), *_in_order(self._mentions), *_in_order(self._group_lines()))

    @property
    def group_sentences(self) -> tuple[str, ...]:
        return tuple(sentence for _, sentence in self._group_lines())

    def problem(self, place: Location, sentence: str) -> None:
        """Record an error that makes the conversion impossible."""
        self._problems[place, sentence] = None

    def warn(self, place: Location, sentence: str) -> None:
        """Record a loss that changes how the container works."""
        self._warnings[place, sentence] = None

    def mention(self, place: Location, sentence: str) -> None:
        """Record a small difference."""
        self._mentions[place, sentence] = None

    def group(self, place: Location, reason: str, owner: str, name: str) -> None:
        """Record a small difference that shares a line with all others of the same reason."""
        self._groups.setdefault(reason, {})[place, owner, name] = None

    def _group_lines(self) -> list[tuple[Location, str]]:
        lines = []
        for reason, group in self._groups.items():
            members = sorted(group, key=_key_by_place([place for place, _, _ in group]))
            owners: dict[str, list[str]] = {}
            for _, owner, name in members:
                owners.setdefault(owner, []).append(name)
            listed = "; ".join(f"{owner} {', '.join(names)}".strip() for owner, names in owners.items())
            lines.append((members[0][0], f"{reason}: {listed}"))
        return lines


def _in_order(found: Iterable[tuple[Location, str]]) -> tuple[str, ...]:
    """Return lines, ordered by file and line."""
    found = list(found)
    ordered = sorted(found, key=_key_by_place([place for place, _ in found]))
    return tuple(f"{place}: {sentence}" for place, sentence in ordered)


def _key_by_place(places: list[Location]) -> Callable[[tuple[Location, *tuple[str, ...]]], tuple[int, int]]:
    """Return the key that orders findings by file, as the files came, and line."""
    files = {place.file: number for number, place in reversed(list(enumerate(places)))}
    return lambda finding: (files[finding[0].file], finding[0].line)
