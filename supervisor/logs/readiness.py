"""Watch a program's lines for the ones that say that it is up, or that it came up broken (`ready.log`, `fail_log`)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.program import Readiness

LONGEST = 8192
"""Bytes of a line that are looked at."""


class ReadinessPatterns:
    """Looks at one stream, until one of the patterns has matched.

    `report` gets whether the line is a good one, and the line. A bad line counts where both match.
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
        """Look at what the program has written."""
        *lines, tail = data.split(b"\n")
        if lines:
            lines[0] = self._tail + lines[0]
            self._tail = b""
        for line in lines:
            self._look_at(line)
        self._tail = (self._tail + tail)[:LONGEST]

    def _look_at(self, line: bytes) -> None:
        text = line[:LONGEST].decode(errors="replace").rstrip("\r")
        for is_good, pattern in self._patterns:
            if not self.is_done and pattern.search(text):
                self.is_done = True
                self._report(is_good, text)
