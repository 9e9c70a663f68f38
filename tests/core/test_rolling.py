"""Rolling restarts and updates, and the number of instances at run time."""

from __future__ import annotations

from signal import SIGTERM

import pytest

from supervisor.core.container import (
    Asked,
    Happened,
    Resumed,
    RollAsked,
    ScaleAsked,
    ScaleChange,
    Serving,
    ShutdownAsked,
    Updated,
)
from supervisor.core.events import Notified, RestartRequested, StartRequested, StopRequested
from supervisor.core.fleet import advance, next_deadline
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.lanes import SecondLane
from supervisor.core.life import Exited, Fatal, Running, Stopped, Stopping
from supervisor.core.notice import Notice
from supervisor.core.program import Dependency, Program, ProgramType, Readiness, Restart, RestartWhen
from supervisor.core.record import replace
from supervisor.core.roll import Outcome, Roll
from supervisor.core.roll_events import sentence_of
from supervisor.core.scaling import obstacle_to_scale
from supervisor.core.schedule import Schedule
from supervisor.core.update import UpdateAction, compare
from supervisor.core.update_config import FailureAction, Order, UpdateConfig

from .worlds import World, plan_of, program

CONFIG = UpdateConfig()
WEB = Program("web", ("true",), scale=3, update_config=CONFIG)
NEVER = Restart(RestartWhen.NEVER)


def up(*programs: Program, **fields: object) -> World:
    return World(plan_of(*programs), **fields).begin().pass_to(2.0)  # type: ignore[arg-type]  # what a test says


def roll(world: World, name: str = "web") -> World:
    return world.tell(RollAsked(world.plan.programs[name].instances))


def outcome(world: World, name: str = "web") -> Outcome | None:
    return world.fleet.rolls[name].outcome


def released(world: World, name: str = "web") -> list[tuple[str, ...]]:
    """The command of each instance's entry."""
    return [world.plan.program_of(instance).command for instance in world.plan.programs[name].instances]


def new(entry: Program, **changes: object) -> Program:
    """Return an entry that needs a new process."""
    return replace(entry, command=("new",), **changes)


# ---- a rolling restart


def test_one_instance_after_the_other_gets_a_new_process() -> None:
    world = up(WEB)
    begun = roll(world).now
    assert world.spawned[3:] == [("web", 1)]
    world.pass_to(begun + 0.9)
    assert world.spawned[3:] == [("web", 1)]
    world.pass_to(begun + 1.0)
    assert world.spawned[3:] == [("web", 1), ("web", 2)]
    world.pass_to(begun + 2.0)
    assert world.spawned[3:] == [("web", 1), ("web", 2), ("web", 3)]


def test_it_has_completed_when_the_last_instance_was_watched_for_monitor() -> None:
    world = up(WEB)
    begun = roll(world).now
    world.pass_to(begun + 7.9)
    assert outcome(world) is None
    world.pass_to(begun + 8.0)
    assert outcome(world) is Outcome.COMPLETED


@pytest.mark.parametrize(("parallelism", "first"), [(2, 2), (0, 3), (5, 3)])
def test_parallelism_is_how_many_are_on_their_way_at_a_time(parallelism: int, first: int) -> None:
    world = roll(up(replace(WEB, update_config=replace(CONFIG, parallelism=parallelism))))
    assert len(world.spawned[3:]) == first


@pytest.mark.parametrize("monitor", [5.0, 0.0])
def test_delay_is_the_time_between_an_instance_that_is_up_and_the_next(monitor: float) -> None:
    world = up(replace(WEB, update_config=replace(CONFIG, delay=10.0, monitor=monitor)))
    begun = roll(world).now
    world.pass_to(begun + 10.9)
    assert world.spawned[3:] == [("web", 1)]
    world.pass_to(begun + 11.0)
    assert world.spawned[3:] == [("web", 1), ("web", 2)]


def test_the_next_instance_waits_for_the_whole_stop_sequence_of_the_one_before() -> None:
    world = up(WEB, obeys={"web": ()})
    begun = roll(world).now
    world.pass_to(begun + 9.9)
    assert [type(world.phase("web", number)) for number in (1, 2, 3)] == [Stopping, Running, Running]
    world.pass_to(begun + 11.0)
    assert [type(world.phase("web", number)) for number in (1, 2, 3)] == [Running, Stopping, Running]


