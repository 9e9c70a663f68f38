"""What a process says of itself in each phase: readiness, status, signs of life, more time, another main process."""

from __future__ import annotations

from collections.abc import Callable
from signal import SIGCONT, SIGKILL, SIGTERM

import pytest

from supervisor.core.actions import SendSignal, Sweep
from supervisor.core.deadlines import next_deadline
from supervisor.core.events import (
    DeadlinePassed,
    Event,
    MainChanged,
    Notified,
    Probed,
    ProcessExited,
    RestartRequested,
    StartFailed,
    StartRequested,
    StopAnnounced,
    StopRequested,
)
from supervisor.core.health import Health
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.life import Backoff, Blame, Fatal, Goal, Pending, Run, Running, Starting, Stopping
from supervisor.core.notice import Notice
from supervisor.core.program import Program, ProgramType, Readiness, Restart, RestartWhen, Scope, SignalStep
from supervisor.core.record import replace
from supervisor.core.reports import RELOADING

from .worlds import OneLife

WEB = Program("web", ("web",), ready=Readiness(notify="systemd", timeout=60.0))
WATCHED = replace(WEB, watchdog=30.0)
NEVER = Restart(RestartWhen.NEVER)
CHECK = HealthCheck(TcpProbe("127.0.0.1", 80), retries=1)

UNREADY = Run(100, 0.0)
EVERYTHING = Notice(True, True, True, "serving", 7, True, False, 100.0)
STUCK = Notice(is_stuck=True)


def _notice(
    *,
    ready: bool = False,
    reloading: bool = False,
    stopping: bool = False,
    status: str | None = None,
    is_alive: bool = False,
    extend_by: float | None = None,
    generation: int = 1,
) -> Notified:
    notice = Notice(ready, reloading, stopping, status, None, is_alive, extend_by=extend_by)
    return Notified(generation, notice)


def _up(program: Program = WEB) -> OneLife:
    return OneLife(program).spawn().tell(_notice(ready=True), at=1.0)


# ---- READY


def test_ready_makes_it_ready() -> None:
    web = OneLife(WEB).spawn()
    assert web.tell(_notice(ready=True), at=2.0).phase == Running(Run(100, 0.0, ready_at=2.0))
    assert (web.life.was_up, web.actions, next_deadline(web.life)) == (True, (), None)


def test_ready_with_a_health_check_is_up_once_both_hold() -> None:
    web = OneLife(replace(WEB, healthcheck=CHECK)).spawn().tell(_notice(ready=True), at=1.0)
    assert (type(web.phase), web.life.was_up, web.life.health) == (Running, False, Health.STARTING)
    assert web.tell(Probed(1, True), at=2.0).life.is_up


@pytest.mark.parametrize(
    "event", [_notice(ready=True), _notice(extend_by=10.0), _notice(is_alive=True), _notice()], ids=repr
)
def test_what_is_already_so_changes_nothing(event: Event) -> None:
    assert _up().refuses(event)


def test_ready_after_a_stop_has_begun_changes_nothing() -> None:
    assert OneLife(WEB).spawn().tell(StopRequested()).refuses(_notice(ready=True))


# ---- STATUS, RELOADING, STOPPING


@pytest.mark.parametrize("before", [(), (_notice(ready=True),), (StopRequested(),)], ids=["starting", "up", "stopping"])
def test_a_status_is_kept_in_every_phase_that_has_a_process(before: tuple[Event, ...]) -> None:
    web = OneLife(WEB).spawn().tell(*before)
    phase = web.phase
    web.tell(_notice(status="migrating 3 of 7"))
    assert (web.life.status_text, web.phase, web.actions) == ("migrating 3 of 7", phase, ())
    assert web.tell(_notice(status="")).life.status_text == ""


def test_a_status_stays_until_there_is_another() -> None:
    web = _up().tell(_notice(status="serving"), _notice(is_alive=True), _notice(extend_by=3.0), _notice(ready=True))
    assert web.life.status_text == "serving"


