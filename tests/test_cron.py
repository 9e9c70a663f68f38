"""Cron expressions and time zones, in seconds since the epoch."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("cronsim")  # an extra, which need not be installed

from supervisor.cron import MAX_COUNT, count_times, find_zone, parse_cron, times_after

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def runs(expression: str, since: float, count: int, zone: str = "Europe/Berlin") -> list[str]:
    times = islice(times_after(expression, zone, since), count)
    return [datetime.fromtimestamp(time, ZoneInfo(zone)).isoformat()[5:] for time in times]


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("*/5 * * * *", "*/5 * * * *"),
        ("  0   3 * jan  mon-fri ", "0 3 * jan mon-fri"),
        ("*/10 * * * * *", "*/10 * * * * *"),
        ("@daily", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
        ("0 0 L * *", "0 0 L * *"),
        ("0 0 * * FRI#2", "0 0 * * FRI#2"),
    ],
)
def test_what_an_expression_may_be(text: str, expression: str) -> None:
    assert parse_cron(text) == expression


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("61 * * * *", "the minute field cannot be 61 (0-59; lists, ranges and steps of them)"),
        ("* 24 * * *", "the hour field cannot be 24 (0-23; lists, ranges and steps of them)"),
        ("* * 0 * *", "the day-of-month field cannot be 0 (1-31, L or LW; lists, ranges and steps of them)"),
        ("* * * FOO *", "the month field cannot be FOO (1-12 or JAN-DEC; lists, ranges and steps of them)"),
        ("* * * * 8", "the day-of-week field cannot be 8 (0-7 or SUN-SAT; lists, ranges and steps of them)"),
        ("60 * * * * *", "the second field cannot be 60 (0-59; lists, ranges and steps of them)"),
        ("*/0 * * * *", "the minute field cannot be */0 (0-59; lists, ranges and steps of them)"),
        (
            "* * * * MON#2/3",
            "the day-of-week field cannot be MON#2/3 (0-7 or SUN-SAT; lists, ranges and steps of them)",
        ),
        ("* * * *", "it has 4 fields instead of 5, or 6 with seconds first"),
        ("", "it has 0 fields instead of 5, or 6 with seconds first"),
        ("0 0 31 2 *", "it never occurs: no month has that day"),
        (
            "@dayly",
            "unknown nickname @dayly (@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly)",
        ),
        (
            "@reboot",
            "cannot be @reboot: write a oneshot without a schedule, or an interval with run_on_start: true",
        ),
    ],
)
def test_an_expression_that_is_wrong_names_the_field(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_cron(text)
    assert str(refusal.value) == reason


def test_a_time_zone_that_does_not_exist_has_a_suggestion() -> None:
    with pytest.raises(ValueError) as refusal:
        find_zone("Europe/Berln")
    assert str(refusal.value) == "unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"


@pytest.mark.parametrize("name", ["/etc/passwd", "../passwd", "Europe", "", "\0"])
def test_a_name_that_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        find_zone(name)


def _without(hidden: str, code: str) -> str:
    """Run code where a package cannot be imported and no directory has time zones. Return its output."""
    script = f"import sys; sys.modules[{hidden!r}] = None\n{code}"
    options = {"PYTHONTZPATH": "", "PYTHONPATH": str(Path(__file__).parent.parent)}
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=options, check=True)
    return answer.stdout.strip()


def test_without_a_time_zone_database_the_error_says_where_to_get_one() -> None:
    code = """
from supervisor.cron import find_zone
try: find_zone("Europe/Berlin")
except ValueError as error: print(error)
"""
    assert _without("tzdata", code) == (
        "cannot look up 'Europe/Berlin': there is no time zone database; install tzdata (apt-get install tzdata,"
        " apk add tzdata) or supinit[schedule], which brings it"
    )


def test_utc_needs_no_time_zone_database() -> None:
    code = "from supervisor.cron import parse_cron, times_after; print(next(times_after('0 0 * * *', 'UTC', 0.0)))"
    assert _without("zoneinfo", code) == "86400.0"


def test_without_cronsim_the_error_names_the_extra() -> None:
    code = """
from supervisor.cron import parse_cron
try: parse_cron("* * * * *")
except ValueError as error: print(error)
"""
    wanted = "a cron expression needs the package cronsim: pip install 'supinit[schedule]'"
    assert _without("cronsim", code) == wanted


# ---- daylight saving time, as in Debian's cron(8)


def test_a_job_in_the_hour_that_does_not_exist_runs_after_it() -> None:
    assert runs("30 2 * * *", at("2026-03-28T12:00"), 2) == ["03-29T03:00:00+02:00", "03-30T02:30:00+02:00"]


def test_a_job_in_the_hour_that_comes_twice_runs_once() -> None:
    assert runs("30 2 * * *", at("2026-10-24T12:00"), 2) == ["10-25T02:30:00+02:00", "10-26T02:30:00+01:00"]


def test_a_job_that_has_run_in_the_first_of_two_hours_does_not_run_in_the_second() -> None:
    in_the_second = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=BERLIN).timestamp()
    assert runs("30 2 * * *", in_the_second, 1) == ["10-26T02:30:00+01:00"]


def test_a_job_of_every_half_hour_runs_in_both_of_the_two_hours() -> None:
    since = datetime(2026, 10, 25, 1, 45, tzinfo=BERLIN).timestamp()
    assert runs("*/30 * * * *", since, 5) == [
        "10-25T02:00:00+02:00",
        "10-25T02:30:00+02:00",
        "10-25T02:00:00+01:00",
        "10-25T02:30:00+01:00",
        "10-25T03:00:00+01:00",
    ]


# ---- counting


def test_times_that_have_passed_are_counted() -> None:
    assert count_times("*/5 * * * *", "UTC", 0.0, 1000.0) == (3, 900.0, 1200.0)


def test_a_time_is_due_at_its_very_moment() -> None:
    assert count_times("*/5 * * * *", "UTC", 0.0, 300.0) == (1, 300.0, 600.0)


def test_nothing_is_due_twice() -> None:
    assert count_times("*/5 * * * *", "UTC", 300.0, 599.9) == (0, None, 600.0)


def test_a_jump_of_years_is_not_counted_minute_by_minute() -> None:
    year = 365 * DAY
    assert count_times("* * * * *", "UTC", 0.0, 40 * year + 30.0) == (MAX_COUNT, 40 * year, 40 * year + MINUTE)
