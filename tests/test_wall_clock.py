"""The wall clock of cron expressions."""

from __future__ import annotations

import select
import time

import pytest

from supervisor import wall_clock
from supervisor.core.container import ReadClock
from supervisor.core.schedule import Schedule
from supervisor.wall_clock import ClockWatch, read_clock

pytest.importorskip("cronsim")  # an extra, which need not be installed


def test_a_reading_has_the_time_and_the_next_run() -> None:
    setting, before = Schedule(cron="* * * * *"), time.time()
    reading = read_clock(ReadClock({"job": (setting, None)})).readings["job"]
    assert (reading.setting, reading.since, reading.count, reading.last) == (setting, None, 0, None)
    assert before <= reading.wall <= time.time()
    assert reading.next is not None
    assert (reading.next % 60.0, 0.0 < reading.next - before <= 61.0) == (0.0, True)


def test_a_reading_counts_what_was_due_since() -> None:
    setting, since = Schedule(cron="0 * * * *"), time.time() - 2 * 3600.0
    reading = read_clock(ReadClock({"job": (setting, since)})).readings["job"]
    assert (reading.count, reading.last) == (2, reading.wall // 3600.0 * 3600.0)


def test_what_the_kernel_says_can_be_heard_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that expires is as readable as one that is cancelled because the clock was set."""
    monkeypatch.setattr(wall_clock, "FAR_AHEAD", 1)
    watch = ClockWatch()
    for _ in range(2):
        assert select.select([watch], [], [], 10.0)[0] == [watch]
        watch.take()
    assert select.select([watch], [], [], 10.0)[0] == [watch]


def test_a_clock_that_nobody_sets_wakes_nobody() -> None:
    """That the timer is cancelled when somebody does is not shown: a test must not set the machine's clock."""
    watch = ClockWatch()
    assert select.select([watch], [], [], 0.0) == ([], [], [])
    watch.take()
    assert select.select([watch], [], [], 0.0) == ([], [], [])
