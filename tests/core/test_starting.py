"""Rule 1 of the fleet: a wanted program starts once everything that it depends on meets its condition."""

from __future__ import annotations

import pytest

from supervisor.core.container import Asked, Begun, Draining, Happened, Serving, ShutdownAsked
from supervisor.core.events import BecameReady, RestartRequested, Spawned, StartRequested, StopRequested
from supervisor.core.fleet import advance, new_fleet, next_deadline
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.life import Exited, Fatal, Goal, Pending, Running, Starting, Stopped
from supervisor.core.program import (
    Condition,
    Dependency,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartDelay,
    RestartWhen,
    Settings,
    ShutdownOn,
)
from supervisor.core.record import replace
from supervisor.core.verdict import Cause, Verdict

from .worlds import World, plan_of, program

CHECK = HealthCheck(TcpProbe("127.0.0.1", 5432), retries=1)
NEVER = Restart(RestartWhen.NEVER)

DB = program("db")
MIGRATE = replace(program("migrate"), kind=ProgramType.ONESHOT, restart=NEVER)
OPTIONAL = replace(DB, restart=NEVER, shutdown_on=ShutdownOn.NEVER)


def test_everything_that_depends_on_nothing_starts_at_once() -> None:
    world = World(plan_of(program("a"), program("b"), program("c"))).begin()
    assert world.spawned == [("a", 1), ("b", 1), ("c", 1)]


def test_every_instance_of_a_program_starts() -> None:
    world = World(plan_of(replace(program("worker"), scale=3))).begin()
    assert world.spawned == [("worker", 1), ("worker", 2), ("worker", 3)]


def test_the_order_of_the_table_does_not_matter() -> None:
    world = World(plan_of(program("c", "b"), program("b", "a"), program("a"))).begin()
    assert world.spawned == [("a", 1), ("b", 1), ("c", 1)]


def test_started_waits_for_a_process() -> None:
    plan = plan_of(program("web", "db"), DB)
    world = World(plan, unspawnable={"db": ("out of memory", None)}).begin()
    assert (world.alive, world.phase("web")) == ([], Pending(("db",)))
    world.unspawnable = {}
    assert world.pass_to(0.5).alive == ["db", "web"]


def test_started_is_met_by_what_ran_and_ended_well() -> None:
    world = World(plan_of(MIGRATE, replace(program("web", "migrate", "slow")), replace(DB, name="slow"))).begin()
    world.stop("web", "slow").exits("migrate")
    assert isinstance(world.ask(StartRequested(), "web").phase("web"), Starting)


@pytest.mark.parametrize("healthcheck", [None, CHECK], ids=["running", "healthy"])
def test_healthy_waits_until_it_is_running_and_healthy(healthcheck: HealthCheck | None) -> None:
    db = replace(DB, healthcheck=healthcheck)
    world = World(plan_of(program("web", "db", condition=Condition.HEALTHY), db)).begin()
    assert world.alive == ["db"]
    if healthcheck is None:
        world.pass_to(1.0)
    else:
        assert world.pass_to(1.0).alive == ["db"]
        world.probed("db", passed=True)
    assert world.alive == ["db", "web"]


def test_healthy_waits_for_the_health_check_of_what_says_itself_that_it_is_ready() -> None:
    db = replace(DB, healthcheck=CHECK, ready=Readiness(notify="systemd"))
    world = World(plan_of(program("web", "db", condition=Condition.HEALTHY), db)).begin()
    assert world.happens("db", BecameReady(1)).alive == ["db"]
    assert world.probed("db", passed=True).alive == ["db", "web"]


def test_healthy_waits_for_every_instance() -> None:
    db = replace(DB, ready=Readiness(notify="systemd"), scale=2)
    world = World(plan_of(program("web", "db", condition=Condition.HEALTHY), db)).begin()
    assert world.happens("db", BecameReady(1), number=1).alive == ["db"]
    assert world.happens("db", BecameReady(1), number=2).alive == ["db", "web"]


def test_completed_waits_until_it_has_ended_well() -> None:
    world = World(plan_of(MIGRATE, program("web", "migrate", condition=Condition.COMPLETED))).begin()
    assert world.pass_to(10.0).alive == ["migrate"]
    assert world.exits("migrate", 0).alive == ["web"]


def test_a_program_names_everything_that_it_still_waits_for() -> None:
    web = Program(
        "web",
        ("web",),
        depends_on=(Dependency("db", Condition.HEALTHY), Dependency("migrate", Condition.COMPLETED), Dependency("a")),
    )
    world = World(plan_of(web, DB, MIGRATE, program("a"))).begin()
    assert world.phase("web") == Pending(("db", "migrate"))
    assert world.pass_to(1.0).phase("web") == Pending(("migrate",))


