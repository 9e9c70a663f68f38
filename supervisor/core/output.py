"""The output of programs: counters of it, and queries for its last lines."""

from __future__ import annotations

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.core.program import InstanceId

STREAMS = ("stdout", "stderr")


class Output:
    """Counters of what one instance has written in all its runs, in its own bytes. They only rise."""

    __slots__ = ("dropped", "instance", "invalid", "read")

    def __init__(self, instance: InstanceId) -> None:
        self.instance = instance
        self.read = [0, 0]
        """Bytes of stdout and stderr (STREAMS)."""
        self.dropped = 0
        """Bytes that were not written to every place that they were meant for."""
        self.invalid = 0
        """Replacement characters written to JSON in place of bytes that are not UTF-8."""


class LogQuery(Record):
    """Which lines are asked for, and in which form."""

    labels: Mapping[InstanceId, str]
    """The instances, each with the name shown for it."""
    streams: tuple[str, ...] = STREAMS
    last: int | None = None
    """The number of lines, of all instances together. None: all that are kept."""
    since: float = 0.0
    """Seconds since the epoch."""
    as_json: bool = False
    is_colored: bool = False
    is_stamped: bool = False
    """Whether each line of text begins with its time."""
