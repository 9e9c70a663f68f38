"""Find the line with which a program says that it is up, or that its start has failed (`ready.log`, `fail_log`)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.program import Readiness

LONGEST = 8192
"""Bytes of a line that are searched."""


class ReadinessPatterns:
    """Search one stream until one of the patterns matches.

    `report` gets whether the line is a good one, and the line. If both patterns match, the line is a bad one.
    """

    def __init__(self, readiness: Readiness, report: Callable[[bool, str], None]) -> None:
        from re import compile  # only where there are patterns

        self._patterns = [
            (is_good, compile(pattern))
            for is_good, pattern in ((False, readiness.fail_log), (True, readiness.log))
            if pattern is not None
        ]
        self._report = report
        self._tail = b""
        self.is_done = False

    def feed(self, data: bytes) -> None:
        """Search what the program has written."""
        *lines, tail = data.split(b"\n")
        if lines:
            lines[0] = self._tail + lines[0]
            self._tail = b""
        for line in lines:
            self._search(line)
        self._tail = (self._tail + tail)[:LONGEST]

    def _search(self, line: bytes) -> None:
        text = line[:LONGEST].decode(errors="replace").rstrip("\r")
        for is_good, pattern in self._patterns:
            if not self.is_done and pattern.search(text):
                self.is_done = True
                self._report(is_good, text)
