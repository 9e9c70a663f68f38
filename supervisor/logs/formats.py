"""How a program's lines look in the output: prefixed with its name, as they are, or as JSON.

A format returns buffers that are written one after the other, so that a block of lines is copied as rarely as possible.
"""

from __future__ import annotations

from functools import cache
from time import time

from supervisor.core.wording import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    Buffers = Sequence[bytes | memoryview]

    class Format(Protocol):
        """Every result is whole lines, as is `head + data[:end]`; a piece and a message end without a newline."""

        prefix: bytes
        """What stands before a line that is shown before it has ended."""

        def lines(self, head: bytes, data: bytes, end: int) -> Buffers: ...

        def piece(self, text: bytes, goes_on: bool) -> Buffers: ...

        def message(self, text: bytes) -> Buffers:
            """Format several lines that belong together (`multiline`)."""

        def end_of_piece(self, goes_on: bool) -> bytes:
            """Return what follows a piece of which the beginning was already shown."""


CUT = b" [cut]"
"""What follows each piece of a long line but the last."""
RESET = "\x1b[0m"
COLORS = tuple(f"\x1b[{number}m" for number in (36, 33, 32, 35, 34, 96, 93, 92, 95, 94))
"""Not red, which is for errors."""


def prefix_of(label: str, is_colored: bool = False) -> bytes:
    """Return what stands before each line of a program. The colour follows from the name."""
    if is_colored:
        color = COLORS[sum(label.partition(":")[0].encode()) % len(COLORS)]
        return f"{color}{label} |{RESET} ".encode()
    return f"{label} | ".encode()


class PlainFormat:
    """Each line after the prefix, which may be empty."""

    __slots__ = ("_separator", "prefix")

    def __init__(self, prefix: bytes = b"") -> None:
        self.prefix = prefix
        self._separator = b"\n" + prefix

    def lines(self, head: bytes, data: bytes, end: int) -> Buffers:
        if not self.prefix:
            return (head, memoryview(data)[:end]) if head or end < len(data) else (data,)
        replaced = data.replace(b"\n", self._separator)
        # it ends with a prefix, and with the beginning of a line that is not complete
        surplus = len(self.prefix) + len(data) - end
        return self.prefix + head, memoryview(replaced)[:-surplus]

    def piece(self, text: bytes, goes_on: bool) -> Buffers:
        return self.prefix, text, self.end_of_piece(goes_on)

    def end_of_piece(self, goes_on: bool) -> bytes:
        return CUT + b"\n" if goes_on else b"\n"

    def message(self, text: bytes) -> Buffers:
        return self.lines(b"", text + b"\n", len(text) + 1)


class JsonFormat:
    """Each line as an object. A line that is itself a JSON object is embedded as `data`, any other is the `message`.

    Invalid UTF-8 becomes replacement characters; `note_invalid` gets their number. `now` is the wall clock. A line is
    never shown before it has ended.
    """

    prefix = b""

    def __init__(
        self,
        program: str,
        instance: int,
        stream: str,
        note_invalid: Callable[[int], None],
        now: Callable[[], float] = time,
        severity: str | None = None,
    ) -> None:
        from json import dumps

        self._who = f'", "program": {dumps(program)}, "instance": {instance}, "stream": "{stream}", '.encode()
        if severity is not None:
            self._who += f'"severity": "{severity}", '.encode()
        self._note_invalid = note_invalid
        self._now = now
        self._scan = _scanner()

    def lines(self, head: bytes, data: bytes, end: int) -> Buffers:
        block = self._valid(head + data[: end - 1])
        if b"{" in block and (block.startswith(b"{") or b"\n{" in block):
            return (self._each(block),)
        start = self._start() + b'"message": "'
        return start, _escape(block).replace(b"\n", b'"}\n' + start), b'"}\n'

    def piece(self, text: bytes, goes_on: bool) -> Buffers:
        mark = b'", "cut": true}\n' if goes_on else b'"}\n'
        return self._start(), b'"message": "', _escape(self._valid(text)), mark

    def message(self, text: bytes) -> Buffers:
        escaped = _escape(self._valid(text)).replace(b"\n", b"\\n")
        return self._start(), b'"message": "', escaped, b'"}\n'

    def end_of_piece(self, goes_on: bool) -> bytes:
        return b"\n"

    def _each(self, block: bytes) -> bytes:
        """Check each line that may be an object; the lines between two of them are one block."""
        start, at = self._start(), 0
        written: list[bytes] = []
        while at <= len(block):
            may_be_object = block.startswith(b"{", at)
            end = block.find(b"\n" if may_be_object else b"\n{", at)
            part = block[at : end if end >= 0 else len(block)]
            if may_be_object and self._is_object(part):
                written += (start, b'"data": ', part.rstrip(), b"}\n")
            else:
                begin = start + b'"message": "'
                written += (begin, _escape(part).replace(b"\n", b'"}\n' + begin), b'"}\n')
            at += len(part) + 1
        return b"".join(written)

    def _is_object(self, line: bytes) -> bool:
        text = line.decode()
        try:
            _, end = self._scan(text, 0)
        except (ValueError, StopIteration, RecursionError):  # not JSON, or nested too deeply
            return False
        return not text[end:].strip(" \t\r")

    def _start(self) -> bytes:
        return b'{"time": "%b%b' % (rfc3339(self._now()).encode(), self._who)

    def _valid(self, text: bytes) -> bytes:
        if text.isascii():
            return text
        try:
            text.decode()
        except UnicodeDecodeError:
            repaired = text.decode(errors="replace")
            self._note_invalid(repaired.count("\ufffd") - text.count("\ufffd".encode()))
            return repaired.encode()
        return text


_ESCAPES = (
    (b"\\", b"\\\\"),
    (b'"', b'\\"'),
    (b"\t", b"\\t"),
    (b"\r", b"\\r"),
    *((bytes((code,)), b"\\u%04x" % code) for code in range(32) if code not in b"\n\t\r"),
)


_SPECIAL = b"".join(special for special, _ in _ESCAPES)
_SHORT = 8 * 1024


def _escape(text: bytes) -> bytes:
    """Escape valid UTF-8 for a JSON string, except newlines.

    For a short text, one pass mostly shows that there is nothing to do. For a long one, searching each byte is faster.
    """
    if len(text) < _SHORT and len(text.translate(None, _SPECIAL)) == len(text):
        return text
    for special, escaped in _ESCAPES:
        if special in text:
            text = text.replace(special, escaped)
    return text


@cache
def _scanner() -> Callable[[str, int], tuple[object, int]]:
    """Return a function that reads one JSON value and returns where it ends. It raises ValueError or StopIteration."""
    from json.decoder import JSONDecoder

    scan: Callable[[str, int], tuple[object, int]]
    scan = JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]  # the stub lacks it
    return scan


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