def test_an_instance_that_is_down_comes_first() -> None:
    world = up(WEB).ask(StopRequested(), "web").tell(RollAsked((("web", 1),))).pass_to(20.0)
    roll(world)
    assert world.spawned[4:] == [("web", 2)]


def test_a_program_without_update_config_is_replaced_by_composes_defaults() -> None:
    world = roll(up(replace(WEB, update_config=None)))
    assert world.fleet.rolls["web"].config == UpdateConfig()
    assert world.spawned[3:] == [("web", 1)]


def test_only_the_instances_that_are_named_are_replaced() -> None:
    world = up(WEB).tell(RollAsked((("web", 2),))).pass_to(20.0)
    assert (world.spawned[3:], outcome(world)) == ([("web", 2)], Outcome.COMPLETED)


def test_a_second_request_while_one_is_under_way_changes_nothing() -> None:
    world = roll(up(WEB))
    before = world.fleet
    assert roll(world).fleet == before


def test_a_start_does_not_keep_the_old_process_of_an_instance_that_is_being_replaced() -> None:
    world = roll(up(WEB, obeys={"web": ()}))
    world.ask(StartRequested(), "web").pass_to(world.now + 10.0)
    assert world.spawned[3:] == [("web", 1)]


def test_a_stop_ends_it() -> None:
    world = roll(up(WEB)).stop("web").pass_to(30.0)
    assert (outcome(world), world.alive) == (Outcome.GIVEN_UP, [])
    assert world.fleet.rolls["web"].reason == "web was asked to stop"


def test_a_shutdown_ends_it_and_stops_everything() -> None:
    world = roll(up(WEB, obeys={"web": ()})).tell(ShutdownAsked("SIGTERM"))
    assert outcome(world) is Outcome.GIVEN_UP
    spawned = list(world.spawned)
    world.run_out()
    assert (world.spawned, world.verdict.code) == (spawned, 0)


def test_what_depends_on_it_does_not_wait_for_the_instance_that_is_being_replaced() -> None:
    world = up(WEB, program("proxy", "web"), obeys={"web": ()})
    roll(world).exits("proxy", 1).pass_to(world.now + 5.0)
    assert isinstance(world.phase("web", 1), Stopping)
    assert isinstance(world.phase("proxy"), Running)


# ---- failures


def fails(world: World, number: int = 1, code: int = 1) -> World:
    return world.exits("web", code, number=number)


def test_a_failure_before_it_was_up_pauses_it() -> None:
    world = fails(roll(up(WEB))).pass_to(30.0)
    assert outcome(world) is Outcome.PAUSED
    assert sentence_of("web", world.fleet.rolls["web"]) == (
        "web:1 exited with code 1; 0 of 3 replaced, the restart is paused: mend the cause and run it again"
    )
    assert world.spawned[3:] == [("web", 1), ("web", 1)]  # the second one by its restart policy


def test_a_failure_within_monitor_pauses_it() -> None:
    world = roll(up(WEB))
    world.pass_to(world.now + 3.5)
    fails(world, 2)
    assert (outcome(world), world.fleet.rolls["web"].failed) == (
        Outcome.PAUSED,
        ((("web", 2), "exited with code 1"),),
    )


def test_a_failure_after_monitor_is_none() -> None:
    world = roll(up(replace(WEB, update_config=replace(CONFIG, delay=6.0))))
    world.pass_to(world.now + 6.5)
    fails(world)
    assert outcome(world) is None


def test_continue_goes_on_and_says_what_has_failed() -> None:
    world = fails(roll(up(replace(WEB, update_config=replace(CONFIG, failure_action=FailureAction.CONTINUE)))))
    world.pass_to(30.0)
    assert (outcome(world), world.fleet.rolls["web"].reason) == (Outcome.COMPLETED, "web:1 exited with code 1")


def test_a_new_process_that_fails_for_good_leaves_the_container_to_the_other_instances() -> None:
    world = fails(roll(up(replace(WEB, restart=NEVER)))).pass_to(30.0)
    assert isinstance(world.phase("web"), Fatal)
    assert isinstance(world.fleet.container_phase, Serving)
    assert outcome(world) is Outcome.PAUSED


