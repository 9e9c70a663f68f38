"""Findings of a conversion: losses (warnings) and errors of the source (problems), each with file and line."""

from __future__ import annotations

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


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

    @property
    def problems(self) -> tuple[str, ...]:
        return _in_order(self._problems)

    @property
    def warnings(self) -> tuple[str, ...]:
        return _in_order(self._warnings)

    def problem(self, place: Location, sentence: str) -> None:
        """Record an error that makes the conversion impossible."""
        self._problems[place, sentence] = None

    def warn(self, place: Location, sentence: str) -> None:
        """Record a loss."""
        self._warnings[place, sentence] = None


def _in_order(found: Iterable[tuple[Location, str]]) -> tuple[str, ...]:
    """Return lines, ordered by file and line."""
    files = {place.file: number for number, (place, _) in reversed(list(enumerate(found)))}
    ordered = sorted(found, key=lambda item: (files[item[0].file], item[0].line))
    return tuple(f"{place}: {sentence}" for place, sentence in ordered)
