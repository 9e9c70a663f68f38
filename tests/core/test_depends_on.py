"""`required: false` and `restart: true` of depends_on, as Compose has them."""

from __future__ import annotations

import pytest

from supervisor.core.container import Asked, RollAsked
from supervisor.core.events import RestartRequested, StartRequested, StopRequested
from supervisor.core.life import Backoff, Fatal, Pending, Running, Starting, Stopped
from supervisor.core.program import Condition, Dependency, Program, ProgramType, RestartDelay, ShutdownOn
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


def test_a_restart_takes_along_what_is_starting_and_leaves_what_waits_for_its_restart() -> None:
    slow = replace(FOLLOWER, min_uptime=60.0)
    assert up(DB, slow).ask(RestartRequested(), "db").stop_order == ["web", "db"]
    crashed = up(DB, replace(FOLLOWER, restart_delay=RestartDelay(initial=20.0))).exits("web", 1)
    waits = crashed.phase("web")
    assert isinstance(waits, Backoff)
    assert crashed.ask(RestartRequested(), "db").phase("web") == waits


def test_a_restart_is_passed_on_only_from_what_the_dependant_restarts_with() -> None:
    follower = replace(program("web"), depends_on=(Dependency("cache"), Dependency("db", restart=True)))
    assert up(DB, CACHE, follower).ask(RestartRequested(), "cache").stop_order == ["cache"]


def _layers(*, restart: bool) -> list[Program]:
    """Return 30 layers of two programs: there are 2^30 ways from the first to the last."""
    table, before = [program("base")], ["base"]
    for layer in range(30):
        needs = tuple(Dependency(name, restart=restart) for name in before)
        before = [f"{layer}a", f"{layer}b"]
        table += [replace(program(name), depends_on=needs) for name in before]
    return table


def test_a_restart_reaches_each_program_once_however_many_ways_lead_to_it() -> None:
    world = World(plan_of(*_layers(restart=True)), steps=100).begin().pass_to(9.0).ask(RestartRequested(), "base")
    assert {life.generation for life in world.fleet.lives.values()} == {2}


def test_one_run_of_a_scheduled_program_is_enough_for_its_dependants() -> None:
    job = replace(CACHE, kind=ProgramType.ONESHOT, schedule=Schedule(interval=60.0, run_on_start=True), scale=2)
    world = up(job, program("web", "cache", condition=Condition.COMPLETED)).exits("cache")
    assert (world.spawned, world.alive) == ([("cache", 1), ("web", 1)], ["web"])


def test_a_scheduled_program_on_demand_runs_at_once_for_what_depends_on_it() -> None:
    schedule = Schedule(interval=60.0, run_on_start=True)
    job = replace(CACHE, kind=ProgramType.ONESHOT, schedule=schedule, autostart=False)
    assert up(job, program("web", "cache", condition=Condition.COMPLETED)).spawned == [("cache", 1)]


def test_a_dependency_on_demand_that_an_update_replaces_starts_with_its_new_entry() -> None:
    cache = replace(CACHE, autostart=False)
    world = up(cache, DB).update(replace(cache, command=("another",)), DB, program("web", "cache")).pass_to(9.0)
    assert (world.spawned, world.life("cache").generation) == ([("db", 1), ("cache", 1), ("web", 1)], 1)
    assert (world.plan.programs["cache"].command, world.fleet.leaving) == (("another",), {})


def test_what_is_the_only_instance_of_a_dependency_is_waited_for_while_it_is_replaced() -> None:
    world = up(DB, program("web", "db"), obeys={"db": ()}).stop("web").tell(RollAsked((("db", 1),)))
    assert world.ask(StartRequested(), "web").phase("web") == Pending(("db",))
    assert world.pass_to(60.0).alive == ["db", "web"]


DISK = program("disk")


@pytest.mark.parametrize(
    "db",
    [
        program("db", "disk"),
        replace(program("db", "disk"), kind=ProgramType.ONESHOT, schedule=Schedule(interval=600.0)),
    ],
    ids=["runs", "waits for its next run"],
)
def test_a_start_leaves_alone_what_only_a_dependency_that_is_not_down_depends_on(db: Program) -> None:
    web = replace(program("web", "db"), autostart=False)
    world = up(DISK, db, web).stop("disk")
    before = world.life("db")
    world.ask(StartRequested(), "web")
    assert (world.phase("disk"), world.life("db"), "web" in world.alive) == (Stopped(), before, True)


def test_a_start_while_a_dependency_stops_starts_what_that_needs_to_come_back() -> None:
    world = up(DISK, program("db", "disk"), program("web", "db"), obeys={"db": ()}).stop("web", "db").stop("disk")
    world.ask(StartRequested(), "web").pass_to(60.0)
    assert world.alive == ["db", "disk", "web"]


def test_a_start_does_not_cut_short_the_delay_before_a_restart_of_a_dependency() -> None:
    db = replace(DB, restart_delay=RestartDelay(initial=20.0))
    world = up(db, program("web", "db")).stop("web").exits("db", 1)
    waits = world.phase("db")
    assert isinstance(waits, Backoff)
    assert world.ask(StartRequested(), "web").phase("db") == waits


def test_a_start_leaves_a_dependency_that_an_update_is_replacing_to_the_update() -> None:
    web = program("web", "db")
    world = up(DB, web, obeys={"db": ()}).stop("web").update(replace(DB, command=("another",)), web)
    leaves = world.life("db")
    assert world.ask(StartRequested(), "web").life("db") == leaves
    assert world.pass_to(60.0).alive == ["db", "web"]


@pytest.mark.parametrize("request_", [StartRequested(), StopRequested()], ids=["start", "stop"])
def test_only_a_restart_is_passed_on(request_: StartRequested | StopRequested) -> None:
    world = up(DB, FOLLOWER).ask(request_, "db")
    assert (world.life("web").generation, "web" in world.alive) == (1, True)


def test_a_run_that_goes_on_with_its_old_entry_is_not_restarted_with_its_dependency() -> None:
    job = replace(FOLLOWER, kind=ProgramType.ONESHOT, schedule=Schedule(interval=600.0, run_on_start=True))
    world = up(DB, job).update(DB, replace(job, command=("another",)))
    run = world.life("web")
    assert world.ask(RestartRequested(), "db").life("web") == run


def test_a_start_reaches_each_program_once_however_many_ways_lead_to_it() -> None:
    table = _layers(restart=False)
    world = World(plan_of(*table), steps=100).begin().pass_to(9.0).stop(*(each.name for each in table))
    world.ask(StartRequested(), table[-1].name)
    assert len(world.alive) == len(table) - 1