def test_the_only_instance_that_fails_for_good_ends_the_container() -> None:
    world = fails(roll(up(replace(WEB, scale=1, restart=NEVER))), code=7).run_out()
    assert (world.verdict.code, outcome(world)) == (7, Outcome.GIVEN_UP)


# ---- a rolling update


def test_an_update_with_update_config_replaces_one_instance_after_the_other() -> None:
    world = up(WEB).update(new(WEB))
    assert (world.spawned[3:], world.fleet.leaving) == ([("web", 1)], {})
    assert released(world) == [("new",), ("true",), ("true",)]
    world.pass_to(20.0)
    assert (outcome(world), world.plan.programs["web"], world.plan.entries) == (Outcome.COMPLETED, new(WEB), {})


def test_an_update_without_update_config_replaces_all_at_once() -> None:
    before = replace(WEB, update_config=None)
    world = up(before).update(new(before))
    assert (len(world.spawned[3:]), world.fleet.rolls) == (3, {})


def test_each_process_is_stopped_by_the_entry_that_it_was_started_with() -> None:
    world = up(replace(WEB, scale=1), obeys={"web": ()})
    world.update(new(replace(WEB, scale=1), stop=(replace(WEB.stop[0], wait=1.0),))).pass_to(11.9)
    assert (isinstance(world.phase("web"), Stopping), world.signals[-1][2]) == (True, SIGTERM)
    world.pass_to(12.0)
    assert world.spawned[1:] == [("web", 1)]


def test_what_needs_no_new_process_is_applied_in_place() -> None:
    world = up(WEB).update(replace(WEB, start_retries=3))
    assert (world.spawned[3:], world.fleet.rolls, world.plan.programs["web"].start_retries) == ([], {}, 3)


def test_an_instance_that_was_stopped_takes_the_new_entry_and_stays_down() -> None:
    world = up(WEB).stop("web").update(new(WEB))
    assert (world.spawned[3:], outcome(world), released(world)) == ([], Outcome.COMPLETED, [("new",)] * 3)
    assert isinstance(world.phase("web"), Stopped)


def test_scale_changes_last() -> None:
    world = up(WEB).update(new(WEB, scale=4)).pass_to(4.0)
    assert len(world.plan.programs["web"].instances) == 3
    world.pass_to(30.0)
    assert (world.spawned[-1], world.plan.programs["web"]) == (("web", 4), new(WEB, scale=4))


def test_instances_that_the_new_table_has_no_more_are_not_replaced_before_they_go() -> None:
    world = up(WEB).update(new(WEB, scale=1)).pass_to(30.0)
    assert (world.spawned[3:], world.plan.programs["web"], list(world.fleet.lives)) == (
        [("web", 1)],
        new(WEB, scale=1),
        [("web", 1)],
    )


def test_a_paused_update_keeps_both_entries_and_the_same_table_goes_on() -> None:
    world = up(WEB).update(new(WEB)).pass_to(3.5)
    fails(world, 2).pass_to(4.0)
    assert (outcome(world), released(world)) == (Outcome.PAUSED, [("new",), ("new",), ("true",)])
    world.update(new(WEB)).pass_to(30.0)
    assert (outcome(world), released(world), world.plan.entries) == (Outcome.COMPLETED, [("new",)] * 3, {})
    assert world.spawned.count(("web", 3)) == 2


def test_the_old_table_undoes_a_paused_update() -> None:
    world = up(WEB).update(new(WEB))
    fails(world).pass_to(4.0)
    assert outcome(world) is Outcome.PAUSED
    world.update(WEB).pass_to(30.0)
    assert (outcome(world), released(world), world.plan.programs["web"]) == (Outcome.COMPLETED, [("true",)] * 3, WEB)
    assert world.spawned.count(("web", 3)) == 1


def test_a_rolling_restart_goes_on_with_a_paused_update() -> None:
    world = fails(up(WEB).update(new(WEB))).pass_to(5.0)
    roll(world).pass_to(40.0)
    assert (outcome(world), world.plan.programs["web"]) == (Outcome.COMPLETED, new(WEB))


def test_a_rollback_returns_to_the_old_entry_and_leaves_the_others_alone() -> None:
    before = replace(WEB, update_config=replace(CONFIG, failure_action=FailureAction.ROLLBACK), restart=NEVER)
    world = up(before).update(new(before))
    fails(world).pass_to(30.0)
    assert (outcome(world), released(world), world.plan.programs["web"]) == (
        Outcome.ROLLED_BACK,
        [("true",)] * 3,
        before,
    )
    assert (world.alive, world.spawned[3:]) == (["web"], [("web", 1), ("web", 1)])
    assert isinstance(world.fleet.container_phase, Serving)