def test_a_new_process_has_said_nothing_yet() -> None:
    web = _up().tell(_notice(status="serving")).end(7, at=2.0).tell(DeadlinePassed(), at=3.0).spawn()
    assert web.life.status_text == ""


@pytest.mark.parametrize(
    ("event", "status_text"),
    [
        (_notice(reloading=True), "reloading"),
        (_notice(stopping=True), "stopping"),
        (_notice(reloading=True, status="reading routes"), "reading routes"),
        (_notice(stopping=True, status="closing 3 connections"), "closing 3 connections"),
    ],
)
def test_reloading_and_stopping_are_a_status_where_there_is_no_other(event: Event, status_text: str) -> None:
    web = _up()
    phase = web.phase
    assert (web.tell(event).life.status_text, web.phase, web.life.goal) == (status_text, phase, Goal.UP)


def test_a_reload_is_over_once_it_is_ready_again() -> None:
    web = _up().tell(_notice(reloading=True), _notice(ready=True))
    assert (web.life.status_text, web.phase) == ("", Running(Run(100, 0.0, ready_at=1.0)))


# ---- WATCHDOG


def test_a_sign_of_life_is_due_from_the_moment_that_it_is_ready() -> None:
    web = OneLife(WATCHED).spawn()
    assert next_deadline(web.life) == 60.0
    web.tell(_notice(ready=True), at=5.0)
    assert (web.phase, next_deadline(web.life)) == (Running(Run(100, 0.0, 5.0), silent_until=35.0), 35.0)


def test_each_sign_of_life_puts_the_next_one_off() -> None:
    web = OneLife(WATCHED).spawn().tell(_notice(ready=True), at=5.0).tell(_notice(is_alive=True), at=30.0)
    assert web.phase == Running(Run(100, 0.0, 5.0), silent_until=60.0)
    web.now = 59.9
    assert web.refuses(DeadlinePassed())


@pytest.mark.parametrize("restart", RestartWhen, ids=lambda restart: restart.value)
def test_a_silent_process_is_restarted_whatever_the_restart_policy_says(restart: RestartWhen) -> None:
    web = _up(replace(WATCHED, restart=Restart(restart))).tell(DeadlinePassed(), at=31.0)
    blame = Blame("sent no WATCHDOG=1 for 30 s", asks_restart=True)
    assert web.phase == Stopping(Run(100, 0.0, 1.0), 0, 41.0, blame=blame)
    assert web.end(0, at=32.0).phase == Backoff(32.1, "sent no WATCHDOG=1 for 30 s")
    assert (web.life.restarts, web.life.failures) == (1, 0)


def test_a_silent_process_is_given_up_after_start_retries_of_what_never_came_up() -> None:
    web = _up(replace(WATCHED, watchdog=0.5, start_retries=1, min_uptime=60.0)).tell(DeadlinePassed(), at=1.5)
    assert web.end(0, at=2.0).phase == Fatal("sent no WATCHDOG=1 for 0.5 s", 1)


def test_the_watchdog_and_the_health_check_have_their_own_times() -> None:
    web = OneLife(replace(WATCHED, healthcheck=CHECK)).spawn().tell(_notice(ready=True), Probed(1, True))
    assert next_deadline(web.life) == 30.0
    assert next_deadline(web.tell(_notice(is_alive=True), at=10.0).life) == 30.0
    assert web.tell(DeadlinePassed(), at=30.0).life.health_state is not None
    assert (type(web.phase), next_deadline(web.life)) == (Running, 40.0)


def test_what_waits_for_its_turn_to_stop_may_be_silent_and_is_watched_again_if_it_is_wanted_again() -> None:
    web = _up(WATCHED).tell(StopAnnounced()).tell(DeadlinePassed(), at=31.0)
    assert (web.phase, web.actions, next_deadline(web.life)) == (Running(Run(100, 0.0, 1.0)), (), None)
    assert web.tell(StartRequested(), at=50.0).phase == Running(Run(100, 0.0, 1.0), silent_until=80.0)


def test_without_a_watchdog_nobody_waits_for_a_sign_of_life() -> None:
    assert next_deadline(_up().tell(_notice(is_alive=True)).life) is None


