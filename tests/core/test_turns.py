"""What one event leads to, and what is left for the next one (settling.py)."""

from __future__ import annotations

import pytest

from supervisor.core.container import (
    STEPS,
    Asked,
    Batch,
    Begun,
    Change,
    ContainerReady,
    Fleet,
    Happened,
    RollAsked,
    ScaleAsked,
    TimePassed,
    Updated,
)
from supervisor.core.events import (
    BecameReady,
    Event,
    Probed,
    ProcessExited,
    RestartRequested,
    Spawned,
    SpawnFailed,
    StartRequested,
    StopRequested,
    Swept,
)
from supervisor.core.fleet import advance, new_fleet, next_deadline
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.life import Backoff, Pending, Spawning
from supervisor.core.program import (
    InstanceId,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartDelay,
    RestartWhen,
    ShutdownOn,
)
from supervisor.core.record import replace
from supervisor.core.schedule import Outcome, Schedule
from supervisor.core.update import Leaving
from supervisor.core.update_config import Order, UpdateConfig

from .worlds import World, plan_of, program

WEB, DB = program("web"), program("db")
ONE, TWO, THREE = (("web", number) for number in (1, 2, 3))


def _up(*programs: Program, **fields: object) -> World:
    return World(plan_of(*programs), **fields).begin().pass_to(2.0)  # type: ignore[arg-type]  # what a test says


def _phases(fleet: Fleet) -> dict[str, str]:
    return {name: type(life.phase).__name__ for (name, _), life in fleet.lives.items()}


# ---- what a turn tells


def test_a_turn_has_a_plan_only_if_it_is_another_one() -> None:
    world = _up(DB)
    assert advance(world.plan, world.fleet, TimePassed(), 3.0).plan is None
    assert advance(world.plan, world.fleet, ScaleAsked("db", 2), 3.0).plan == replace(
        plan_of(replace(DB, scale=2)), scaled={"db": (1, 2)}
    )


def test_the_container_is_ready_when_the_last_program_is_up() -> None:
    world = World(plan_of(WEB, DB)).begin()
    ready = advance(world.plan, world.fleet, TimePassed(), 1.0)
    assert (ready.changes[-1], ready.fleet.ready_at) == (ContainerReady(), 1.0)


@pytest.mark.parametrize(
    "after",
    [(DB,), (DB, replace(WEB, min_uptime=60.0, shutdown_on=ShutdownOn.NEVER)), (DB, replace(WEB, scale=0))],
    ids=["removed", "not essential", "no instances"],
)
def test_the_container_is_ready_when_an_update_leaves_nothing_to_wait_for(after: tuple[Program, ...]) -> None:
    world = _up(DB, replace(WEB, min_uptime=60.0))
    assert world.fleet.ready_at is None
    assert world.update(*after).fleet.ready_at == 2.0


def test_the_container_is_ready_when_a_new_process_takes_over_from_one_that_never_was_healthy() -> None:
    ready = Readiness(notify="systemd")
    check = HealthCheck(TcpProbe("127.0.0.1", 80))
    web = replace(WEB, ready=ready, healthcheck=check, update_config=UpdateConfig(order=Order.START_FIRST))
    world = World(plan_of(web)).begin().happens("web", BecameReady(1)).tell(RollAsked((ONE,)))
    successor = world.spawned[-1]
    assert (successor == ONE, world.fleet.ready_at) == (False, None)
    world.tell(Happened(successor, BecameReady(2))).tell(Happened(successor, Probed(2, True, "")))
    assert world.fleet.ready_at == 0.0


@pytest.mark.parametrize("steps", [1, STEPS])
def test_events_of_one_batch_lead_to_what_they_lead_to_one_by_one(steps: int) -> None:
    job = replace(program("job"), kind=ProgramType.ONESHOT, restart=Restart(RestartWhen.NEVER))
    job = replace(job, schedule=Schedule(interval=10.0))
    world = World(plan_of(job, DB)).begin().pass_to(10.0)
    world.fleet = replace(world.fleet, steps_left=steps)
    events = (
        Happened(("job", 1), ProcessExited(1, 0, None)),
        Happened(("job", 1), Swept(1)),
        Asked((("db", 1),), StopRequested()),
        Updated(plan_of(job, WEB, program("api"), program("cache"))),
        TimePassed(),
        TimePassed(),
    )
    plan, fleet = world.plan, world.fleet
    changes: list[object] = []
    for event in events:
        turn = advance(plan, fleet, event, 11.0)
        plan, fleet, changes = turn.plan or plan, turn.fleet, [*changes, *turn.changes]
    together = advance(world.plan, world.fleet, Batch(events), 11.0)
    assert (together.plan, together.fleet, list(together.changes)) == (plan, fleet, changes)
    assert fleet.schedules["job"].outcomes[Outcome.SUCCEEDED] == 1


# ---- what is left for the next turn


def test_what_has_to_wait_waits_for_its_turn_and_each_step_counts_once() -> None:
    programs = [program(name) for name in "abcd"]
    plan = plan_of(*programs)
    first = advance(plan, replace(new_fleet(plan), steps_left=2), Begun(), 0.0).fleet
    assert _phases(first) == {"a": "Spawning", "b": "Spawning", "c": "Pending", "d": "Pending"}
    assert (first.steps_left, first.unsettled, first.continue_at, next_deadline(first)) == (0, ("c", "d"), 0.0, 0.0)
    later = advance(plan, first, Asked((("c", 1),), StopRequested()), 0.1).fleet
    again = advance(plan, later, Asked((("c", 1),), StartRequested()), 0.2).fleet
    assert (again.unsettled, again.steps_left) == (("c", "d"), 0)
    assert set(_phases(advance(plan, again, TimePassed(), 0.3).fleet).values()) == {"Spawning"}


