"""What happens to lines before they are written: secrets are removed, lines that belong together are joined."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from re import Pattern
    from typing import Protocol

    from supervisor.logs.lines import Taker

    class MessageTaker(Taker, Protocol):
        def message(self, text: bytes) -> None:
            """Take several lines that belong together; the last one has no newline."""


ANY_BYTES = "utf-8", "surrogateescape"
"""Any line becomes text with these, and the same bytes again."""
REDACTED = "[redacted]"
REDACT_MARGIN = 4096
"""Bytes that are searched beyond the position where a long line is cut: no secret up to that long is cut in two."""
JOIN_PATIENCE = 0.5
"""Seconds of silence after which a message of several lines counts as complete."""


class Secrets:
    """What must not be shown. Each pattern sees one line at a time."""

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
    """Replace secrets. `keep` gets everything that leaves, as one stream."""

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

    def part(self, text: bytes) -> None:
        """Never called: a pattern has to see the whole line (Pipe)."""
        raise NotImplementedError


class Joiner:
    """Join lines to messages: a line that matches begins a message, a line that does not belongs to the one before.

    A message longer than `max_size` leaves in several. The pipe calls `flush` after `JOIN_PATIENCE`.
    """

    def __init__(self, pattern: str, max_size: int, taker: MessageTaker) -> None:
        self._begins = _compile(pattern).search
        self._max_size = max_size
        self._taker = taker
        self._held: list[bytes] = []
        self._size = 0
        self._has_begun = False
        """Whether the beginning of the next line has been passed on."""

    @property
    def is_holding(self) -> bool:
        return bool(self._held)

    def lines(self, head: bytes, data: bytes, end: int) -> None:
        lines = (head + data[: end - 1]).split(b"\n")
        if self._has_begun:
            self._has_begun = False
            self._taker.lines(lines.pop(0), b"\n", 1)
        for line in lines:
            if self._held and (self._size + len(line) > self._max_size or self._begins(_decode(line))):
                self.flush()
            self._held.append(line)
            self._size += len(line) + 1

    def piece(self, text: bytes, goes_on: bool) -> None:
        self.flush()
        self._has_begun = False
        self._taker.piece(text, goes_on)

    def part(self, text: bytes) -> None:
        self.flush()
        self._has_begun = True
        self._taker.part(text)

    def flush(self) -> None:
        """Pass on what is held."""
        held, self._held, self._size = self._held, [], 0
        if len(held) == 1:
            self._taker.lines(held[0], b"\n", 1)
        elif held:
            self._taker.message(b"\n".join(held))


def _decode(line: bytes) -> str:
    return line.decode(*ANY_BYTES)


def _compile(pattern: str) -> Pattern[str]:
    import re  # only if there are patterns: it takes 5 ms, for which the first program would wait

    return re.compile(pattern)