@pytest.mark.parametrize("ready", [False, True], ids=["starting", "up"])
def test_a_process_that_says_that_it_is_stuck_is_stopped_as_one_that_is_silent(ready: bool) -> None:
    web = OneLife(replace(WATCHED, restart=NEVER)).spawn().tell(_notice(ready=ready)).tell(Notified(1, STUCK), at=2.0)
    assert isinstance(web.phase, Stopping)
    assert web.phase.blame == Blame("said that it is stuck (WATCHDOG=trigger)", asks_restart=True)
    assert web.end(0, at=3.0).phase == Backoff(3.1, "said that it is stuck (WATCHDOG=trigger)")


def test_where_no_watchdog_asks_for_a_restart_the_policy_decides_on_what_is_stuck() -> None:
    web = _up(replace(WEB, restart=NEVER)).tell(Notified(1, STUCK), at=2.0).end(0, at=3.0)
    assert web.phase == Fatal("said that it is stuck (WATCHDOG=trigger)", 1)


@pytest.mark.parametrize(
    "before", [StopAnnounced(), StopRequested(), RestartRequested(), StartFailed(1, "broken")], ids=repr
)
def test_what_is_to_be_stopped_anyway_may_be_stuck(before: Event) -> None:
    assert OneLife(WATCHED).spawn().tell(before).refuses(Notified(1, STUCK))


# ---- EXTEND_TIMEOUT_USEC


def test_a_start_can_ask_for_more_time() -> None:
    web = OneLife(WEB).spawn().tell(_notice(extend_by=45.0), at=50.0)
    assert web.phase == Starting(UNREADY, 95.0)
    web.now = 94.9
    assert web.refuses(DeadlinePassed())
    assert isinstance(web.tell(DeadlinePassed(), at=95.0).phase, Stopping)


@pytest.mark.parametrize("before", [(), (StopRequested(),)], ids=["start", "stop"])
def test_more_time_is_never_less(before: tuple[Event, ...]) -> None:
    assert OneLife(WEB).spawn().tell(*before).refuses(_notice(extend_by=5.0))


def test_a_oneshot_without_a_limit_needs_no_more_time() -> None:
    program = replace(WEB, kind=ProgramType.ONESHOT, ready=Readiness(notify="systemd"))
    assert OneLife(program).spawn().refuses(_notice(extend_by=5.0))


TWO_STEPS = replace(WEB, stop=(SignalStep(SIGTERM, 10.0), SignalStep(SIGTERM, 5.0)))
TERM = (SendSignal(100, SIGTERM, Scope.MAIN), SendSignal(100, SIGCONT, Scope.MAIN))


def test_a_step_of_a_stop_can_ask_for_more_time_and_the_next_one_has_its_own() -> None:
    web = _up(TWO_STEPS).tell(StopRequested(), at=20.0).tell(_notice(extend_by=100.0), at=25.0)
    assert web.phase == Stopping(Run(100, 0.0, 1.0), 0, 125.0)
    assert web.tell(DeadlinePassed(), at=125.0).actions == TERM
    assert web.phase == Stopping(Run(100, 0.0, 1.0), 1, 130.0)


def test_a_stop_with_a_budget_that_cuts_it_gets_no_more_time() -> None:
    assert _up(TWO_STEPS).tell(StopRequested(3.0)).refuses(_notice(extend_by=100.0))


def test_after_sigkill_there_is_no_more_time() -> None:
    web = _up(replace(WEB, stop=(SignalStep(SIGTERM, 10.0),))).tell(StopRequested(), DeadlinePassed(), at=20.0)
    web.tell(DeadlinePassed(), at=30.0)
    assert web.actions == (SendSignal(100, SIGKILL, Scope.TREE),)
    assert web.refuses(_notice(extend_by=100.0))


# ---- MAINPID


