"""One turn of the fleet: it is bounded, whatever happens, and several events in it are worked out one by one."""

from __future__ import annotations

import sys
from signal import SIGKILL, SIGTERM

import pytest

from supervisor.core.actions import SendSignal
from supervisor.core.container import (
    STEPS,
    Asked,
    Batch,
    Begun,
    ClockRead,
    ClockSet,
    ConnectionsSeen,
    ContainerPhase,
    Draining,
    FilesLooked,
    FilesTouched,
    FleetEvent,
    Happened,
    MemoryMeasured,
    Order,
    Over,
    Resumed,
    Serving,
    ShutdownAsked,
    ShuttingDown,
    TimePassed,
    Updated,
)
from supervisor.core.events import Notified, ProcessExited, RestartRequested, StartRequested, StopRequested, Swept
from supervisor.core.fleet import advance, new_fleet, next_deadline
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.life import Stopped
from supervisor.core.notice import Notice
from supervisor.core.program import Program, Scope, Settings
from supervisor.core.record import replace
from supervisor.core.settling import Settling
from supervisor.core.stop_order import stop_if_free
from supervisor.core.verdict import Cause
from supervisor.core.watch import Watch

from .worlds import World, plan_of, program

DB = program("db")
SHUTDOWN = ShutdownAsked("SIGTERM was received")


def _up(*programs: Program, **fields: object) -> World:
    return World(plan_of(*programs), **fields).begin().pass_to(2.0)  # type: ignore[arg-type]  # what a test says


# ---- settling has a bound


