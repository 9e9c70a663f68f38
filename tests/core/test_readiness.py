"""When a process counts as up, and what happens to one that never is, or is no longer well."""

from __future__ import annotations

from math import inf
from signal import SIGTERM

import pytest

from supervisor.core.actions import RunProbe
from supervisor.core.deadlines import next_deadline
from supervisor.core.events import (
    BecameReady,
    DeadlinePassed,
    Event,
    Probed,
    Redefined,
    StartFailed,
    StartRequested,
    StopAnnounced,
)
from supervisor.core.health import Health
from supervisor.core.healthcheck import HealthCheck, OnUnhealthy, TcpProbe
from supervisor.core.life import Backoff, Blame, Exited, Fatal, Run, Running, Starting, Stopping
from supervisor.core.program import Program, ProgramType, Readiness, Restart, RestartWhen
from supervisor.core.record import replace

from .worlds import OneLife

WEB = Program("web", ("web",))
CHECK = HealthCheck(TcpProbe("127.0.0.1", 8000), interval=10.0, retries=2)
CHECKED = replace(WEB, healthcheck=CHECK)
NOTIFIED = replace(WEB, ready=Readiness(notify="systemd", timeout=60.0))
LOGGED = replace(WEB, ready=Readiness(log="spawned", timeout=60.0))

UNREADY = Run(100, 0.0)


def _ready(at: float) -> Running:
    return Running(Run(100, 0.0, ready_at=at))


def test_without_anything_else_it_is_up_once_min_uptime_has_passed() -> None:
    web = OneLife(WEB).spawn()
    assert (web.phase, web.life.was_up) == (Starting(UNREADY, 1.0), False)
    assert web.tell(DeadlinePassed(), at=1.0).phase == _ready(1.0)
    assert web.life.was_up


def test_with_min_uptime_0_it_is_up_at_once() -> None:
    web = OneLife(replace(WEB, min_uptime=0.0)).spawn()
    assert (web.phase, web.life.was_up) == (_ready(0.0), True)


def test_with_a_health_check_it_is_up_with_the_first_pass() -> None:
    web = OneLife(CHECKED).spawn()
    assert (web.phase, web.actions) == (Starting(UNREADY, 60.0), (RunProbe(1),))
    assert web.tell(DeadlinePassed(), at=5.0).phase == Starting(UNREADY, 60.0)
    assert web.tell(Probed(1, True, "open"), at=6.0).phase == _ready(6.0)
    assert (web.life.was_up, web.life.health) == (True, Health.HEALTHY)


@pytest.mark.parametrize("program", [NOTIFIED, LOGGED], ids=["notify", "log"])
def test_what_says_so_itself_is_up_when_it_says_so(program: Program) -> None:
    web = OneLife(program).spawn()
    assert web.tell(DeadlinePassed(), at=5.0).phase == Starting(UNREADY, 60.0)
    assert web.tell(BecameReady(1), at=6.0).phase == _ready(6.0)
    assert web.life.was_up


@pytest.mark.parametrize("program", [NOTIFIED, LOGGED], ids=["notify", "log"])
def test_what_says_so_itself_is_not_up_by_a_health_check(program: Program) -> None:
    web = OneLife(replace(program, healthcheck=CHECK)).spawn().tell(Probed(1, True), at=1.0)
    assert (web.phase, web.life.health, web.life.was_up) == (Starting(UNREADY, 60.0), Health.HEALTHY, False)
    assert web.tell(BecameReady(1), at=2.0).life.was_up


def test_what_says_so_itself_and_has_a_health_check_has_been_up_once_both_hold() -> None:
    web = OneLife(replace(NOTIFIED, healthcheck=CHECK)).spawn().tell(BecameReady(1), at=1.0)
    assert (web.phase, web.life.was_up, web.life.is_up) == (_ready(1.0), False, False)
    web.tell(Probed(1, True), at=2.0)
    assert (web.phase, web.life.was_up, web.life.is_up) == (_ready(1.0), True, True)


