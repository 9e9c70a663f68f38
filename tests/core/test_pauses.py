"""A pause of supinit itself, such as SIGSTOP or `docker pause`, is not held against any program."""

from __future__ import annotations

from math import inf
from signal import SIGTERM

import pytest

from supervisor.core.container import (
    Closing,
    ContainerPhase,
    Draining,
    Happened,
    Over,
    Resumed,
    Serving,
    ShutdownAsked,
    ShuttingDown,
)
from supervisor.core.deadlines import next_deadline, pass_deadline, postpone
from supervisor.core.events import Notified
from supervisor.core.fleet import advance
from supervisor.core.health import Health
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.life import (
    Backoff,
    Claiming,
    DaemonSearch,
    Exit,
    Goal,
    Lease,
    Life,
    Pending,
    Phase,
    Preparing,
    Run,
    Running,
    Scheduled,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.log_events import LogEvent, describe_pause
from supervisor.core.notice import Notice
from supervisor.core.program import Program, Readiness, Settings
from supervisor.core.record import replace

from .worlds import World, plan_of, program

SYSTEMD = Readiness(notify="systemd", timeout=5.0)
BEAT = Program("beat", ("beat",), ready=SYSTEMD, watchdog=2.0)


def _running() -> World:
    world = World(plan_of(BEAT)).begin()
    return world.happens("beat", Notified(1, Notice(ready=True)))


def test_a_program_is_not_silent_for_the_time_of_a_pause() -> None:
    world = _running().tell(Resumed(5.0), at=6.0)
    world.tell(Happened(("beat", 1), Notified(1, Notice(is_alive=True)))).pass_to(7.9)
    phase = world.phase("beat")
    assert isinstance(phase, Running)
    assert phase.silent_until == 8.0
    assert isinstance(world.pass_to(8.0).phase("beat"), Stopping | Backoff)


def test_a_start_has_the_time_of_a_pause_in_addition() -> None:
    world = World(plan_of(BEAT)).begin().tell(Resumed(60.0), at=61.0).pass_to(64.9)
    assert isinstance(world.phase("beat"), Starting)
    assert not isinstance(world.pass_to(65.0).phase("beat"), Starting)


def test_a_stop_step_and_the_shutdown_budget_have_the_time_of_a_pause_in_addition() -> None:
    world = World(plan_of(program("web"), settings=Settings(shutdown_timeout=10.0)), obeys={"web": ()}).begin()
    world.pass_to(1.0).tell(ShutdownAsked("SIGTERM was received"))
    world.tell(Resumed(100.0), at=102.0).run_out()
    assert [(time, signal) for time, _, signal in world.signals] == [(1.0, SIGTERM), (111.0, 9)]


def test_start_period_has_the_time_of_a_pause_in_addition() -> None:
    check = HealthCheck(TcpProbe("127.0.0.1", 80), start_period=10.0, retries=1)
    world = World(plan_of(Program("web", ("web",), healthcheck=check))).begin()
    world.probed("web", False).tell(Resumed(60.0), at=61.0).pass_to(66.0).probed("web", False)
    assert world.life("web").health is Health.STARTING


@pytest.mark.parametrize("paused_for", [0.0, -3.0])
def test_a_pause_that_was_none_changes_nothing(paused_for: float) -> None:
    world = _running()
    before = world.fleet
    assert world.tell(Resumed(paused_for)).fleet == before


def test_a_pause_is_an_event_of_the_log() -> None:
    assert describe_pause(5.00049) == LogEvent("warning", "container.resumed", {"paused_for": 5.0})


RUN = Run(100, 0.0, lease=Lease(40.0, 30.0))
EXIT = Exit(0, None, 8.0)


@pytest.mark.parametrize(
    ("phase", "later"),
    [
        (Starting(RUN, 9.0), Starting(RUN, 14.0)),
        (Starting(RUN, inf), Starting(RUN, inf)),
        (Starting(RUN, 9.0, search=DaemonSearch(EXIT, 8.5)), Starting(RUN, 14.0, search=DaemonSearch(EXIT, 13.5))),
        (Starting(RUN, inf, search=DaemonSearch(EXIT, 8.5)), Starting(RUN, inf, search=DaemonSearch(EXIT, 13.5))),
        (Running(RUN, 9.0), Running(RUN, 14.0)),
        (Running(RUN), Running(RUN)),
        (Pending((), 9.0, "held"), Pending((), 14.0, "held")),
        (Pending(("db",)), Pending(("db",))),
        (Preparing(0, "pre_start check", 9.0), Preparing(0, "pre_start check", 14.0)),
        (Claiming(9.0, "asks db"), Claiming(14.0, "asks db")),
        (Stopping(RUN, 0, 9.0, stuck_at=18.0), Stopping(RUN, 0, 14.0, stuck_at=23.0)),
        (Sweeping(RUN, EXIT, 9.0, 18.0), Sweeping(RUN, EXIT, 14.0, 23.0)),
        (Backoff(9.0, "crashed"), Backoff(14.0, "crashed")),
        (Stopped(), Stopped()),
        (Scheduled(), Scheduled()),
    ],
)
def test_a_pause_moves_every_deadline_of_a_phase_and_no_fact(phase: Phase, later: Phase) -> None:
    """A lease is the store's, whose clock runs on."""
    assert postpone(Life(phase=phase, since=1.0), 5.0) == Life(phase=later, since=1.0)


@pytest.mark.parametrize(
    "phase",
    [
        Starting(RUN, 9.0, search=DaemonSearch(EXIT, 9.0)),
        Running(replace(RUN, lease=None), 9.0),
        Pending((), 9.0, "held"),
        Preparing(0, "pre_start check", 9.0),
        Claiming(9.0, "asks db"),
        Stopping(RUN, 0, 9.0),
        Sweeping(RUN, EXIT, 9.0, 18.0),
        Sweeping(RUN, EXIT, 9.0, 18.0, hook="post_stop clean"),
        Sweeping(RUN, EXIT, 9.0, 18.0, tells_store=True),
        Backoff(9.0, "crashed"),
    ],
)
def test_nothing_is_due_before_the_deadline(phase: Phase) -> None:
    life = Life(Goal.UP, phase)
    assert next_deadline(life) == 9.0
    assert pass_deadline(BEAT, life, 8.9) == (life, ())
    assert pass_deadline(BEAT, life, 9.0)[0] != life or pass_deadline(BEAT, life, 9.0)[1]


@pytest.mark.parametrize("phase", [Pending(("db",)), Starting(replace(RUN, lease=None), inf), Stopped()])
def test_where_there_is_no_deadline_nothing_is_ever_due(phase: Phase) -> None:
    life = Life(Goal.UP, phase)
    assert next_deadline(life) is None
    assert pass_deadline(BEAT, life, 1e9) == (life, ())


def test_only_a_sign_of_life_satisfies_the_watchdog() -> None:
    world = _running().pass_to(1.0).happens("beat", Notified(1, Notice(status="serving")))
    phase = world.phase("beat")
    assert isinstance(phase, Running)
    assert phase.silent_until == 2.0


@pytest.mark.parametrize(
    ("phase", "later"),
    [
        (Serving(9.0), Serving(14.0)),
        (Serving(), Serving()),
        (Draining(1.0, 9.0, 2.0), Draining(6.0, 14.0, 2.0)),
        (ShuttingDown(1.0, 9.0, 2.0), ShuttingDown(1.0, 14.0, 2.0)),
        (ShuttingDown(1.0), ShuttingDown(1.0)),
        (Closing(9.0, 12.0), Closing(14.0, 17.0)),
        (Over(), Over()),
    ],
)
def test_a_pause_moves_every_deadline_of_the_container(phase: ContainerPhase, later: ContainerPhase) -> None:
    world = World(plan_of(program("web")), obeys={"web": ()}).begin().pass_to(2.0)
    turn = advance(world.plan, replace(world.fleet, container_phase=phase), Resumed(5.0), 8.0)
    assert turn.fleet.container_phase == later