def test_a_rollback_after_an_earlier_update_returns_to_that_one() -> None:
    first = replace(WEB, update_config=replace(CONFIG, failure_action=FailureAction.ROLLBACK))
    second, third = new(first), replace(first, command=("broken",))
    world = up(first).update(second).pass_to(30.0)
    fails(world.update(third)).pass_to(60.0)
    assert (outcome(world), world.plan.programs["web"]) == (Outcome.ROLLED_BACK, second)


def test_a_rollback_of_which_the_old_entry_fails_pauses() -> None:
    before = replace(WEB, update_config=replace(CONFIG, failure_action=FailureAction.ROLLBACK))
    world = fails(fails(up(before).update(new(before)))).pass_to(30.0)
    assert sentence_of("web", world.fleet.rolls["web"]) == (
        "web:1 exited with code 1; the rollback of web has failed, too: web:1 exited with code 1;"
        " mend it and run supctl update"
    )


def test_the_newest_table_takes_over_from_an_update_under_way() -> None:
    third = replace(WEB, command=("third",))
    world = up(WEB).update(new(WEB)).pass_to(3.5).update(third).pass_to(40.0)
    assert (outcome(world), released(world)) == (Outcome.COMPLETED, [("third",)] * 3)


def test_the_same_table_again_while_it_is_under_way_changes_nothing() -> None:
    world = up(WEB).update(new(WEB)).pass_to(3.5)
    before = world.fleet.rolls
    assert world.update(new(WEB)).fleet.rolls == before
    assert compare(world.plan, {}, plan_of(new(WEB)), {}, world.fleet.rolls).programs == ()


def test_a_program_that_is_removed_meanwhile_is_stopped() -> None:
    world = up(WEB, program("db")).update(new(WEB), program("db")).update(program("db")).pass_to(30.0)
    assert (list(world.plan.programs), world.alive) == (["db"], ["db"])


def test_the_difference_of_a_paused_update_names_what_is_left_to_do() -> None:
    world = fails(up(WEB).update(new(WEB))).pass_to(4.0)
    for table in (WEB, new(WEB)):
        (change,) = compare(world.plan, {}, plan_of(table), {}, world.fleet.rolls).programs
        assert (change.action, change.because) == (UpdateAction.RESTART, ("command",))


# ---- scale


def scale(world: World, number: int, name: str = "web") -> World:
    return world.tell(ScaleAsked(name, number))


def test_more_instances_are_started_and_the_newest_go_first() -> None:
    world = scale(up(WEB), 5).pass_to(4.0)
    assert world.spawned[3:] == [("web", 4), ("web", 5)]
    pid = world.pids["web", 1]
    scale(world, 1).pass_to(6.0)
    assert (list(world.fleet.lives), world.pids) == ([("web", 1)], {("web", 1): pid})


def test_no_instances_and_back() -> None:
    world = scale(scale(up(WEB), 0), 2).pass_to(5.0)
    assert [type(world.phase("web", number)) for number in (1, 2)] == [Running, Running]


def test_more_instances_while_others_are_still_leaving() -> None:
    world = up(WEB, obeys={"web": ()})
    scale(scale(world, 1), 2).pass_to(30.0)
    assert [type(world.phase("web", number)) for number in (1, 2)] == [Running, Running]
    assert len(world.fleet.lives) == 2


def test_a_scale_at_run_time_lasts_until_a_table_changes_scale() -> None:
    world = scale(up(WEB), 5)
    world.update(replace(WEB, start_retries=3)).pass_to(5.0)
    assert len(world.fleet.lives) == 5
    world.update(replace(WEB, scale=2)).pass_to(9.0)
    assert (len(world.fleet.lives), world.plan.scaled) == (2, {})


def test_a_scale_at_run_time_outlasts_a_rolling_update() -> None:
    world = scale(up(WEB), 4).pass_to(5.0)
    world.update(new(WEB)).pass_to(40.0)
    assert (released(world), outcome(world)) == ([("new",)] * 4, Outcome.COMPLETED)