def test_what_has_started_does_not_mind_that_its_dependency_ends() -> None:
    world = World(plan_of(DB, program("web", "db"))).begin().pass_to(5.0)
    pid = world.pids["web", 1]
    world.exits("db", 1).pass_to(6.0)
    assert world.pids["web", 1] == pid
    assert world.alive == ["db", "web"]


def test_a_restart_waits_for_its_dependencies_again() -> None:
    world = World(plan_of(DB, program("web", "db"))).begin().pass_to(5.0).stop("db")
    world.exits("web", 1).pass_to(10.0)
    assert world.phase("web") == Pending(("db",))


def test_a_dependency_that_fails_for_good_fails_what_waits_for_it_along_the_chain() -> None:
    web = replace(program("web", "api"), shutdown_on=ShutdownOn.NEVER)
    api = replace(program("api", "db", condition=Condition.HEALTHY), shutdown_on=ShutdownOn.NEVER)
    web = replace(web, depends_on=(Dependency("api", Condition.HEALTHY),))
    world = World(plan_of(web, api, OPTIONAL, program("other"))).begin()
    world.exits("db", 3)
    assert world.phase("api") == Fatal("depends on db, which exited with code 3", 1)
    assert world.phase("web") == Fatal("depends on api, which depends on db, which exited with code 3", 1)
    assert isinstance(world.fleet.container_phase, Serving)


def test_a_start_request_after_a_dependency_failed_starts_the_dependency_again() -> None:
    web = replace(program("web", "db", condition=Condition.HEALTHY), shutdown_on=ShutdownOn.NEVER)
    world = World(plan_of(web, OPTIONAL, program("other"))).begin().exits("db", 3)
    world.ask(StartRequested(), "web")
    assert (world.alive, world.phase("web")) == (["db", "other"], Pending(("db",)))


@pytest.mark.parametrize("request_", [StartRequested(), RestartRequested()], ids=["start", "restart"])
def test_a_start_request_starts_what_it_depends_on(request_: StartRequested | RestartRequested) -> None:
    world = World(plan_of(program("c", "b"), program("b", "a"), program("a"), program("d"))).begin()
    world.stop("a", "b", "c", "d")
    assert world.ask(request_, "c").alive == ["a", "b", "c"]


def test_a_start_request_starts_what_holds_its_dependency_back() -> None:
    world = World(plan_of(program("c", "b"), program("b", "a"), program("a"))).begin().pass_to(5.0).stop("a", "c")
    world.exits("b", 1).pass_to(6.0)
    assert world.phase("b") == Pending(("a",))
    assert world.ask(StartRequested(), "c").alive == ["a", "b", "c"]


def test_a_start_request_leaves_what_has_completed_alone() -> None:
    world = World(plan_of(MIGRATE, program("web", "migrate", condition=Condition.COMPLETED))).begin().exits("migrate")
    world.stop("web").ask(StartRequested(), "web")
    assert (world.phase("migrate"), world.alive) == (Exited(), ["web"])


def test_a_start_request_is_met_by_what_has_completed_and_was_stopped_since() -> None:
    world = World(plan_of(MIGRATE, program("web", "migrate"), DB)).begin().exits("migrate").stop("migrate", "web")
    assert (world.phase("migrate"), world.life("migrate").goal) == (Exited(), Goal.DOWN)
    assert world.ask(StartRequested(), "web").alive == ["db", "web"]


def test_a_start_request_starts_again_what_it_depends_on_and_is_being_stopped() -> None:
    world = World(plan_of(DB, program("web", "db")), obeys={"db": ()}).begin().pass_to(5.0).stop("db", "web")
    world.ask(StartRequested(), "web")
    assert (world.alive, world.phase("web")) == (["db"], Pending(("db",)))
    assert world.exits("db").alive == ["db", "web"]


def test_a_start_request_takes_back_a_stop_that_waits_for_its_turn() -> None:
    world = World(plan_of(DB, program("web", "db"), program("job", "db")), obeys={"web": ()}).begin().pass_to(5.0)
    world.stop("db", "web", "job").ask(StartRequested(), "job")
    assert (world.alive, world.life("db").goal) == (["db", "job", "web"], Goal.UP)
    assert world.exits("web").alive == ["db", "job"]


# ---- several at once


STACK = (DB, program("web", "db"), program("proxy", "web"))


def _stack(*stubborn: str) -> World:
    return World(plan_of(*STACK), obeys=dict.fromkeys(stubborn, ())).begin().pass_to(5.0)


