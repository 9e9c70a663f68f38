"""Bytes of one stream of one process in, whole lines out.

Lines leave in blocks, each of which ends with a newline, as soon as their newline has come. A line longer than
`max_line` leaves in pieces. What takes them (a `Taker`) is another stage (filters.py) or writes them (delivery.py).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Taker(Protocol):
        def lines(self, head: bytes, data: bytes, end: int) -> None:
            """Take `head + data[:end]`: one or more whole lines, in two so that nobody copies them needlessly."""

        def piece(self, text: bytes, goes_on: bool) -> None:
            """Take a piece of a line that is too long, without a newline; the last piece does not go on."""


class Lines:
    """Cut one stream into lines.

    `seam` moves the place where a line is cut: it gets what is there of the line and the place, and returns one that is
    no further on. It sees `margin` bytes beyond the place, or the end of the line.
    """

    def __init__(
        self, max_line: int, taker: Taker, seam: Callable[[bytes, int], int] | None = None, margin: int = 0
    ) -> None:
        self._max_line = max_line
        self._taker = taker
        self._seam = seam
        self._margin = margin
        self._tail = b""
        self._parts: list[bytes] = []
        """What has come of a line since `_tail`, to be joined only once."""
        self._held = 0
        """Bytes in `_tail` and `_parts`."""
        self._goes_on = False
        """Whether what is held is the rest of a line of which pieces have left already."""

    def feed(self, data: bytes) -> None:
        """Let go the lines that `data` completes; keep what has no newline yet."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._parts.append(data)
            self._held += len(data)
        elif self._goes_on or (self._held + end > self._max_line and self._has_long_line(data, end)):
            self._feed_carefully(data, end)
        else:
            self._taker.lines(self._join() if self._parts else self._tail, data, end)
            self._tail = data[end:]
            self._held = len(self._tail)
        if self._held > self._max_line + self._margin:
            self._keep(self._cut(self._join(), self._margin))

    def finish(self) -> None:
        """Let go the last line, which had no newline."""
        if self._held or self._goes_on:
            self._end_line(self._join())

    def take(self) -> bytes:
        """Return what has come of a line that is not complete; it is forgotten here."""
        self._goes_on = False
        return self._join()

    def _has_long_line(self, data: bytes, end: int) -> bool:
        """Whether a line of what is held and `data[:end]` is too long; looks at few places of it only."""
        at = -self._held
        while end - at > self._max_line + 1:
            newline = data.rfind(b"\n", max(at, 0), max(at + self._max_line + 1, 0))
            if newline < 0:
                return True
            at = newline + 1
        return False

    def _feed_carefully(self, data: bytes, end: int) -> None:
        """Let go lines of which some are too long: those in pieces, and the others in whole blocks."""
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
        """Let go a line whose end has come."""
        rest = self._cut(line, 0) if len(line) > self._max_line else line
        if self._goes_on:
            self._goes_on = False
            self._taker.piece(rest, False)
        else:
            self._taker.lines(rest, b"\n", 1)

    def _cut(self, line: bytes, margin: int) -> bytes:
        """Let go pieces of a line that is too long; return its rest, which is short enough."""
        size, start = self._max_line, 0
        while len(line) - start > size + margin:
            stop = start + size
            if self._seam is not None:
                stop = start + self._seam(line[start : stop + self._margin], size)
            self._goes_on = True
            self._taker.piece(line[start:stop], True)
            start = stop
        return line[start:]

    def _join(self) -> bytes:
        """Return what was held; nothing is held any more."""
        line = b"".join((self._tail, *self._parts))
        self._keep(b"")
        return line

    def _keep(self, tail: bytes) -> None:
        self._tail = tail
        self._parts.clear()
        self._held = len(tail)