def test_what_is_left_over_is_kept_with_what_was_left_over_before() -> None:
    plan = plan_of(*(replace(program(name), autostart=name < "c") for name in "abcd"))
    fleet = advance(plan, replace(new_fleet(plan), steps_left=1), Begun(), 0.0).fleet
    assert fleet.unsettled == ("b",)
    for name in "dc":
        fleet = advance(plan, fleet, Asked(((name, 1),), StartRequested()), 0.1).fleet
    assert (fleet.unsettled, advance(plan, fleet, TimePassed(), 0.2).fleet.unsettled) == (("b", "d", "c"), ())


def test_what_has_left_is_replaced_in_the_next_turn_and_not_before() -> None:
    """An event about a process belongs to the old entry; the engine reads the output of the dead process meanwhile."""
    world = _up(DB, WEB, obeys={"web": ()}).update(DB)
    exited = advance(world.plan, world.fleet, Happened(ONE, ProcessExited(1, 0, None)), 3.0).fleet
    assert (exited.continue_at, list(exited.leaving)) == (None, ["web"])
    swept = advance(world.plan, exited, Happened(ONE, Swept(1)), 3.0).fleet
    assert (swept.continue_at, list(swept.leaving)) == (3.0, ["web"])
    turn = advance(world.plan, swept, TimePassed(), 3.0)
    assert (turn.plan, turn.fleet.leaving, turn.fleet.continue_at) == (plan_of(DB), {}, None)


def test_a_program_that_cannot_be_spawned_is_tried_again_in_another_turn() -> None:
    """However short its delay is: nothing may keep PID 1 in one turn."""
    quick = replace(WEB, restart_delay=RestartDelay(0.0))
    plan = plan_of(quick)
    fleet = advance(plan, new_fleet(plan), Begun(), 0.0).fleet
    failed = advance(plan, fleet, Happened(ONE, SpawnFailed(1, "cannot be started", None)), 0.0).fleet
    assert isinstance(failed.lives[ONE].phase, Backoff)
    assert isinstance(advance(plan, failed, TimePassed(), 0.0).fleet.lives[ONE].phase, Spawning)


def test_a_process_that_has_ended_is_replaced_at_once_where_there_is_no_delay() -> None:
    quick = replace(WEB, restart_delay=RestartDelay(0.0))
    world = _up(quick)
    exited = advance(world.plan, world.fleet, Happened(ONE, ProcessExited(1, 1, None)), 3.0).fleet
    turn = advance(world.plan, exited, Happened(ONE, Swept(1)), 3.0)
    steps = [type(change.after.phase).__name__ for change in turn.changes if isinstance(change, Change)]
    assert steps == ["Backoff", "Pending", "Spawning"]


def test_an_event_that_changes_nothing_tells_nothing() -> None:
    world = _up(WEB)
    turn = advance(world.plan, world.fleet, Happened(ONE, Spawned(1, 101)), 2.5)
    assert (turn.fleet, turn.orders, turn.changes) == (world.fleet, (), ())


# ---- what is asked for while something leaves

SLOW = {"web": (), "api": ()}
STOP, START, RESTART = StopRequested(), StartRequested(), RestartRequested()


@pytest.mark.parametrize(
    ("requests", "wanted", "run_next"),
    [
        ([], (ONE, TWO), ()),
        ([(ONE, STOP)], (TWO,), ()),
        ([(ONE, START)], (TWO, ONE), (ONE,)),
        ([(ONE, RESTART)], (TWO, ONE), (ONE,)),
        ([(ONE, STOP), (TWO, STOP), (ONE, START)], (ONE,), (ONE,)),
        ([(ONE, RESTART), (TWO, RESTART), (ONE, STOP)], (TWO,), (TWO,)),
        ([(ONE, RESTART), (ONE, START)], (TWO, ONE), (ONE,)),
        ([(ONE, RESTART), (TWO, RESTART)], (ONE, TWO), (ONE, TWO)),
        ([(THREE, START)], (ONE, TWO), ()),
        ([(THREE, RESTART)], (ONE, TWO), ()),
    ],
    ids=str,
)
def test_a_request_for_what_leaves_is_one_for_what_follows(
    requests: list[tuple[InstanceId, Event]], wanted: tuple[InstanceId, ...], run_next: tuple[InstanceId, ...]
) -> None:
    """web has three instances now, and two afterwards. The third one is stopped already."""
    world = _up(replace(WEB, scale=3), program("api"), DB, obeys=SLOW).tell(Asked((THREE,), STOP))
    after = replace(WEB, scale=2, command=("new",))
    world.update(after, replace(program("api"), command=("new",)), DB)
    for instance, event in requests:
        world.tell(Asked((instance,), event))
    assert world.fleet.leaving["web"] == Leaving((ONE, TWO, THREE), after, wanted, run_next)
    assert world.fleet.leaving["api"].wanted == (("api", 1),)
    assert sorted(i for i in world.pass_to(60.0).pids if i[0] == "web") == sorted(wanted)


def test_a_start_of_what_is_removed_starts_nothing_and_what_it_depends_on_stays_down() -> None:
    web = program("web", "db")
    world = _up(web, DB, program("other"), obeys=SLOW).stop("web", "db").update(DB, program("other"))
    world.tell(Asked((ONE,), START)).pass_to(60.0)
    assert (world.alive, world.fleet.leaving) == (["other"], {})


# ---- the end of everything


def test_a_program_that_waits_for_a_request_does_not_end_the_container() -> None:
    world = _up(replace(WEB, autostart=False), DB).update(WEB).pass_to(60.0)
    assert (world.fleet.verdict, isinstance(world.phase("web"), Pending)) == (None, False)
