"""The stop sequence of one program, step by step, and what may come between."""

from __future__ import annotations

from math import inf
from signal import SIGCONT, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGWINCH

import pytest

from supervisor.core.actions import Action, RunCommand, SendSignal, Spawn, Sweep, WriteFifo
from supervisor.core.deadlines import next_deadline
from supervisor.core.events import (
    BecameReady,
    DeadlinePassed,
    DependenciesChecked,
    DependencyFailed,
    Event,
    HookEnded,
    Hurried,
    LookFailed,
    Probed,
    ProcessExited,
    Redefined,
    RestartRequested,
    ScheduleResumed,
    SignalRefused,
    Spawned,
    SpawnFailed,
    SpawnHeld,
    SpawnSkipped,
    StartFailed,
    StartRequested,
    StepFailed,
    StopAnnounced,
    StopRequested,
    Swept,
)
from supervisor.core.health import Health
from supervisor.core.healthcheck import HealthCheck, OnUnhealthy, TcpProbe
from supervisor.core.hook import Hook, HookKind
from supervisor.core.life import (
    Backoff,
    Blame,
    Exit,
    Fatal,
    Goal,
    Life,
    Pending,
    Phase,
    Run,
    Scheduled,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.lifecycle import advance
from supervisor.core.program import CommandStep, Program, Scope, SignalStep, Step, StopLeftovers, WriteStep
from supervisor.core.record import replace
from supervisor.core.schedule import Schedule
from supervisor.core.stop_sequence import stop_time_left

from .worlds import OneLife

STEPS: tuple[Step, ...] = (
    WriteStep("/run/web.fifo", b"q", 30.0),
    CommandStep(("web", "-s", "quit"), 20.0),
    SignalStep(SIGTERM, 5.0, Scope.GROUP),
)
WEB = Program("web", ("web",))
STEPWISE = replace(WEB, stop=STEPS)
RUN = Run(100, 0.0)
CHECK = HealthCheck(TcpProbe("127.0.0.1", 80))

WRITE = (WriteFifo(1, 0, "/run/web.fifo", b"q"),)
COMMAND = (RunCommand(1, 1, ("web", "-s", "quit")),)
TERM = (SendSignal(100, SIGTERM, Scope.GROUP), SendSignal(100, SIGCONT, Scope.GROUP))
KILL = (SendSignal(100, SIGKILL, Scope.TREE),)


def _steps_of(web: OneLife, *events: Event) -> list[tuple[float, tuple[Action, ...]]]:
    """Return what each event leads to, and what the deadlines after them do, up to the first SIGKILL."""
    seen = []
    for event in events:
        web.tell(event)
        seen.append((web.now, web.actions))
    while web.actions != KILL:
        web.tell(DeadlinePassed(), at=next_deadline(web.life))
        seen.append((web.now, web.actions))
    return [(time, actions) for time, actions in seen if actions]


def test_every_step_has_its_time_and_sigkill_to_the_tree_follows_the_last() -> None:
    steps = _steps_of(OneLife(STEPWISE).spawn(), StopRequested())
    assert steps == [(0.0, WRITE), (30.0, COMMAND), (50.0, TERM), (55.0, KILL)]


@pytest.mark.parametrize("scope", Scope, ids=lambda scope: scope.value)
@pytest.mark.parametrize("signal", [SIGINT, SIGQUIT, SIGTERM], ids=lambda signal: signal.name)
def test_a_signal_is_followed_by_sigcont_since_a_stopped_process_would_not_act_on_it(signal: int, scope: Scope) -> None:
    web = OneLife(replace(WEB, stop=(SignalStep(signal, 10.0, scope),))).spawn().tell(StopRequested())
    assert web.actions == (SendSignal(100, signal, scope), SendSignal(100, SIGCONT, scope))
    assert web.life.phase == Stopping(RUN, 0, 10.0)


def test_a_step_that_failed_makes_room_for_the_next_at_once() -> None:
    steps = _steps_of(OneLife(STEPWISE).spawn(), StopRequested(), StepFailed(1, 0), StepFailed(1, 1))
    assert steps == [(0.0, WRITE), (0.0, COMMAND), (0.0, TERM), (5.0, KILL)]


@pytest.mark.parametrize("step_index", [1, 2, 3, -1])
def test_a_failure_of_another_step_changes_nothing(step_index: int) -> None:
    assert OneLife(STEPWISE).spawn().tell(StopRequested()).refuses(StepFailed(1, step_index))


def test_sigkill_is_repeated_until_the_process_is_gone() -> None:
    web = OneLife(WEB).spawn()
    _steps_of(web, StopRequested())
    assert [web.tell(DeadlinePassed(), at=time).actions for time in (11.0, 12.0, 13.0)] == [KILL, KILL, KILL]
    assert web.life.phase == Stopping(RUN, 1, 14.0, stuck_at=20.0)


def test_the_tree_is_swept_before_a_program_is_down() -> None:
    web = OneLife(WEB).spawn().tell(StopRequested(), at=3.0).tell(ProcessExited(1, None, SIGTERM), at=4.0)
    assert isinstance(web.phase, Sweeping)
    assert web.tell(Swept(1), at=4.5).phase == Stopped()


# ---- what is left when the main process has ended in a stop


QUIT, WINCH_LATER = SignalStep(SIGQUIT, 30.0, Scope.GROUP), SignalStep(SIGWINCH, 5.0)


@pytest.mark.parametrize(
    ("step", "signal"),
    [
        (QUIT, SIGQUIT),
        (SignalStep(SIGINT, 30.0, Scope.TREE), SIGINT),
        (WriteStep("/run/web.fifo", b"q", 30.0), SIGTERM),
        (CommandStep(("web", "stop"), 30.0), SIGTERM),
    ],
    ids=["signal", "tree", "write", "command"],
)
def test_leftovers_get_the_signal_of_the_step_and_the_rest_of_its_wait(step: Step, signal: int) -> None:
    web = OneLife(replace(WEB, stop=(step, WINCH_LATER))).spawn().tell(StopRequested(), at=3.0)
    web.tell(ProcessExited(1, 0), at=10.0)
    assert web.actions == (Sweep(1, 100, signal),)
    assert web.phase == Sweeping(RUN, Exit(0, None, 10.0), 33.0, 20.0, signal, asked=True)
    assert stop_time_left(web.program, web.life, 10.0) == 23.0


def test_after_that_they_are_killed_and_no_further_step_is_taken() -> None:
    web = OneLife(replace(WEB, stop=(QUIT, WINCH_LATER))).spawn()
    web.tell(StopRequested(), ProcessExited(1, 0))
    assert web.tell(DeadlinePassed(), at=30.0).actions == (Sweep(1, 100, SIGKILL),)
    assert web.phase == Sweeping(RUN, Exit(0, None, 0.0), 31.0, 40.0, SIGKILL, asked=True)
    assert web.tell(DeadlinePassed(), at=40.0).actions == (Sweep(1, 100, SIGKILL, final=True),)


@pytest.mark.parametrize(
    "subject", [replace(WEB, stop_leftovers=StopLeftovers.KILL), WEB], ids=["asked for", "past the last step"]
)
def test_leftovers_are_killed_at_once_where(subject: Program) -> None:
    web = OneLife(subject).spawn().tell(StopRequested())
    if subject is WEB:
        _steps_of(web)
    web.tell(ProcessExited(1, 0), at=11.0)
    assert web.actions == (Sweep(1, 100, SIGKILL),)
    assert web.phase == Sweeping(RUN, Exit(0, None, 11.0), 12.0, 21.0, SIGKILL, asked=True)


def test_a_second_request_for_a_shutdown_kills_leftovers_at_once() -> None:
    web = OneLife(WEB).spawn().tell(StopRequested(), ProcessExited(1, 0), at=3.0)
    assert web.tell(Hurried(), at=4.0).actions == (Sweep(1, 100, SIGKILL),)
    assert web.phase == Sweeping(RUN, Exit(0, None, 3.0), 5.0, 14.0, SIGKILL, asked=True)
    assert web.refuses(Hurried())


@pytest.mark.parametrize(("within", "deadline"), [(2.0, 6.0), (0.0, 4.0), (100.0, 13.0), (None, 13.0)])
def test_a_budget_shortens_the_wait_for_leftovers(within: float | None, deadline: float) -> None:
    web = OneLife(WEB).spawn().tell(StopRequested(), ProcessExited(1, 0), at=3.0)
    web.tell(StopRequested(within), at=4.0)
    assert web.actions == ()
    assert next_deadline(web.life) == deadline


# ---- what cannot be signalled, killed or seen


def test_a_signal_that_is_refused_is_followed_by_the_next_step_at_once_and_sigkill_leaves_it_stuck() -> None:
    web = OneLife(replace(WEB, stop=(SignalStep(SIGQUIT, 30.0), SignalStep(SIGTERM, 5.0)))).spawn()
    web.tell(StopRequested(), SignalRefused(1))
    assert web.actions == (SendSignal(100, SIGTERM, Scope.MAIN), SendSignal(100, SIGCONT, Scope.MAIN))
    assert web.tell(SignalRefused(1)).actions == KILL
    assert not web.life.is_stuck
    assert web.tell(SignalRefused(1)).actions == ()
    assert web.life.is_stuck
    assert web.life.is_alive
    assert web.tell(ProcessExited(1, 0), Swept(1)).phase == Stopped()


def test_a_process_that_sigkill_does_not_end_is_stuck_after_ten_seconds() -> None:
    web = OneLife(WEB).spawn()
    _steps_of(web, StopRequested())
    assert [web.tell(DeadlinePassed(), at=at).life.is_stuck for at in (11.0, 19.0, 20.0, 21.0)] == [
        False, False, True, True,
    ]  # fmt: skip


def test_a_wanted_program_whose_leftovers_cannot_be_seen_is_not_started_beside_them() -> None:
    web = OneLife(WEB).spawn().tell(ProcessExited(1, 7), LookFailed(1, "cannot read /proc"))
    assert web.tell(DeadlinePassed(), at=60.0).actions == (Sweep(1, 100, SIGKILL),)
    web.tell(LookFailed(1, ""))
    assert web.tell(DeadlinePassed(), at=61.0).actions == (Sweep(1, 100, SIGKILL, final=True),)


def test_a_program_that_is_to_stop_is_given_up_whether_its_leftovers_can_be_seen_or_not() -> None:
    web = OneLife(WEB).spawn().tell(ProcessExited(1, 7), LookFailed(1, "cannot read /proc"), StopRequested())
    assert web.tell(DeadlinePassed(), at=60.0).actions == (Sweep(1, 100, SIGKILL, final=True),)


def test_a_crash_is_swept_too() -> None:
    web = OneLife(WEB).spawn().tell(ProcessExited(1, 7), at=3.0)
    assert web.actions == (Sweep(1, 100),)
    assert web.phase == Sweeping(RUN, Exit(7, None, 3.0), 4.0, 13.0)


def test_a_sweep_is_repeated_every_second_and_its_last_try_is_final() -> None:
    web = OneLife(WEB).spawn().tell(ProcessExited(1, 7))
    assert web.tell(DeadlinePassed(), at=1.0).actions == (Sweep(1, 100),)
    assert web.tell(DeadlinePassed(), at=9.5).actions == (Sweep(1, 100),)
    assert web.tell(DeadlinePassed(), at=10.5).actions == (Sweep(1, 100, final=True),)


@pytest.mark.parametrize(
    ("within", "times"),
    [
        pytest.param(None, [0.0, 30.0, 50.0, 55.0], id="all it has"),
        pytest.param(60.0, [0.0, 30.0, 50.0, 55.0], id="more than it needs"),
        pytest.param(5.5, [0.0, 3.0, 5.0, 5.5], id="a tenth"),
        pytest.param(0.0, [0.0, 0.0, 0.0, 0.0], id="nothing"),
        pytest.param(-1.0, [0.0, 0.0, 0.0, 0.0], id="less than nothing"),
    ],
)
def test_a_budget_cuts_every_step_by_the_same_share(within: float | None, times: list[float]) -> None:
    steps = _steps_of(OneLife(STEPWISE).spawn(), StopRequested(within))
    assert [time for time, _ in steps] == pytest.approx(times)


def test_a_tighter_budget_cuts_what_is_left_of_a_stop() -> None:
    web = OneLife(STEPWISE).spawn().tell(StopRequested())
    web.tell(StopRequested(4.5), at=10.0)  # 45 s were left
    assert stop_time_left(STEPWISE, web.life, 10.0) == pytest.approx(4.5)
    assert [time for time, _ in _steps_of(web)] == pytest.approx([12.0, 14.0, 14.5])


@pytest.mark.parametrize("within", [None, 45.0, 100.0], ids=["none", "as much", "more"])
def test_a_budget_that_is_not_tighter_changes_nothing(within: float | None) -> None:
    web = OneLife(STEPWISE).spawn().tell(StopRequested())
    web.now = 10.0
    assert web.refuses(StopRequested(within))


def test_a_budget_after_sigkill_changes_nothing() -> None:
    web = OneLife(WEB).spawn()
    _steps_of(web, StopRequested())
    assert web.refuses(StopRequested(0.0))


@pytest.mark.parametrize("before", [(), (StopRequested(),)], ids=["running", "stopping"])
def test_hurry_goes_straight_to_sigkill(before: tuple[Event, ...]) -> None:
    web = OneLife(STEPWISE).spawn().tell(*before).tell(Hurried(), at=2.0)
    assert web.actions == KILL
    assert isinstance(web.phase, Stopping)
    assert (web.phase.step_index, web.phase.deadline, web.life.goal) == (3, 3.0, Goal.DOWN)


def test_hurry_twice_kills_once() -> None:
    assert OneLife(WEB).spawn().tell(Hurried()).refuses(Hurried())


def test_start_while_stopping_spawns_again_once_the_process_is_gone() -> None:
    web = OneLife(WEB).spawn().tell(StopRequested(), StartRequested())
    assert web.phase == Stopping(RUN, 0, 10.0)
    assert web.end(None, SIGTERM, at=2.0).phase == Pending()
    assert web.tell(DependenciesChecked()).actions == (Spawn(2),)


def test_stop_while_stopping_for_a_restart_stays_down() -> None:
    web = OneLife(WEB).spawn().tell(RestartRequested(), StopRequested())
    assert web.end(None, SIGTERM).phase == Stopped()


def test_restart_goes_through_the_stop_sequence() -> None:
    web = OneLife(WEB).spawn().tell(RestartRequested())
    assert web.actions == (SendSignal(100, SIGTERM, Scope.MAIN), SendSignal(100, SIGCONT, Scope.MAIN))
    assert web.end(None, SIGTERM, at=1.0).phase == Pending()


def test_restart_while_starting_begins_with_a_stop() -> None:
    web = OneLife(WEB).spawn()
    assert isinstance(web.phase, Starting)
    assert isinstance(web.tell(RestartRequested()).phase, Stopping)


@pytest.mark.parametrize("goal", [StopRequested(), RestartRequested()], ids=["for good", "for a restart"])
def test_restart_while_stopping_takes_no_further_step(goal: Event) -> None:
    web = OneLife(WEB).spawn().tell(goal, RestartRequested())
    assert web.actions == ()
    assert web.end(None, SIGTERM, at=1.0).phase == Pending()


@pytest.mark.parametrize("again", [StartRequested(), RestartRequested()], ids=["start", "restart"])
def test_a_request_while_sweeping_after_a_crash_spawns_again_without_delay(again: Event) -> None:
    web = OneLife(WEB).spawn().tell(ProcessExited(1, 7), again)
    assert web.tell(Swept(1), at=1.0).phase == Pending()
    assert (web.life.failures, web.life.restarts) == (0, 0)


def test_stop_while_sweeping_after_a_crash_stays_down() -> None:
    assert OneLife(WEB).spawn().tell(ProcessExited(1, 7), StopRequested(), Swept(1)).phase == Stopped()


def test_stop_while_spawning_stops_the_process_as_soon_as_it_is_there() -> None:
    web = OneLife(WEB).tell(StartRequested(), DependenciesChecked(), StopRequested())
    assert (web.phase, web.actions) == (Spawning(), ())
    assert web.tell(Spawned(1, 100)).phase == Stopping(RUN, 0, 10.0)


def test_stop_while_spawning_forgets_a_spawn_that_failed() -> None:
    web = OneLife(WEB).tell(StartRequested(), DependenciesChecked(), StopRequested())
    assert web.tell(SpawnFailed(1, "not found", 127)).phase == Stopped()


@pytest.mark.parametrize(
    "before",
    [
        pytest.param((StartRequested(),), id="waiting"),
        pytest.param((StartRequested(), DependenciesChecked(), SpawnFailed(1, "out of memory", None)), id="backoff"),
    ],
)
@pytest.mark.parametrize("stop", [StopRequested(), StopAnnounced(), Hurried()], ids=["stop", "announced", "hurry"])
def test_what_has_no_process_is_down_at_once(before: tuple[Event, ...], stop: Event) -> None:
    web = OneLife(WEB).tell(*before, stop)
    assert (web.phase, web.life.goal, web.actions) == (Stopped(), Goal.DOWN, ())


def test_a_stop_keeps_what_ended_for_good_as_it_is() -> None:
    web = OneLife(WEB).tell(StartRequested(), DependencyFailed("depends on db, which exited with code 1"))
    web.tell(StopRequested())
    assert web.phase == Fatal("depends on db, which exited with code 1", 1)


@pytest.mark.parametrize(
    "event",
    [StartFailed(1, "came up broken"), Probed(1, False), BecameReady(1), Spawned(1, 7), Swept(1)],
    ids=lambda event: type(event).__name__,
)
def test_a_stop_under_way_is_not_disturbed(event: Event) -> None:
    assert OneLife(WEB).spawn().tell(StopRequested()).refuses(event)


@pytest.mark.parametrize(
    "event",
    [
        StartFailed(1, "came up broken"),
        BecameReady(1),
        ProcessExited(1, 7),
        Swept(1),
        StepFailed(1, 0),
        Probed(1, True),
        Spawned(1, 7),
        SpawnFailed(1, "not found", 127),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_answer_about_an_older_process_changes_nothing(event: Event) -> None:
    web = OneLife(WEB).spawn().end(1, at=0.5).tell(DeadlinePassed(), at=0.6).spawn(200)
    assert web.life.generation == 2
    assert web.refuses(event)


def test_what_was_announced_to_stop_is_left_alone_until_its_turn_comes() -> None:
    """Its dependants still need it: neither a late readiness nor bad news begins its stop out of turn."""
    notified = replace(WEB, ready=replace(WEB.ready, notify="systemd", timeout=60.0))
    web = OneLife(notified).spawn().tell(StopAnnounced(), at=1.0)
    assert web.refuses(StartFailed(1, "came up broken"))
    web.tell(DeadlinePassed(), at=60.0)
    assert (web.phase, web.actions, next_deadline(web.life)) == (Starting(RUN, inf), (), None)


def test_a_start_that_was_to_be_stopped_and_is_wanted_again_has_a_deadline_again() -> None:
    notified = replace(WEB, ready=replace(WEB.ready, notify="systemd", timeout=60.0))
    web = OneLife(notified).spawn().tell(StopAnnounced(), at=1.0).tell(DeadlinePassed(), at=60.0)
    assert web.tell(StartRequested(), at=70.0).phase == Starting(RUN, 130.0)


def test_what_was_announced_to_be_replaced_waits_for_its_dependencies_once_it_is_down() -> None:
    web = OneLife(WEB).spawn().tell(StopAnnounced(again=True), at=1.0)
    assert (web.life.goal, web.life.again, web.actions) == (Goal.DOWN, True, ())
    assert isinstance(web.tell(StopRequested(), at=2.0).phase, Stopping)
    web.end(None, SIGTERM, at=3.0)
    assert (web.phase, web.life.goal, web.life.again) == (Pending(), Goal.UP, False)
    assert (web.life.failures, web.life.restarts) == (0, 0)


def test_what_was_announced_to_be_replaced_and_crashes_is_started_again_without_delay() -> None:
    web = OneLife(WEB).spawn().tell(StopAnnounced(again=True)).end(7, at=0.5)
    assert (web.phase, web.life.failures, web.life.restarts) == (Pending(), 0, 0)


@pytest.mark.parametrize("event", [StopAnnounced(), Hurried()], ids=["stop", "hurry"])
def test_what_was_announced_to_be_replaced_stays_down_if_somebody_wants_that(event: Event) -> None:
    assert OneLife(WEB).spawn().tell(StopAnnounced(again=True), event).end(0).phase == Stopped()


def test_a_start_takes_an_announced_stop_back() -> None:
    web = OneLife(WEB).spawn().tell(StopAnnounced(again=True), StartRequested())
    assert (web.phase, web.life.goal, web.life.again) == (Starting(RUN, 1.0), Goal.UP, False)


def test_a_crash_of_what_was_announced_to_stop_leaves_it_down() -> None:
    assert OneLife(WEB).spawn().tell(StopAnnounced()).end(7).phase == Stopped()


def test_a_blamed_stop_that_somebody_repeats_is_no_failure_any_more() -> None:
    web = OneLife(WEB).spawn().tell(StartFailed(1, "came up broken"))
    assert web.phase == Stopping(RUN, 0, 10.0, blame=Blame("came up broken"))
    assert web.tell(RestartRequested()).end(None, SIGTERM, at=1.0).phase == Pending()
    assert web.life.failures == 0


def test_a_stop_that_is_asked_for_takes_over_one_that_was_not() -> None:
    web = OneLife(WEB).spawn().tell(StartFailed(1, "came up broken"))
    assert isinstance(web.phase, Stopping)
    assert web.phase.blame == Blame("came up broken")
    before = web.phase
    assert web.tell(StopRequested()).phase == replace(before, blame=None)


def test_a_sigkill_that_is_refused_leaves_the_process_behind() -> None:
    web = OneLife(WEB).spawn().tell(StopRequested()).tell(DeadlinePassed(), at=10.0)
    assert isinstance(web.phase, Stopping)
    before = web.phase
    assert web.tell(SignalRefused(1)).phase == replace(before, is_refused=True, is_stuck=True)
    assert web.actions == ()


def test_what_was_not_spawned_though_it_is_wanted_again_waits_for_its_next_start() -> None:
    web = OneLife(WEB).tell(StartRequested(), DependenciesChecked(), StopAnnounced(again=True))
    web.tell(SpawnFailed(1, "cannot be started", None))
    assert web.life == Life(Goal.UP, Pending(), generation=1)


def test_an_exit_is_told_once() -> None:
    web = OneLife(WEB).spawn().end(7)
    assert web.refuses(ProcessExited(1, 7))


def test_a_dependency_that_fails_is_a_failed_start_of_its_own() -> None:
    web = OneLife(WEB).tell(StartRequested(), DependencyFailed("depends on db, which exited with code 1"))
    assert (web.life.generation, web.phase) == (1, Fatal("depends on db, which exited with code 1", 1))


def test_a_probe_of_a_process_that_is_being_stopped_changes_nothing() -> None:
    check = HealthCheck(TcpProbe("127.0.0.1", 80), retries=1, on_unhealthy=OnUnhealthy.RESTART)
    web = OneLife(replace(WEB, healthcheck=check)).spawn().tell(Probed(1, True, "ok"), Probed(1, False, "refused"))
    assert isinstance(web.phase, Stopping)
    assert web.life.health is Health.UNHEALTHY
    assert web.refuses(Probed(1, True, "ok"))


TWO_HOOKS = replace(WEB, post_stop=(Hook(("clean",), timeout=3.0), Hook(("leave",), timeout=4.0)))
SWEPT = Sweeping(RUN, Exit(0, None, 8.0), 12.0, 20.0)


@pytest.mark.parametrize(
    ("phase", "left"),
    [
        (Stopping(RUN, 0, 12.0), 2.0 + 7.0),
        (Stopping(RUN, 0, 12.0, pace=0.5), 2.0 + 3.5),
        (Stopping(RUN, 0, 9.0), 7.0),
        (Stopping(RUN, 1, 12.0), 0.0),
        (replace(SWEPT, tells_store=True), 2.0),
        (replace(SWEPT, hook="post_stop clean"), 2.0 + 4.0),
        (replace(SWEPT, hook="post_stop leave", hook_index=1), 2.0),
        (replace(SWEPT, signal=SIGTERM), 2.0 + 7.0),
        (SWEPT, 0.0),
        (Starting(RUN, 12.0), 0.0),
    ],
)
def test_the_time_that_a_stop_still_takes_counts_what_is_left_of_it(phase: Phase, left: float) -> None:
    assert stop_time_left(TWO_HOOKS, Life(phase=phase), 10.0) == left


def test_a_stop_forgets_the_health_of_the_process() -> None:
    web = OneLife(replace(WEB, healthcheck=CHECK)).spawn().tell(Probed(1, True, "ok"), StopRequested())
    assert web.life.health_state is None


def test_a_stop_while_spawning_sends_the_first_signal_to_the_process_that_comes() -> None:
    web = OneLife(WEB).tell(StartRequested(), DependenciesChecked(), StopRequested(), Spawned(1, 100))
    assert web.actions == (SendSignal(100, SIGTERM, Scope.MAIN), SendSignal(100, SIGCONT, Scope.MAIN))


@pytest.mark.parametrize(
    "event",
    [
        ScheduleResumed(),
        SpawnFailed(1, "not found", 127),
        SpawnHeld(1, 9.0),
        SpawnSkipped(1, "was done before"),
        StartFailed(1, "came up broken"),
        DependencyFailed("depends on db, which exited with code 1"),
        DependenciesChecked(("db",)),
        SignalRefused(1),
        LookFailed(1, "cannot read /proc"),
        HookEnded(1, HookKind.POST_STOP, 0),
        StepFailed(1, 0),
        Swept(1),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_running_process_is_not_disturbed_by_what_is_about_another_phase(event: Event) -> None:
    assert OneLife(WEB).spawn().tell(BecameReady(1)).refuses(event)


ASKED_BEFORE = Life(Goal.DOWN, on_demand=True, again=True)


@pytest.mark.parametrize(
    ("event", "phase"),
    [(StartRequested(), Pending()), (RestartRequested(), Pending()), (ScheduleResumed(), Scheduled())],
    ids=lambda value: type(value).__name__,
)
def test_a_request_forgets_what_was_wanted_before(event: Event, phase: Phase) -> None:
    job = replace(WEB, schedule=Schedule(interval=60.0))
    assert advance(job, ASKED_BEFORE, event, 5.0)[0] == Life(Goal.UP, phase, since=5.0)


def test_without_a_schedule_there_is_none_to_resume() -> None:
    assert OneLife(WEB).refuses(ScheduleResumed())


def test_what_is_asked_for_already_is_not_asked_for_again() -> None:
    assert OneLife(WEB).tell(StartRequested(), DependenciesChecked()).refuses(StartRequested())


def test_what_was_not_spawned_and_is_wanted_again_begins_from_nothing() -> None:
    web = OneLife(WEB).tell(
        StartRequested(), DependenciesChecked(), SpawnFailed(1, "no memory", None), StartRequested()
    )
    assert (web.life.failures, web.life.attempts) == (1, 1)
    web.tell(DependenciesChecked(), StopAnnounced(again=True), SpawnFailed(2, "no memory", None))
    assert web.life == Life(Goal.UP, Pending(), generation=2, restarts=1)


def test_what_is_held_back_waits_since_it_was_held_back_first() -> None:
    web = OneLife(WEB).tell(StartRequested(), DependenciesChecked(), at=1.0).tell(SpawnHeld(1, 3.0, "busy"), at=2.0)
    assert (web.phase, web.life.since) == (Pending(held_until=3.0, held_by="busy"), 2.0)
    web.tell(DeadlinePassed(), at=3.0).tell(SpawnHeld(2, 5.0, "busy"), at=4.0)
    assert (web.phase, web.life.since) == (Pending(held_until=5.0, held_by="busy"), 2.0)


def test_a_request_for_a_start_while_sweeping_makes_it_a_stop_that_was_asked_for() -> None:
    web = OneLife(WEB).spawn().tell(StartFailed(1, "came up broken"), ProcessExited(1, 0), StartRequested())
    assert web.phase == Sweeping(RUN, Exit(0, None, 0.0), 10.0, 10.0, SIGTERM, asked=True)


def test_a_budget_that_is_long_enough_takes_over_a_stop_that_nobody_asked_for() -> None:
    web = OneLife(WEB).spawn().tell(StartFailed(1, "came up broken"), StopRequested(within=60.0))
    assert web.phase == Stopping(RUN, 0, 10.0)


def test_a_stop_without_waits_fits_a_budget_of_nothing() -> None:
    web = OneLife(replace(WEB, stop=(SignalStep(SIGTERM, 0.0),))).spawn().tell(StopRequested(within=0.0))
    assert web.phase == Stopping(RUN, 0, 0.0)


def test_a_step_that_failed_after_sigkill_changes_nothing() -> None:
    web = OneLife(WEB).spawn()
    _steps_of(web, StopRequested())
    assert web.refuses(StepFailed(1, 1))


def test_what_may_not_be_killed_stays_stuck() -> None:
    web = OneLife(WEB).spawn()
    _steps_of(web, StopRequested())
    web.tell(SignalRefused(1)).tell(DeadlinePassed(), at=11.0)
    assert web.phase == Stopping(RUN, 1, 12.0, is_refused=True, stuck_at=20.0, is_stuck=True)


@pytest.mark.parametrize(
    ("at", "left"), [(11.5, 0.5), (12.0, 0.0), (13.0, 0.0)], ids=["almost", "at its end", "after its end"]
)
@pytest.mark.parametrize(
    "phase",
    [
        Stopping(RUN, 0, 12.0),
        Sweeping(RUN, Exit(0, None, 8.0), 12.0, 20.0, SIGTERM),
        Sweeping(RUN, Exit(0, None, 8.0), 12.0, 20.0, tells_store=True),
        Sweeping(RUN, Exit(0, None, 8.0), 12.0, 20.0, hook="post_stop clean"),
    ],
    ids=["step", "leftovers", "telling", "hook"],
)
def test_the_time_that_a_stop_still_takes_is_never_less_than_nothing(phase: Phase, at: float, left: float) -> None:
    assert stop_time_left(WEB, Life(phase=phase), at) == left


@pytest.mark.parametrize("phase", [Stopped(), Backoff(9.0, "crashed"), Sweeping(RUN, Exit(0, None, 8.0), 12.0, 20.0)])
def test_a_changed_health_check_does_not_begin_without_a_process(phase: Phase) -> None:
    life = Life(phase=phase)
    assert advance(replace(WEB, healthcheck=CHECK), life, Redefined(True), 5.0) == (life, ())


def test_a_changed_entry_leaves_probes_alone_whose_health_check_is_the_same() -> None:
    web = OneLife(replace(WEB, healthcheck=CHECK)).spawn().tell(Probed(1, True, "ok"), at=1.0)
    assert web.refuses(Redefined(False))


def test_a_changed_entry_gives_no_deadline_to_a_start_that_waits_for_its_stop() -> None:
    notified = replace(WEB, ready=replace(WEB.ready, notify="systemd", timeout=60.0))
    web = OneLife(notified).spawn().tell(StopAnnounced(), at=1.0).tell(DeadlinePassed(), at=60.0)
    assert web.refuses(Redefined(False))


def test_a_start_request_leaves_the_deadline_of_a_start_alone() -> None:
    web = OneLife(replace(WEB, min_uptime=9.0)).spawn()
    web.now = 3.0
    assert web.refuses(StartRequested())
