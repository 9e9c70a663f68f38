"""Programs that do not start by themselves (`autostart: false`, profiles), and programs without instances."""

from __future__ import annotations

from supervisor.core.container import Asked, Serving, ShutdownAsked
from supervisor.core.events import StartRequested
from supervisor.core.fleet import new_fleet
from supervisor.core.life import Exited, Pending, Stopped
from supervisor.core.program import Condition, Dependency, Program, ProgramType, Restart, RestartWhen
from supervisor.core.record import replace
from supervisor.core.snapshot import Snapshot, State, project
from supervisor.core.verdict import Cause
from supervisor.core.why import Why

from .worlds import World, plan_of, program

NEVER = Restart(RestartWhen.NEVER)
CRON = replace(program("cron"), autostart=False)
NONE = replace(program("none"), scale=0)
JOB = replace(program("job"), kind=ProgramType.ONESHOT, restart=NEVER)


def seen(world: World) -> Snapshot:
    return project(world.plan, world.fleet)


def states(world: World) -> dict[str, State]:
    return {name: view.state for (name, _), view in seen(world).instances.items()}


def test_a_program_with_autostart_false_is_stopped_until_somebody_starts_it() -> None:
    world = World(plan_of(program("web"), CRON)).begin()
    assert (states(world), world.alive) == ({"web": State.STARTING, "cron": State.STOPPED}, ["web"])
    assert world.ask(StartRequested(), "cron").alive == ["cron", "web"]


def test_a_program_whose_profile_is_not_active_is_as_one_with_autostart_false() -> None:
    worker = replace(program("worker"), profiles=("worker",), is_enabled=False)
    world = World(plan_of(program("web"), worker)).begin().pass_to(2)
    assert (world.alive, seen(world).ready, seen(world).healthy) == (["web"], True, True)
    assert world.ask(StartRequested(), "worker").alive == ["web", "worker"]


def test_what_nobody_has_asked_for_holds_neither_ready_nor_healthy_back_and_is_fine() -> None:
    world = World(plan_of(program("web"), CRON)).begin().pass_to(2)
    view = seen(world)
    assert (view.ready, view.healthy) == (True, True)
    assert {i: instance.is_fine for i, instance in view.instances.items()} == {("web", 1): True, ("cron", 1): True}
    assert list(view.healthy_programs) == ["web"]
    why = Why(world.plan, view, 2.0, lambda _: "")
    assert [why.explain(instance) for instance in view.instances] == [None, None]


def test_once_it_was_asked_for_it_counts_as_any_other() -> None:
    world = World(plan_of(program("web"), CRON)).begin().pass_to(2).ask(StartRequested(), "cron")
    assert (seen(world).healthy, seen(world).instances["cron", 1].is_fine) == (False, False)
    assert seen(world.pass_to(4)).healthy
    world.stop("cron")
    assert (states(world)["cron"], seen(world).healthy) == (State.STOPPED, False)
    assert not seen(world).instances["cron", 1].is_fine


def test_a_stop_does_not_ask_for_it() -> None:
    world = World(plan_of(program("web"), CRON)).begin().pass_to(2).stop("cron")
    assert (seen(world).healthy, seen(world).instances["cron", 1].is_fine) == (True, True)


def test_nothing_is_ready_or_fine_before_the_container_has_begun() -> None:
    plan = plan_of(program("web"), CRON)
    view = project(plan, new_fleet(plan))
    assert (view.ready, view.healthy, view.instances["web", 1].is_fine) == (False, False, False)


def test_a_program_that_starts_starts_what_it_depends_on_down_the_chain() -> None:
    cache = replace(program("cache", "cron"), autostart=False)
    world = World(plan_of(program("web", "cache"), cache, CRON)).begin()
    assert world.spawned == [("cron", 1), ("cache", 1), ("web", 1)]


def test_an_optional_dependency_on_demand_is_neither_started_nor_waited_for() -> None:
    web = replace(program("web"), depends_on=(Dependency("cron", required=False),))
    assert World(plan_of(web, CRON)).begin().alive == ["web"]


def test_a_dependant_that_an_update_adds_starts_what_it_depends_on() -> None:
    world = World(plan_of(program("web"), CRON)).begin().update(program("web"), CRON, program("app", "cron"))
    assert world.alive == ["app", "cron", "web"]