def test_it_is_refused_while_instances_are_being_replaced() -> None:
    world = roll(up(WEB))
    before = world.fleet
    assert scale(world, 5).fleet == before


@pytest.mark.parametrize(
    "entry",
    [
        Program("web", ("true",), is_main=True),
        Program("web", ("true",), kind=ProgramType.FORKING, pid_file="/run/web.pid"),
    ],
    ids=["main program", "pid_file"],
)
def test_a_program_that_can_have_one_instance_only_keeps_it(entry: Program) -> None:
    world = up(entry)
    assert len(scale(world, 2).fleet.lives) == 1


def test_completed_oneshots_are_not_run_again_by_a_greater_scale() -> None:
    job = Program("web", ("true",), kind=ProgramType.ONESHOT, restart=NEVER, scale=1)
    world = up(job, program("db")).exits("web")
    scale(world, 2).exits("web", number=2)
    assert [type(world.phase("web", number)) for number in (1, 2)] == [Exited, Exited]
    assert world.spawned.count(("web", 1)) == 1


def test_many_programs_are_updated_at_the_same_time() -> None:
    programs = [replace(WEB, name=f"web{number}") for number in range(50)]
    world = up(*programs)
    world.tell(Updated(plan_of(*(new(each) for each in programs)))).pass_to(60.0)
    assert [each.outcome for each in world.fleet.rolls.values()] == [Outcome.COMPLETED] * 50


# ---- start-first

FIRST = replace(WEB, scale=2, update_config=replace(CONFIG, order=Order.START_FIRST))


def serving(world: World) -> list[int]:
    """The pids of the instances, in their order."""
    return [world.pids[instance] for instance in world.plan.programs["web"].instances]


def test_the_new_process_starts_beside_the_old_one_which_stops_when_it_is_up() -> None:
    world = up(FIRST)
    before = serving(world)
    begun = roll(world).now
    assert (len(world.pids), serving(world), world.signals) == (3, before, [])
    world.pass_to(begun + 1.0)
    assert (serving(world)[0] != before[0], serving(world)[1], len(world.signals)) == (True, before[1], 1)
    world.pass_to(begun + 20.0)
    assert (len(world.pids), len(world.fleet.lives), outcome(world)) == (2, 2, Outcome.COMPLETED)


def test_both_processes_of_an_instance_have_its_number() -> None:
    world = roll(up(FIRST))
    assert [str(number) for _, number in world.fleet.lives] == ["1", "2", "1"]


def test_the_next_one_waits_until_the_old_process_is_gone() -> None:
    world = up(FIRST, obeys={"web": ()})
    begun = roll(world).now
    world.pass_to(begun + 10.9)
    assert len(world.spawned) == 3
    world.pass_to(begun + 11.0)
    assert len(world.spawned) == 4


def test_a_new_process_that_fails_leaves_the_old_one_alone() -> None:
    world = up(FIRST)
    before = serving(world)
    successor = roll(world).spawned[-1]
    world.tell(Happened(successor, world.death(successor, 1))).pass_to(30.0)
    assert (serving(world), len(world.pids), len(world.fleet.lives)) == (before, 2, 2)
    assert (outcome(world), world.fleet.rolls["web"].failed) == (
        Outcome.PAUSED,
        ((("web", SecondLane(1)), "exited with code 1"),),
    )


def test_an_update_start_first_and_another_one_after_it() -> None:
    world = up(FIRST).update(new(FIRST)).pass_to(30.0)
    assert (released(world), outcome(world), world.plan.entries) == ([("new",)] * 2, Outcome.COMPLETED, {})
    third = replace(FIRST, command=("third",))
    world.update(third).pass_to(60.0)
    assert (released(world), list(world.fleet.lives)) == ([("third",)] * 2, [("web", 1), ("web", 2)])


def test_a_rollback_start_first_keeps_the_old_processes() -> None:
    before = replace(FIRST, update_config=replace(FIRST.update_config or CONFIG, failure_action=FailureAction.ROLLBACK))
    world = up(before)
    pids = serving(world)
    successor = world.update(new(before)).spawned[-1]
    world.tell(Happened(successor, world.death(successor, 1))).pass_to(30.0)
    assert (serving(world), released(world), outcome(world)) == (pids, [("true",)] * 2, Outcome.ROLLED_BACK)


