"""Rule 2 of the fleet, and what bounds a shutdown: order, drain_delay, shutdown_timeout and impatience."""

from __future__ import annotations

from signal import SIGINT, SIGKILL, SIGTERM

import pytest

from supervisor.core.container import (
    Closing,
    ContainerSwept,
    Draining,
    Fault,
    Over,
    ShutdownAsked,
    ShuttingDown,
    SweepContainer,
    TimePassed,
)
from supervisor.core.events import Notified, RestartRequested, StopRequested
from supervisor.core.fleet import advance, next_deadline
from supervisor.core.hook import Hook
from supervisor.core.life import Goal, Running, Stopped
from supervisor.core.notice import Notice
from supervisor.core.program import Condition, Program, Readiness, Settings, SignalStep
from supervisor.core.record import replace
from supervisor.core.shutdown import CLOSE_INTERVAL, CLOSE_LIMIT

from .worlds import World, ignoring_all_but_sigkill, plan_of, program

TERM = ShutdownAsked("SIGTERM")

DB, WEB, PROXY, WORKER = program("db"), program("web", "db"), program("proxy", "web"), program("worker", "db")
STACK = (DB, WEB, PROXY, WORKER)


def _stops_in(name: str, seconds: float, *needs: str) -> Program:
    return replace(program(name, *needs), stop=(SignalStep(SIGTERM, seconds),))


def test_programs_stop_in_reverse_dependency_order() -> None:
    world = World(plan_of(*STACK)).begin().pass_to(5.0).tell(TERM)
    order = world.stop_order
    assert sorted(order) == ["db", "proxy", "web", "worker"]
    assert order.index("proxy") < order.index("web") < order.index("db")
    assert order.index("worker") < order.index("db")


def test_what_does_not_depend_on_each_other_stops_at_the_same_time() -> None:
    world = World(plan_of(*STACK), obeys={"db": (), "web": (), "proxy": (), "worker": ()}).begin().pass_to(5.0)
    world.tell(TERM)
    assert world.signals == [(5.0, ("proxy", 1), SIGTERM), (5.0, ("worker", 1), SIGTERM)]


def test_every_instance_must_be_down_before_what_it_depends_on_stops() -> None:
    web = replace(WEB, scale=2)
    world = World(plan_of(DB, web), obeys={"web": ()}).begin().pass_to(5.0).tell(TERM)
    assert world.exits("web", number=1).alive == ["db", "web"]
    assert world.exits("web", number=2).alive == []


def test_a_shutdown_ends_the_moment_the_last_process_is_gone() -> None:
    world = World(plan_of(DB), obeys={"db": ()}).begin().pass_to(5.0).tell(TERM)
    assert isinstance(world.fleet.container_phase, ShuttingDown)
    assert isinstance(world.exits("db").fleet.container_phase, Over)
    assert next_deadline(world.fleet) is None


def test_a_shutdown_during_start_up_stops_what_has_started_in_order() -> None:
    slow = replace(DB, ready=Readiness(notify="systemd"))
    world = World(plan_of(slow, program("cache"), program("web", "db", condition=Condition.HEALTHY))).begin()
    world.tell(TERM)
    assert (sorted(world.stop_order), world.phase("web")) == (["cache", "db"], Stopped())
    assert isinstance(world.fleet.container_phase, Over)


def test_nothing_starts_once_programs_are_being_stopped() -> None:
    world = World(plan_of(DB, WEB), obeys={"web": ()}).begin().pass_to(5.0).tell(TERM)
    spawned = list(world.spawned)
    world.exits("db", 1).pass_to(14.0)
    assert (world.spawned, world.phase("db"), world.life("web").goal) == (spawned, Stopped(), Goal.DOWN)


def test_a_program_that_waits_for_its_restart_is_not_started_again_by_a_shutdown() -> None:
    world = World(plan_of(DB, program("other")), obeys={"other": ()}).begin().exits("db", 1).tell(TERM)
    assert world.phase("db") == Stopped()


def test_a_restart_that_waits_for_its_turn_becomes_a_stop() -> None:
    world = World(plan_of(DB, WEB), obeys={"db": (), "web": ()}).begin().pass_to(5.0)
    world.ask(RestartRequested(), "db", "web").tell(TERM).exits("web").exits("db")
    assert (world.spawned, type(world.fleet.container_phase)) == ([("db", 1), ("web", 1)], Over)


def test_a_restart_under_way_becomes_a_stop() -> None:
    world = World(plan_of(DB), obeys={"db": ()}).begin().pass_to(5.0).ask(RestartRequested(), "db").tell(TERM)
    assert isinstance(world.exits("db").fleet.container_phase, Over)


# ---- drain_delay


DRAINED = Settings(drain_delay=5.0)


def test_while_draining_a_restart_that_waits_for_its_turn_goes_on() -> None:
    plan = plan_of(DB, WEB, settings=DRAINED)
    world = World(plan, obeys={"web": ()}).begin().pass_to(10.0).ask(RestartRequested(), "db", "web").tell(TERM)
    world.exits("web", 0)
    assert (world.alive, world.fleet.container_phase) == (["db", "web"], Draining(10.0, 15.0, asked_at=10.0))


