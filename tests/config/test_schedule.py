"""`schedule`: what is written, and what is wrong with it."""

from __future__ import annotations

import pytest

from supervisor.core.program import ProgramType, Restart, RestartWhen, ShutdownOn
from supervisor.core.schedule import Schedule

from .documents import problems_of, program_of

ONESHOT = "type: oneshot"


@pytest.mark.parametrize(
    ("written", "schedule"),
    [
        ("{interval: 10m}", Schedule(interval=600.0)),
        (
            "{interval: 100ms, run_on_start: true, max_concurrent: 3, starting_deadline: 1m}",
            Schedule(interval=0.1, run_on_start=True, max_concurrent=3, starting_deadline=60.0),
        ),
        ('{cron: "*/5 * * * *", starting_deadline: null}', Schedule(cron="*/5 * * * *")),
        ('{cron: "@daily", timezone: Europe/Berlin}', Schedule(cron="0 0 * * *", timezone="Europe/Berlin")),
    ],
)
def test_what_a_schedule_may_be(written: str, schedule: Schedule) -> None:
    if schedule.cron is not None:
        pytest.importorskip("cronsim")
    assert program_of(f"{ONESHOT}, schedule: {written}").schedule == schedule


def test_a_scheduled_oneshot_ends_nothing_and_has_a_place_for_each_run() -> None:
    web = program_of(f"{ONESHOT}, schedule: {{interval: 10m, max_concurrent: 3}}")
    assert (web.kind, web.scale, web.shutdown_on) == (ProgramType.ONESHOT, 3, ShutdownOn.NEVER)
    assert web.restart == Restart(RestartWhen.NEVER)


def test_what_is_written_beside_it_wins() -> None:
    web = program_of(f"{ONESHOT}, shutdown_on: failure, restart: on-failure:2, scale: 0, schedule: {{interval: 10m}}")
    assert (web.shutdown_on, web.scale) == (ShutdownOn.FAILURE, 0)
    assert web.restart == Restart(RestartWhen.ON_FAILURE, 2)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("schedule: {interval: 1m}", "schedule: cannot be used with type: service (allowed: type: oneshot)"),
        (f"{ONESHOT}, schedule: {{}}", "schedule: one of cron, interval is required"),
        (
            f"{ONESHOT}, schedule: {{interval: 1m, timezone: UTC}}",
            "schedule.timezone: cannot be used without cron",
        ),
        (
            f"{ONESHOT}, schedule: {{interval: 99ms}}",
            "schedule.interval: cannot be '99ms' (allowed: a duration of at least 100ms, such as 30s, 10m or 1h30m)",
        ),
        (
            f"{ONESHOT}, scale: 2, schedule: {{interval: 1m}}",
            "scale: cannot be more than 1 with a schedule (allowed: schedule.max_concurrent)",
        ),
        (
            f"{ONESHOT}, once: {{key: a, dir: /tmp}}, schedule: {{interval: 1m}}",
            "once: cannot be used together with schedule (allowed: one of the two)",
        ),
        (
            f"{ONESHOT}, stdin: inherit, schedule: {{interval: 1m}}",
            "schedule: cannot be used for the main program (stdin: inherit)",
        ),
    ],
)
def test_what_is_wrong_with_a_schedule(keys: str, problem: str) -> None:
    (found,) = problems_of(f"programs: {{web: {{command: nginx, {keys}}}}}")
    assert found.partition(": programs.web.")[2] == problem


def test_the_field_of_a_cron_expression_that_is_wrong_is_named_with_its_place() -> None:
    pytest.importorskip("cronsim")
    document = """\
        programs:
          web:
            command: nginx
            type: oneshot
            schedule: {cron: "0 25 * * *", timezone: Mars/Phobos}
        """
    assert problems_of(document) == [
        "5:22: programs.web.schedule.cron: the hour field cannot be 25 (0-23; lists, ranges and steps of them)",
        "5:46: programs.web.schedule.timezone: unknown time zone 'Mars/Phobos'",
    ]