def test_a_stop_ends_the_new_process_too() -> None:
    world = roll(up(FIRST)).stop("web").pass_to(30.0)
    assert (world.pids, outcome(world), len(world.fleet.lives)) == ({}, Outcome.GIVEN_UP, 2)


def test_a_shutdown_ends_both_processes() -> None:
    world = roll(up(FIRST)).tell(ShutdownAsked("SIGTERM")).run_out()
    assert (world.pids, world.verdict.code) == ({}, 0)


def test_the_same_table_again_while_it_is_under_way_start_first() -> None:
    world = up(FIRST).update(new(FIRST)).pass_to(3.5)
    before = world.fleet.rolls
    assert world.update(new(FIRST)).fleet.rolls == before
    assert compare(world.plan, {}, plan_of(new(FIRST)), {}, world.fleet.rolls).programs == ()


def test_several_at_a_time_start_first_and_a_rollback_dismisses_each_new_process() -> None:
    two = replace(FIRST, update_config=replace(CONFIG, order=Order.START_FIRST, parallelism=2))
    world = roll(up(two))
    assert len(world.pids) == 4
    world.pass_to(30.0)
    assert (len(world.fleet.rolls["web"].replaced), outcome(world), len(world.pids)) == (2, Outcome.COMPLETED, 2)
    careful = replace(two, update_config=replace(two.update_config or CONFIG, failure_action=FailureAction.ROLLBACK))
    world = up(careful)
    before = serving(world)
    successor = world.update(new(careful)).spawned[-1]
    world.tell(Happened(successor, world.death(successor, 1))).pass_to(30.0)
    assert (serving(world), len(world.pids), outcome(world)) == (before, 2, Outcome.ROLLED_BACK)


def test_an_old_process_that_stays_since_its_new_one_has_failed_keeps_its_entry() -> None:
    config = replace(CONFIG, order=Order.START_FIRST, failure_action=FailureAction.CONTINUE)
    entry = replace(FIRST, update_config=config)
    world = up(entry)
    successor = world.update(new(entry)).spawned[-1]
    world.tell(Happened(successor, world.death(successor, 1))).pass_to(30.0)
    assert (outcome(world), world.plan.programs["web"].command) == (Outcome.COMPLETED, ("new",))
    assert released(world) == [("true",), ("new",)]


def test_a_request_for_the_new_process_does_not_count_as_its_failure() -> None:
    """Such as the restart of what it depends on."""
    web = replace(WEB, depends_on=(Dependency("db", restart=True),))
    world = roll(up(web, program("db"))).ask(RestartRequested(), "db").pass_to(60.0)
    assert (outcome(world), world.fleet.rolls["web"].failed) == (Outcome.COMPLETED, ())


def test_an_instance_that_is_down_takes_its_entry_at_once() -> None:
    world = up(WEB, obeys={"web": ()}).tell(Asked((("web", 2),), StopRequested())).pass_to(30.0)
    world.update(new(WEB))
    assert released(world) == [("true",), ("new",), ("true",)]


@pytest.mark.parametrize("monitor", [5.0, 0.0])
def test_a_rollback_also_brings_back_what_was_replaced(monitor: float) -> None:
    before = replace(WEB, update_config=UpdateConfig(monitor=monitor, failure_action=FailureAction.ROLLBACK))
    world = up(before).update(new(before))
    world.pass_to(world.now + 1.0)
    assert released(world) == [("new",), ("new",), ("true",)]
    fails(world, 2).pass_to(60.0)
    assert (outcome(world), released(world)) == (Outcome.ROLLED_BACK, [("true",)] * 3)
    assert [world.life("web", number).generation for number in (1, 2, 3)] == [3, 3, 1]


def test_an_update_that_a_newer_table_has_replaced_cannot_go_on() -> None:
    world = fails(up(WEB).update(new(WEB))).pass_to(30.0)
    assert world.fleet.rolls["web"].can_go_on
    world.update(replace(WEB, command=("third",), update_config=None)).pass_to(60.0)
    assert not world.fleet.rolls["web"].can_go_on
    roll(world).pass_to(120.0)
    assert released(world) == [("third",)] * 3


