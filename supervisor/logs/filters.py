"""What is done to lines before they are written: secrets are blacked out, lines that belong together are joined."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from re import Pattern
    from typing import Protocol

    from supervisor.logs.lines import Taker

    class MessageTaker(Taker, Protocol):
        def message(self, text: bytes) -> None:
            """Take several lines that belong together, the last of them without its newline."""


ANY_BYTES = "utf-8", "surrogateescape"
"""How any line becomes text, and the same bytes again."""
REDACTED = "[redacted]"
REDACT_MARGIN = 4096
"""Bytes beyond the place where a long line is cut that are looked at: no secret up to that long is cut in two."""
JOIN_PATIENCE = 0.5
"""Seconds of silence after which a message of several lines is taken to be complete."""


class Secrets:
    """What must not be seen. A pattern looks at one line at a time and cannot reach beyond it."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [_compile(pattern) for pattern in patterns]

    def redact(self, lines: bytes) -> bytes:
        text = _decode(lines)
        return "\n".join([self._redact_line(line) for line in text.split("\n")]).encode(*ANY_BYTES)

    def seam(self, line: bytes, at: int) -> int:
        """Return where to cut a line instead of `at`, so that no match is cut in two."""
        text = _decode(line)
        for pattern in self._patterns:
            for match in pattern.finditer(text):
                start, end = (len(text[:place].encode(*ANY_BYTES)) for place in match.span())
                if start < at < end:
                    at = start or end
        return at

    def _redact_line(self, line: str) -> str:
        for pattern in self._patterns:
            line = pattern.sub(REDACTED, line)
        return line


class Redactor:
    """Blacks out secrets. `keep` gets everything that leaves, as the stream that it is."""

    def __init__(self, secrets: Secrets, keep: Callable[[bytes], None], taker: Taker) -> None:
        self._redact = secrets.redact
        self._keep = keep
        self._taker = taker

    def lines(self, head: bytes, data: bytes, end: int) -> None:
        block = self._redact(head + data[: end - 1]) + b"\n"
        self._keep(block)
        self._taker.lines(b"", block, len(block))

    def piece(self, text: bytes, goes_on: bool) -> None:
        piece = self._redact(text)
        self._keep(piece if goes_on else piece + b"\n")
        self._taker.piece(piece, goes_on)


class Joiner:
    """Join lines to messages: each line that matches begins one, those that do not match belong to the one before.

    A message longer than `max_size` leaves in several. Whoever feeds it calls `flush` once `JOIN_PATIENCE` is over.
    """

    def __init__(self, pattern: str, max_size: int, taker: MessageTaker) -> None:
        self._begins = _compile(pattern).search
        self._max_size = max_size
        self._taker = taker
        self._held: list[bytes] = []
        self._size = 0

    @property
    def is_holding(self) -> bool:
        return bool(self._held)

    def lines(self, head: bytes, data: bytes, end: int) -> None:
        for line in (head + data[: end - 1]).split(b"\n"):
            if self._held and (self._size + len(line) > self._max_size or self._begins(_decode(line))):
                self.flush()
            self._held.append(line)
            self._size += len(line) + 1

    def piece(self, text: bytes, goes_on: bool) -> None:
        self.flush()
        self._taker.piece(text, goes_on)

    def flush(self) -> None:
        """Let go what is held."""
        held, self._held, self._size = self._held, [], 0
        if len(held) == 1:
            self._taker.lines(held[0], b"\n", 1)
        elif held:
            self._taker.message(b"\n".join(held))


def _decode(line: bytes) -> str:
    return line.decode(*ANY_BYTES)


def _compile(pattern: str) -> Pattern[str]:
    import re  # only where there are patterns: it takes 5 ms, and the first program waits for that

    return re.compile(pattern)