def test_settling_that_does_not_end_is_an_internal_error_that_ends_the_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rule is broken on purpose: a stop under way is looked at again and again."""

    def hesitate(turn: Settling, name: str) -> None:
        real(turn, name)
        if turn.now >= 2.0 and not turn.is_broken:
            turn.touched.append(name)
            turn.changes.append(turn.changes[-1])

    world = World(plan_of(DB, program("web", "db")), obeys={"web": (), "db": ()}).begin().pass_to(2.0)
    real = stop_if_free
    monkeypatch.setattr("supervisor.core.fleet.stop_if_free", hesitate)
    world.tell(SHUTDOWN)
    assert world.verdict.code == 70
    assert world.verdict.reason.startswith("internal error: the state of ")
    assert world.verdict.reason.endswith(" does not settle")
    world.run_out()
    assert isinstance(world.fleet.container_phase, Over)
    assert world.alive == []


def _hesitate(monkeypatch: pytest.MonkeyPatch, while_: tuple[type[ContainerPhase], ...]) -> None:
    """Break the rule on purpose: a program is looked at again and again in these phases of the container."""

    def hesitate(turn: Settling, name: str) -> None:
        stop_if_free(turn, name)
        if isinstance(turn.container_phase, while_):
            turn.touched.append(name)
            turn.changes.append(turn.changes[-1])

    monkeypatch.setattr("supervisor.core.fleet.stop_if_free", hesitate)


def test_a_shutdown_that_does_not_settle_goes_on_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    world = _up(DB, program("web", "db"))
    _hesitate(monkeypatch, (ShuttingDown,))
    world.tell(SHUTDOWN).run_out()
    assert [(name, signal) for _, (name, _), signal in world.signals] == [("web", SIGTERM), ("db", SIGTERM)]
    assert (world.verdict.code, world.now) == (70, 2.0)


def test_where_not_even_the_shutdown_settles_everything_is_killed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = _up(DB, program("web", "db"))
    _hesitate(monkeypatch, (Serving, ShuttingDown))
    turn = advance(world.plan, world.fleet, Asked((("web", 1),), StopRequested()), 3.0)
    assert turn.fleet.container_phase == ShuttingDown(3.0, 3.0, 3.0)
    killed = {o.instance: o.action for o in turn.orders if isinstance(o, Order)}
    assert killed == {
        ("web", 1): SendSignal(world.pids["web", 1], SIGKILL, Scope.TREE),
        ("db", 1): SendSignal(world.pids["db", 1], SIGKILL, Scope.TREE),
    }


@pytest.mark.parametrize("drain_delay", [0.0, 5.0])
def test_settling_that_ends_with_a_shutdown_stops_in_order_and_does_not_drain(
    monkeypatch: pytest.MonkeyPatch, drain_delay: float
) -> None:
    table = (DB, program("web", "db"), program("other"))
    world = World(plan_of(*table, settings=Settings(drain_delay=drain_delay))).begin().pass_to(2.0)
    _hesitate(monkeypatch, (Serving, Draining))
    world.stop("web").run_out()
    assert (world.verdict.cause, world.verdict.code) == (Cause.INTERNAL, 70)
    assert {(time, signal) for time, _, signal in world.signals} == {(2.0, SIGTERM)}
    assert world.stop_order.index("web") < world.stop_order.index("db")
    assert sorted(world.stop_order) == ["db", "other", "web"]


# ---- one turn is bounded


def test_a_turn_starts_and_stops_a_bounded_number_of_programs_and_the_rest_follows() -> None:
    plan = plan_of(*(program(f"p{number}") for number in range(3 * STEPS)))
    fleet, started = new_fleet(plan), []
    turn = advance(plan, fleet, Begun(), 5.0)
    while turn.orders:
        assert len(turn.orders) <= STEPS
        started += [order.instance for order in turn.orders if isinstance(order, Order)]
        if next_deadline(turn.fleet) is not None:
            assert next_deadline(turn.fleet) == 5.0
        turn = advance(plan, turn.fleet, TimePassed(), 5.0)
    assert (sorted(started), next_deadline(turn.fleet)) == (sorted(plan.instances), None)


def test_a_turn_of_a_shutdown_stops_a_bounded_number_of_programs_and_the_rest_follows() -> None:
    plan = plan_of(*(program(f"p{number}") for number in range(2 * STEPS)))
    turn, stopped = advance(plan, World(plan).begin().pass_to(5.0).fleet, SHUTDOWN, 5.0), []
    while turn.orders or turn.fleet.continue_at is not None:
        instances = {order.instance for order in turn.orders if isinstance(order, Order)}
        assert len(instances) <= STEPS
        stopped += sorted(instances)
        turn = advance(plan, turn.fleet, TimePassed(), 5.0)
    assert sorted(stopped) == sorted(plan.instances)


def test_what_an_update_removes_while_it_waits_for_a_step_is_forgotten() -> None:
    table = [program(f"p{number}") for number in range(STEPS + 2)]
    turn = advance(plan_of(*table), new_fleet(plan_of(*table)), Begun(), 0.0)
    plan = plan_of(*table[:-1])
    turn = advance(plan_of(*table), turn.fleet, Updated(plan), 0.0)
    world = World(plan)
    world.fleet = turn.fleet
    world.pids = dict.fromkeys(plan.instances[:STEPS], 1)
    assert world.tell(TimePassed()).spawned == [(f"p{STEPS}", 1)]


def test_a_program_that_is_held_back_costs_no_step() -> None:
    world = World(plan_of(DB, program("job", "db")), held={"job": 60.0}).begin().pass_to(2.0)
    left = world.fleet.steps_left
    assert world.happens("db", Notified(1, Notice(status="serving"))).fleet.steps_left == left


def test_what_leaves_in_an_update_is_not_replaced_once_a_shutdown_has_begun() -> None:
    world = World(plan_of(DB), obeys={"db": ()}).begin().pass_to(2.0).update(replace(DB, command=("another",)))
    world.tell(SHUTDOWN).exits("db")
    assert (world.phase("db"), world.spawned) == (Stopped(), [("db", 1)])


def test_several_events_in_a_batch_lead_to_what_each_of_them_alone_leads_to() -> None:
    world = _up(DB, program("web", "db"), program("other"))
    lives, new = world.fleet.lives, replace(DB, command=("another",))
    events: tuple[FleetEvent, ...] = (
        Happened(("web", 1), ProcessExited(lives["web", 1].generation, 7)),
        Happened(("web", 1), Swept(lives["web", 1].generation)),
        Updated(plan_of(new, program("web", "db"), program("other"))),
        Asked((("other", 1),), StopRequested()),
    )
    plan, turns = world.plan, []
    fleet = world.fleet
    for event in events:
        turns.append(advance(plan, fleet, event, 5.0))
        plan, fleet = turns[-1].plan or plan, turns[-1].fleet
    together = advance(world.plan, world.fleet, Batch(events), 5.0)
    assert (together.fleet, together.plan) == (fleet, plan)
    assert together.orders == tuple(order for turn in turns for order in turn.orders)
    assert together.changes == tuple(change for turn in turns for change in turn.changes)


@pytest.mark.parametrize(
    "event",
    [
        ConnectionsSeen((80,), 1.0),
        ClockRead({}),
        ClockSet(),
        FilesTouched((("db", Watch("/etc/db")),)),
        FilesLooked(("db", Watch("/etc/db")), ("a",)),
        MemoryMeasured("db", {("db", 1): (1, 5)}),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_answer_for_which_nobody_has_asked_changes_nothing(event: FleetEvent) -> None:
    world = _up(DB)
    before = world.fleet
    assert world.tell(event).fleet == before


FEATURES = (
    "file_changes",
    "idle_watch",
    "lanes",
    "lease_reports",
    "leasing",
    "restart_due",
    "roll",
    "roll_events",
    "rolling",
    "scaling",
    "scheduling",
    "succession",
)


def test_a_table_without_a_feature_never_loads_the_module_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing one of them costs PID 1 milliseconds and memory, while programs wait for it."""
    for name in FEATURES:
        monkeypatch.setitem(sys.modules, f"supervisor.core.{name}", None)  # an import of it fails
    web = replace(program("web", "db"), scale=2, healthcheck=HealthCheck(TcpProbe("127.0.0.1", 80)))
    world = World(plan_of(DB, web, settings=Settings(drain_delay=5.0)), obeys={"db": ()}).begin().pass_to(2.0)
    world.probed("web", True).exits("web", 7, number=2).pass_to(9.0)
    world.ask(RestartRequested(), "web").stop("db").pass_to(30.0).ask(StartRequested(), "db").pass_to(40.0)
    world.tell(Resumed(5.0), at=50.0).update(replace(DB, command=("another",)), web).pass_to(90.0)
    world.tell(ClockSet()).tell(ConnectionsSeen((80,))).tell(SHUTDOWN).run_out()
    assert world.stop_order[-1] == "db"
