"""What `supctl logs` shows: the kept output of some instances as lines, sorted by time, then what follows."""

from __future__ import annotations

from collections import deque
from heapq import merge
from operator import itemgetter

from supervisor.core.output import STREAMS
from supervisor.core.wording import rfc3339
from supervisor.logs.formats import JsonFormat, PlainFormat, prefix_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from supervisor.core.output import LogQuery
    from supervisor.core.program import InstanceId
    from supervisor.logs.formats import Format
    from supervisor.logs.tails import Entry, Tails

    Line = tuple[float, InstanceId, int, bytes]
    """When it was read, the instance, the stream, and the text without its newline."""

MAX_BEHIND = 1 << 20
"""Bytes that a reader may be behind before it is disconnected."""
LONGEST_LINE = 256 * 1024
BATCH = 500
"""Lines that are formatted at a time."""


class LogReader:
    """One reader: call `history` first, then `take` whenever it calls `wake`. Without `wake`, nothing follows."""

    def __init__(self, query: LogQuery, tails: Tails, wake: Callable[[], None] | None = None) -> None:
        self._query = query
        self._wake = wake
        self._tails = [tails.of(instance) for instance in query.labels]
        self._kept = [(tail.instance, tuple(tail.entries)) for tail in self._tails]
        self._cutters = {tail.instance: _Cutter(tail.instance, tail.is_torn) for tail in self._tails}
        self._layout = _Layout(query)
        self._new: deque[tuple[InstanceId, Entry]] = deque()
        self._behind = 0
        if wake is not None:
            for tail in self._tails:
                tail.listeners += (self._hear,)

    @property
    def is_lost(self) -> bool:
        """Whether it was too slow: lines are missing, and no more will follow."""
        return self._behind > MAX_BEHIND

    def history(self) -> Iterator[bytes]:
        """Yield the formatted lines that are kept, in pieces. Empty pieces let the caller do other work."""
        lines: Iterable[Line] = merge(*(self._lines_of(*kept) for kept in self._kept), key=itemgetter(0))
        if self._query.last is None:
            yield from self._lay_out(lines)
            return
        last: deque[Line] = deque(maxlen=self._query.last)
        for number, line in enumerate(lines):
            last.append(line)
            if number % BATCH == 0:
                yield b""
        yield from self._lay_out(last)

    def take(self) -> bytes:
        """Return the formatted lines that have come since the last call."""
        new, self._new = self._new, deque()
        if not self.is_lost:
            self._behind = 0
        lines = (line for instance, entry in new for line in self._select(self._cutters[instance].cut(entry)))
        return b"".join(map(self._layout.line, lines))

    def close(self) -> None:
        for tail in self._tails:
            tail.listeners = tuple(listener for listener in tail.listeners if listener != self._hear)

    def _hear(self, instance: InstanceId, entry: Entry) -> None:
        if self.is_lost:
            return
        self._behind += len(entry[2])
        if self.is_lost:
            self._new.clear()
        else:
            self._new.append((instance, entry))
        if self._wake is not None:
            self._wake()

    def _lines_of(self, instance: InstanceId, entries: Iterable[Entry]) -> Iterator[Line]:
        cutter = self._cutters[instance]
        for entry in entries:
            yield from self._select(cutter.cut(entry))
        if self._wake is None:
            yield from self._select(cutter.rest())

    def _select(self, lines: Iterable[Line]) -> Iterator[Line]:
        wanted, since = self._query.streams, self._query.since
        return (line for line in lines if line[0] >= since and STREAMS[line[2]] in wanted)

    def _lay_out(self, lines: Iterable[Line]) -> Iterator[bytes]:
        batch: list[bytes] = []
        for line in lines:
            batch.append(self._layout.line(line))
            if len(batch) == BATCH:
                yield b"".join(batch)
                batch.clear()
        yield b"".join(batch)


class _Cutter:
    """Cut the entries of one instance into lines."""

    def __init__(self, instance: InstanceId, is_torn: Iterable[bool]) -> None:
        self._instance = instance
        self._begun = [b"", b""]
        self._is_torn = list(is_torn)
        self._at = 0.0

    def cut(self, entry: Entry) -> list[Line]:
        """Return the lines that an entry completes. A line that does not end is returned in pieces."""
        self._at, stream, data = entry
        *lines, begun = (self._begun[stream] + data).split(b"\n")
        if len(begun) > LONGEST_LINE:
            lines.append(begun)
            begun = b""
        self._begun[stream] = begun
        if lines and self._is_torn[stream]:
            self._is_torn[stream] = False
            del lines[0]
        return [(self._at, self._instance, stream, line) for line in lines]

    def rest(self) -> list[Line]:
        """Return the lines that have no newline yet."""
        return [(self._at, self._instance, stream, line) for stream, line in enumerate(self._begun) if line]


class _Layout:
    """Format lines as the query asks: as JSON, or as text, prefixed with the name if there are several instances."""

    def __init__(self, query: LogQuery) -> None:
        self._query = query
        self._at = 0.0
        self._formats: dict[tuple[InstanceId, int], Format] = {}

    def line(self, line: Line) -> bytes:
        self._at, instance, stream, text = line
        format_ = self._formats.get((instance, stream))
        if format_ is None:
            format_ = self._formats[instance, stream] = self._format(instance, stream)
        stamp = f"{rfc3339(self._at)} ".encode() if self._query.is_stamped and not self._query.as_json else b""
        return b"".join((stamp, *format_.lines(text, b"\n", 1)))

    def _format(self, instance: InstanceId, stream: int) -> Format:
        if self._query.as_json:
            return JsonFormat(*instance, STREAMS[stream], lambda _: None, lambda: self._at)
        labels = self._query.labels
        return PlainFormat(prefix_of(labels[instance], self._query.is_colored) if len(labels) > 1 else b"")
