"""type: forking: from the command to the daemon that it leaves behind, and what happens where there is none."""

from __future__ import annotations

from math import inf
from signal import SIGCONT, SIGINT, SIGKILL, SIGTERM

import pytest

from supervisor.core.actions import FindDaemon, SendSignal, Sweep
from supervisor.core.deadlines import next_deadline
from supervisor.core.events import (
    BecameReady,
    DaemonMissed,
    DeadlinePassed,
    Hurried,
    MainChanged,
    Notified,
    ProcessExited,
    Redefined,
    StartFailed,
    StartRequested,
    StopAnnounced,
    StopRequested,
    Swept,
)
from supervisor.core.forking import LOOK_INTERVAL, NOTHING_LEFT
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.hook import Hook, HookStep
from supervisor.core.life import Backoff, DaemonSearch, Exit, Fatal, Run, Running, Starting, Stopped, Stopping, Sweeping
from supervisor.core.notice import Notice
from supervisor.core.program import (
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartWhen,
    Scope,
    SignalStep,
    StopLeftovers,
)
from supervisor.core.record import replace
from supervisor.core.stop_sequence import KILL_INTERVAL

from .worlds import OneLife

RUN = Run(100, 0.0)
WEB = Program("web", ("web",), kind=ProgramType.FORKING)
ONCE = replace(WEB, restart=Restart(RestartWhen.NEVER))
WITH_FILE = replace(WEB, pid_file="/run/web.pid")
LOOK = FindDaemon(1, 100)


def _left(subject: Program = WEB) -> OneLife:
    """Return a program whose command has exited with 0 after a second."""
    return OneLife(subject).spawn().tell(ProcessExited(1, 0), at=1.0)


def _reason(web: OneLife) -> str | None:
    assert isinstance(web.phase, Sweeping)
    return web.phase.blame.sentence if web.phase.blame is not None else None


def test_the_daemon_that_the_command_leaves_behind_is_the_main_process() -> None:
    web = _left()
    assert (web.actions, web.life.run, next_deadline(web.life)) == ((LOOK,), None, 1.0 + LOOK_INTERVAL)
    web.tell(MainChanged(1, 700))
    assert (web.phase, web.actions) == (Starting(Run(700, 0.0), 2.0), ())
    web.tell(DeadlinePassed(), at=2.0)
    assert web.phase == Running(Run(700, 0.0, 2.0))
    web.tell(StopRequested())
    assert web.actions == (SendSignal(700, SIGTERM, Scope.MAIN), SendSignal(700, SIGCONT, Scope.MAIN))


def test_it_is_looked_for_again_until_the_timeout_and_the_failure_says_why() -> None:
    web = _left(replace(WEB, ready=Readiness(timeout=5.0))).tell(DaemonMissed(1, "no pid file"))
    for _ in range(10):
        web.tell(DeadlinePassed(), at=next_deadline(web.life))
        assert web.actions == (LOOK,)
    web.tell(DeadlinePassed(), at=5.0)
    assert (_reason(web), web.actions) == ("left no daemon behind within 5 s: no pid file", (Sweep(1, 100, SIGTERM),))
    assert isinstance(web.tell(Swept(1)).phase, Backoff)
    assert web.life.failures == 1


def test_without_a_timeout_it_has_sixty_seconds() -> None:
    assert isinstance(_left().tell(DeadlinePassed(), at=59.9).phase, Starting)
    assert isinstance(_left().tell(DeadlinePassed(), at=60.0).phase, Sweeping)


def test_a_command_that_fails_is_a_failed_start_with_its_own_exit_code() -> None:
    web = OneLife(ONCE).spawn().tell(ProcessExited(1, 7), at=1.0)
    assert web.actions == (Sweep(1, 100, SIGTERM),)
    web.tell(Swept(1))
    assert isinstance(web.phase, Fatal)
    assert (web.phase.code, web.phase.exit) == (7, Exit(7, None, 1.0))
    assert web.phase.reason.startswith("exited with code 7 before it left a daemon behind: ")


def test_a_command_that_leaves_nothing_behind_is_a_failed_start() -> None:
    web = _left(ONCE).tell(StartFailed(1, NOTHING_LEFT), Swept(1))
    assert web.phase == Fatal(NOTHING_LEFT, 1)


def test_a_command_that_stays_in_the_foreground_is_a_failed_start() -> None:
    web = OneLife(WEB).spawn().tell(DeadlinePassed(), at=60.0)
    assert isinstance(web.phase, Stopping)
    assert web.phase.blame is not None
    assert web.phase.blame.sentence == (
        "did not go to the background within 60 s: it stays in the foreground; use type: service"
    )


