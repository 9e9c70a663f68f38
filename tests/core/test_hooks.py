"""Hooks in the state machine: before and after a start, before and after a stop."""

from __future__ import annotations

from signal import SIGKILL, SIGTERM

import pytest

from supervisor.core.actions import RunHooks, SendSignal, Spawn, Sweep
from supervisor.core.deadlines import next_deadline
from supervisor.core.events import (
    BecameReady,
    DeadlinePassed,
    DependenciesChecked,
    HookEnded,
    Hurried,
    Notified,
    ProcessExited,
    Spawned,
    StartRequested,
    StopAnnounced,
    StopRequested,
    Swept,
)
from supervisor.core.hook import Hook, HookKind, HookStep
from supervisor.core.hook_sequence import GRACE, hook_variables, is_wanted
from supervisor.core.life import (
    Backoff,
    Exit,
    Fatal,
    Life,
    Phase,
    Preparing,
    Run,
    Running,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.notice import Notice
from supervisor.core.program import Program, SignalStep
from supervisor.core.record import replace
from supervisor.core.restart_policy import JITTER

from .worlds import OneLife

CHECK, WARM, LEAVE, CLEAN = (Hook((name,), timeout=10.0) for name in ("check", "warm", "leave", "clean"))
WEB = Program("web", ("web",))
PREPARED = replace(WEB, pre_start=(CHECK, WARM))
CLEANED = replace(WEB, post_stop=(CLEAN, LEAVE))
LEAVING = replace(WEB, stop=(HookStep(LEAVE), SignalStep(SIGTERM, 10.0)))
RUN = Run(100, 0.0)


def _ended(kind: HookKind, index: int, problem: str | None = None) -> HookEnded:
    return HookEnded(1, kind, index, problem)


def _prepared() -> OneLife:
    return OneLife(PREPARED).tell(StartRequested(), DependenciesChecked())


def test_pre_start_hooks_run_one_after_the_other_before_the_spawn() -> None:
    web = _prepared()
    assert (web.phase, web.actions) == (
        Preparing(0, "pre_start check", 10.0 + GRACE),
        (RunHooks(1, HookKind.PRE_START, 0, (CHECK,)),),
    )
    web.tell(_ended(HookKind.PRE_START, 0))
    assert web.actions == (RunHooks(1, HookKind.PRE_START, 1, (WARM,)),)
    web.tell(_ended(HookKind.PRE_START, 1))
    assert web.phase == Spawning()
    assert list(web.actions) == [Spawn(1)]
    assert isinstance(web.tell(Spawned(1, 100)).phase, Starting)


def test_a_pre_start_hook_that_fails_is_a_failed_start() -> None:
    web = _prepared().tell(_ended(HookKind.PRE_START, 0, "pre_start check exited with code 1"))
    assert isinstance(web.phase, Backoff)
    assert (web.life.failures, web.life.attempts) == (1, 1)
    last = OneLife(replace(PREPARED, start_retries=1)).tell(StartRequested(), DependenciesChecked())
    last.tell(_ended(HookKind.PRE_START, 0, "pre_start check exited with code 1"))
    assert isinstance(last.phase, Fatal)
    assert last.phase.reason.startswith("pre_start check exited with code 1")


def test_an_answer_about_another_hook_changes_nothing() -> None:
    web = _prepared()
    assert web.refuses(_ended(HookKind.PRE_START, 1))
    assert web.refuses(_ended(HookKind.POST_STOP, 0))
    assert web.refuses(HookEnded(2, HookKind.PRE_START, 0))


def test_a_pre_start_hook_of_which_nothing_is_heard_is_a_failed_start_at_its_deadline() -> None:
    web = _prepared()
    assert next_deadline(web.life) == 10.0 + GRACE
    assert isinstance(web.tell(DeadlinePassed(), at=10.0 + GRACE).phase, Backoff)


def test_a_stop_drops_a_pre_start_hook() -> None:
    assert _prepared().tell(StopAnnounced()).phase == Stopped()
    assert _prepared().tell(StopRequested()).phase == Stopped()
    assert _prepared().tell(Hurried()).phase == Stopped()


def test_post_start_hooks_run_once_it_is_running() -> None:
    web = OneLife(replace(WEB, post_start=(WARM, CHECK))).spawn().tell(BecameReady(1))
    assert web.actions == (RunHooks(1, HookKind.POST_START, 0, (WARM, CHECK), pid=100),)
    assert web.refuses(_ended(HookKind.POST_START, 0, "post_start warm exited with code 1"))
    assert OneLife(WEB).spawn().tell(BecameReady(1)).actions == ()


def test_the_stop_continues_as_soon_as_a_pre_stop_hook_has_ended() -> None:
    web = OneLife(LEAVING).spawn().tell(StopRequested())
    assert web.actions == (RunHooks(1, HookKind.PRE_STOP, 0, (LEAVE,), pid=100),)
    assert web.phase == Stopping(RUN, 0, 10.0, hook="pre_stop leave")
    web.tell(_ended(HookKind.PRE_STOP, 0, "pre_stop leave exited with code 1"), at=2.0)
    assert isinstance(web.actions[0], SendSignal)
    assert web.phase == Stopping(RUN, 1, 12.0)


def test_a_shutdown_budget_shortens_pre_stop_and_post_stop_hooks() -> None:
    program = replace(LEAVING, post_stop=(CLEAN,))
    web = OneLife(program).spawn().tell(StopRequested(within=6.0))
    assert web.actions == (RunHooks(1, HookKind.PRE_STOP, 0, (LEAVE,), 0.2, 100),)
    web.tell(ProcessExited(1, 0), Swept(1), at=1.0)
    assert web.actions == (RunHooks(1, HookKind.POST_STOP, 0, (CLEAN,), 0.2, 100, Exit(0, None, 1.0)),)
    assert next_deadline(web.life) == 3.0


def test_a_shutdown_budget_counts_the_wait_for_what_is_left_before_it_shortens_post_stop_hooks() -> None:
    web = OneLife(CLEANED).spawn().tell(StopRequested(), ProcessExited(1, 0), at=100.0)
    assert web.phase == Sweeping(RUN, Exit(0, None, 100.0), 110.0, 110.0, SIGTERM, True)
    web.tell(StopRequested(within=15.0), at=105.0)
    assert web.phase == Sweeping(RUN, Exit(0, None, 100.0), 110.0, 110.0, SIGTERM, True, pace=0.5)
    web.tell(Swept(1), at=110.0)
    assert web.actions == (RunHooks(1, HookKind.POST_STOP, 0, (CLEAN,), 0.5, 100, Exit(0, None, 100.0)),)
    assert next_deadline(web.life) == 115.0


def test_a_shutdown_budget_ends_the_wait_for_what_is_left_and_leaves_post_stop_hooks_out_where_it_is_that_short() -> (
    None
):
    web = OneLife(CLEANED).spawn().tell(StopRequested(), ProcessExited(1, 0), at=100.0)
    web.tell(StopRequested(within=4.0), at=101.0)
    assert web.phase == Sweeping(RUN, Exit(0, None, 100.0), 105.0, 110.0, SIGTERM, True, pace=0.0)
    assert web.tell(Swept(1), at=102.0).phase == Stopped()


def test_a_shutdown_budget_that_is_long_enough_shortens_nothing() -> None:
    web = OneLife(CLEANED).spawn().tell(StopRequested(), ProcessExited(1, 0), at=100.0)
    before = web.life
    assert web.tell(StopRequested(within=29.0), at=101.0).life == before
    without = OneLife(WEB).spawn().tell(StopRequested(), ProcessExited(1, 0), at=100.0)
    before = without.life
    assert without.tell(StopRequested(within=9.0), at=101.0).life == before


def test_a_shutdown_budget_shortens_the_post_stop_hook_that_runs_and_no_other_one_follows() -> None:
    web = OneLife(CLEANED).spawn().tell(StopRequested(), ProcessExited(1, 0), Swept(1))
    web.tell(StopRequested(within=2.0), at=3.0)
    assert next_deadline(web.life) == 5.0
    assert web.tell(_ended(HookKind.POST_STOP, 0), at=4.0).phase == Stopped()


def test_post_stop_hooks_run_when_everything_is_gone_and_hold_the_program_up_until_then() -> None:
    web = OneLife(CLEANED).spawn().tell(StopRequested(), ProcessExited(1, None, SIGTERM))
    assert list(web.actions) == [Sweep(1, 100, SIGTERM)]
    assert web.refuses(_ended(HookKind.POST_STOP, 0))
    web.tell(Swept(1))
    exit_ = Exit(None, SIGTERM, 0.0)
    assert list(web.actions) == [RunHooks(1, HookKind.POST_STOP, 0, (CLEAN,), 1.0, 100, exit_)]
    assert web.phase == Sweeping(RUN, exit_, 10.0 + GRACE, 10.0, SIGKILL, True, hook="post_stop clean")
    assert (web.life.is_alive, next_deadline(web.life)) == (True, 10.0 + GRACE)
    web.tell(_ended(HookKind.POST_STOP, 0, "post_stop clean exited with code 1"))
    assert list(web.actions) == [RunHooks(1, HookKind.POST_STOP, 1, (LEAVE,), 1.0, 100, exit_)]
    assert web.refuses(_ended(HookKind.POST_STOP, 0))
    assert web.refuses(_ended(HookKind.PRE_STOP, 1))
    assert web.tell(_ended(HookKind.POST_STOP, 1)).phase == Stopped()


def test_a_restart_follows_the_post_stop_hooks() -> None:
    web = OneLife(CLEANED).spawn().end(7)
    assert isinstance(web.phase, Sweeping)
    web.tell(_ended(HookKind.POST_STOP, 0), _ended(HookKind.POST_STOP, 1))
    assert isinstance(web.phase, Backoff)


def test_a_hurried_stop_leaves_post_stop_hooks_out() -> None:
    web = OneLife(CLEANED).spawn().tell(StopRequested(), ProcessExited(1, 0), Swept(1), Hurried())
    assert web.phase == Stopped()
    web = OneLife(CLEANED).spawn().tell(Hurried(), ProcessExited(1, 0), Swept(1))
    assert web.phase == Stopped()
    web = OneLife(CLEANED).spawn().tell(StopRequested(), ProcessExited(1, 0), Hurried(), Swept(1))
    assert web.phase == Stopped()
    web = OneLife(CLEANED).spawn().tell(ProcessExited(1, 0), Hurried(), Swept(1))
    assert web.phase == Stopped()
    web = OneLife(CLEANED).spawn().tell(StopRequested()).tell(DeadlinePassed(), at=10.0)
    assert web.tell(Hurried(), ProcessExited(1, None, SIGKILL), Swept(1)).phase == Stopped()


RUNS_PRE_START = Preparing(1, "pre_start warm", 10.0)
RUNS_PRE_STOP = Stopping(RUN, 1, 10.0, hook="pre_stop leave")
RUNS_POST_STOP = Sweeping(RUN, Exit(0, None, 0.0), 10.0, 10.0, SIGKILL, hook="post_stop clean", hook_index=1)


@pytest.mark.parametrize("kind", HookKind)
@pytest.mark.parametrize(
    ("phase", "wanted"),
    [
        (RUNS_PRE_START, HookKind.PRE_START),
        (Running(RUN), HookKind.POST_START),
        (RUNS_PRE_STOP, HookKind.PRE_STOP),
        (RUNS_POST_STOP, HookKind.POST_STOP),
        (replace(RUNS_POST_STOP, hook=""), None),
        (Spawning(), None),
        (Stopped(), None),
    ],
)
def test_a_hook_is_waited_for_as_long_as_the_phase_that_it_belongs_to_lasts(
    phase: Phase, wanted: HookKind | None, kind: HookKind
) -> None:
    """The engine ends the others."""
    action = RunHooks(2, kind, 1, (WARM,))
    assert is_wanted(action, Life(phase=phase, generation=2)) == (kind is wanted)
    assert not is_wanted(action, Life(phase=phase, generation=3))
    is_any = kind is wanted is HookKind.POST_START  # all of them run one after the other
    assert is_wanted(replace(action, index=0), Life(phase=phase, generation=2)) == is_any


def test_a_hook_is_named_by_its_command_on_one_line_of_at_most_60_characters() -> None:
    assert Hook(("sh", "-c", "a\n  b")).label == "sh -c a b"
    assert [Hook(("x" * length,)).label for length in (60, 61)] == ["x" * 60, "x" * 59 + "…"]


def test_hooks_are_told_about_the_main_process() -> None:
    action = RunHooks(1, HookKind.POST_STOP, 0, (CLEAN,), pid=100)
    assert hook_variables(action) == {"SUPINIT_MAINPID": "100"}
    assert hook_variables(replace(action, pid=None, exit=Exit(7, None, 0.0))) == {"SUPINIT_EXIT_CODE": "7"}
    assert hook_variables(replace(action, pid=None, exit=Exit(None, 15, 0.0))) == {"SUPINIT_EXIT_SIGNAL": "SIGTERM"}


def test_hooks_count_in_the_time_that_a_stop_can_take() -> None:
    program = replace(LEAVING, post_stop=(CLEAN,))
    assert (program.stop_time, program.down_time) == (20.0, 30.0)


def test_post_start_hooks_run_once_only() -> None:
    web = OneLife(replace(WEB, post_start=(WARM,))).spawn()
    assert web.actions == ()
    web.tell(BecameReady(1))
    assert web.tell(Notified(1, Notice(status="serving"))).actions == ()


def test_the_jitter_of_the_next_start_outlasts_a_post_stop_hook() -> None:
    web = OneLife(replace(WEB, post_stop=(CLEAN,))).spawn().tell(ProcessExited(1, 7), Swept(1, 0.5), at=60.0)
    web.tell(_ended(HookKind.POST_STOP, 0))
    assert web.phase == Backoff(60.0 + 0.1 * (1.0 + JITTER * 0.5), "exited with code 7")


def test_a_pre_start_hook_of_which_nothing_is_heard_delays_the_restart_without_jitter() -> None:
    at = 10.0 + GRACE
    assert _prepared().tell(DeadlinePassed(), at=at).phase == Backoff(at + 0.1, "pre_start check did not end")


def test_a_budget_leaves_what_is_being_killed_its_second() -> None:
    web = OneLife(WEB).spawn().tell(ProcessExited(1, 7), at=3.0)
    web.tell(StopRequested(within=0.5))
    assert web.phase == Sweeping(RUN, Exit(7, None, 3.0), 4.0, 13.0)


def test_a_hook_of_another_kind_does_not_end_a_step_of_a_stop() -> None:
    web = OneLife(LEAVING).spawn().tell(StopRequested())
    assert web.refuses(_ended(HookKind.POST_START, 0))


def test_a_pre_stop_hook_is_over_once_sigkill_is_sent() -> None:
    web = OneLife(replace(WEB, stop=(HookStep(LEAVE),))).spawn().tell(StopRequested()).tell(DeadlinePassed(), at=10.0)
    assert web.phase == Stopping(RUN, 1, 11.0, stuck_at=20.0)


def test_a_new_process_has_said_nothing_yet_while_its_pre_start_hooks_run() -> None:
    web = _prepared().tell(_ended(HookKind.PRE_START, 0), _ended(HookKind.PRE_START, 1), Spawned(1, 100))
    web.tell(Notified(1, Notice(status="serving"))).end(7, at=60.0).tell(DeadlinePassed(), at=60.2)
    web.tell(DependenciesChecked())
    assert (web.life.generation, web.life.status_text, type(web.phase)) == (2, "", Preparing)
    assert web.refuses(StartRequested())
