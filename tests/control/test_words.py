"""Durations, dates and amounts: as people write and read them."""

from __future__ import annotations

import pytest

from supervisor.control.clock import Clock, rfc3339
from supervisor.control.http.message import RequestError
from supervisor.control.resources.span import short_size, short_time
from supervisor.control.resources.waiting import read_timeout


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("90", 90), (90, 90), (1.5, 1.5), ("500ms", 0.5), ("1m30s", 90), ("1d", 86400), (" 3s ", 3), (0, 0), (None, None)],
)
def test_durations(value: object, seconds: float | None) -> None:
    assert read_timeout(value) == seconds


@pytest.mark.parametrize(
    "value", ["", "s", "1x", -1, "1.2.3s", "1e3", float("inf"), float("nan"), "1 m", "٣s", 999999999999, True, [], {}]
)
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(RequestError, match="cannot read the duration") as refused:
        read_timeout(value)
    assert (refused.value.status, refused.value.code) == (400, "invalid_duration")


def test_dates_are_rfc_3339_in_utc() -> None:
    assert rfc3339(1795255200.1239) == "2026-11-21T10:00:00.123Z"


def test_the_same_moment_has_one_date() -> None:
    clock = Clock()
    at = clock.now()
    assert len({clock.date(at) for _ in range(1000)}) == 1
    assert clock.date(None) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (-1, "0.0s"), (9.99, "9.9s"), (59.9, "59s"), (185, "3m05s"), (3720, "1h02m"), (1047600, "12d03h")],
)
def test_times_have_two_units_at_most(seconds: float, text: str) -> None:
    assert short_time(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (1023, "1023"), (1536, "1.5K"), (57 * 1024**2, "57M"), (5 * 1024**4, "5.0T")]
)
def test_sizes_are_short(count: int, text: str) -> None:
    assert short_size(count) == text