def test_a_command_that_its_own_pid_file_names_is_the_daemon() -> None:
    web = OneLife(WITH_FILE).spawn().tell(DeadlinePassed(), at=LOOK_INTERVAL)
    assert web.actions == (FindDaemon(1, 100, has_ended=False),)
    assert web.tell(MainChanged(1, 100)).phase == Starting(Run(100, 0.0), LOOK_INTERVAL + 1.0)


def test_a_daemon_that_crashes_is_restarted_and_its_exit_code_is_known() -> None:
    web = _left().tell(MainChanged(1, 700)).tell(DeadlinePassed(), at=2.0)
    web.tell(ProcessExited(1, 9), at=8.0)
    assert web.actions == (Sweep(1, 700),)
    web.tell(Swept(1))
    assert isinstance(web.phase, Backoff)
    assert (web.life.last_exit, web.life.restarts, web.life.failures) == (Exit(9, None, 8.0), 1, 0)


def test_a_process_between_the_command_and_the_daemon_is_a_step_on_the_way() -> None:
    web = _left().tell(MainChanged(1, 700)).tell(ProcessExited(1, 0), at=1.2)
    assert web.actions == (FindDaemon(1, 700),)
    web.tell(MainChanged(1, 701), at=1.3)
    assert web.phase == Starting(Run(701, 0.0), 2.3)


@pytest.mark.parametrize("when", ["before", "after"])
def test_it_is_not_running_before_its_daemon_is_known(when: str) -> None:
    logging = replace(WEB, ready=Readiness(log="up"))
    web = OneLife(logging).spawn()
    web.tell(*((BecameReady(1), ProcessExited(1, 0)) if when == "before" else (ProcessExited(1, 0), BecameReady(1))))
    assert isinstance(web.phase, Starting)
    assert web.phase.is_ready
    web.tell(MainChanged(1, 700), DeadlinePassed(), at=1.0)
    assert isinstance(web.tell(DeadlinePassed(), at=2.0).phase, Running)


def test_a_stop_meanwhile_signals_what_was_left_with_the_first_step() -> None:
    web = _left(replace(WEB, stop=(SignalStep(SIGINT, 4.0), SignalStep(SIGTERM, 9.0))))
    web.tell(StopRequested())
    assert web.actions == (Sweep(1, 100, SIGINT),)
    assert next_deadline(web.life) == 5.0
    web.tell(DeadlinePassed(), at=5.0)
    assert web.actions == (Sweep(1, 100, SIGKILL),)


def test_a_stop_meanwhile_ends_it_for_the_operator() -> None:
    assert isinstance(_left().tell(StopAnnounced(), StopRequested(), Swept(1)).phase, Stopped)


def test_a_stop_with_a_budget_shortens_the_wait() -> None:
    assert next_deadline(_left().tell(StopRequested(2.0)).life) == 3.0


def test_stop_leftovers_kill_kills_what_was_left() -> None:
    web = _left(replace(WEB, stop_leftovers=StopLeftovers.KILL)).tell(StopRequested())
    assert (web.actions, next_deadline(web.life)) == ((Sweep(1, 100, SIGKILL),), 1.0 + KILL_INTERVAL)


def test_a_hurried_stop_kills_at_once() -> None:
    assert _left().tell(Hurried()).actions == (Sweep(1, 100, SIGKILL),)


def test_the_command_itself_is_stopped_with_the_stop_sequence() -> None:
    web = OneLife(WEB).spawn().tell(StopRequested())
    assert web.actions == (SendSignal(100, SIGTERM, Scope.MAIN), SendSignal(100, SIGCONT, Scope.MAIN))


def test_an_end_that_is_reported_again_changes_nothing() -> None:
    assert _left().refuses(ProcessExited(1, 7))


def test_without_a_pid_file_nothing_is_looked_for_while_the_command_runs() -> None:
    assert OneLife(WEB).spawn().phase == Starting(RUN, 60.0, search=DaemonSearch())
    web = OneLife(WITH_FILE).spawn()
    assert (web.phase, web.actions) == (Starting(RUN, 60.0, search=DaemonSearch(look_at=LOOK_INTERVAL)), ())


def test_a_start_that_was_extended_stays_so_when_the_command_has_ended() -> None:
    web = OneLife(WEB).spawn().tell(Notified(1, Notice(extend_by=100.0)), ProcessExited(1, 0), at=1.0)
    assert isinstance(web.phase, Starting)
    assert web.phase.deadline == 101.0


