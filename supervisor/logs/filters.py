"""What happens to lines before they are written: secrets are removed, lines that belong together are joined."""

from __future__ import annotations

from supervisor.logs.patterns import Budget, LinePattern, OutOfTime, TooSlow, which_match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
    """What must not be shown. Each pattern sees one line at a time.

    A line that cannot be searched in time is a secret as a whole.
    """

    def __init__(self, expressions: Sequence[str], budget: Budget) -> None:
        self._patterns = [LinePattern(expression) for expression in expressions]
        self._budget = budget
        self._hidden = 0
        """How many of the next pieces of a long line are secrets as a whole."""

    def redact(self, lines: bytes) -> bytes:
        if self._hidden:
            self._hidden -= 1
            self._budget.note_slow(1)
            return REDACTED.encode()
        texts, done = _decode(lines).split("\n"), list[str]()
        slow = 0
        try:
            with self._budget:
                for text in texts:
                    try:
                        line = text
                        for pattern in self._patterns:
                            line = pattern.replace(line, REDACTED)
                    except TooSlow:
                        line = REDACTED
                        slow += 1
                    done.append(line)
        except OutOfTime:
            pass
        missing = len(texts) - len(done)
        if slow or missing:
            self._budget.note_slow(slow + missing)
        return "\n".join((*done, *([REDACTED] * missing))).encode(*ANY_BYTES)

    def seam(self, line: bytes, at: int) -> int:
        """Return where to cut a line instead of `at`, so that no match is cut in two."""
        begin = max(0, at - REDACT_MARGIN)
        text = _decode(line[begin : at + REDACT_MARGIN])
        try:
            with self._budget:
                return begin + self._seam_of(text, at - begin)
        except (TooSlow, OutOfTime):
            self._hidden = 2  # the piece before the cut, and the one after it
            return at

    def _seam_of(self, text: str, at: int) -> int:
        for pattern in self._patterns:
            for span in pattern.spans(text):
                start, end = (len(text[:position].encode(*ANY_BYTES)) for position in span)
                if start < at < end:
                    at = start or end
        return at


class Redactor:
    """Replace secrets. `keep` gets everything that leaves, as one stream.

    It takes no part of a line: a pattern has to see the whole line.
    """

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
    """Join lines to messages: a line that matches begins a message, a line that does not belongs to the one before.

    A message longer than `max_size` leaves in several. The pipe calls `flush` after `JOIN_PATIENCE`. A line that cannot
    be searched in time belongs to the one before.
    """

    def __init__(self, expression: str, max_size: int, taker: MessageTaker, budget: Budget) -> None:
        self.patience = JOIN_PATIENCE
        self._pattern = LinePattern(expression)
        self._budget = budget
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
        begins = which_match(self._pattern, [_decode(line) for line in lines], self._budget)
        for line, is_first in zip(lines, begins, strict=True):
            if self._held and (is_first or self._size + len(line) > self._max_size):
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
