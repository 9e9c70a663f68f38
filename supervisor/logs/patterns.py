"""Search lines for an operator's regular expressions in bounded time, since Python's engine may backtrack for ever.

Rule 1: a block of lines has a budget of CPU time, which a timer measures. When it is spent, `OutOfTime` interrupts
whatever is being searched: the engine checks for signals within an attempt to match.
Rule 2: many short attempts, one at each position, are not interrupted, since the engine does not check for signals
between them. So a long line is searched in windows, and a window only if samples of it are fast enough (`TooSlow` if
not): the cost of such a pattern grows with the square of the length.

The caller decides what becomes of a line that could not be searched. In a line that is longer than WINDOW, a match that
needs more than OVERLAP characters may be missed.
"""

from __future__ import annotations

from signal import ITIMER_VIRTUAL, SIG_DFL, SIGVTALRM, setitimer, signal
from time import thread_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from re import Match
    from types import FrameType, TracebackType

PIECE = 1024
"""Characters in a sample. The slowest pattern that cannot be interrupted takes about 3 ms for so many."""
WINDOW = 8 * PIECE
OVERLAP = WINDOW // 2
BUDGET = 0.015
"""Seconds of CPU time for one block of lines."""
TICK = 0.005
"""Seconds of CPU time (user) between two looks at the budget."""
SLOW_SAMPLE = 0.0003
"""Seconds of CPU time for a sample that make its window too slow: 64 times as much would be 20 ms."""


class TooSlow(Exception):
    """One line cannot be searched in time."""


class OutOfTime(Exception):
    """The budget of a block of lines is spent."""


class Budget:
    """The CPU time for what is read at a time. Within it, OutOfTime is raised anywhere, once.

    `note_slow` gets the number of lines that could not be searched in time.
    """

    def __init__(self, note_slow: Callable[[int], None] = lambda _: None) -> None:
        self.note_slow = note_slow
        self._left = BUDGET
        self._begin = 0.0
        self._is_armed = False
        self._before: Callable[[int, FrameType | None], object] | int | None = None

    def renew(self) -> None:
        """Begin with the next block of lines."""
        self._left = BUDGET

    def __enter__(self) -> None:
        if self._left <= 0:
            raise OutOfTime
        self._begin = thread_time()
        self._before = signal(SIGVTALRM, self._check)
        self._is_armed = True
        setitimer(ITIMER_VIRTUAL, TICK, TICK)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._disarm()

    def _disarm(self) -> None:
        self._is_armed = False
        self._left -= thread_time() - self._begin
        setitimer(ITIMER_VIRTUAL, 0)
        signal(SIGVTALRM, SIG_DFL if self._before is None else self._before)

    def _check(self, _signal: int, _frame: FrameType | None) -> None:
        if self._is_armed and thread_time() - self._begin > self._left:
            self._disarm()  # here, since __exit__ itself may be interrupted before it does
            raise OutOfTime


class LinePattern:
    """One regular expression, which sees one line at a time."""

    def __init__(self, expression: str) -> None:
        from re import compile  # only if there are patterns: it takes 5 ms, for which the first program would wait

        self._pattern = compile(expression)

    def spans(self, line: str) -> Iterator[tuple[int, int]]:
        """Yield the start and the end of each match. Raises TooSlow."""
        size, at = len(line), 0
        while True:
            end = min(at + WINDOW, size)
            self._sample(line, at, end)
            for candidate in self._pattern.finditer(line, at, end):
                match = self._verified(candidate, line, end)
                if match is not None and match.end() > match.start():
                    yield match.span()
                    at = match.end()
            if end >= size:
                return
            at = max(at, end - OVERLAP)

    def replace(self, line: str, text: str) -> str:
        """Return the line with `text` in the place of each match. Raises TooSlow."""
        if len(line) <= PIECE:
            return self._pattern.sub(text, line)
        found, at = list[str](), 0
        for start, end in self.spans(line):
            found += (line[at:start], text)
            at = end
        return "".join((*found, line[at:])) if found else line

    def matches(self, line: str) -> bool:
        """Return whether the line has a match. Raises TooSlow."""
        if len(line) <= PIECE:
            return self._pattern.search(line) is not None
        at, size = 0, len(line)
        while True:
            end = min(at + WINDOW, size)
            self._sample(line, at, end)
            candidate = self._pattern.search(line, at, end)
            match = candidate and self._verified(candidate, line, end)
            if match or end >= size:
                return match is not None
            at = end - OVERLAP

    def _verified(self, match: Match[str], line: str, end: int) -> Match[str] | None:
        """Return a match in a window as it is in the whole line: longer than the window, or none."""
        return self._pattern.match(line, match.start()) if match.end() == end < len(line) else match

    def _sample(self, line: str, at: int, end: int) -> None:
        """Raise TooSlow if the search from `at` to `end` would take too long."""
        if end - at <= PIECE:
            return
        for start in range(at, end, PIECE):
            stop = min(start + PIECE, end)
            if self._cost(line, start, stop) > SLOW_SAMPLE and self._cost(line, start, stop) > SLOW_SAMPLE:
                raise TooSlow

    def _cost(self, line: str, at: int, end: int) -> float:
        begin = thread_time()
        for _ in self._pattern.finditer(line, at, end):
            pass
        return thread_time() - begin


def which_match(pattern: LinePattern, lines: Sequence[str], budget: Budget) -> list[bool]:
    """Return for each line whether it has a match. One that cannot be searched in time has none, and is counted."""
    found, slow = list[bool](), 0
    try:
        with budget:
            for line in lines:
                try:
                    is_match = pattern.matches(line)
                except TooSlow:
                    is_match = False
                    slow += 1
                found.append(is_match)
    except OutOfTime:
        pass
    missing = len(lines) - len(found)
    if slow or missing:
        budget.note_slow(slow + missing)
    return found + [False] * missing
