"""Find the line with which a program says that it is up, or that its start has failed (`ready.log`, `fail_log`)."""

from __future__ import annotations

from supervisor.logs.patterns import LinePattern, which_match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.program import Readiness
    from supervisor.logs.patterns import Budget

LONGEST = 8192
"""Bytes of a line that are searched."""


class ReadinessPatterns:
    """Search one stream until one of the patterns matches.

    `report` gets whether the line is a good one, and the line. If both patterns match, the line is a bad one. A
    line that cannot be searched in time has no match.
    """

    def __init__(self, readiness: Readiness, report: Callable[[bool, str], None], budget: Budget) -> None:
        self._good = None if readiness.log is None else LinePattern(readiness.log)
        self._bad = None if readiness.fail_log is None else LinePattern(readiness.fail_log)
        self._report = report
        self._budget = budget
        self._tail = b""
        self.is_done = False

    def feed(self, data: bytes) -> None:
        """Search what the program has written."""
        *lines, tail = data.split(b"\n")
        if lines and not self.is_done:
            lines[0] = self._tail + lines[0]
            self._tail = b""
            self._search([line[:LONGEST].decode(errors="replace").rstrip("\r") for line in lines])
        self._tail = (self._tail + tail)[:LONGEST]

    def _search(self, lines: list[str]) -> None:
        bad, good = self._first(self._bad, lines), self._first(self._good, lines)
        first = min(bad, good)
        if first < len(lines):
            self.is_done = True
            self._report(good < bad, lines[first])

    def _first(self, pattern: LinePattern | None, lines: list[str]) -> int:
        """Return the position of the first line that matches; if there is none, the number of lines."""
        found = [] if pattern is None else which_match(pattern, lines, self._budget)
        return found.index(True) if True in found else len(lines)
