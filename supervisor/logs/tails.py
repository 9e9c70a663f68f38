"""The end of each instance's output, kept for `supctl logs`, the status and the verdict.

The chunks of both streams are kept as they were read, which copies nothing. They are cut into lines when somebody asks
for them (reader.py).
"""

from __future__ import annotations

from time import time

from supervisor.core.lanes import first_lane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.program import InstanceId

    Entry = tuple[float, int, bytes]
    """When it was read (wall clock), the stream (a position in STREAMS), and the data."""
    Hear = Callable[[InstanceId, Entry], None]

MOST_ENTRIES = 1024
"""The most chunks that are kept of an instance: each costs some 200 bytes, however short it is."""


QUOTED = 4096
"""Bytes of an instance's last output that events and the verdict quote from."""
LAST_LINES = 10
"""How many lines of it they quote."""


class Tail:
    """The end of one instance's output: `limit` bytes of it, or a little more."""

    __slots__ = ("_size", "entries", "instance", "is_torn", "limit", "listeners")

    def __init__(self, instance: InstanceId, limit: int = 0) -> None:
        self.instance = instance
        self.limit = limit
        self.entries: list[Entry] = []  # an empty deque is ten times as large
        self.is_torn = [False, False]
        """For each stream, whether its first entry begins within a line."""
        self.listeners: tuple[Hear, ...] = ()
        self._size = 0

    def append(self, stream: int, data: bytes) -> None:
        entry = time(), stream, data
        entries = self.entries
        entries.append(entry)
        self._size += len(data)
        while self._size - len(entries[0][2]) >= self.limit or len(entries) > MOST_ENTRIES:
            _, oldest, gone = entries.pop(0)
            self._size -= len(gone)
            self.is_torn[oldest] = not gone.endswith(b"\n")
        for hear in self.listeners:
            hear(self.instance, entry)

    def end_line(self, stream: int) -> None:
        """Complete the last line of a stream that has ended."""
        last = next((data for _, of, data in reversed(self.entries) if of == stream), b"\n")
        if not last.endswith(b"\n"):
            self.append(stream, b"\n")

    def end(self, size: int, since: float = 0.0) -> bytes:
        """Return the last bytes of both streams, as they were read, without what was read before `since`."""
        found: list[bytes] = []
        missing = size
        for at, _, data in reversed(self.entries):
            if missing <= 0 or at < since:
                break
            found.append(data[-missing:])
            missing -= len(data)
        return b"".join(reversed(found))

    def last_lines(self, since: float) -> str:
        """Return the end of the output since a time (wall clock), as whole lines without the last newline."""
        kept = self.end(QUOTED, since)
        text = kept.decode(errors="replace")
        if len(kept) == QUOTED:
            text = text.partition("\n")[2]
        return text.rstrip("\n")


class Tails:
    """The tails of all instances, made as they are asked for."""

    def __init__(self) -> None:
        self._tails: dict[InstanceId, Tail] = {}

    def of(self, instance: InstanceId) -> Tail:
        instance = first_lane(instance)
        tail = self._tails.get(instance)
        if tail is None:
            tail = self._tails[instance] = Tail(instance)
        return tail

    def forget(self, instance: InstanceId) -> None:
        self._tails.pop(instance, None)
