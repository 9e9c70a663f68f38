"""What the drill says about a run, from supinit's events."""

from __future__ import annotations

import pytest

from supervisor.cli.drill_report import Drill, failures_of, report
from supervisor.core.record import replace

EVENTS = (
    (0.1, {"event": "program.started", "name": "migrate", "pid": 2}),
    (0.1, {"event": "program.started", "name": "web", "instance": 1, "pid": 3}),
    (0.3, {"event": "program.exited", "name": "migrate", "code": 0}),
    (0.3, {"event": "program.completed", "name": "migrate"}),
    (1.1, {"event": "program.became_ready", "name": "web", "instance": 1}),
    (1.2, {"event": "container.became_ready"}),
    (1.3, {"event": "program.stop_begun", "name": "web", "instance": 1, "step": "SIGQUIT to its main"}),
    (1.8, {"event": "program.stop_continued", "name": "web", "instance": 1, "step": "SIGTERM to its group"}),
    (1.9, {"event": "program.exited", "name": "web", "instance": 1, "signal": "SIGTERM"}),
    (1.9, {"event": "program.stopped", "name": "web", "instance": 1}),
    (2.0, {"event": "container.ended", "code": 0, "cause": "asked"}),
)
FINE = Drill("t.yaml", EVENTS, ("web", "migrate"), up_after=1.2, stop_took=0.7, worst_case=15.0, code=0)


def with_event(**event: object) -> Drill:
    return replace(FINE, events=(*EVENTS, (1.5, event)))


def test_a_drill_without_a_failure_has_passed() -> None:
    assert failures_of(FINE) == []


def test_the_report_has_each_program_in_the_order_of_the_table() -> None:
    assert list(report(FINE)) == [
        "drill of t.yaml",
        "",
        "ready and healthy after 1.2s",
        "",
        "PROGRAM  UP AFTER  STOP                                       TOOK  END",
        "web:1    1.1s      SIGQUIT to its main, SIGTERM to its group  0.6s  ended by SIGTERM",
        "migrate  0.3s      -                                          -     exited with 0",
        "",
        "shutdown: 0.7s (worst case by the plan: 15s)",
        "killed: nothing",
        "left: nothing",
        "exit code: 0",
        "",
        "the drill has passed",
    ]


@pytest.mark.parametrize(
    ("drill", "failure"),
    [
        (
            replace(FINE, up_after=None, not_up=("web was not up: STARTING (no answer)",)),
            "web was not up: STARTING (no answer)",
        ),
        (replace(FINE, up_after=None), "supinit did not answer on its control socket in time"),
        (
            with_event(event="program.failed", level="error", name="web", reason="exited with code 3"),
            "web failed: exited with code 3",
        ),
        (with_event(event="program.restart_delayed", level="warning", name="web"), "web had to be started again"),
        (
            with_event(event="program.became_unhealthy", level="warning", name="web", detail="HTTP 500"),
            "web became unhealthy: HTTP 500",
        ),
        (
            with_event(event="program.killed", level="warning", name="web", instance=2),
            "web:2 was killed: it did not end within its stop sequence",
        ),
        (
            with_event(event="program.leftovers", level="warning", name="web", names="sleep"),
            "web left processes that were killed (sleep)",
        ),
        (
            with_event(event="program.left_behind", level="error", name="web", reason="no permission", names="sh"),
            "web left processes that were not killed: no permission (sh)",
        ),
        (
            with_event(event="program.step_failed", level="warning", name="web", reason="no such FIFO"),
            "web could not be stopped as the table says: no such FIFO",
        ),
        (
            with_event(event="program.signal_refused", level="error", name="web", reason="no CAP_KILL"),
            "program.signal_refused of web: no CAP_KILL",
        ),
        (replace(FINE, orphans=("cron -f",)), "cron -f belonged to no program"),
        (replace(FINE, left=("sleep 60",)), "sleep 60 survived supinit"),
        (replace(FINE, stop_took=None), "the shutdown did not end, and supinit was killed"),
        (replace(FINE, stop_took=12.0), "the shutdown took 12.0s, longer than the 10s that docker stop waits"),
        (
            replace(FINE, stop_took=9.0, shutdown_timeout=5.0),
            "the shutdown took 9.0s, longer than the 5s that shutdown_timeout allows",
        ),
        (replace(FINE, code=70), "supinit exited with code 70"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_should_not_have_happened_fails_the_drill(drill: Drill, failure: str) -> None:
    assert failures_of(drill) == [failure]
    assert list(report(drill))[-2:] == ["the drill has failed:", f"- {failure}"]


@pytest.mark.parametrize(
    "drill",
    [
        with_event(event="program.failed", level="info", name="main", reason="exited with code 0"),
        with_event(event="program.leftovers_signalled", level="info", name="web", names="sleep"),
        replace(FINE, stop_took=30.0, shutdown_timeout=40.0),
        replace(FINE, code=143, events=((2.0, {"event": "container.ended", "cause": "asked", "name": "main"}),)),
    ],
    ids=["the end of a main program", "leftovers that ended by themselves", "its own budget", "a main program's code"],
)
def test_what_may_happen_does_not_fail_it(drill: Drill) -> None:
    assert failures_of(drill) == []