@pytest.mark.parametrize(("code", "generation"), [(None, 2), (1, 1)], ids=["completed", "with a failure"])
def test_what_is_to_restart_with_a_program_follows_a_roll_without_a_failure(code: int | None, generation: int) -> None:
    web = replace(WEB, update_config=replace(CONFIG, failure_action=FailureAction.CONTINUE))
    proxy = replace(program("proxy"), depends_on=(Dependency("web", restart=True),))
    world = roll(up(web, proxy))
    if code is not None:
        fails(world, code=code)
    world.pass_to(60.0)
    assert (outcome(world), world.life("proxy").generation) == (Outcome.COMPLETED, generation)


def test_the_only_instance_that_fails_for_good_does_not_end_the_container_where_the_old_entry_comes_back() -> None:
    config = replace(CONFIG, failure_action=FailureAction.ROLLBACK)
    before = replace(WEB, scale=1, update_config=config, restart=NEVER)
    world = fails(up(before).update(new(before))).pass_to(60.0)
    assert (outcome(world), released(world)) == (Outcome.ROLLED_BACK, [("true",)])
    assert isinstance(world.fleet.container_phase, Serving)


def test_a_request_for_an_instance_on_its_way_has_no_effect_and_one_for_another_has() -> None:
    world = roll(up(WEB, obeys={"web": ()}))
    before = world.fleet.lives
    world.tell(Asked((("web", 1),), RestartRequested()))
    assert world.fleet.lives == before
    world.tell(Asked((("web", 3),), RestartRequested()))
    assert isinstance(world.phase("web", 3), Stopping)


def test_a_pause_of_supinit_moves_delay_and_monitor() -> None:
    world = up(replace(WEB, scale=2, update_config=replace(CONFIG, delay=3.0)))
    begun = roll(world).now
    world.pass_to(begun + 1.0)
    [each] = world.fleet.rolls["web"].under_way
    world.tell(Resumed(10.0))
    assert world.fleet.rolls["web"].under_way == (
        replace(each, free_at=begun + 1.0 + 3.0 + 10.0, watched_until=begun + 1.0 + 5.0 + 10.0),
    )
    assert next_deadline(world.fleet) == begun + 14.0


def test_only_an_update_can_go_on() -> None:
    paused = Roll(1, "restart", CONFIG, (), 3, outcome=Outcome.PAUSED)
    assert (paused.can_go_on, paused.is_paused) == (False, True)
    update = replace(paused, what="update", becomes=WEB)
    assert (update.can_go_on, update.is_paused) == (True, True)
    replaced = replace(update, becomes=None)
    assert (replaced.can_go_on, replaced.is_paused) == (False, False)
    assert replace(update, outcome=Outcome.GIVEN_UP).can_go_on
    assert not replace(update, outcome=Outcome.COMPLETED).can_go_on


def test_the_scale_of_each_program_is_kept_until_it_is_that_of_the_table() -> None:
    world = scale(scale(up(WEB, replace(WEB, name="api")), 5), 4, "api")
    assert world.plan.scaled == {"web": (3, 5), "api": (3, 4)}
    assert scale(world, 3).plan.scaled == {"api": (3, 4)}


def test_programs_that_are_scaled_down_at_the_same_time_each_lose_their_newest() -> None:
    world = up(WEB, replace(WEB, name="api"), obeys={"web": (), "api": ()})
    scale(scale(world, 1), 2, "api").pass_to(30.0)
    assert list(world.fleet.lives) == [("web", 1), ("api", 1), ("api", 2)]


def test_a_change_of_the_scale_is_told_and_the_same_again_is_not() -> None:
    world = up(WEB)
    for number, told in ((5, [ScaleChange("web", 3, 5)]), (3, [])):
        turn = advance(world.plan, world.fleet, ScaleAsked("web", number), world.now)
        assert [change for change in turn.changes if isinstance(change, ScaleChange)] == told


def test_a_scale_while_a_new_process_is_being_dismissed() -> None:
    world = roll(up(FIRST, obeys={"web": ()})).stop("web")
    assert len(world.plan.programs["web"].beside) == 1
    scale(world, 1).pass_to(60.0)
    assert list(world.fleet.lives) == [("web", 1)]


@pytest.mark.parametrize(
    ("entry", "number", "is_refused"),
    [
        (program("web"), 5, False),
        (replace(program("web"), is_main=True), 1, True),
        (replace(program("web"), schedule=Schedule(interval=5.0)), 2, True),
        (replace(program("web"), pid_file="/run/web.pid"), 2, True),
        (replace(program("web"), pid_file="/run/web.pid"), 1, False),
        (replace(program("web"), pid_file="/run/web.pid"), 0, False),
    ],
)
def test_some_programs_cannot_have_every_number_of_instances(entry: Program, number: int, is_refused: bool) -> None:
    assert (obstacle_to_scale(entry, number) is not None) == is_refused


