"""`required: false` and `restart: true` of depends_on, as Compose has them."""

from __future__ import annotations

from supervisor.core.container import Asked
from supervisor.core.events import RestartRequested, StartRequested, StopRequested
from supervisor.core.life import Fatal, Pending, Running, Starting, Stopped
from supervisor.core.program import Condition, Dependency, Program, ProgramType, ShutdownOn
from supervisor.core.record import replace
from supervisor.core.schedule import Schedule

from .worlds import World, plan_of, program

DB, CACHE = program("db"), program("cache")
OPTIONAL = replace(program("web"), depends_on=(Dependency("cache", Condition.HEALTHY, required=False),))
FOLLOWER = replace(program("web"), depends_on=(Dependency("db", restart=True),))


def up(*table: Program, **fields: object) -> World:
    return World(plan_of(*table), **fields).begin().pass_to(2.0)  # type: ignore[arg-type]  # what a test says


def test_an_optional_dependency_on_its_way_up_is_waited_for() -> None:
    world = World(plan_of(CACHE, OPTIONAL)).begin()
    assert world.phase("web") == Pending(("cache",))
    assert isinstance(world.pass_to(1.0).phase("web"), Starting)


def test_an_optional_dependency_that_has_failed_is_not_waited_for() -> None:
    never = replace(CACHE, shutdown_on=ShutdownOn.NEVER)
    world = up(never, OPTIONAL, unspawnable={"cache": ("cannot be started", 127)})
    assert isinstance(world.phase("cache"), Fatal)
    assert isinstance(world.phase("web"), Running)


def test_an_optional_dependency_that_is_stopped_is_neither_waited_for_nor_started() -> None:
    world = up(CACHE, OPTIONAL).ask(StopRequested(), "web", "cache").ask(StartRequested(), "web")
    assert (world.alive, world.phase("cache")) == (["web"], Stopped())


def test_a_restart_takes_along_what_is_to_restart_with_it_in_order() -> None:
    world = up(DB, FOLLOWER, program("other", "db"))
    world.ask(RestartRequested(), "db")
    assert world.stop_order == ["web", "db"]
    assert world.spawned[-2:] == [("db", 1), ("web", 1)]
    assert world.life("other").generation == 1


def test_a_restart_is_passed_on_along_the_chain() -> None:
    follower = replace(program("proxy"), depends_on=(Dependency("web", restart=True),))
    assert up(DB, FOLLOWER, follower).ask(RestartRequested(), "db").stop_order == ["proxy", "web", "db"]


def test_a_crash_restarts_nothing_else() -> None:
    world = up(DB, FOLLOWER).exits("db", 1).pass_to(5.0)
    assert (world.life("db").generation, world.life("web").generation) == (2, 1)


def test_a_restart_does_not_start_what_is_down() -> None:
    world = up(DB, FOLLOWER).stop("web").ask(RestartRequested(), "db")
    assert world.alive == ["db"]


def test_an_update_that_replaces_a_program_restarts_what_is_to_restart_with_it() -> None:
    world = up(DB, FOLLOWER, program("other", "db"))
    world.update(replace(DB, command=("another",)), FOLLOWER, program("other", "db"))
    assert (world.stop_order, world.alive) == (["web", "db"], ["db", "other", "web"])
    assert world.life("other").generation == 1


def test_one_of_several_dependencies_is_enough_to_restart_with() -> None:
    follower = replace(program("web", "cache"), depends_on=(Dependency("cache"), Dependency("db", restart=True)))
    world = up(DB, CACHE, follower).ask(RestartRequested(), "db")
    assert (world.stop_order, world.life("cache").generation) == (["web", "db"], 1)


def test_a_restart_leaves_what_is_to_stop_anyway_as_it_is() -> None:
    proxy = program("proxy", "web")
    world = up(DB, FOLLOWER, proxy, obeys={"proxy": ()}).ask(StopRequested(), "web", "proxy")
    world.ask(RestartRequested(), "db")
    assert not world.life("web").is_wanted
    world.pass_to(60.0)
    assert world.alive == ["db"]


def test_an_optional_dependency_whose_schedule_rests_is_not_waited_for() -> None:
    job = replace(CACHE, kind=ProgramType.ONESHOT, schedule=Schedule(interval=60.0), autostart=False)
    web = replace(program("web"), depends_on=(Dependency("cache", Condition.COMPLETED, required=False),))
    assert isinstance(up(job, web).phase("web"), Running)


def test_a_request_for_an_instance_that_does_not_exist_changes_nothing() -> None:
    world = up(DB, FOLLOWER)
    before = world.fleet
    for event in (StartRequested(), StopRequested(), RestartRequested()):
        world.tell(Asked((("nobody", 1), ("db", 2)), event))
    assert world.fleet == before
