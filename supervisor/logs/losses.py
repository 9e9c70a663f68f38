"""What was lost on the way to one destination, and which programs wrote it. Counted at once, reported in few lines."""

from __future__ import annotations

from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.output import Output
    from supervisor.logs.formats import Buffers

PAUSE = 1.0
"""Seconds between two reports about the same destination: a reader that is too slow stalls many times a second."""


SLOW_PAUSE = 60.0
"""Seconds between two reports about the slow patterns of a program."""


class Losses:
    """The losses on the way to a destination: "stdout", "stderr", a file's path, or "rate_limit"."""

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._lost: dict[Output, tuple[int, int]] = {}
        self._reported_at = float("-inf")

    def __bool__(self) -> bool:
        return bool(self._lost)

    def note(self, source: Output | None, buffers: Buffers, size: int) -> None:
        """Count lost lines of `source`, with `size` bytes of its own. None: lines of supinit's own log."""
        if source is not None:
            self.count(source, sum(bytes(buffer).count(b"\n") for buffer in buffers), size)

    def count(self, source: Output, lines: int, size: int) -> None:
        source.dropped += size
        before = self._lost.get(source, (0, 0))
        self._lost[source] = before[0] + lines, before[1] + size

    @property
    def due(self) -> float:
        """When the next report is allowed, on the monotonic clock."""
        return self._reported_at + PAUSE

    def report(self, now: float, report: Callable[..., None]) -> None:
        """Report what was lost since the last report, in one line for each instance."""
        lost, self._lost = self._lost, {}
        self._reported_at = now
        for source, (lines, size) in lost.items():
            program, instance = source.instance
            values = {"program": program, "instance": instance, "to": self._destination}
            report("warning", "log.dropped", **values, lines=lines, bytes=size)


class SlowPatterns:
    """Lines that regular expressions could not search in time, by program."""

    def __init__(self) -> None:
        self._reported: dict[str, tuple[float, int]] = {}
        """When it was reported last, and how many lines there were since."""

    def note(self, program: str, lines: int, report: Callable[..., None]) -> None:
        """Count lines of a program, and report them unless some were reported within SLOW_PAUSE."""
        reported_at, before = self._reported.get(program, (float("-inf"), 0))
        now = monotonic()
        if now - reported_at < SLOW_PAUSE:
            self._reported[program] = reported_at, before + lines
        else:
            self._reported[program] = now, 0
            report("warning", "log.pattern_too_slow", program=program, lines=before + lines)
