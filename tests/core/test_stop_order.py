"""Rule 2 of the fleet: the order of stops, through programs that are not running."""

from __future__ import annotations

from signal import SIGTERM

import pytest

from supervisor.core.container import (
    RollAsked,
    ScaleAsked,
    ShutdownAsked,
)
from supervisor.core.events import RestartRequested, StartFailed, StopAnnounced
from supervisor.core.holds import count_holds, note_hold
from supervisor.core.life import Blame, Exited, Goal, Life, Phase, Run, Running, Stopped, Stopping
from supervisor.core.plan import critical_path
from supervisor.core.program import (
    Condition,
    Dependency,
    InstanceId,
    Program,
    ProgramType,
    Restart,
    RestartWhen,
    Settings,
    SignalStep,
)
from supervisor.core.record import replace
from supervisor.core.verdict import Cause, Verdict

from .worlds import World, plan_of, program

DB = program("db")
MIGRATE = Program(
    "migrate",
    ("migrate",),
    kind=ProgramType.ONESHOT,
    restart=Restart(RestartWhen.NEVER),
    depends_on=(Dependency("db"),),
)
WEB = program("web", "migrate", condition=Condition.COMPLETED)
SHUTDOWN = ShutdownAsked("SIGTERM was received")


def _up(*programs: Program, **fields: object) -> World:
    world = World(plan_of(*programs), **fields).begin()  # type: ignore[arg-type]  # what a test says
    if "migrate" in world.alive:
        world.exits("migrate")
    return world.pass_to(2.0)


def test_a_shutdown_keeps_the_order_through_a_oneshot_that_has_completed() -> None:
    world = _up(DB, MIGRATE, WEB, obeys={"web": ()})
    assert (world.alive, isinstance(world.phase("migrate"), Exited)) == (["db", "web"], True)
    world.tell(SHUTDOWN)
    assert [(name, signal) for _, (name, _), signal in world.signals] == [("web", SIGTERM)]
    world.run_out()
    assert world.stop_order[-2:] == ["web", "db"]


def test_a_process_that_sigkill_does_not_end_holds_up_the_stop_of_its_dependencies_for_ten_seconds_only() -> None:
    world = _up(DB, program("web", "db"))
    del world.pids["web", 1]  # no signal reaches it
    world.tell(SHUTDOWN).pass_to(21.9)
    assert world.deaths == []
    world.run_out()
    assert world.deaths == [(22.0, ("db", 1))]
    assert world.verdict == Verdict(Cause.ASKED, 0, "SIGTERM was received")


def test_a_shutdown_keeps_the_order_through_a_program_that_was_stopped_by_hand() -> None:
    world = _up(DB, program("api", "db"), program("web", "api"), obeys={"web": ()}).stop("api")
    assert (world.phase("api"), world.alive) == (Stopped(), ["db", "web"])
    world.tell(SHUTDOWN)
    assert isinstance(world.phase("db"), Running)
    assert world.run_out().stop_order == ["api", "web", "db"]


def test_a_stop_of_one_program_does_not_wait_for_what_stays_up() -> None:
    assert _up(DB, MIGRATE, WEB).stop("db").alive == ["web"]


def test_a_running_program_that_stays_up_ends_the_chain() -> None:
    world = _up(DB, program("api", "db"), program("web", "api"), obeys={"web": ()}).stop("web", "db")
    assert (world.alive, isinstance(world.phase("web"), Stopping)) == (["api", "web"], True)


def test_one_instance_that_runs_ends_the_chain_for_all() -> None:
    api = replace(program("api", "db"), scale=2)
    world = _up(DB, api, program("web", "api"), obeys={"web": ()})
    world.exits("api", number=1)
    assert world.stop("web", "db").alive == ["api", "web"]


def test_a_restart_keeps_the_order_through_a_program_that_is_not_running() -> None:
    world = _up(DB, MIGRATE, WEB, obeys={"web": ()}).ask(RestartRequested(), "web", "db")
    assert [(name, signal) for _, (name, _), signal in world.signals] == [("web", SIGTERM)]


def test_the_worst_case_of_a_shutdown_counts_the_chain_through_a_oneshot() -> None:
    plan = plan_of(DB, MIGRATE, replace(WEB, stop=(SignalStep(SIGTERM, 15.0),)))
    assert (critical_path(plan), plan.stop_time_below["web"]) == ((("web", "db"), 25.0), 10.0)


def test_a_budget_leaves_time_for_what_stops_behind_a_oneshot() -> None:
    obeys: dict[str, tuple[int, ...]] = {"web": (), "db": ()}
    table = plan_of(DB, MIGRATE, WEB, settings=Settings(shutdown_timeout=10.0))
    world = World(table, obeys=obeys).begin().exits("migrate").pass_to(2.0).tell(SHUTDOWN).run_out()
    assert [(time, name) for time, (name, _) in world.deaths[1:]] == [(7.0, "web"), (12.0, "db")]