def test_a_reason_is_kept_only_once_the_command_has_ended() -> None:
    assert OneLife(WITH_FILE).spawn().refuses(DaemonMissed(1, "no pid file"))
    web = _left().tell(DaemonMissed(1, "no pid file"))
    assert web.phase == Starting(RUN, 60.0, search=DaemonSearch(Exit(0, None, 1.0), 1.0 + LOOK_INTERVAL, "no pid file"))
    assert web.refuses(DaemonMissed(1, "no pid file"))


def test_what_a_failed_start_has_left_gets_the_signal_of_the_first_step_that_is_no_hook() -> None:
    subject = replace(WEB, stop=(HookStep(Hook(("leave",))), SignalStep(SIGINT, 7.0)))
    web = OneLife(subject).spawn().tell(ProcessExited(1, 1), at=1.0)
    assert web.actions == (Sweep(1, 100, SIGINT),)
    assert (next_deadline(web.life), web.life.last_exit) == (8.0, Exit(1, None, 1.0))
    web = OneLife(replace(WEB, stop=(HookStep(Hook(("leave",))),))).spawn().tell(ProcessExited(1, 1), at=1.0)
    assert (web.actions, next_deadline(web.life)) == ((Sweep(1, 100, SIGTERM),), 1.0)


def test_a_changed_timeout_applies_to_the_search_under_way() -> None:
    web = OneLife(WEB).spawn(at=3.0)
    web.program = replace(WEB, ready=Readiness(timeout=5.0))
    assert web.tell(Redefined(False), at=4.0).phase == Starting(Run(100, 3.0), 8.0, search=DaemonSearch())


def test_a_daemon_that_ends_before_it_is_running_is_looked_for_as_long_as_a_start_may_take() -> None:
    slow = replace(WEB, ready=Readiness(timeout=5.0), min_uptime=10.0)
    for at, deadline in ((1.5, 5.0), (7.0, 7.0)):
        web = _left(slow).tell(MainChanged(1, 700)).tell(ProcessExited(1, 0), at=at)
        assert web.phase == Starting(
            Run(700, 0.0), deadline, search=DaemonSearch(Exit(0, None, at), at + LOOK_INTERVAL)
        )


def test_a_daemon_that_says_itself_that_it_is_ready_keeps_the_deadline_of_its_start() -> None:
    logging = replace(WEB, ready=Readiness(log="up", timeout=5.0))
    assert _left(logging).tell(MainChanged(1, 700), at=1.1).phase == Starting(Run(700, 0.0), 5.0)


def test_what_a_daemon_leaves_that_crashes_before_it_is_running_may_end_by_itself() -> None:
    web = _left().tell(MainChanged(1, 700)).tell(ProcessExited(1, 9), at=1.5)
    assert web.actions == (Sweep(1, 700, SIGTERM),)
    assert web.phase == Sweeping(Run(700, 0.0), Exit(9, None, 1.5), 1.5 + KILL_INTERVAL, 11.5, SIGTERM)


def test_the_end_of_a_search_ends_the_health_checks_and_is_bounded() -> None:
    check = HealthCheck(TcpProbe("127.0.0.1", 80))
    web = _left(replace(WEB, healthcheck=check)).tell(StopRequested())
    assert web.phase == Sweeping(RUN, Exit(0, None, 1.0), 11.0, 11.0, SIGTERM, asked=True)
    assert web.life.health_state is None


def test_a_hurried_stop_kills_at_once_where_leftovers_are_killed_anyway() -> None:
    assert _left(replace(WEB, stop_leftovers=StopLeftovers.KILL)).tell(Hurried()).actions == (Sweep(1, 100, SIGKILL),)


def test_a_search_that_was_to_be_stopped_and_is_wanted_again_has_a_deadline_again() -> None:
    web = _left().tell(StopAnnounced()).tell(DeadlinePassed(), at=60.0)
    search = DaemonSearch(Exit(0, None, 1.0), 1.0 + LOOK_INTERVAL)
    assert web.phase == Starting(RUN, inf, search=search)
    assert web.tell(StartRequested(), at=70.0).phase == Starting(RUN, 130.0, search=search)


def test_a_start_request_during_a_search_changes_nothing() -> None:
    assert _left().refuses(StartRequested())


def test_a_changed_entry_gives_no_deadline_to_a_search_that_waits_for_its_stop() -> None:
    web = _left().tell(StopAnnounced()).tell(DeadlinePassed(), at=60.0)
    assert web.refuses(Redefined(False))