def test_ready_twice_changes_nothing() -> None:
    assert OneLife(NOTIFIED).spawn().tell(BecameReady(1), at=1.0).refuses(BecameReady(1))


@pytest.mark.parametrize("program", [NOTIFIED, LOGGED, CHECKED], ids=["notify", "log", "healthcheck"])
def test_not_ready_in_time_is_a_failed_start(program: Program) -> None:
    web = OneLife(replace(program, start_retries=1)).spawn().tell(DeadlinePassed(), at=60.0)
    blame = Blame("was not ready within 60 s")
    assert web.phase == Stopping(UNREADY, 0, 70.0, blame=blame)
    assert web.end(None, SIGTERM, at=61.0).phase == Fatal("was not ready within 60 s", 1)


def test_a_failed_start_is_tried_again_as_one_that_did_not_come_up() -> None:
    web = OneLife(NOTIFIED).spawn().tell(DeadlinePassed(), at=60.0).end(0, at=61.0)
    assert web.phase == Backoff(61.1, "was not ready within 60 s")
    assert (web.life.failures, web.life.restarts) == (1, 1)


def test_a_process_that_says_that_it_came_up_broken_is_stopped_as_a_failed_start() -> None:
    web = OneLife(replace(LOGGED, start_retries=1)).spawn().tell(StartFailed(1, "said: no python application"), at=1.0)
    assert web.phase == Stopping(UNREADY, 0, 11.0, blame=Blame("said: no python application"))
    assert web.end(0, at=2.0).phase == Fatal("said: no python application", 1)


def test_a_run_that_was_ready_but_ended_before_min_uptime_did_not_come_up() -> None:
    web = OneLife(NOTIFIED).spawn().tell(BecameReady(1), at=0.1).end(0, at=0.9)
    assert (web.life.failures, web.life.was_up) == (1, True)


def test_a_run_that_ended_before_it_was_ready_did_not_come_up_however_long_it_was() -> None:
    assert OneLife(NOTIFIED).spawn().end(0, at=50.0).life.failures == 1


@pytest.mark.parametrize("policy", [OnUnhealthy.NONE, OnUnhealthy.SHUTDOWN], ids=["none", "shutdown"])
def test_an_unhealthy_process_runs_on(policy: OnUnhealthy) -> None:
    """Where the container is to end, the fleet sees to it."""
    web = OneLife(replace(WEB, healthcheck=replace(CHECK, on_unhealthy=policy))).spawn().tell(Probed(1, True))
    web.tell(Probed(1, False), Probed(1, False), at=20.0)
    assert (web.phase, web.life.health, web.life.is_up) == (_ready(0.0), Health.UNHEALTHY, False)


def _unhealthy(restart: RestartWhen = RestartWhen.ALWAYS) -> OneLife:
    check = replace(CHECK, on_unhealthy=OnUnhealthy.RESTART)
    web = OneLife(replace(WEB, restart=Restart(restart), healthcheck=check)).spawn()
    return web.tell(Probed(1, True), at=1.0).tell(Probed(1, False, "x"), Probed(1, False, "refused"), at=30.0)


def test_on_unhealthy_restart_stops_it_as_a_failure_and_starts_it_again() -> None:
    web = _unhealthy()
    run = Run(100, 0.0, ready_at=1.0)
    assert web.phase == Stopping(run, 0, 40.0, blame=Blame("was unhealthy (refused)", asks_restart=True))
    assert web.end(0, at=31.0).phase == Backoff(31.1, "was unhealthy (refused)")
    assert (web.life.restarts, web.life.failures) == (1, 0)


def test_on_unhealthy_restart_keeps_the_health_in_sight_until_the_process_is_gone() -> None:
    web = _unhealthy()
    assert web.life.health is Health.UNHEALTHY
    assert web.end(0, at=31.0).life.health is Health.NONE