def _lives(**phases: tuple[Goal, Phase]) -> dict[InstanceId, Life]:
    return {(name, 1): Life(goal, phase) for name, (goal, phase) in phases.items()}


RUN = Run(100, 0.0)
UP, TO_STOP, DOWN = (Goal.UP, Running(RUN)), (Goal.DOWN, Running(RUN)), (Goal.DOWN, Stopped())
STUCK = (Goal.DOWN, Stopping(RUN, 1, 10.0, is_stuck=True))


@pytest.mark.parametrize(
    ("web", "migrate", "held"),
    [
        (UP, DOWN, {}),
        (DOWN, DOWN, {}),
        (STUCK, DOWN, {}),
        (TO_STOP, DOWN, {"migrate": 1, "db": 1}),
        (TO_STOP, UP, {"migrate": 1}),
        (TO_STOP, TO_STOP, {"migrate": 1, "db": 1}),
        (DOWN, TO_STOP, {"db": 1}),
    ],
)
def test_what_is_to_stop_holds_its_dependencies_back_through_what_is_down(
    web: tuple[Goal, Phase], migrate: tuple[Goal, Phase], held: dict[str, int]
) -> None:
    plan = plan_of(DB, MIGRATE, WEB)
    assert count_holds(plan, _lives(db=UP, migrate=migrate, web=web)) == held


def test_one_instance_that_is_to_stop_is_enough_and_each_change_is_counted_once() -> None:
    plan = plan_of(DB, replace(program("web", "db"), scale=2), program("app", "db"))
    lives = {("db", 1): Life(*UP), ("web", 1): Life(*UP), ("web", 2): Life(*TO_STOP), ("app", 1): Life(*TO_STOP)}
    held = count_holds(plan, lives)
    assert held == {"db": 2}
    lives["web", 2] = Life(*DOWN)
    assert note_hold(plan, lives, held, ("web", 2), Life(*TO_STOP)) == []
    assert held == {"db": 1}
    lives["app", 1] = Life(*DOWN)
    assert note_hold(plan, lives, held, ("app", 1), Life(*TO_STOP)) == ["db"]
    assert held == {}
    lives["app", 1] = Life(*TO_STOP)
    assert note_hold(plan, lives, held, ("app", 1), Life(*UP)) == []
    assert held == {"db": 1}
    assert note_hold(plan, lives, held, ("db", 1), Life(*DOWN)) == []


def test_what_crashes_while_it_is_held_back_passes_the_order_on() -> None:
    world = _up(DB, program("cache", "db"), program("web", "cache"), program("api", "cache"), obeys={"web": ()})
    world.tell(SHUTDOWN).exits("cache", 1)
    assert (world.fleet.held, world.alive) == ({"cache": 1, "db": 1}, ["db", "web"])
    world.run_out()
    assert world.stop_order == ["api", "cache", "web", "db"]


def test_each_program_that_is_down_counts_once_however_many_hold_it_back() -> None:
    world = _up(DB, MIGRATE, WEB, replace(WEB, name="api"), obeys={"web": (), "api": ()}).tell(SHUTDOWN)
    assert world.fleet.held == {"migrate": 2, "db": 1}


def test_a_stop_that_is_under_way_for_a_failure_is_left_as_it_is_when_it_is_announced() -> None:
    world = World(plan_of(DB, program("web", "db")), obeys={"db": ()}).begin().happens("db", StartFailed(1, "no disk"))
    before = world.phase("db")
    assert (
        world.happens("db", StopAnnounced()).phase("db")
        == before
        == Stopping(Run(101, 0.0), 0, 10.0, blame=Blame("no disk"))
    )


def test_a_restart_of_what_is_starting_waits_for_its_turn_to_stop() -> None:
    db = replace(DB, min_uptime=60.0)
    world = World(plan_of(db, program("web", "db")), obeys={"web": ()}).begin().pass_to(2.0).stop("web")
    assert world.ask(RestartRequested(), "db").signals == [(2.0, ("web", 1), SIGTERM)]


def test_a_request_of_a_roll_or_a_scale_means_nothing_once_a_shutdown_has_begun() -> None:
    world = World(plan_of(DB, settings=Settings(drain_delay=5.0))).begin().pass_to(2.0).tell(SHUTDOWN)
    before = world.fleet
    assert world.tell(RollAsked((("db", 1),))).tell(ScaleAsked("db", 2)).fleet == before


def test_a_budget_that_is_used_up_is_applied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that can be cut no shorter is left alone, however often the rule looks at it."""
    monkeypatch.setattr("supervisor.core.stop_order.TOLERANCE", -1.0)
    plan = plan_of(DB, program("web", "db"), settings=Settings(shutdown_timeout=10.0))
    world = World(plan, obeys={"web": (), "db": ()}).begin().pass_to(2.0).tell(SHUTDOWN)
    assert world.verdict.code == 0
    world.run_out()
    assert (world.alive, world.now) == ([], 12.0)
