"""Patterns that backtrack for ever, and lines that make them do it."""

from __future__ import annotations

import re
import signal
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.logs.filters import Joiner, Secrets
from supervisor.logs.patterns import OVERLAP, PIECE, WINDOW, Budget, LinePattern, OutOfTime, TooSlow, which_match

from .test_filters import Joining

LIMIT = 0.2
"""Seconds of CPU time; the budget is less than a tenth of it, and a loaded machine is slower."""
EVIL = {
    "quadratic": (r"[\w.+-]+@[\w.]+", "a" * 60_000),
    "quadratic_short": (r"[\w.+-]+@[\w.]+", "a" * PIECE),
    "exponential": (r"(a+)+b", "a" * 40),
    "exponential_end": (r"(\w+\s?)*$", "a" * 40 + "!"),
    "cubic": (r".*.*=.*x", "a" * 4096),
    "polynomial": (r"a*a*a*a*b", "a" * PIECE),
    "nested": (r"(.*?,){10}z", "," * 300),
}
evil = pytest.mark.parametrize(("pattern", "line"), EVIL.values(), ids=EVIL)


class Watch:
    """Measures CPU time."""

    def __init__(self) -> None:
        self._begin = time.thread_time()

    def assert_short(self) -> None:
        assert time.thread_time() - self._begin < LIMIT


@evil
def test_no_pattern_holds_redaction_up_and_what_was_not_searched_is_hidden(pattern: str, line: str) -> None:
    slow: list[int] = []
    secrets = Secrets([pattern], Budget(slow.append))
    block = "\n".join([line] * 100).encode()
    watch = Watch()
    redacted = secrets.redact(block).decode().split("\n")
    watch.assert_short()
    assert len(redacted) == 100
    assert set(redacted) <= {line, "[redacted]"}
    assert redacted[-1] == "[redacted]"
    assert sum(slow) == redacted.count("[redacted]")


@evil
def test_no_pattern_holds_a_search_up_and_what_was_not_searched_does_not_match(pattern: str, line: str) -> None:
    slow: list[int] = []
    watch = Watch()
    assert which_match(LinePattern(pattern), [line] * 100, Budget(slow.append)) == [False] * 100
    watch.assert_short()
    assert 0 < sum(slow) <= 100


@evil
def test_no_pattern_holds_the_cutting_of_a_long_line_up(pattern: str, line: str) -> None:
    """Where the cut could not be checked, neither of its sides is shown."""
    secrets = Secrets([pattern], budget := Budget())
    text = (line * (2 * WINDOW // len(line) + 1)).encode()
    watch = Watch()
    at = secrets.seam(text, WINDOW)
    watch.assert_short()
    if at == WINDOW and secrets._hidden:
        budget.renew()
        assert [secrets.redact(b"before"), secrets.redact(b"after"), secrets.redact(b"next")][:2] == [b"[redacted]"] * 2


def test_a_budget_is_for_everything_that_is_read_at_a_time() -> None:
    """Once it is spent, nothing more is searched until the next block."""
    secrets = Secrets([r"(a+)+b"], budget := Budget())
    secrets.redact(b"a" * 40)
    assert secrets.redact(b"fine") == b"[redacted]"
    budget.renew()
    assert secrets.redact(b"fine") == b"fine"


def test_nothing_is_armed_after_a_search() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    which_match(LinePattern("a"), ["a"], Budget())
    which_match(LinePattern("(a+)+b"), ["a" * 40], Budget())
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGVTALRM) == before


def test_lines_after_a_slow_one_are_searched() -> None:
    """It is too slow by its samples, which cost little."""
    lines = ["x" * 3000, "a@b"]
    assert which_match(LinePattern(r"[\w.+-]+@[\w.]+"), lines, Budget()) == [False, True]


def test_a_usual_pattern_finds_its_matches_in_a_long_line() -> None:
    secret = "password=" + "x" * (OVERLAP - 9)
    for before in (0, 1, WINDOW - OVERLAP - 1, WINDOW - 5, WINDOW, 3 * WINDOW + 17):
        line = "." * before + secret + " " + "." * 20_000
        assert LinePattern(r"password=\S+").replace(line, "[redacted]") == "." * before + "[redacted] " + "." * 20_000
        assert LinePattern(r"password=\S+").matches(line)


def test_a_match_that_is_longer_than_a_window_is_found_whole() -> None:
    line = "." * 100 + "password=" + "x" * 5 * WINDOW + " rest"
    assert LinePattern(r"password=\S+").replace(line, "[redacted]") == "." * 100 + "[redacted] rest"


def test_the_end_of_a_window_is_not_the_end_of_the_line() -> None:
    line = "." * 5 * WINDOW
    assert LinePattern(r"\.$").replace(line, "!") == "." * (5 * WINDOW - 1) + "!"
    assert not LinePattern(r"x$").matches(line[:-1] + "xy")


PATTERNS = st.sampled_from([r"a+b", r"^a", r"b$", r"(?<=a)b", r"\bb+\b", r"a.{3}b", "ab|ba"])
TEXTS = st.lists(st.sampled_from("ab .") | st.integers(1, 2000).map(" ".__mul__), max_size=60).map("".join)


@settings(deadline=None)
@given(PATTERNS, TEXTS)
def test_a_line_in_windows_is_as_a_whole_line(pattern: str, line: str) -> None:
    assert LinePattern(pattern).replace(line, "!") == re.sub(pattern, "!", line)
    assert LinePattern(pattern).matches(line) == (re.search(pattern, line) is not None)


def test_errors_are_of_the_two_kinds() -> None:
    with pytest.raises(TooSlow):
        LinePattern(r"[\w.+-]+@").matches("a" * 60_000)
    with pytest.raises(OutOfTime), Budget():
        LinePattern("(a+)+b").matches("a" * 40)


def test_a_message_whose_lines_could_not_be_searched_stays_together() -> None:
    joining = Joining(r"(a+)+b|^Error", max_size=1000)
    assert isinstance(joining.joiner, Joiner)
    assert joining.feed(b"Error\n" + b"a" * 40 + b"\n") == []
