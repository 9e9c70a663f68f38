"""The last stage of a stream: lines are formatted for a destination and written there, or dropped and counted."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from supervisor.core.output import Output
    from supervisor.logs.filters import MessageTaker
    from supervisor.logs.formats import Buffers, Format
    from supervisor.logs.losses import Losses
    from supervisor.logs.sink import Sink

    class Destination(Protocol):
        """Where lines are written: one of the container's own outputs, or a file."""

        is_congested: bool
        losses: Losses

        @property
        def waiting(self) -> int:
            """Bytes kept."""

        def write(self, buffers: Buffers, source: Output | None = None, size: int = 0) -> None: ...


class Delivery:
    """Write the lines of one stream, in one format, to some destinations, which get whole lines only.

    With `drops`, a congested destination gets nothing.
    """

    __slots__ = ("_begun", "_destinations", "_drops", "_format", "_source")

    def __init__(self, destinations: Sequence[Destination], format_: Format, source: Output, drops: bool) -> None:
        self._destinations = destinations
        self._format = format_
        self._source = source
        self._drops = drops
        self._begun = b""
        """The beginning of the next line, where it was shown elsewhere already."""

    def lines(self, head: bytes, data: bytes, end: int) -> None:
        if self._begun:
            head, self._begun = self._begun + head, b""
        size = len(head) + end
        if destinations := self._open(size, data, end):
            self._write(destinations, self._format.lines(head, data, end), size)

    def piece(self, text: bytes, goes_on: bool) -> None:
        if self._begun:
            text, self._begun = self._begun + text, b""
        size = len(text) + (not goes_on)
        if destinations := self._open(size, b"\n", 1):
            self._write(destinations, self._format.piece(text, goes_on), size)

    def message(self, text: bytes) -> None:
        size = len(text) + 1
        if destinations := self._open(size, text + b"\n", size):
            self._write(destinations, self._format.message(text), size)

    def part(self, text: bytes) -> None:
        self._begun += text

    def _open(self, size: int, data: bytes, end: int) -> Sequence[Destination]:
        """Return the destinations that take something now. For the others, the lines of `data[:end]` are lost."""
        if not self._drops:
            return self._destinations
        found = [destination for destination in self._destinations if not destination.is_congested]
        for destination in self._destinations:
            if destination not in found:
                destination.losses.count(self._source, data.count(b"\n", 0, end), size)
        return found

    def _write(self, destinations: Sequence[Destination], buffers: Buffers, size: int) -> None:
        for destination in destinations:
            destination.write(buffers, self._source, size)


class SinkDelivery:
    """Write the lines of one stream, in one format, to one of the container's own outputs.

    A line may be shown before it has ended. Its rest follows on the same line of the output, unless something else was
    written there meanwhile: then the rest gets a line of its own. With `drops`, a congested output gets nothing.
    """

    __slots__ = ("_drops", "_format", "_has_begun", "_sink", "_source")

    def __init__(self, sink: Sink, format_: Format, source: Output, drops: bool) -> None:
        self._sink = sink
        self._format = format_
        self._source = source
        self._drops = drops
        self._has_begun = False
        """Whether the next line is the rest of one that was shown before it had ended."""

    def lines(self, head: bytes, data: bytes, end: int) -> None:
        if self._has_begun:
            at = data.find(b"\n") + 1
            self._end_begun(head + data[: at - 1], b"\n")
            if at == end:
                return
            head, data, end = b"", data[at:], end - at
        if not self._is_dropped(data, end, len(head) + end):
            self._sink.write(self._format.lines(head, data, end), self._source, len(head) + end)

    def piece(self, text: bytes, goes_on: bool) -> None:
        if self._has_begun:
            self._end_begun(text, self._format.end_of_piece(goes_on))
        elif not self._is_dropped(b"\n", 1, size := len(text) + (not goes_on)):
            self._sink.write(self._format.piece(text, goes_on), self._source, size)

    def message(self, text: bytes) -> None:
        size = len(text) + 1
        if not self._is_dropped(text + b"\n", size, size):
            self._sink.write(self._format.message(text), self._source, size)

    def part(self, text: bytes) -> None:
        if self._is_dropped(b"", 0, len(text)):
            return
        if not self._has_begun or self._sink.open_for is not self:
            text = self._format.prefix + text
        self._has_begun = True
        self._sink.write_part(self, text, self._source, len(text))

    def _end_begun(self, rest: bytes, end: bytes) -> None:
        """Write the rest of a line that was shown before it had ended."""
        self._has_begun = False
        is_open = self._sink.open_for is self
        size = len(rest) + 1
        if self._is_dropped(b"\n", 1, size):
            return
        if is_open:
            self._sink.end_part(rest + end, self._source, size)
        elif rest:  # an empty one has ended already, when something else was written
            self._sink.write((self._format.prefix + rest + end,), self._source, size)

    def _is_dropped(self, data: bytes, end: int, size: int) -> bool:
        """Return whether the sink takes nothing now; the lines of `data[:end]` are lost then."""
        if not (self._drops and self._sink.is_congested):
            return False
        self._sink.losses.count(self._source, data.count(b"\n", 0, end), size)
        if self._sink.open_for is self:
            self._sink.open_for = self._sink  # the line stays as it is; whatever is written next begins a new one
        return True


class Fork:
    """Pass everything on to several stages."""

    def __init__(self, takers: Sequence[MessageTaker]) -> None:
        self._takers = takers

    def lines(self, head: bytes, data: bytes, end: int) -> None:
        for taker in self._takers:
            taker.lines(head, data, end)

    def piece(self, text: bytes, goes_on: bool) -> None:
        for taker in self._takers:
            taker.piece(text, goes_on)

    def message(self, text: bytes) -> None:
        for taker in self._takers:
            taker.message(text)

    def part(self, text: bytes) -> None:
        for taker in self._takers:
            taker.part(text)
