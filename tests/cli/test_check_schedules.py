"""`supinit --check` prints the next three runs of each schedule."""

from __future__ import annotations

import pytest

from supervisor.cli.check_schedules import describe_schedules
from supervisor.core.plan import make_plan
from supervisor.core.program import Program, ProgramType, Settings, Table
from supervisor.core.schedule import Schedule


def lines(**schedules: Schedule) -> list[str]:
    programs = tuple(Program(n, ("true",), ProgramType.ONESHOT, schedule=s) for n, s in schedules.items())
    plan = make_plan(Table(Settings(), (*programs, Program("web", ("nginx",)))))
    return list(describe_schedules(plan, now=1_800_000_000.7))


def test_the_next_runs_of_an_interval_count_from_the_start() -> None:
    assert lines(job=Schedule(interval=600.0), now=Schedule(interval=90.0, run_on_start=True)) == [
        "next runs, from 2027-01-15 08:00:00+00:00:",
        "  job  every 10m: 10m after the start, 20m after the start, 30m after the start",
        "  now  every 90s: at the start, 90s after the start, 3m after the start",
    ]


def test_the_next_runs_of_a_cron_expression_are_in_its_time_zone() -> None:
    pytest.importorskip("cronsim")
    assert lines(job=Schedule(cron="0 3 * * 7", timezone="Europe/Berlin"))[1:] == [
        "  job  0 3 * * 7 (Europe/Berlin): 2027-01-17 03:00:00+01:00, 2027-01-24 03:00:00+01:00,"
        " 2027-01-31 03:00:00+01:00"
    ]
