"""Bytes of one stream of one process in, whole lines with their program's name out.

Every line that leaves is complete, ends with a newline and is written at once, so lines of different programs never
mix. A line longer than `max_line` leaves in pieces, each but the last marked as cut.
"""

from __future__ import annotations

from supervisor.core.program import LogMode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.program import LogSettings

    FormatLines = Callable[[bytes], bytes]
    FormatPiece = Callable[[bytes, bool], bytes]

CUT = b" [cut]"
"""What follows a piece of a line that goes on."""


class Lines:
    """Cut one stream into lines."""

    def __init__(self, settings: LogSettings, program: str, instance: int, label: str, stream: str) -> None:
        self._tail = b""
        self._goes_on = False
        """Whether the tail is the rest of a line of which pieces have left already."""
        self._max_line = settings.max_line
        self._format: FormatLines
        self._format_piece: FormatPiece = self._mark_cut
        match settings.mode:
            case LogMode.PREFIX:
                self._format = _prefixer(label)
            case LogMode.JSON:
                self._format, self._format_piece = _json_writers(program, instance, stream)
            case _:
                self._format = bytes

    def feed(self, data: bytes) -> bytes:
        """Return the lines that `data` completes, formatted; keep what has no newline yet."""
        end = data.rfind(b"\n") + 1
        written = b""
        if end:
            block, self._tail = self._tail + data[:end], b""
            if self._goes_on or len(block) > self._max_line:
                written = b"".join(map(self._end_line, block[:-1].split(b"\n")))
            else:
                written = self._format(block)
        pieces, self._tail = self._let_go(self._tail + data[end:])
        return written + pieces

    def finish(self) -> bytes:
        """Return the last line, which had no newline, with one."""
        tail, self._tail = self._tail, b""
        return self._end_line(tail) if tail else b""

    def _end_line(self, line: bytes) -> bytes:
        pieces, rest = self._let_go(line)
        if not self._goes_on:
            return self._format(rest + b"\n")
        self._goes_on = False
        return pieces + self._format_piece(rest, False)

    def _let_go(self, line: bytes) -> tuple[bytes, bytes]:
        """Return the pieces of a line that is too long, formatted, and its rest, which is short enough."""
        size = self._max_line
        if len(line) <= size:
            return b"", line
        self._goes_on = True
        start = (len(line) - 1) // size * size
        return b"".join(self._format_piece(line[at : at + size], True) for at in range(0, start, size)), line[start:]

    def _mark_cut(self, piece: bytes, goes_on: bool) -> bytes:
        return self._format(piece + (CUT if goes_on else b"") + b"\n")


def _prefixer(label: str) -> FormatLines:
    prefix = label.encode() + b" | "
    separator = b"\n" + prefix
    return lambda block: prefix + block[:-1].replace(b"\n", separator) + b"\n"


def _json_writers(program: str, instance: int, stream: str) -> tuple[FormatLines, FormatPiece]:
    """A line that is itself a JSON object is embedded as it stands, any other is the `message`."""
    import json
    from time import time

    from supervisor.logs.clock import rfc3339

    def begin() -> str:
        head = {"time": rfc3339(time()), "program": program, "instance": instance, "stream": stream}
        return json.dumps(head)[:-1]

    def write(block: bytes) -> bytes:
        head = begin()
        return "".join(f"{head}, {body(line)}}}\n" for line in block[:-1].split(b"\n")).encode()

    def write_piece(piece: bytes, goes_on: bool) -> bytes:
        mark = ', "cut": true' if goes_on else ""
        return f"{begin()}, {message(piece)}{mark}}}\n".encode()

    def message(text: bytes) -> str:
        return f'"message": {json.dumps(text.decode(errors="replace"))}'

    def body(line: bytes) -> str:
        if line.startswith(b"{"):
            try:
                text = line.decode()
                json.loads(text, parse_constant=_refuse_constant)
                return f'"data": {text.rstrip()}'
            except (ValueError, RecursionError):  # no object, or one nested too deep to be looked at
                pass
        return message(line)

    return write, write_piece


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