@pytest.mark.parametrize("restart", RestartWhen, ids=lambda restart: restart.value)
def test_on_unhealthy_restart_restarts_whatever_the_restart_policy_says(restart: RestartWhen) -> None:
    assert _unhealthy(restart).end(0, at=31.0).phase == Backoff(31.1, "was unhealthy (refused)")


def test_on_unhealthy_restart_is_the_end_after_start_retries_of_what_never_came_up() -> None:
    check = replace(CHECK, on_unhealthy=OnUnhealthy.RESTART)
    program = replace(WEB, restart=Restart(RestartWhen.NEVER), healthcheck=check, start_retries=2)
    web = (
        OneLife(program)
        .spawn()
        .tell(Probed(1, False, "x"))
        .tell(Probed(1, False, "x"), at=10.0)
        .tell(Probed(1, False, "refused"), at=20.0)
    )
    assert (web.end(0, at=21.0).phase, web.life.failures) == (Backoff(21.1, "was unhealthy (refused)"), 1)
    web.tell(DeadlinePassed(), at=22.0).spawn().tell(Probed(2, False, "x")).tell(Probed(2, False, "x"), at=32.0)
    assert web.tell(Probed(2, False, "refused"), at=42.0).end(0, at=43.0).phase == Fatal("was unhealthy (refused)", 1)


# ---- a oneshot is up when it has completed


MIGRATE = Program("migrate", ("migrate",), kind=ProgramType.ONESHOT, restart=Restart(RestartWhen.NEVER))


def test_a_oneshot_is_not_up_before_it_has_completed_and_takes_as_long_as_it_takes() -> None:
    migrate = OneLife(MIGRATE).spawn()
    assert (migrate.phase, next_deadline(migrate.life)) == (Starting(UNREADY, inf), None)
    migrate.now = 86400.0
    assert migrate.refuses(DeadlinePassed())
    assert not migrate.life.was_up
    assert (migrate.end(0).phase, migrate.life.was_up) == (Exited(), True)


def test_a_oneshot_that_does_not_complete_in_its_own_time_is_a_failed_start() -> None:
    migrate = OneLife(replace(MIGRATE, ready=Readiness(timeout=5.0))).spawn()
    assert migrate.tell(DeadlinePassed(), at=5.0).phase == Stopping(
        UNREADY, 0, 15.0, blame=Blame("did not complete within 5 s")
    )
    assert migrate.end(0, at=6.0).phase == Fatal("did not complete within 5 s", 1)


@pytest.mark.parametrize(
    "ready", [Readiness(notify="systemd"), Readiness(log="up"), Readiness(notify=3)], ids=["notify", "log", "fd"]
)
def test_a_oneshot_that_says_so_itself_is_up_before_it_has_completed(ready: Readiness) -> None:
    migrate = OneLife(replace(MIGRATE, ready=ready)).spawn().tell(BecameReady(1), at=2.0)
    assert (migrate.phase, migrate.life.was_up) == (_ready(2.0), True)


@pytest.mark.parametrize(
    ("program", "seconds"),
    [
        pytest.param(WEB, 1.0, id="service by uptime"),
        pytest.param(replace(WEB, ready=Readiness(timeout=5.0)), 1.0, id="service by uptime, with a timeout"),
        pytest.param(CHECKED, 60.0, id="service with a health check"),
        pytest.param(replace(CHECKED, ready=Readiness(timeout=5.0)), 5.0, id="service with a timeout"),
        pytest.param(MIGRATE, inf, id="oneshot"),
        pytest.param(replace(MIGRATE, healthcheck=CHECK), inf, id="oneshot with a health check"),
        pytest.param(replace(MIGRATE, ready=Readiness(timeout=5.0)), 5.0, id="oneshot with a timeout"),
    ],
)
def test_how_long_a_start_may_take(program: Program, seconds: float) -> None:
    assert program.start_patience == seconds
    assert OneLife(program).spawn().phase == Starting(UNREADY, seconds)