def test_a_dependant_that_gains_the_dependency_starts_it_before_its_next_start() -> None:
    world = World(plan_of(program("web"), CRON)).begin().pass_to(2).update(program("web", "cron"), CRON)
    assert world.alive == ["web"]
    assert world.exits("web", 1).pass_to(4).alive == ["cron", "web"]


def test_every_program_has_ended_although_one_was_never_asked_for() -> None:
    world = World(plan_of(JOB, CRON)).begin().exits("job", 0)
    assert (world.verdict.cause, world.verdict.code) == (Cause.FINISHED, 0)


def test_what_was_asked_for_keeps_the_container_up() -> None:
    world = World(plan_of(JOB, CRON)).begin().ask(StartRequested(), "cron").exits("job", 0)
    assert (world.fleet.verdict, world.alive) == (None, ["cron"])


def test_a_table_of_nothing_else_waits_and_ends_when_asked() -> None:
    job = replace(JOB, autostart=False)
    world = World(plan_of(CRON, job)).begin()
    assert (seen(world).ready, seen(world).healthy, world.fleet.verdict) == (True, True, None)
    world.ask(StartRequested(), "job").exits("job", 0)
    assert (world.phase("job"), world.phase("cron"), world.fleet.verdict) == (Exited(), Stopped(), None)
    world.tell(ShutdownAsked("SIGTERM")).run_out()
    assert (world.verdict.code, world.verdict.cause) == (0, Cause.ASKED)


def test_an_update_of_autostart_neither_starts_nor_stops_anything() -> None:
    started = replace(CRON, autostart=True)
    world = World(plan_of(started, program("web"))).begin().pass_to(2).update(CRON, program("web"))
    assert (world.alive, len(world.spawned)) == (["cron", "web"], 2)
    world = World(plan_of(CRON, program("web"))).begin().pass_to(2).update(started, program("web"))
    assert (world.alive, seen(world).healthy) == (["web"], True)


def test_an_update_does_not_start_a_new_program_with_autostart_false() -> None:
    world = World(plan_of(program("web"))).begin().pass_to(2).update(program("web"), CRON)
    assert (world.alive, seen(world).healthy) == (["web"], True)


def test_more_instances_start_only_where_the_others_are_wanted() -> None:
    two = replace(CRON, scale=2)
    assert World(plan_of(CRON)).begin().update(two).alive == []
    assert World(plan_of(CRON)).begin().ask(StartRequested(), "cron").update(two).spawned == [("cron", 1), ("cron", 2)]


def test_a_program_with_scale_0_has_no_instance_and_a_dependency_on_it_is_met() -> None:
    needs = tuple(Dependency("none", condition) for condition in Condition)[:1]
    world = World(plan_of(Program("web", ("true",), depends_on=needs), NONE)).begin().pass_to(2)
    assert (world.spawned, seen(world).ready, seen(world).healthy) == ([("web", 1)], True, True)
    assert list(seen(world).healthy_programs) == ["web"]


def test_every_condition_on_a_program_with_scale_0_is_met() -> None:
    for condition in Condition:
        assert World(plan_of(program("web", "none", condition=condition), NONE)).begin().alive == ["web"]


def test_a_table_of_scale_0_waits_and_ends_when_asked() -> None:
    world = World(plan_of(NONE)).begin()
    assert (world.fleet.container_phase, seen(world).ready) == (Serving(), True)
    assert world.tell(Asked((("none", 1),), StartRequested())).spawned == []
    assert world.tell(ShutdownAsked("SIGTERM")).run_out().verdict.code == 0


def test_an_update_scales_from_0_and_to_0() -> None:
    one = replace(NONE, scale=1)
    world = World(plan_of(program("web", "none"), NONE)).begin()
    assert world.update(program("web", "none"), one).alive == ["none", "web"]
    assert world.update(program("web", "none"), NONE).fleet.lives.keys() >= {("web", 1)}
    other = replace(one, command=("other",))
    assert World(plan_of(NONE)).begin().update(other).spawned == [("none", 1)]


def test_an_on_demand_dependency_that_cannot_start_is_waited_for_as_any_other() -> None:
    world = World(plan_of(program("web", "cron"), CRON), unspawnable={"cron": ("out of memory", None)}).begin()
    assert (world.phase("web"), seen(world).healthy) == (Pending(("cron",)), False)