@pytest.mark.parametrize("before", [(), (_notice(ready=True),), (StopRequested(),)], ids=["starting", "up", "stopping"])
def test_another_main_process_takes_over_what_the_first_one_was(before: tuple[Event, ...]) -> None:
    web = OneLife(WATCHED).spawn().tell(*before)
    run, deadline = web.life.run, next_deadline(web.life)
    assert run is not None
    web.tell(MainChanged(1, 700), at=5.0)
    assert (web.life.run, web.actions, next_deadline(web.life)) == (replace(run, pid=700), (), deadline)
    assert (web.life.generation, web.life.since) == (1, 0.0)


def test_another_main_process_is_the_one_that_is_stopped_and_swept() -> None:
    web = _up().tell(MainChanged(1, 700), StopRequested())
    assert web.actions == (SendSignal(700, SIGTERM, Scope.MAIN), SendSignal(700, SIGCONT, Scope.MAIN))
    assert web.tell(ProcessExited(1, 0)).actions == (Sweep(1, 700, SIGTERM),)


# ---- nobody is there, or somebody else


@pytest.mark.parametrize("event", [Notified(1, EVERYTHING), Notified(1, STUCK), MainChanged(1, 700)], ids=repr)
@pytest.mark.parametrize(
    "life",
    [
        pytest.param(lambda: _up().tell(ProcessExited(1, 7), at=2.0), id="sweeping"),
        pytest.param(lambda: _up().end(7, at=2.0), id="backoff"),
        pytest.param(lambda: _up().end(7, at=2.0).tell(DeadlinePassed(), at=3.0), id="waiting"),
        pytest.param(lambda: _up(replace(WEB, restart=NEVER)).end(7, at=2.0), id="failed"),
        pytest.param(lambda: _up(replace(WEB, restart=NEVER)).end(0, at=2.0), id="done"),
        pytest.param(lambda: _up().tell(StopRequested()).end(0), id="idle"),
        pytest.param(lambda: _up().end(7, at=2.0).tell(DeadlinePassed(), at=3.0).spawn(), id="the next process"),
    ],
)
def test_where_there_is_no_such_process_it_says_nothing(life: Callable[[], OneLife], event: Event) -> None:
    assert life().refuses(event)


def test_a_restart_that_is_asked_for_waits_for_its_dependencies_and_has_said_nothing_yet() -> None:
    web = _up().tell(_notice(status="serving"), RestartRequested()).end(0, at=2.0)
    assert web.phase == Pending()
    assert web.spawn().life.status_text == ""


def test_a_reload_lasts_until_the_process_is_ready_again() -> None:
    web = OneLife(Program("web", ("web",))).spawn().tell(Notified(1, Notice(reloading=True)))
    assert web.life.status_text == RELOADING
    assert web.refuses(Notified(1, Notice(is_alive=True)))
    assert web.tell(Notified(1, Notice(ready=True))).life.status_text == ""


def test_a_program_that_is_not_to_report_its_readiness_is_not_ready_because_it_does() -> None:
    web = OneLife(Program("web", ("web",))).spawn()
    assert web.refuses(Notified(1, Notice(ready=True)))


def test_a_sign_of_life_before_it_is_ready_changes_nothing() -> None:
    assert OneLife(WATCHED).spawn().refuses(_notice(is_alive=True))


def test_more_time_up_to_the_deadline_changes_nothing() -> None:
    web = OneLife(WEB).spawn()
    web.now = 10.0
    assert web.refuses(_notice(extend_by=50.0))


def test_what_had_been_up_once_has_been_up_in_each_later_run() -> None:
    checked = replace(WEB, healthcheck=CHECK)
    web = OneLife(checked).spawn().tell(Probed(1, True, "ok"), _notice(ready=True), at=1.0)
    web.end(7, at=60.0).tell(DeadlinePassed(), at=61.0).spawn(200)
    assert web.tell(Probed(2, True, "ok")).life.was_up
    assert web.tell(Probed(2, False, "refused"), at=62.0).life.was_up
    late = OneLife(checked).spawn().tell(Probed(1, True, "ok"), _notice(ready=True), at=1.0)
    late.end(7, at=60.0).tell(DeadlinePassed(), at=61.0).spawn(200)
    assert late.tell(_notice(ready=True, generation=2), at=70.0).life.was_up