@pytest.mark.parametrize("names", [("db", "web", "proxy"), ("proxy", "web", "db"), ("web", "proxy", "db")])
def test_a_stop_of_several_goes_in_reverse_dependency_order(names: tuple[str, ...]) -> None:
    world = _stack("db", "web", "proxy").stop(*names)
    assert [name for _, (name, _), _ in world.signals] == ["proxy"]
    assert [name for _, (name, _), _ in world.exits("proxy").signals] == ["proxy", "web"]
    assert [name for _, (name, _), _ in world.exits("web").signals] == ["proxy", "web", "db"]
    assert world.exits("db").alive == []


def test_a_stop_of_several_stops_at_once_what_only_others_depend_on() -> None:
    world = _stack("db", "web", "proxy").stop("db", "web")
    assert [name for _, (name, _), _ in world.signals] == ["web"]


def test_what_waits_for_its_turn_to_stop_is_not_started_again_if_it_crashes() -> None:
    world = _stack("proxy").stop("db", "web", "proxy").exits("db", 7).pass_to(10.0)
    assert (world.phase("db"), world.alive) == (Stopped(), ["proxy", "web"])


def test_a_restart_of_several_stops_in_reverse_order_and_starts_in_order() -> None:
    world = _stack("db", "web", "proxy")
    world.spawned.clear()
    world.ask(RestartRequested(), "db", "web", "proxy")
    for name in ("proxy", "web"):
        world.exits(name).pass_to(world.now + 1.0)
        assert world.spawned == []
    assert (world.alive, world.phase("web"), world.phase("proxy")) == (
        ["db"],
        Pending(("db",)),
        Pending(("web",)),
    )
    assert world.exits("db").spawned == [("db", 1), ("web", 1), ("proxy", 1)]


def test_a_restart_of_one_leaves_what_depends_on_it_alone() -> None:
    world = _stack().ask(RestartRequested(), "db")
    assert world.spawned == [("db", 1), ("web", 1), ("proxy", 1), ("db", 1)]
    assert world.stop_order == ["db"]


def test_what_is_to_be_replaced_meets_no_condition_before_it_is_up_again() -> None:
    held = program("held", "db", condition=Condition.HEALTHY)
    world = World(plan_of(DB, program("web", "db"), held), obeys={"web": ()}).begin().pass_to(5.0).stop("held")
    world.ask(RestartRequested(), "db", "web").ask(StartRequested(), "held")
    assert isinstance(world.phase("db"), Running)
    assert world.phase("held") == Pending(("db",))
    world.exits("web")
    assert world.pass_to(5.9).alive == ["db", "web"]
    assert world.pass_to(6.0).alive == ["db", "held", "web"]


def test_a_restart_of_what_waits_for_its_turn_to_stop_starts_it_again() -> None:
    world = _stack("web").stop("db", "web").ask(RestartRequested(), "db").exits("web")
    assert (world.alive, world.phase("web")) == (["db", "proxy"], Stopped())


@pytest.mark.parametrize("scale", [1, 2])
def test_a_restart_of_several_instances_replaces_each(scale: int) -> None:
    db = replace(DB, scale=scale)
    world = World(plan_of(db, program("web", "db"))).begin().pass_to(5.0)
    pids = dict(world.pids)
    world.ask(RestartRequested(), "db", "web").pass_to(10.0)
    assert world.pids.keys() == pids.keys()
    assert not set(world.pids.values()) & set(pids.values())


# ---- one alone


def test_a_stop_request_stops_nothing_else() -> None:
    world = World(plan_of(DB, program("web", "db"))).begin().stop("db")
    assert (world.alive, world.phase("db")) == (["web"], Stopped())
    assert world.life("db").goal is Goal.DOWN


def test_a_stopped_program_stays_down_and_what_waits_for_it_waits() -> None:
    world = World(plan_of(DB, program("web", "db", condition=Condition.HEALTHY))).begin().stop("db").pass_to(100.0)
    assert (world.alive, world.phase("web")) == ([], Pending(("db",)))


def test_a_restart_of_everything_starts_in_order_again() -> None:
    world = World(plan_of(program("web", "db", condition=Condition.HEALTHY), DB)).begin().pass_to(5.0)
    world.spawned.clear()
    world.ask(RestartRequested(), "db", "web").pass_to(10.0)
    assert world.spawned == [("db", 1), ("web", 1)]


def test_what_nobody_knows_is_refused() -> None:
    plan = plan_of(DB)
    fleet = new_fleet(plan)
    for event in (Happened(("nobody", 1), Spawned(1, 7)), Happened(("db", 2), Spawned(1, 7))):
        assert advance(plan, fleet, event, 0.0).fleet == fleet


