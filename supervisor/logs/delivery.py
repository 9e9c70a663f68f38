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

    class Place(Protocol):
        """Where lines are written: the container's own output, or a file."""

        is_congested: bool
        losses: Losses

        @property
        def waiting(self) -> int:
            """Bytes kept."""

        def write(self, buffers: Buffers, source: Output | None = None, size: int = 0) -> None: ...


class Delivery:
    """Writes the lines of one stream to one place. With `drops`, they are dropped while that is congested."""

    def __init__(self, place: Place, format_: Format, source: Output, drops: bool) -> None:
        self.place = place
        self._format = format_
        self._source = source
        self._drops = drops

    def lines(self, head: bytes, data: bytes, end: int) -> None:
        size = len(head) + end
        if self._drops and self.place.is_congested:
            self.place.losses.count(self._source, data.count(b"\n", 0, end), size)
        else:
            self.place.write(self._format.lines(head, data, end), self._source, size)

    def piece(self, text: bytes, goes_on: bool) -> None:
        size = len(text) + (not goes_on)
        if self._drops and self.place.is_congested:
            self.place.losses.count(self._source, 1, size)
        else:
            self.place.write(self._format.piece(text, goes_on), self._source, size)

    def message(self, text: bytes) -> None:
        size = len(text) + 1
        if self._drops and self.place.is_congested:
            self.place.losses.count(self._source, text.count(b"\n") + 1, size)
        else:
            self.place.write(self._format.message(text), self._source, size)


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