def test_with_drain_delay_programs_serve_on_before_the_first_stop() -> None:
    world = World(plan_of(DB, settings=DRAINED)).begin().pass_to(10.0).tell(TERM)
    assert world.fleet.container_phase == Draining(10.0, 15.0, asked_at=10.0)
    assert isinstance(world.pass_to(14.9).phase("db"), Running)
    assert isinstance(world.pass_to(15.0).fleet.container_phase, Over)


def test_while_draining_a_program_that_ends_is_started_again() -> None:
    world = World(plan_of(DB, WEB, settings=DRAINED)).begin().pass_to(10.0).tell(TERM)
    assert world.exits("web", 1).pass_to(12.0).alive == ["db", "web"]


def test_without_having_been_ready_there_is_nothing_to_drain() -> None:
    world = World(plan_of(DB, settings=DRAINED)).begin().pass_to(0.5).tell(TERM)
    assert isinstance(world.fleet.container_phase, Over)


def test_draining_ends_the_moment_nothing_is_left_that_could_serve() -> None:
    world = World(plan_of(DB, settings=DRAINED)).begin().pass_to(10.0).tell(TERM)
    assert isinstance(world.exits("db", 0).fleet.container_phase, Over)
    stopped = World(plan_of(DB, settings=DRAINED)).begin().pass_to(10.0).stop("db").tell(TERM)
    assert isinstance(stopped.fleet.container_phase, Over)


# ---- shutdown_timeout


def _sequences(timeout: float | None, *table: Program, drain: float = 0.0) -> World:
    plan = plan_of(*table, settings=Settings(shutdown_timeout=timeout, drain_delay=drain))
    return World(plan, obeys=ignoring_all_but_sigkill(plan)).begin().pass_to(100.0)


CHAIN = (_stops_in("db", 20.0), _stops_in("web", 60.0, "db"), _stops_in("proxy", 20.0, "web"), _stops_in("other", 5.0))


def test_without_shutdown_timeout_every_stop_sequence_has_its_time() -> None:
    world = _sequences(None, *CHAIN).tell(TERM).run_out()
    assert {name: time for time, (name, _) in world.deaths} == {"other": 105, "proxy": 120, "web": 180, "db": 200}


def test_shutdown_timeout_cuts_every_stop_sequence_of_a_chain_by_the_same_share() -> None:
    world = _sequences(10.0, *CHAIN).tell(TERM).run_out()
    deaths = {name: time for time, (name, _) in world.deaths}
    assert deaths == pytest.approx({"other": 105, "proxy": 102, "web": 108, "db": 110})


def test_a_tight_shutdown_timeout_is_divided_by_the_time_of_post_stop_hooks_too() -> None:
    web = replace(_stops_in("web", 10.0, "db"), post_stop=(Hook(("clean",), timeout=10.0),))
    world = _sequences(20.0, _stops_in("db", 20.0), web).tell(TERM).run_out()
    assert {name: time for time, (name, _) in world.deaths} == pytest.approx({"web": 105, "db": 120})


def test_time_that_a_program_did_not_need_is_left_to_those_below() -> None:
    world = _sequences(10.0, *CHAIN)
    world.obeys = {"proxy": (SIGTERM,), "web": (), "db": (), "other": ()}
    world.tell(TERM).run_out()
    deaths = {name: time for time, (name, _) in world.deaths}
    assert deaths == pytest.approx({"other": 105, "proxy": 100, "web": 107.5, "db": 110})


def test_a_shutdown_timeout_that_is_long_enough_cuts_nothing() -> None:
    world = _sequences(100.0, *CHAIN).tell(TERM).run_out()
    assert world.now == 200.0


def test_drain_delay_counts_towards_shutdown_timeout() -> None:
    world = _sequences(10.0, _stops_in("db", 60.0), drain=4.0).tell(TERM)
    assert world.pass_to(104.0).signals == [(104.0, ("db", 1), SIGTERM)]
    assert world.run_out().deaths == [(110.0, ("db", 1))]


def test_a_drain_delay_beyond_shutdown_timeout_is_cut() -> None:
    world = _sequences(10.0, _stops_in("db", 60.0), drain=30.0).tell(TERM).run_out()
    assert world.deaths == [(110.0, ("db", 1))]


@pytest.mark.parametrize("request_", [StopRequested(), RestartRequested()], ids=["stop", "restart"])
def test_shutdown_timeout_cuts_a_stop_that_was_under_way(request_: StopRequested | RestartRequested) -> None:
    world = _sequences(10.0, _stops_in("db", 60.0), _stops_in("web", 5.0, "db"))
    world.ask(request_, "db").pass_to(110.0)
    world.tell(TERM).run_out()
    assert world.stop_order == ["web", "db"]
    assert world.deaths[-1][0] == pytest.approx(120.0)


