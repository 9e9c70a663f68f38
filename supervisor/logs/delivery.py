"""The last stage of a stream: lines are formatted for a place and written there, or dropped and counted."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from supervisor.core.output import Output
    from supervisor.logs.filters import MessageTaker
    from supervisor.logs.formats import Buffers, Format
    from supervisor.logs.losses import Losses

    class Destination(Protocol):
        """Where lines are written: the container's own output, or a file."""

        is_congested: bool
        losses: Losses

        @property
        def waiting(self) -> int:
            """Bytes kept."""

        def write(self, buffers: Buffers, source: Output | None = None, size: int = 0) -> None: ...


class Delivery:
    """Writes the lines of one stream, in one format, to some places. With `drops`, not to those that are congested."""

    def __init__(self, places: Sequence[Destination], format_: Format, source: Output, drops: bool) -> None:
        self._places = places
        self._format = format_
        self._source = source
        self._drops = drops

    def lines(self, head: bytes, data: bytes, end: int) -> None:
        size = len(head) + end
        if places := self._open(size, data, end):
            self._write(places, self._format.lines(head, data, end), size)

    def piece(self, text: bytes, goes_on: bool) -> None:
        size = len(text) + (not goes_on)
        if places := self._open(size, b"\n", 1):
            self._write(places, self._format.piece(text, goes_on), size)

    def message(self, text: bytes) -> None:
        size = len(text) + 1
        if places := self._open(size, text + b"\n", size):
            self._write(places, self._format.message(text), size)

    def _open(self, size: int, data: bytes, end: int) -> Sequence[Destination]:
        """Return the places that take something now. For the others, the lines of `data[:end]` are lost."""
        if not self._drops:
            return self._places
        places = [place for place in self._places if not place.is_congested]
        for place in self._places:
            if place not in places:
                place.losses.count(self._source, data.count(b"\n", 0, end), size)
        return places

    def _write(self, places: Sequence[Destination], buffers: Buffers, size: int) -> None:
        for place in places:
            place.write(buffers, self._source, size)


class Fork:
    """Hands everything to several."""

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
