"""Cut one stream of one process into lines.

Lines leave in blocks, each of which ends with a newline, as soon as their newline has arrived. A line longer than
`max_line` leaves in pieces. The next stage (a `LineTaker`) changes lines (filters.py) or writes them (delivery.py).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class LineTaker(Protocol):
        def lines(self, head: bytes, data: bytes, end: int) -> None:
            """Take `head + data[:end]`: whole lines, in two parts to avoid a copy. `head` has no newline."""

        def piece(self, text: bytes, goes_on: bool) -> None:
            """Take a piece of a line that is too long, without a newline; `goes_on` is false for the last piece."""

    class Taker(LineTaker, Protocol):
        def part(self, text: bytes) -> None:
            """Take the beginning of a line that has not ended yet; what comes next continues it."""


class Lines:
    """Cut one stream into lines.

    `seam` moves the position where a line is cut: it gets the line so far and the position, and returns another
    position, never 0. It sees `margin` bytes beyond the position, or the end of the line. `take_part` gets the
    beginning of a line that has not ended (`show`); without it, every line is held until it ends.
    """

    __slots__ = (
        "_goes_on", "_margin", "_max_line", "_parts", "_seam", "_tail", "_take_part", "_taker", "held", "shown",
    )  # fmt: skip

    def __init__(
        self,
        max_line: int,
        taker: LineTaker,
        seam: Callable[[bytes, int], int] | None = None,
        margin: int = 0,
        take_part: Callable[[bytes], None] | None = None,
    ) -> None:
        self._max_line = max_line
        self._taker = taker
        self._seam = seam
        self._margin = margin
        self._take_part = take_part
        self._tail = b""
        self._parts: list[bytes] = []
        """What has come of a line since `_tail`, to be joined only once."""
        self.held = 0
        """Bytes in `_tail` and `_parts`: a line without its newline yet, as far as it was not shown."""
        self.shown = 0
        """Bytes of that line that have left already (`show`)."""
        self._goes_on = False
        """Whether what is held is the rest of a line of which pieces have left already."""

    def feed(self, data: bytes) -> None:
        """Pass on the lines that `data` completes; keep what has no newline yet."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._parts.append(data)
            self.held += len(data)
        elif self._goes_on or self.shown or (self.held + end > self._max_line and self._has_long_line(data, end)):
            self._feed_carefully(data, end)
        else:
            self._taker.lines(self._join() if self._parts else self._tail, data, end)
            self._tail = data[end:]
            self.held = len(self._tail)
        if self.shown + self.held > self._max_line + self._margin:
            self._keep(self._cut(self._join(), self._margin))

    def show(self) -> None:
        """Pass on what has come of a line that has not ended."""
        if self.held and self._take_part is not None:
            text = self._join()
            self.shown += len(text)
            self._take_part(text)

    def finish(self) -> None:
        """Pass on the last line, which had no newline."""
        if self.held or self._goes_on or self.shown:
            self._end_line(self._join())

    def take(self) -> bytes:
        """Return the beginning of a line that is not complete, and forget it here."""
        self._goes_on = False
        return self._join()

    def _has_long_line(self, data: bytes, end: int) -> bool:
        """Return whether a line of what is held and `data[:end]` is too long; looks at few positions only."""
        at = -self.held
        while end - at > self._max_line + 1:
            newline = data.rfind(b"\n", max(at, 0), max(at + self._max_line + 1, 0))
            if newline < 0:
                return True
            at = newline + 1
        return False

    def _feed_carefully(self, data: bytes, end: int) -> None:
        """Pass on the rest of a line that has begun, long lines in pieces, and all others in whole blocks."""
        at = start = data.find(b"\n") + 1
        self._end_line(self._join() + data[: at - 1])
        while end - at > self._max_line + 1:
            newline = data.rfind(b"\n", at, at + self._max_line + 1)
            if newline >= 0:
                at = newline + 1
                continue
            self._take_block(data[start:at])
            newline = data.find(b"\n", at)
            self._end_line(data[at:newline])
            at = start = newline + 1
        self._take_block(data[start:end])
        self._keep(data[end:])

    def _take_block(self, block: bytes) -> None:
        if block:
            self._taker.lines(b"", block, len(block))

    def _end_line(self, line: bytes) -> None:
        """Pass on a line whose end has come."""
        rest = self._cut(line, 0) if self.shown + len(line) > self._max_line else line
        self.shown = 0
        if self._goes_on:
            self._goes_on = False
            self._taker.piece(rest, False)
        else:
            self._taker.lines(rest, b"\n", 1)

    def _cut(self, line: bytes, margin: int) -> bytes:
        """Pass on pieces of a line that is too long; return its rest, which is short enough."""
        start = 0
        while self.shown + len(line) - start > self._max_line + margin:
            size = self._max_line - self.shown
            stop = start + size
            if self._seam is not None:
                stop = start + self._seam(line[start : stop + self._margin], size)
            self._goes_on = True
            self.shown = 0
            self._taker.piece(line[start:stop], True)
            start = stop
        return line[start:]

    def _join(self) -> bytes:
        """Return what was held, and forget it here."""
        line = b"".join((self._tail, *self._parts))
        self._keep(b"")
        return line

    def _keep(self, tail: bytes) -> None:
        self._tail = tail
        self._parts.clear()
        self.held = len(tail)