def test_shutdown_timeout_holds_for_what_is_spawned_in_the_turn_that_begins_the_shutdown() -> None:
    plan = plan_of(program("missing"), _stops_in("slow", 60.0), settings=Settings(shutdown_timeout=3.0))
    world = World(plan, obeys={"slow": ()}, unspawnable={"missing": ("cannot be started: not found", 127)}).begin()
    assert world.alive == ["slow"]
    assert world.run_out().deaths == [(3.0, ("slow", 1))]
    assert world.verdict.code == 127


EXTENDED = Notified(1, Notice(extend_by=3600.0))


def test_a_stop_that_is_extended_leaves_those_below_their_time_within_shutdown_timeout() -> None:
    world = _sequences(40.0, _stops_in("db", 10.0), _stops_in("web", 10.0, "db")).tell(TERM).happens("web", EXTENDED)
    assert world.run_out().deaths == [(130.0, ("web", 1)), (140.0, ("db", 1))]


def test_a_stop_that_was_extended_before_the_shutdown_is_cut_to_fit_shutdown_timeout() -> None:
    world = (
        _sequences(40.0, _stops_in("db", 10.0), _stops_in("other", 10.0))
        .stop("db")
        .happens("db", EXTENDED)
        .pass_to(200.0)
    )
    assert world.deaths == []
    assert world.tell(TERM).run_out().deaths == [(210.0, ("other", 1)), (240.0, ("db", 1))]


# ---- impatience


def test_a_second_request_after_a_second_kills_what_is_left_at_once() -> None:
    world = _sequences(None, *CHAIN).tell(TERM).pass_to(101.0).tell(TERM)
    assert sorted(world.stop_order) == ["db", "other", "proxy", "web"]
    assert (world.now, type(world.fleet.container_phase), world.verdict.code) == (101.0, Over, 0)


def test_a_second_request_within_a_second_is_the_same_one() -> None:
    world = _sequences(None, *CHAIN).tell(TERM).pass_to(100.9).tell(TERM)
    assert world.deaths == []


def test_impatience_is_measured_from_the_first_request() -> None:
    world = _sequences(None, *CHAIN).tell(TERM).pass_to(100.6).tell(TERM).pass_to(101.1).tell(TERM)
    assert isinstance(world.fleet.container_phase, Over)


def test_a_second_request_while_draining_kills_at_once() -> None:
    world = _sequences(None, DB, drain=30.0).tell(TERM).pass_to(102.0).tell(TERM)
    assert world.signals == [(102.0, ("db", 1), SIGKILL)]


def test_the_first_request_after_a_program_began_the_shutdown_is_not_yet_impatience() -> None:
    world = _sequences(None, DB, WEB).tell(Fault("a bug")).pass_to(105.0).tell(TERM)
    assert world.deaths == []
    assert world.pass_to(106.0).tell(TERM).alive == []


# ---- the very end


def test_what_else_is_in_the_container_is_swept_again_and_given_up_in_the_end() -> None:
    plan = plan_of(DB)
    fleet = World(plan).begin().stop("db").fleet
    turn = advance(plan, fleet, TERM, 10.0)
    assert (turn.orders, turn.fleet.container_phase) == (
        (SweepContainer(),),
        Closing(10.0 + CLOSE_INTERVAL, 10.0 + CLOSE_LIMIT),
    )
    again = advance(plan, turn.fleet, TimePassed(), 10.5)
    assert (again.orders, again.fleet.container_phase) == ((SweepContainer(),), Closing(11.0, 15.0))
    assert advance(plan, again.fleet, TimePassed(), 15.0).fleet.container_phase == Over()
    assert advance(plan, again.fleet, ContainerSwept(), 10.6).fleet.container_phase == Over()


@pytest.mark.parametrize(
    "event", [TERM, Fault("a bug"), TimePassed(), ContainerSwept()], ids=lambda e: type(e).__name__
)
def test_what_is_over_is_over(event: ShutdownAsked | Fault | TimePassed | ContainerSwept) -> None:
    world = World(plan_of(DB)).begin().tell(TERM)
    before = world.fleet
    assert world.tell(event, at=1000.0).fleet == before


def test_a_sweep_of_the_container_means_nothing_while_programs_are_kept_up() -> None:
    world = World(plan_of(DB)).begin()
    before = world.fleet
    assert world.tell(ContainerSwept()).fleet == before


def test_a_step_of_the_stop_sequence_that_works_ends_it() -> None:
    db = replace(DB, stop=(SignalStep(SIGTERM, 10.0), SignalStep(SIGINT, 10.0)))
    world = World(plan_of(db), obeys={"db": (SIGINT,)}).begin().pass_to(100.0).tell(TERM).run_out()
    assert world.signals == [(100.0, ("db", 1), SIGTERM), (110.0, ("db", 1), SIGINT)]


def test_a_second_request_ends_the_drain_and_leaves_no_time() -> None:
    plan = plan_of(DB, settings=Settings(drain_delay=60.0))
    world = World(plan, obeys={"db": ()}).begin().pass_to(5.0).tell(TERM)
    turn = advance(plan, world.fleet, TERM, 6.0)
    assert turn.fleet.container_phase == ShuttingDown(6.0, 6.0, 5.0)
