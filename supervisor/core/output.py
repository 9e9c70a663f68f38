"""What programs write: how much of it there was, and how somebody wants to see the end of it."""

from __future__ import annotations

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.core.program import InstanceId

STREAMS = ("stdout", "stderr")


class Output:
    """What one instance has written, counted over all its runs. Counters only rise; bytes are the program's own."""

    __slots__ = ("dropped", "instance", "invalid", "read")

    def __init__(self, instance: InstanceId) -> None:
        self.instance = instance
        self.read = [0, 0]
        """Bytes of stdout and stderr (STREAMS)."""
        self.dropped = 0
        """Bytes that did not reach a place that they were meant for."""
        self.invalid = 0
        """Replacement characters that stand in JSON for what was not UTF-8."""


class LogQuery(Record):
    """Which lines somebody wants to see, and how."""

    labels: Mapping[InstanceId, str]
    """The instances, and what the operator calls them."""
    streams: tuple[str, ...] = STREAMS
    last: int | None = None
    """So many lines of all instances together; None: all that are kept."""
    since: float = 0.0
    """Seconds since the epoch."""
    as_json: bool = False
    is_colored: bool = False
