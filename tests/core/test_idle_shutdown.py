"""The idle shutdown: no connection for long enough ends the container, in order and with 0."""

from __future__ import annotations

from random import Random

import pytest

from supervisor.core.container import (
    ConnectionsSeen,
    LookAtConnections,
    Over,
    Resumed,
    Serving,
    ShutdownAsked,
    TimePassed,
    Updated,
)
from supervisor.core.fleet import advance, next_deadline
from supervisor.core.idle_shutdown import IdleShutdown
from supervisor.core.idle_watch import IdleWatch
from supervisor.core.program import Program, Readiness, Settings
from supervisor.core.record import replace
from supervisor.core.verdict import Cause, Verdict

from .worlds import World, ignoring_all_but_sigkill, plan_of, program

MINUTE = IdleShutdown(60.0, (8080,))
IDLE = Verdict(Cause.IDLE, 0, "no connection to port 8080 for 60 s")
WEB = program("web")


def _world(setting: IdleShutdown | None = MINUTE, **keys: bool) -> World:
    """A world that is ready at 1.0."""
    world = World(plan_of(replace(WEB, **keys), settings=Settings(idle_shutdown=setting))).begin().pass_to(1.0)
    assert world.fleet.ready_at == 1.0
    return world


def _ended_at(world: World, limit: float = 1000.0) -> float:
    world.pass_to(limit)
    assert isinstance(world.fleet.container_phase, Over)
    return world.deaths[-1][0]


def test_a_container_without_a_connection_ends_when_the_time_is_over() -> None:
    world = _world()
    assert (_ended_at(world), world.verdict) == (61.0, IDLE)


def test_the_time_begins_when_the_container_is_ready() -> None:
    slow = replace(WEB, ready=Readiness(notify="systemd", timeout=500.0))
    world = World(plan_of(slow, settings=Settings(idle_shutdown=MINUTE))).begin().pass_to(400.0)
    assert (world.looks, world.fleet.idle) == ([], None)


def test_a_connection_keeps_it_up_for_as_long_as_it_is_there() -> None:
    world = _world()
    world.is_connected = True
    world.pass_to(1000.0)
    assert isinstance(world.fleet.container_phase, Serving)
    world.is_connected = False
    last = world.looks[-1]
    assert _ended_at(world, 2000.0) == last + 60.0


def test_a_connection_that_ended_between_two_looks_starts_the_clock_again_at_its_end() -> None:
    world = _world().pass_to(40.0)
    world.last_seen = 38.5
    assert _ended_at(world) == 98.5


@pytest.mark.parametrize(
    ("after", "interval"), [(0.1, 0.2), (1.0, 0.2), (60.0, 6.0), (1800.0, 30.0), (86400.0, 30.0)], ids=str
)
def test_the_looks_follow_from_after(after: float, interval: float) -> None:
    assert IdleShutdown(after, (80,)).look_interval == interval


def test_nothing_is_looked_at_between_two_looks_and_the_last_look_is_at_the_end() -> None:
    world = _world(IdleShutdown(100.0, (80, 81))).pass_to(15.0)
    world.last_seen = 14.0
    assert _ended_at(world) == 114.0
    assert world.looks == [11.0, 21.0, 31.0, 41.0, 51.0, 61.0, 71.0, 81.0, 91.0, 101.0, 111.0, 114.0]
    assert world.verdict.reason == "no connection to ports 80, 81 for 100 s"


def test_an_answer_that_does_not_come_ends_nothing() -> None:
    world = _world()
    assert world.fleet.idle == IdleWatch(MINUTE, 1.0, 7.0)
    world.tell(Resumed(0.0), at=500.0)
    assert isinstance(world.fleet.container_phase, Serving)


def test_the_time_of_a_pause_is_not_idle_time() -> None:
    world = _world().pass_to(31.0).tell(Resumed(1000.0), at=1031.0)
    assert _ended_at(world, 2000.0) == 1061.0


@pytest.mark.parametrize(
    ("new", "end"),
    [(replace(MINUTE, after=45.0), 46.0), (replace(MINUTE, after=20.0), 31.0), (replace(MINUTE, ports=(80,)), 91.0)],
    ids=["shorter", "already over", "other ports"],
)
def test_an_update_keeps_the_clock_unless_it_changes_the_ports(new: IdleShutdown, end: float) -> None:
    world = _world().pass_to(31.0).update(WEB, settings=Settings(idle_shutdown=new))
    assert _ended_at(world) == end


def test_an_update_may_add_and_remove_it() -> None:
    world = _world(None).pass_to(31.0)
    assert next_deadline(world.fleet) is None
    world.update(WEB, settings=Settings(idle_shutdown=MINUTE)).pass_to(40.0)
    assert world.fleet.idle == IdleWatch(MINUTE, 31.0, 43.0)
    world.update(WEB, settings=Settings())
    assert [world.fleet.idle, next_deadline(world.fleet)] == [None, None]


def test_an_answer_about_other_ports_changes_nothing() -> None:
    world = _world()
    before = world.fleet
    assert world.tell(ConnectionsSeen((9,), 50.0), at=50.0).fleet == before


def test_nothing_is_looked_at_in_a_shutdown() -> None:
    world = _world()
    world.obeys = ignoring_all_but_sigkill(world.plan)
    world.tell(ShutdownAsked("SIGTERM was received"))
    assert world.fleet.idle is None
    world.run_out()
    assert (world.looks, world.verdict.cause) == ([], Cause.ASKED)


def test_the_code_is_0_whatever_the_main_program_exits_with() -> None:
    world = _world(is_main=True)
    assert (_ended_at(world), world.verdict) == (61.0, IDLE)


@pytest.mark.parametrize("seed", range(100))
def test_it_ends_exactly_when_no_connection_was_seen_for_long_enough(seed: int) -> None:
    rng = Random(seed)
    setting = IdleShutdown(rng.choice((0.1, 5.0, 60.0, 1800.0)), (8080,))
    world = World(plan_of(Program("web", ("web",)), settings=Settings(idle_shutdown=setting))).begin().pass_to(1.0)
    since = 1.0
    for _ in range(30):
        deadline = next_deadline(world.fleet)
        if deadline is None:
            break
        assert world.now < deadline <= max(world.now + setting.look_interval, deadline)
        if rng.random() < 0.3:
            world.last_seen = rng.uniform(world.now, deadline)
        if rng.random() < 0.1:
            world.tell(Updated(world.plan))
        since = max(since, world.last_seen or 0.0)
        world.pass_to(deadline)
        is_over = isinstance(world.fleet.container_phase, Over)
        assert is_over == (world.now - since >= setting.after)
        if is_over:
            break


def test_a_look_is_ordered_when_it_is_due_and_the_next_one_comes_though_its_answer_does_not() -> None:
    world = _world()
    assert advance(world.plan, world.fleet, TimePassed(), 6.9).fleet.idle == IdleWatch(MINUTE, 1.0, 7.0)
    looked = advance(world.plan, world.fleet, TimePassed(), 7.5)
    assert (looked.orders, looked.fleet.idle) == ((LookAtConnections(MINUTE.ports),), IdleWatch(MINUTE, 1.0, 13.5))
    assert advance(world.plan, looked.fleet, TimePassed(), 8.0).orders == ()


def test_a_pause_moves_the_clock_and_the_next_look() -> None:
    assert _world().tell(Resumed(5.0), at=6.0).fleet.idle == IdleWatch(MINUTE, 6.0, 12.0)