def test_an_update_keeps_the_processes_that_started_beside_the_first_ones() -> None:
    world = roll(up(FIRST)).pass_to(30.0)
    before = serving(world)
    world.update(replace(FIRST, start_retries=3)).pass_to(60.0)
    assert (serving(world), world.plan.programs["web"].start_retries) == (before, 3)
    again = roll(world).pass_to(90.0)
    assert (len(again.pids), outcome(again)) == (2, Outcome.COMPLETED)


def test_what_is_leaving_is_not_replaced() -> None:
    world = roll(scale(up(WEB, obeys={"web": ()}), 1))
    assert (world.fleet.rolls["web"].total, world.fleet.rolls["web"].serial) == (1, 1)


def test_a_roll_of_what_does_not_exist_changes_nothing() -> None:
    world = up(WEB)
    before = world.fleet
    assert world.tell(RollAsked((("nobody", 1), ("web", 9)))).fleet == before


def test_a_roll_starts_what_is_down_and_is_needed() -> None:
    world = up(replace(WEB, depends_on=(Dependency("db"),)), program("db")).stop("db")
    assert "db" not in world.alive
    roll(world).pass_to(30.0)
    assert (world.alive, outcome(world)) == (["db", "web"], Outcome.COMPLETED)


def test_an_ordinary_restart_ends_a_paused_one() -> None:
    world = fails(roll(up(WEB))).pass_to(30.0)
    world.tell(Asked((("web", 3),), RestartRequested()))
    assert (outcome(world), world.fleet.rolls["web"].reason) == (Outcome.GIVEN_UP, "web was asked to restart")


def test_a_new_process_that_is_given_up_has_failed_at_once() -> None:
    web = replace(WEB, ready=Readiness(notify="systemd", timeout=5.0))
    world = up(web, obeys={"web": ()})
    for number in (1, 2, 3):
        world.happens("web", Notified(1, Notice(ready=True)), number=number)
    roll(world).pass_to(2.0 + 10.0 + 5.0)
    assert isinstance(world.phase("web", 1), Stopping)
    assert world.fleet.rolls["web"].failed == ((("web", 1), "was not ready within 5 s"),)


def test_a_new_process_that_becomes_unhealthy_has_failed_with_the_probes_words() -> None:
    check = HealthCheck(TcpProbe("127.0.0.1", 80), retries=1)
    world = up(replace(WEB, scale=1, healthcheck=check)).probed("web", True)
    roll(world).pass_to(3.0).probed("web", True)
    assert outcome(world) is None
    world.pass_to(4.0).probed("web", False)
    assert (outcome(world), world.fleet.rolls["web"].reason) == (
        Outcome.PAUSED,
        "web is unhealthy: the probe's words",
    )


def test_a_stop_of_another_program_leaves_a_roll_alone() -> None:
    world = roll(up(WEB, program("db"))).stop("db")
    assert outcome(world) is None
    world.pass_to(60.0)
    assert (outcome(world), world.plan.programs["web"]) == (Outcome.COMPLETED, WEB)


def test_a_scale_during_an_update_applies_to_the_new_entry() -> None:
    web = replace(WEB, update_config=None)
    world = up(web, program("db"), obeys={"web": ()}).update(new(web), program("db"))
    scale(world, 5).pass_to(60.0)
    assert released(world) in ([("new",)] * 5, [("new",)] * 3)
    assert len(world.pids) == len(released(world)) + 1


@pytest.mark.parametrize(
    "entry",
    [
        replace(FIRST, scale=1, pid_file="/run/web.pid"),
        replace(FIRST, scale=1, is_main=True),
        replace(FIRST, kind=ProgramType.ONESHOT, restart=NEVER),
        replace(FIRST, update_config=CONFIG),
    ],
    ids=["pid_file", "main program", "oneshot", "stop-first"],
)
def test_no_process_starts_beside_another_where_only_one_may_be_there(entry: Program) -> None:
    world = up(entry)
    before = len(world.pids)
    assert len(roll(world).pids) == before
