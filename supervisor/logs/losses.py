"""What was lost on the way to one place, by whom: counted at once, and told of in few lines."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.output import Output
    from supervisor.logs.formats import Buffers

PAUSE = 1.0
"""Seconds between two reports on the same place: a reader that is too slow stalls many times a second."""


class Losses:
    """The losses on the way to `place`: stdout, stderr, a file, or the program's own rate limit."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._lost: dict[Output, tuple[int, int]] = {}
        self._told_at = float("-inf")

    def __bool__(self) -> bool:
        return bool(self._lost)

    def note(self, source: Output | None, buffers: Buffers, size: int) -> None:
        """Count lines of `source` that are lost, `size` bytes of its own. None: lines of supinit's."""
        if source is not None:
            self.count(source, sum(bytes(buffer).count(b"\n") for buffer in buffers), size)

    def count(self, source: Output, lines: int, size: int) -> None:
        source.dropped += size
        before = self._lost.get(source, (0, 0))
        self._lost[source] = before[0] + lines, before[1] + size

    @property
    def due(self) -> float:
        """When it may be told of, on the monotonic clock."""
        return self._told_at + PAUSE

    def tell(self, now: float, report: Callable[..., None]) -> None:
        """Report what was lost since the last time, a line for each instance."""
        lost, self._lost = self._lost, {}
        self._told_at = now
        for source, (lines, size) in lost.items():
            program, instance = source.instance
            report(
                "warning", "log.dropped", program=program, instance=instance, to=self._place, lines=lines, bytes=size
            )