def test_a_new_process_starts_with_a_new_health_state() -> None:
    web = _unhealthy().end(0, at=31.0).tell(DeadlinePassed(), at=32.0).spawn(200)
    assert (web.life.health, web.actions) == (Health.STARTING, (RunProbe(2),))


@pytest.mark.parametrize("event", [Probed(1, True), Probed(1, False)], ids=["pass", "fail"])
def test_a_probe_of_a_program_without_a_health_check_changes_nothing(event: Event) -> None:
    assert OneLife(WEB).spawn().refuses(event)


def test_the_next_probe_is_a_deadline() -> None:
    web = OneLife(CHECKED).spawn()
    assert next_deadline(web.life) == 60.0
    web.tell(Probed(1, True), at=2.0)
    assert next_deadline(web.life) == 12.0
    assert web.tell(DeadlinePassed(), at=12.0).actions == (RunProbe(1),)
    assert next_deadline(web.life) is None


def test_probes_are_never_two_at_a_time() -> None:
    web = OneLife(CHECKED).spawn()
    assert web.tell(DeadlinePassed(), at=30.0).actions == ()


@pytest.mark.parametrize("program", [CHECKED, NOTIFIED], ids=["health check", "notify"])
def test_after_a_failed_run_it_is_not_up_before_min_uptime(program: Program) -> None:
    """Lest a program that crashes soon after its start looks up between its crashes."""
    says_so: Event = BecameReady(2) if program is NOTIFIED else Probed(2, True)
    web = OneLife(program).spawn()
    web.end(1, at=0.5)
    web.tell(DeadlinePassed(), at=1.0).spawn(at=1.0)
    again = Run(100, 1.0)
    web.tell(says_so, at=1.2)
    assert web.phase == Starting(again, 2.0, is_ready=True)
    assert web.tell(DeadlinePassed(), at=2.0).phase == Running(replace(again, ready_at=2.0))


def test_what_crashes_before_min_uptime_after_a_failed_run_was_never_up() -> None:
    web = OneLife(CHECKED).spawn()
    web.end(1, at=0.5)
    web.tell(DeadlinePassed(), at=1.0).spawn(at=1.0).tell(Probed(2, True), at=1.2)
    web.end(1, at=1.5)
    assert (web.life.was_up, web.life.failures) == (False, 2)


def test_on_unhealthy_of_a_changed_health_check_applies_to_what_is_unhealthy_already() -> None:
    """The new health check has to fail as often as any other one first."""
    web = OneLife(replace(WEB, healthcheck=CHECK)).spawn().tell(Probed(1, True), at=1.0)
    web.tell(Probed(1, False), Probed(1, False), at=30.0)
    assert web.life.health is Health.UNHEALTHY
    web.program = replace(WEB, healthcheck=replace(CHECK, on_unhealthy=OnUnhealthy.RESTART))
    assert web.tell(Redefined(True), at=31.0).life.health is Health.STARTING
    assert isinstance(web.tell(Probed(1, False, "refused"), at=32.0).phase, Running)
    web.tell(Probed(1, False, "refused"), at=50.0)
    assert web.phase == Stopping(
        Run(100, 0.0, ready_at=1.0), 0, 60.0, blame=Blame("was unhealthy (refused)", asks_restart=True)
    )


def test_what_became_unhealthy_while_it_was_to_stop_is_restarted_once_it_is_wanted_again() -> None:
    check = replace(CHECK, on_unhealthy=OnUnhealthy.RESTART)
    web = OneLife(replace(WEB, healthcheck=check)).spawn().tell(Probed(1, True), at=1.0).tell(StopAnnounced())
    web.tell(Probed(1, False, "refused"), Probed(1, False, "refused"), at=30.0)
    assert isinstance(web.phase, Running)
    web.tell(StartRequested(), Probed(1, False, "refused"), at=40.0)
    assert isinstance(web.phase, Stopping)
