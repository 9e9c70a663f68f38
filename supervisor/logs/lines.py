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

CUT = b" [cut]"
"""What follows a piece of a line that goes on."""


class Lines:
    """Cut one stream into lines."""

    def __init__(self, settings: LogSettings, program: str, instance: int, label: str, stream: str) -> None:
        self._tail = b""
        self._max_line = settings.max_line
        self._format: Callable[[bytes], bytes]
        match settings.mode:
            case LogMode.PREFIX:
                self._format = _prefixer(label)
            case LogMode.JSON:
                self._format = _json_writer(program, instance, stream)
            case _:
                self._format = bytes

    def feed(self, data: bytes) -> bytes:
        """Return the lines that `data` completes, formatted; keep what has no newline yet."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._tail += data
            return self._cut_tail()
        block = self._tail + data[:end]
        self._tail = data[end:]
        if len(block) > self._max_line:
            block = b"".join(_cut(line, self._max_line) + b"\n" for line in block[:-1].split(b"\n"))
        return self._format(block) + self._cut_tail()

    def finish(self) -> bytes:
        """Return the last line, which had no newline, with one."""
        tail, self._tail = self._tail, b""
        return self._format(tail + b"\n") if tail else b""

    def _cut_tail(self) -> bytes:
        """Let go of a line that has grown too long before its end came."""
        if len(self._tail) <= self._max_line:
            return b""
        pieces = _cut(self._tail, self._max_line)
        end = pieces.rfind(b"\n") + 1
        self._tail = pieces[end:]
        return self._format(pieces[:end])


def _cut(line: bytes, size: int) -> bytes:
    """Cut a line into pieces of `size` bytes, each on a line of its own."""
    if len(line) <= size:
        return line
    return (CUT + b"\n").join(line[start : start + size] for start in range(0, len(line), size))


def _prefixer(label: str) -> Callable[[bytes], bytes]:
    prefix = label.encode() + b" | "
    separator = b"\n" + prefix
    return lambda block: prefix + block[:-1].replace(b"\n", separator) + b"\n"


def _json_writer(program: str, instance: int, stream: str) -> Callable[[bytes], bytes]:
    """As CONTRACT: a line that is itself a JSON object is embedded as `data`, any other is the `message`."""
    import json
    from time import time

    from supervisor.logs.clock import rfc3339

    def write(block: bytes) -> bytes:
        head = {"time": rfc3339(time()), "program": program, "instance": instance, "stream": stream}
        return b"".join(json.dumps(head | body(line)).encode() + b"\n" for line in block[:-1].split(b"\n"))

    def body(line: bytes) -> dict[str, object]:
        if line.endswith(CUT):
            return {"message": line.removesuffix(CUT).decode(errors="replace"), "cut": True}
        if line.startswith(b"{"):
            try:
                return {"data": json.loads(line)}
            except ValueError:
                pass
        return {"message": line.decode(errors="replace")}

    return write
