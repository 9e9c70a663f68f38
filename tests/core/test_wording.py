"""Dates, times, sizes and foreign text as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.quantities import parse_duration
from supervisor.core.wording import address_text, exact_time, printable, rfc3339, short_size, short_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1.5, "1970-01-01T00:00:01.500Z"),
        (59.9996, "1970-01-01T00:01:00.000Z"),
        (951_782_400.0, "2000-02-29T00:00:00.000Z"),
        (1795255200.1239, "2026-11-21T10:00:00.124Z"),
        (1769903999.123, "2026-01-31T23:59:59.123Z"),
    ],
)
def test_a_point_in_time_is_written_as_rfc_3339_in_utc(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


@given(st.integers(0, 4_102_444_800_000))
def test_the_date_of_every_millisecond_until_2100_is_that_of_the_standard_library(milliseconds: int) -> None:
    date = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
    assert rfc3339(milliseconds / 1000) == date.strftime("%Y-%m-%dT%H:%M:%S.") + f"{date.microsecond // 1000:03d}Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (-1, "0.0s"),
        (9.99, "9.9s"),
        (10.0, "10s"),
        (10.5, "10s"),
        (59.9, "59s"),
        (185, "3m05s"),
        (3720, "1h02m"),
        (1047600, "12d03h"),
    ],
)
def test_times_have_two_units_at_most(seconds: float, text: str) -> None:
    assert short_time(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "0.5s"),
        (3.0, "3s"),
        (90, "90s"),
        (119.5, "119.5s"),
        (120, "2m"),
        (120.5, "2m0.5s"),
        (5400, "1h30m"),
        (1209600, "14d"),
        (90061, "1d1h1m1s"),
    ],
)
def test_durations_of_the_table_are_written_in_full_and_can_be_read_back(seconds: float, text: str) -> None:
    assert exact_time(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (5, "5"),
        (1023, "1023"),
        (1024, "1.0K"),
        (1536, "1.5K"),
        (9 * 1024 + 512, "9.5K"),
        (10 * 1024, "10K"),
        (10 * 1024 + 512, "10K"),
        (57 * 1024**2, "57M"),
        (1023 * 1024**3, "1023G"),
        (5 * 1024**4, "5.0T"),
        (1000 * 1024**4, "1000.0T"),
    ],
)
def test_sizes_are_short(count: int, text: str) -> None:
    assert short_size(count) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("café ✓", "café ✓"), ("a\x1b[2Jb\rc\nd\x7f\u202ee", "a [2Jb c d  e"), ("", "")],
)
def test_what_a_terminal_would_act_on_becomes_a_space(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("century", range(1900, 2900, 100))
def test_the_date_of_the_days_around_the_end_of_a_month_is_that_of_the_standard_library(century: int) -> None:
    for year in range(century, century + 100):
        for month, day in ((2, 28), (12, 31), *((month, 1) for month in range(1, 13))):
            date = datetime(year, month, day, tzinfo=UTC)
            assert rfc3339(date.timestamp()) == date.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert (address_text("::1", 80), address_text("localhost", 80)) == ("[::1]:80", "localhost:80")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (59.9, "59s"),
        (60.0, "1m00s"),
        (3599.0, "59m59s"),
        (3600.0, "1h00m"),
        (43199.0, "11h59m"),
        (86399.0, "23h59m"),
        (86400.0, "1d00h"),
        (2 * 86400.0 - 3600.0, "1d23h"),
        (2 * 86400.0 - 1.0, "1d23h"),
        (90_000 * 86400.0 - 1.0, "89999d23h"),
        (90_000 * 86400.0 - 3600.0, "89999d23h"),
        (90_000 * 86400.0 + 7 * 3600.0, "90000d07h"),
    ],
)
def test_a_time_turns_to_the_next_unit_when_that_is_full(seconds: float, text: str) -> None:
    assert short_time(seconds) == text