@pytest.mark.parametrize(
    "request_", [StartRequested(), RestartRequested(), StopRequested()], ids=lambda r: type(r).__name__
)
def test_nothing_can_be_asked_of_a_program_once_a_shutdown_has_begun(
    request_: StartRequested | RestartRequested | StopRequested,
) -> None:
    world = World(plan_of(DB, program("web"), settings=Settings(drain_delay=5.0))).begin().pass_to(1.0).stop("web")
    world.tell(ShutdownAsked("SIGTERM"))
    before = world.fleet
    assert isinstance(before.container_phase, Draining)
    assert world.tell(Asked((("web", 1), ("db", 1)), request_)).fleet == before


# ---- start_timeout


def test_not_everything_up_within_start_timeout_ends_with_75_and_says_what_is_not() -> None:
    slow = replace(program("slow"), ready=Readiness(notify="systemd"))
    held = program("held", "slow", condition=Condition.HEALTHY)
    world = World(plan_of(DB, slow, held, settings=Settings(start_timeout=5.0))).begin()
    assert isinstance(world.pass_to(4.9).fleet.container_phase, Serving)
    world.run_out()
    assert world.now == 5.0
    assert world.verdict == Verdict(
        Cause.START_TIMEOUT, 75, "not ready within start_timeout: slow is not ready, held waits for slow"
    )


def test_start_timeout_is_over_once_everything_has_been_up() -> None:
    world = World(plan_of(DB, settings=Settings(start_timeout=5.0))).begin().pass_to(2.0)
    assert world.fleet.ready_at == 1.0
    assert next_deadline(world.fleet) is None
    assert isinstance(world.exits("db", 1).pass_to(100.0).fleet.container_phase, Serving)


def test_start_timeout_does_not_wait_for_what_never_ends_the_container() -> None:
    slow = replace(program("slow"), ready=Readiness(notify="systemd"), shutdown_on=ShutdownOn.NEVER)
    world = World(plan_of(DB, slow, settings=Settings(start_timeout=5.0))).begin().pass_to(50.0)
    assert (world.fleet.ready_at, world.fleet.container_phase) == (1.0, Serving(5.0))


def test_ready_counts_what_has_completed() -> None:
    world = World(plan_of(MIGRATE, DB)).begin().exits("migrate").pass_to(1.0)
    assert world.fleet.ready_at == 1.0


def test_ready_needs_every_instance() -> None:
    db = replace(DB, scale=2, ready=Readiness(notify="systemd"))
    world = World(plan_of(db)).begin().happens("db", BecameReady(1), number=2)
    assert world.fleet.ready_at is None
    assert world.happens("db", BecameReady(1), number=1).fleet.ready_at == 0.0


def test_a_container_stays_ready_when_a_program_is_down_later() -> None:
    world = World(plan_of(DB)).begin().pass_to(2.0).exits("db", 1)
    assert world.fleet.ready_at == 1.0


def test_a_container_is_ready_since_the_moment_that_everything_essential_had_been_up() -> None:
    optional = replace(program("other"), ready=Readiness(notify="systemd"), shutdown_on=ShutdownOn.NEVER)
    world = World(plan_of(DB, optional)).begin().pass_to(5.0).happens("other", BecameReady(1))
    assert (world.life("other").was_up, world.fleet.ready_at) == (True, 1.0)


def test_nothing_starts_before_it_has_begun() -> None:
    plan = plan_of(DB)
    assert next_deadline(new_fleet(plan)) is None
    assert {life.goal for life in new_fleet(plan).lives.values()} == {Goal.DOWN}
    assert advance(plan, new_fleet(plan), Begun(), 0.0).orders != ()


def test_programs_that_are_up_are_running() -> None:
    world = World(plan_of(DB, program("web", "db"))).begin().pass_to(1.0)
    assert [type(world.phase(name)) for name in ("db", "web")] == [Running, Running]


def test_the_container_is_ready_though_another_program_changes_in_the_same_turn() -> None:
    other = replace(program("other"), shutdown_on=ShutdownOn.NEVER, restart_delay=RestartDelay(initial=1.0))
    world = World(plan_of(program("web"), other)).begin().exits("other", 7).pass_to(1.0)
    assert world.fleet.ready_at == 1.0


def test_the_rest_of_the_work_is_due_at_once() -> None:
    world = World(plan_of(program("web"))).begin().pass_to(5.0)
    assert next_deadline(replace(world.fleet, continue_at=5.0)) == 5.0


def test_a_start_of_what_is_running_changes_nothing() -> None:
    world = World(plan_of(program("web"))).begin().pass_to(5.0)
    before = world.fleet
    assert world.ask(StartRequested(), "web").fleet == before


def test_an_entry_is_found_for_each_instance_of_the_table_and_for_no_other() -> None:
    plan = plan_of(program("web"))
    assert (plan.find(("web", 1)), plan.find(("nobody", 1))) == (program("web"), None)
