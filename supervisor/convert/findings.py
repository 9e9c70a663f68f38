"""What a conversion has to say besides the table: what was lost, and what is wrong with the file."""

from __future__ import annotations

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Location(Record):
    """A line of a file, from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Findings:
    """Sentences with their places, none of them twice."""

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
        """Note what makes a conversion impossible."""
        self._problems[place, sentence] = None

    def warn(self, place: Location, sentence: str) -> None:
        """Note what is not carried over."""
        self._warnings[place, sentence] = None


def _in_order(found: Iterable[tuple[Location, str]]) -> tuple[str, ...]:
    """Return lines in the order of the files, and of the lines in each."""
    files = {place.file: number for number, (place, _) in reversed(list(enumerate(found)))}
    ordered = sorted(found, key=lambda item: (files[item[0].file], item[0].line))
    return tuple(f"{place}: {sentence}" for place, sentence in ordered)
