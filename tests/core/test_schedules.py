"""Schedules: a oneshot runs at its times, one run after the other, and what cannot run is told."""

from __future__ import annotations

from math import inf

import pytest

from supervisor.core.container import (
    Asked,
    Begun,
    ClockRead,
    ClockReading,
    ClockSet,
    Closing,
    Over,
    ReadClock,
    Resumed,
    RunsPassedOver,
    Serving,
    ShutdownAsked,
    ShuttingDown,
    TimePassed,
    Updated,
)
from supervisor.core.events import BecameReady, Event, RestartRequested, ScheduleResumed, StartRequested, StopRequested
from supervisor.core.fleet import advance, new_fleet, next_deadline
from supervisor.core.life import (
    Backoff,
    Exited,
    Fatal,
    Goal,
    Life,
    Pending,
    Phase,
    Run,
    Scheduled,
    Spawning,
    Starting,
    Stopped,
)
from supervisor.core.program import (
    Condition,
    Dependency,
    Program,
    ProgramType,
    Restart,
    RestartDelay,
    RestartWhen,
    Settings,
    ShutdownOn,
)
from supervisor.core.record import replace
from supervisor.core.requests import resume_schedule
from supervisor.core.schedule import Outcome, Schedule, ScheduledRun, ScheduleState
from supervisor.core.scheduling import ended_run
from supervisor.core.snapshot import State, project
from supervisor.core.update import ProgramChange, UpdateAction, compare

from .worlds import World, plan_of, program

TEN = Schedule(interval=10.0)
MINUTELY = Schedule(cron="60")
WEB = program("web")
HOUR = 3600.0


def job(schedule: Schedule | None = TEN, name: str = "job", **keys: object) -> Program:
    subject = Program(name, ("job",), ProgramType.ONESHOT, restart=Restart(RestartWhen.NEVER), schedule=schedule)
    scale = 1 if schedule is None else schedule.max_concurrent
    subject = replace(subject, scale=scale, shutdown_on=ShutdownOn.NEVER)
    return replace(subject, **keys)


def begun(*programs: Program, **keys: object) -> World:
    return World(plan_of(*programs), **keys).begin()  # type: ignore[arg-type]  # what World takes


def life(world: World, name: str = "job", number: int = 1) -> Life:
    return world.fleet.lives[name, number]


def starts(world: World, until: float, *, runs_for: float | None = 1.0, name: str = "job") -> list[float]:
    """Let time pass in tenths of a second; each run ends well after `runs_for` seconds. Return the starts."""
    begins: list[float] = []
    due: list[tuple[float, tuple[str, int]]] = []
    seen = sum(instance[0] == name for instance in world.spawned) - sum(instance[0] == name for instance in world.pids)
    for tenth in range(round(world.now * 10), round(until * 10) + 1):
        now = tenth / 10
        while due and due[0][0] <= now:
            at, instance = due.pop(0)
            world.now = max(world.now, at)
            world.exits(*instance[:1], number=instance[1])
        world.pass_to(now)
        mine = [instance for instance in world.spawned if instance[0] == name]
        for instance in mine[seen:]:
            begins.append(now)
            if runs_for is not None:
                due.append((now + runs_for, instance))
        seen = len(mine)
    return begins


# ---- when it runs


def test_an_interval_counts_from_start_to_start() -> None:
    world = begun(job())
    assert isinstance(life(world).phase, Scheduled)
    assert starts(world, 35.0, runs_for=3.0) == [10.0, 20.0, 30.0]


def test_a_schedule_of_an_interval_has_no_drift() -> None:
    world = begun(job())
    for due in (10.0, 20.0, 30.0):
        world.pass_to(due - 0.01)
        world.tell(Resumed(0.0), at=due + 0.3)
        world.pass_to(due + 0.3)
        world.exits("job")
        assert world.fleet.schedules["job"].due_at == due + 10.0


def test_a_cron_expression_follows_the_wall_clock() -> None:
    world = begun(job(MINUTELY))
    world.clock_offset = 1_800_000_000.0 - 15.0
    world.stop("job").ask(ScheduleResumed(), "job")
    assert starts(world, 200.0) == [15.0, 75.0, 135.0, 195.0]


def test_run_on_start_runs_once_at_the_start_and_then_at_its_times() -> None:
    world = begun(job(replace(TEN, run_on_start=True)))
    assert starts(world, 25.0) == [0.0, 10.0, 20.0]


def test_nothing_wakes_supinit_before_the_next_run() -> None:
    world = begun(job(Schedule(cron="3600")))
    assert (next_deadline(world.fleet), world.clock_reads) == (3600.0, [0.0])


def test_a_cron_expression_that_never_comes_is_waited_for_without_a_deadline() -> None:
    world = begun(job(Schedule(cron="never")))
    assert next_deadline(world.fleet) is None
    assert world.fleet.schedules["job"].next_run is None


def test_a_clock_that_could_not_be_read_is_read_again() -> None:
    plan = plan_of(job(MINUTELY))
    turn = advance(plan, new_fleet(plan), Begun(), 0.0)
    (order,) = turn.orders
    assert (order, next_deadline(turn.fleet)) == (ReadClock({"job": (MINUTELY, None)}), 60.0)
    assert turn.fleet.schedules["job"].next_run is None
    assert advance(plan, turn.fleet, TimePassed(), 60.0).orders == (order,)


# ---- overlaps


def test_a_run_that_is_due_while_the_one_before_is_under_way_is_skipped_and_counted() -> None:
    world = begun(job())
    assert starts(world, 45.0, runs_for=15.0) == [10.0, 30.0]
    assert world.passed_over[0] == RunsPassedOver("job", 1, None, "the run before is not over")
    assert world.fleet.schedules["job"].skipped == 2


def test_max_concurrent_runs_may_be_under_way_at_the_same_time() -> None:
    world = begun(job(replace(TEN, max_concurrent=2)))
    assert starts(world, 45.0, runs_for=25.0) == [10.0, 20.0, 40.0]
    assert world.spawned == [("job", 1), ("job", 2), ("job", 1)]
    assert world.passed_over == [RunsPassedOver("job", 1, None, "2 runs are not over")]


def test_a_run_that_waits_for_a_dependency_counts_as_under_way() -> None:
    world = begun(job(depends_on=(Dependency("db", Condition.COMPLETED),)), replace(WEB, name="db"))
    world.pass_to(20.0)
    assert life(world).phase == Pending(("db",))
    assert world.passed_over == [RunsPassedOver("job", 1, None, "the run before waits for db")]


# ---- missed runs


def test_a_run_that_is_late_by_more_than_half_an_interval_is_missed() -> None:
    world = begun(job())
    world.tell(Resumed(7.0), at=16.0).pass_to(16.0)
    assert (world.spawned, world.passed_over) == (
        [],
        [RunsPassedOver("job", 1, Outcome.MISSED, "it was due up to 6 s ago")],
    )
    assert world.fleet.schedules["job"].due_at == 20.0


def test_a_run_that_is_a_little_late_is_not_missed() -> None:
    world = begun(job())
    world.tell(Resumed(4.0), at=14.0).pass_to(14.0)
    assert (world.spawned, world.passed_over) == ([("job", 1)], [])


def test_within_starting_deadline_a_missed_run_is_made_up_for_once() -> None:
    world = begun(job(replace(TEN, starting_deadline=60.0)))
    world.tell(Resumed(40.0), at=48.0).pass_to(48.0)
    assert world.spawned == [("job", 1)]
    assert world.passed_over == [RunsPassedOver("job", 3, Outcome.MISSED, "it was due up to 8 s ago")]
    assert world.fleet.schedules["job"].due_at == 50.0


def test_a_pause_moves_no_due_time() -> None:
    world = begun(job())
    world.tell(Resumed(8.0), at=8.0)
    assert world.fleet.schedules["job"].due_at == 10.0


# ---- the clock is set


def test_a_clock_that_is_set_forward_past_a_due_time_makes_up_for_it_once() -> None:
    world = begun(job(replace(MINUTELY, starting_deadline=2 * HOUR))).set_clock(HOUR + 10.0)
    assert world.spawned == [("job", 1)]
    assert world.passed_over == [RunsPassedOver("job", 59, Outcome.MISSED, "it was due up to 10 s ago")]
    assert world.fleet.schedules["job"].due_at == 50.0


def test_a_clock_that_is_set_forward_by_a_little_brings_the_next_run_forward() -> None:
    world = begun(job(MINUTELY)).set_clock(20.0)
    assert (world.spawned, world.fleet.schedules["job"].due_at) == ([], 40.0)


@pytest.mark.parametrize("back", [0.5, 30.0, HOUR, 3 * HOUR])
def test_a_clock_that_is_set_back_repeats_no_run(back: float) -> None:
    world = begun(job(MINUTELY)).pass_to(60.0).exits("job").set_clock(-back)
    assert world.fleet.schedules["job"].due_at == pytest.approx(120.0 + back)
    assert world.spawned == [("job", 1)]


def test_a_clock_that_was_wrong_by_hours_is_followed_at_once() -> None:
    world = begun(job(MINUTELY)).pass_to(60.0).exits("job").set_clock(-24 * HOUR)
    assert world.fleet.schedules["job"].due_at == 120.0


def test_an_interval_does_not_care_for_the_wall_clock() -> None:
    world = begun(job()).set_clock(HOUR)
    assert (world.fleet.schedules["job"].due_at, world.clock_reads) == (10.0, [])


def test_a_clock_that_was_set_back_unnoticed_is_noticed_when_the_run_seems_due() -> None:
    world = begun(job(MINUTELY))
    world.clock_offset -= 20.0
    assert starts(world, 85.0) == [80.0]


# ---- how a run ends


def test_what_became_of_the_last_run_is_kept() -> None:
    world = begun(job()).pass_to(10.0)
    world.now = 13.0
    world.exits("job")
    state = world.fleet.schedules["job"]
    assert state.last_run == ScheduledRun(Outcome.SUCCEEDED, 10.0, 13.0, code=0)
    world.pass_to(20.0).exits("job", 7)
    state = world.fleet.schedules["job"]
    assert state.last_run == ScheduledRun(Outcome.FAILED, 20.0, 20.0, code=7, reason="exited with code 7")
    assert state.outcomes == {Outcome.SUCCEEDED: 1, Outcome.FAILED: 1, Outcome.STOPPED: 0, Outcome.MISSED: 0}
    assert life(world).phase == Scheduled("exited with code 7", 7)


def test_a_failed_run_ends_nothing_and_the_next_one_comes() -> None:
    world = begun(job()).pass_to(10.0).exits("job", 7).pass_to(20.0)
    assert (world.spawned, type(world.fleet.container_phase)) == ([("job", 1)] * 2, Serving)


def test_a_command_that_cannot_be_executed_is_a_failed_run() -> None:
    world = begun(job(), unspawnable={"job": ("job was not found", 127)}).pass_to(20.0)
    assert life(world).phase == Scheduled("job was not found", 127)
    assert world.fleet.schedules["job"].outcomes[Outcome.FAILED] == 2


def test_a_dependency_that_has_failed_for_good_makes_each_run_fail() -> None:
    db = replace(WEB, name="db", restart=Restart(RestartWhen.NEVER), shutdown_on=ShutdownOn.NEVER)
    world = begun(job(depends_on=(Dependency("db"),)), db).exits("db", 7).pass_to(10.0)
    assert life(world).phase == Scheduled("depends on db, which exited with code 7", 1)


def test_restart_on_failure_retries_within_the_run() -> None:
    retried = job(restart=Restart(RestartWhen.ON_FAILURE, 2), restart_delay=RestartDelay(1.0, factor=1.0))
    world = begun(retried).pass_to(10.0).exits("job", 7)
    assert isinstance(life(world).phase, Backoff)
    world.pass_to(12.0).exits("job", 7).pass_to(14.0).exits("job", 7)
    state = world.fleet.schedules["job"]
    assert (len(world.spawned), state.outcomes[Outcome.FAILED]) == (3, 1)
    assert life(world).phase == Scheduled("exited with code 7; gave up after 2 restarts in a row", 7)
    world.pass_to(20.0).exits("job", 7)
    assert isinstance(life(world).phase, Backoff), "the next run has all its retries"


def test_shutdown_on_failure_ends_the_container_with_the_code_of_the_run() -> None:
    world = begun(job(shutdown_on=ShutdownOn.FAILURE), WEB).pass_to(10.0).exits("job", 7)
    assert (isinstance(life(world).phase, Fatal), world.verdict.code) == (True, 7)


def test_shutdown_on_exit_ends_the_container_after_the_first_run() -> None:
    world = begun(job(shutdown_on=ShutdownOn.EXIT), WEB).pass_to(10.0).exits("job")
    assert (isinstance(life(world).phase, Exited), world.verdict.code) == (True, 0)


# ---- the container


def test_a_schedule_keeps_the_container_up() -> None:
    migrate = Program("migrate", ("true",), ProgramType.ONESHOT, restart=Restart(RestartWhen.NEVER))
    world = begun(job(), migrate).exits("migrate")
    assert isinstance(world.fleet.container_phase, Serving)


@pytest.mark.parametrize("shutdown_on", [ShutdownOn.NEVER, ShutdownOn.FAILURE])
def test_a_schedule_holds_neither_ready_nor_healthy_back(shutdown_on: ShutdownOn) -> None:
    world = begun(job(replace(TEN, run_on_start=True), shutdown_on=shutdown_on), WEB).pass_to(1.0)
    snapshot = project(world.plan, world.fleet)
    assert (world.fleet.ready_at, snapshot.ready, snapshot.healthy) == (1.0, True, True)


def test_what_waits_for_its_next_run_is_pending_and_needs_no_attention() -> None:
    world = begun(job())
    view = project(world.plan, world.fleet).instances["job", 1]
    assert (view.state, view.awaits_run, view.is_fine) == (State.PENDING, True, True)
    world.pass_to(10.0)
    view = project(world.plan, world.fleet).instances["job", 1]
    assert (view.state, view.awaits_run, view.is_fine) == (State.STARTING, False, True)


def test_no_run_begins_once_the_shutdown_has_begun() -> None:
    world = World(plan_of(job(), WEB, settings=Settings(drain_delay=60.0))).begin().pass_to(1.0)
    world.tell(ShutdownAsked("SIGTERM")).pass_to(30.0)
    assert (world.spawned, world.fleet.schedules["job"].due_at) == ([("web", 1)], None)


def test_a_run_under_way_goes_through_its_stop_sequence_in_a_shutdown() -> None:
    world = begun(job(), obeys={"job": ()}).pass_to(10.0).tell(ShutdownAsked("SIGTERM"))
    assert isinstance(world.fleet.container_phase, ShuttingDown)
    world.run_out()
    assert world.deaths == [(20.0, ("job", 1))]
    assert isinstance(world.fleet.container_phase, Over)
    assert world.fleet.schedules["job"].outcomes[Outcome.STOPPED] == 1


def test_a_waiting_schedule_does_not_delay_the_shutdown() -> None:
    world = begun(job()).tell(ShutdownAsked("SIGTERM"))
    assert isinstance(world.fleet.container_phase, Closing | Over)


# ---- requests


def test_stop_rests_the_schedule_until_start() -> None:
    world = begun(job()).stop("job")
    assert (life(world).phase, next_deadline(world.fleet)) == (Stopped(), None)
    world.pass_to(100.0).ask(StartRequested(), "job")
    assert (world.spawned, world.fleet.schedules["job"].due_at) == ([("job", 1)], 110.0)


def test_start_runs_it_now_and_an_interval_counts_from_that_start() -> None:
    world = begun(job()).pass_to(4.0).ask(StartRequested(), "job")
    assert world.spawned == [("job", 1)]
    world.exits("job")
    assert starts(world, 30.0) == [14.0, 24.0]


def test_start_while_a_run_is_under_way_changes_nothing() -> None:
    world = begun(job()).pass_to(10.0).ask(StartRequested(), "job")
    assert (world.spawned, life(world).goal) == ([("job", 1)], Goal.UP)


def test_start_takes_one_free_place_of_many() -> None:
    world = begun(job(replace(TEN, max_concurrent=3))).stop("job").ask(StartRequested(), "job")
    phases = [type(life(world, number=number).phase) for number in (1, 2, 3)]
    assert phases == [Starting, Scheduled, Scheduled]


def test_restart_replaces_the_run_that_is_under_way() -> None:
    world = begun(job()).pass_to(10.0).ask(RestartRequested(), "job")
    assert (world.spawned, isinstance(life(world).phase, Starting)) == ([("job", 1)] * 2, True)


def test_restart_while_it_waits_runs_it_now() -> None:
    world = begun(job(replace(TEN, max_concurrent=2))).ask(RestartRequested(), "job")
    assert world.spawned == [("job", 1)]


def test_a_stop_of_a_run_counts_it_as_stopped() -> None:
    world = begun(job()).pass_to(10.0).stop("job")
    assert world.fleet.schedules["job"].outcomes[Outcome.STOPPED] == 1


def test_without_autostart_the_schedule_begins_with_the_first_start() -> None:
    world = begun(job(autostart=False), WEB).pass_to(30.0)
    assert (life(world).phase, "job" in [name for name, _ in world.spawned]) == (Stopped(), False)
    world.ask(StartRequested(), "job").exits("job")
    assert starts(world, 45.0) == [40.0]


def test_a_dependant_waits_until_a_run_has_ended_well() -> None:
    web = replace(WEB, depends_on=(Dependency("job", Condition.COMPLETED),))
    world = begun(job(replace(TEN, run_on_start=True)), web).exits("job", 7)
    assert isinstance(life(world, "web").phase, Pending)
    world.pass_to(10.0).exits("job")
    assert isinstance(life(world, "web").phase, Starting)


def test_a_schedule_that_waits_has_started() -> None:
    world = begun(job(), replace(WEB, depends_on=(Dependency("job"),)))
    assert isinstance(life(world, "web").phase, Starting)


# ---- updates


def test_an_update_of_the_times_applies_in_place() -> None:
    world = begun(job()).pass_to(10.0)
    world.update(job(Schedule(interval=60.0)))
    assert (len(world.pids), world.fleet.schedules["job"].due_at) == (1, 70.0)


def test_an_update_of_the_command_applies_to_the_next_run() -> None:
    world = begun(job(), WEB).pass_to(10.0)
    world.update(job(command=("other",)), WEB)
    assert (world.deaths, world.plan.programs["job"].command) == ([], ("job",))
    world.exits("job")
    assert (world.plan.programs["job"].command, len(world.spawned)) == (("other",), 2)
    assert starts(world, 20.0) == [20.0]
    assert world.fleet.schedules["job"].outcomes[Outcome.SUCCEEDED] == 1


def test_an_update_that_removes_a_schedule_stops_its_run() -> None:
    world = begun(job(), WEB).pass_to(10.0).update(WEB)
    assert ([name for _, name in world.deaths], world.fleet.schedules) == ([("job", 1)], {})


def test_an_update_of_nothing_runs_nothing() -> None:
    world = (
        begun(job(replace(TEN, run_on_start=True)), WEB)
        .exits("job")
        .update(job(replace(TEN, run_on_start=True), command=("other",)), WEB)
    )
    assert (world.spawned.count(("job", 1)), world.fleet.schedules["job"].due_at) == (1, 10.0)


def test_a_new_schedule_with_run_on_start_runs_at_once() -> None:
    world = begun(WEB).update(WEB, job(replace(TEN, run_on_start=True)))
    assert ("job", 1) in world.spawned


def test_a_oneshot_that_gets_a_schedule_waits_for_its_next_run() -> None:
    once = job(None)
    world = begun(once, WEB).exits("job").update(job(), WEB)
    assert (life(world).phase, world.fleet.schedules["job"].due_at) == (Scheduled(), 10.0)


def test_what_an_update_changes_of_a_schedule_restarts_nothing() -> None:
    old, new = plan_of(job()), plan_of(job(command=("other",)))
    assert compare(old, {}, new).programs == (ProgramChange("job", UpdateAction.CHANGE, ("command",)),)


def test_no_run_begins_with_an_old_entry() -> None:
    """It is skipped as long as the run before the update goes on."""
    two = replace(TEN, max_concurrent=2)
    world = begun(job(two), WEB).pass_to(10.0).update(job(two, command=("other",)), WEB).pass_to(20.0)
    assert (len(world.pids), world.plan.programs["job"].command) == (2, ("job",))
    assert world.passed_over == [RunsPassedOver("job", 1, None, "the run before is not over")]
    world.exits("job").pass_to(30.0)
    assert (len(world.pids), world.plan.programs["job"].command) == (2, ("other",))


def test_a_run_that_an_update_has_left_with_its_old_entry_can_be_stopped() -> None:
    world = begun(job(), WEB).pass_to(10.0).update(job(command=("other",)), WEB).stop("job").pass_to(40.0)
    assert ([name for _, name in world.deaths], life(world).phase) == ([("job", 1)], Stopped())
    assert (world.plan.programs["job"].command, world.fleet.schedules["job"].due_at) == (("other",), None)


@pytest.mark.parametrize("request_", [StartRequested(), RestartRequested()], ids=["start", "restart"])
def test_a_run_that_somebody_asks_for_during_an_update_runs_at_once_with_the_new_entry(request_: Event) -> None:
    fifteen = Schedule(interval=15.0)
    world = begun(job(fifteen), WEB, obeys={"job": ()}).pass_to(15.0)
    if isinstance(request_, StartRequested):
        world.stop("job")
    world.update(job(fifteen, command=("other",)), WEB).ask(request_, "job")
    assert (world.plan.programs["job"].command, world.deaths) == (("job",), [])
    world.pass_to(26.0)
    assert (world.plan.programs["job"].command, world.spawned.count(("job", 1))) == (("other",), 2)


def test_a_clock_that_is_set_back_again_and_again_repeats_no_run() -> None:
    world = begun(job(MINUTELY)).pass_to(60.0).exits("job").set_clock(-30.0).set_clock(-1.0)
    assert world.pass_to(140.0).spawned == [("job", 1)]
    assert world.pass_to(151.0).spawned == [("job", 1)] * 2


def test_a_schedule_goes_on_as_long_as_one_of_its_instances_is_wanted() -> None:
    world = begun(job(replace(TEN, max_concurrent=2))).tell(Asked((("job", 2),), StopRequested()))
    assert starts(world, 15.0) == [10.0]


def test_a_cron_expression_that_becomes_an_interval_has_a_next_run_at_once() -> None:
    world = begun(job(MINUTELY), WEB).pass_to(5.0).update(job(), WEB)
    assert world.fleet.schedules["job"].next_run == 15.0


def test_the_next_run_is_known_while_the_clock_is_read_again() -> None:
    state = ScheduleState(MINUTELY, due_at=60.0)
    assert state.next_run == 60.0
    assert replace(state, is_asking=True).next_run is None
    assert replace(state, is_asking=True, due_wall=1_800_000_060.0).next_run == 60.0
    assert replace(state, due_at=inf).next_run is None
    assert replace(state, due_at=None).next_run is None


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    world = begun(job(MINUTELY)).pass_to(5.0)
    state, before = world.fleet.schedules["job"], world.fleet
    reading = ClockReading(MINUTELY, state.handled_until, world.wall, 1, world.wall, None)
    for readings in ({"job": reading}, {"nobody": reading}):
        assert world.tell(ClockRead(readings)).fleet == before


def test_a_request_for_an_instance_that_does_not_exist_changes_nothing() -> None:
    world = begun(job())
    before = world.fleet
    assert world.tell(Asked((("nobody", 1), ("job", 2)), StartRequested())).fleet == before


@pytest.mark.parametrize("phase", [Stopped(), Exited(), Fatal("crashed", 1)])
def test_a_schedule_that_is_resumed_waits_whatever_became_of_its_last_run(phase: Phase) -> None:
    assert resume_schedule(Life(Goal.UP, phase), 5.0) == Life(Goal.UP, Scheduled(), since=5.0)
    assert resume_schedule(Life(Goal.UP, Pending()), 5.0) == Life(Goal.UP, Pending())


def test_the_times_of_another_expression_are_asked_for_from_now_on() -> None:
    world, later = begun(job(MINUTELY)).pass_to(5.0), Schedule(cron="10")
    turn = advance(world.plan, world.fleet, Updated(plan_of(job(later))), 5.0)
    assert turn.orders == (ReadClock({"job": (later, None)}),)


def test_the_answer_to_an_old_question_changes_nothing() -> None:
    plan = plan_of(job(MINUTELY))
    fleet = advance(plan, new_fleet(plan), Begun(), 0.0).fleet
    old = ClockReading(MINUTELY, 1_800_000_000.0, 1_800_000_060.0, 1, 1_800_000_060.0, 1_800_000_120.0)
    assert advance(plan, fleet, ClockRead({"job": old}), 1.0).fleet == fleet
    rested = advance(plan, fleet, Asked((("job", 1),), StopRequested()), 1.0).fleet
    assert rested.schedules["job"] == ScheduleState(MINUTELY)


def test_a_start_of_a_program_without_a_schedule_is_an_ordinary_one_beside_those_that_have_one() -> None:
    world = begun(job(), WEB).pass_to(5.0).stop("web").ask(StartRequested(), "web")
    assert isinstance(world.phase("web"), Starting)


@pytest.mark.parametrize(
    ("after", "run"),
    [
        (Scheduled("cannot be started", 127), ScheduledRun(Outcome.FAILED, 5.0, 5.0, 127, None, "cannot be started")),
        (Fatal("cannot be started", 127), ScheduledRun(Outcome.FAILED, 5.0, 5.0, 127, None, "cannot be started")),
        (Scheduled(), ScheduledRun(Outcome.SUCCEEDED, 5.0, 5.0)),
        (Stopped(), ScheduledRun(Outcome.STOPPED, 5.0, 5.0)),
        (Starting(Run(100, 5.0), 6.0), None),
    ],
)
def test_what_ended_without_a_process_has_taken_no_time(after: Phase, run: ScheduledRun | None) -> None:
    assert ended_run(Life(phase=Spawning()), Life(phase=after), 5.0) == run
    assert ended_run(Life(phase=Scheduled()), Life(phase=after), 5.0) is None


def test_run_on_start_is_one_run_however_many_may_be_under_way() -> None:
    world = begun(job(replace(TEN, run_on_start=True, max_concurrent=3)))
    assert world.spawned == [("job", 1)]


# ---- whole states

NOON = 1_800_000_000.0


def test_a_cron_expression_keeps_its_times_until_it_rests() -> None:
    world = begun(job(MINUTELY))
    known = ScheduleState(MINUTELY, due_at=60.0, due_wall=NOON + 60.0, handled_until=NOON)
    assert world.fleet.schedules["job"] == known
    assert world.stop("job").set_clock(5.0).fleet.schedules["job"] == ScheduleState(MINUTELY)
    assert world.clock_reads == [0.0]


def test_a_change_of_anything_but_the_times_keeps_the_times() -> None:
    late = replace(MINUTELY, starting_deadline=5.0)
    world = begun(job(MINUTELY)).pass_to(5.0).update(job(late))
    assert world.fleet.schedules["job"] == ScheduleState(late, 60.0, NOON + 60.0, NOON)


def test_a_change_of_the_times_forgets_what_was_known_of_the_old_ones() -> None:
    world, later = begun(job(MINUTELY)).pass_to(5.0), Schedule(cron="10")
    asked = advance(world.plan, world.fleet, Updated(plan_of(job(later))), 5.0)
    assert asked.fleet.schedules["job"] == ScheduleState(later, due_at=65.0, is_asking=True)
    plan = plan_of(job(later))
    counted = advance(plan, asked.fleet, Updated(plan_of(job())), 6.0).fleet
    assert counted.schedules["job"] == ScheduleState(TEN, due_at=16.0)


def test_a_clock_that_was_wrong_by_hours_is_asked_again_without_what_was_dealt_with() -> None:
    world = begun(job(MINUTELY)).pass_to(5.0)
    asked = advance(world.plan, world.fleet, ClockSet(), 6.0).fleet
    answer = ClockRead({"job": ClockReading(MINUTELY, NOON, NOON - 4 * HOUR, 0, None, NOON)})
    again = advance(world.plan, asked, answer, 7.0)
    assert again.orders == (ReadClock({"job": (MINUTELY, None)}),)
    assert again.fleet.schedules["job"] == ScheduleState(MINUTELY, due_at=67.0, is_asking=True)


@pytest.mark.parametrize(
    ("last", "following", "due_at", "is_missed"),
    [
        (None, 0.5, 7.5, None),
        (None, -0.5, 7.0, None),
        (-29.0, 31.0, 38.0, False),
        (-31.0, 29.0, 36.0, True),
        (-59.0, None, inf, False),
        (-61.0, None, inf, True),
        (-61.0, 2000.0, 2007.0, True),
    ],
)
def test_a_run_that_is_late_by_half_the_time_to_the_next_one_or_a_minute_is_missed(
    last: float | None, following: float | None, due_at: float, is_missed: bool | None
) -> None:
    """`last` and `following`: seconds from now."""
    plan = plan_of(job(MINUTELY))
    fleet = advance(plan, new_fleet(plan), Begun(), 0.0).fleet
    at = [None if each is None else NOON + each for each in (last, following)]
    turn = advance(plan, fleet, ClockRead({"job": ClockReading(MINUTELY, None, NOON, last is not None, *at)}), 7.0)
    state = turn.fleet.schedules["job"]
    assert (state.due_at, state.due_wall, state.handled_until, state.is_asking) == (due_at, at[1], NOON, False)
    assert state.outcomes[Outcome.MISSED] == (is_missed is True)
    assert isinstance(turn.fleet.lives["job", 1].phase, Spawning) == (is_missed is False)


def test_a_run_that_is_late_by_exactly_what_is_allowed_runs() -> None:
    world = begun(job()).tell(Resumed(0.0), at=15.0).pass_to(15.0)
    assert (world.spawned, world.passed_over) == ([("job", 1)], [])


def test_what_was_missed_is_counted() -> None:
    world = begun(job(replace(TEN, starting_deadline=60.0))).tell(Resumed(40.0), at=48.0).pass_to(48.0)
    assert world.fleet.schedules["job"].outcomes[Outcome.MISSED] == 3


def test_only_what_is_under_way_is_named_where_a_run_is_skipped() -> None:
    world = begun(job(replace(TEN, max_concurrent=2))).tell(Asked((("job", 2),), StopRequested())).pass_to(20.0)
    assert world.passed_over == [RunsPassedOver("job", 1, None, "the run before is not over")]


def test_the_last_success_is_kept_when_a_run_fails() -> None:
    world = begun(job()).pass_to(10.0).exits("job").pass_to(20.0).exits("job", 7)
    assert world.fleet.schedules["job"].succeeded_at == 10.0


# ---- requests, and what is under way


def test_a_start_while_a_run_is_under_way_takes_a_free_place_and_counts_from_then() -> None:
    world = begun(job(replace(TEN, max_concurrent=2))).pass_to(10.0).pass_to(13.0).ask(StartRequested(), "job")
    assert (world.spawned, world.fleet.schedules["job"].due_at) == ([("job", 1), ("job", 2)], 23.0)


@pytest.mark.parametrize("request_", [StartRequested(), RestartRequested()], ids=["start", "restart"])
def test_an_interval_does_not_count_from_a_request_that_begins_no_run_of_its_own(request_: Event) -> None:
    world = begun(job()).pass_to(10.0).pass_to(13.0).ask(request_, "job")
    assert world.fleet.schedules["job"].due_at == 20.0


RETRIED = job(restart=Restart(RestartWhen.ON_FAILURE, 2), restart_delay=RestartDelay(100.0, max=100.0))


@pytest.mark.parametrize(
    ("request_", "due_at"), [(StartRequested(), 23.0), (RestartRequested(), 20.0)], ids=["start", "restart"]
)
def test_a_run_that_waits_for_its_retry_is_tried_at_once(request_: Event, due_at: float) -> None:
    world = begun(RETRIED).pass_to(10.0).exits("job", 7).pass_to(13.0).ask(request_, "job")
    assert (world.spawned, world.fleet.schedules["job"].due_at) == ([("job", 1)] * 2, due_at)


def test_a_start_while_the_run_that_was_stopped_is_still_there_runs_it_again() -> None:
    world = begun(job(Schedule(interval=60.0)), WEB, obeys={"job": ()}).pass_to(60.0).stop("job")
    world.ask(StartRequested(), "job").pass_to(71.0)
    assert world.spawned.count(("job", 1)) == 2


def test_a_restart_replaces_a_run_that_has_reported_that_it_is_ready() -> None:
    world = begun(job()).pass_to(10.0).happens("job", BecameReady(1)).ask(RestartRequested(), "job")
    assert world.spawned == [("job", 1)] * 2


def test_a_start_during_an_update_leaves_the_run_under_way_and_the_interval_alone() -> None:
    world = begun(job(), WEB).pass_to(10.0).update(job(command=("other",)), WEB).pass_to(13.0)
    world.ask(StartRequested(), "job")
    assert (world.deaths, world.fleet.leaving["job"].run_next) == ([], ())
    assert world.fleet.schedules["job"].due_at == 20.0
    world.exits("job").pass_to(19.0)
    assert (world.spawned.count(("job", 1)), world.plan.programs["job"].command) == (1, ("other",))


def test_a_start_of_a_cron_job_leaves_its_times_alone() -> None:
    world = begun(job(MINUTELY)).pass_to(5.0)
    before = world.fleet.schedules["job"]
    assert world.ask(StartRequested(), "job").fleet.schedules["job"] == before
    assert world.spawned == [("job", 1)]


def test_a_start_before_the_container_begins_waits_for_nothing() -> None:
    plan = plan_of(job())
    fleet = advance(plan, new_fleet(plan), Asked((("job", 1),), StartRequested()), 0.0).fleet
    assert isinstance(fleet.lives["job", 1].phase, Spawning)


def test_a_oneshot_without_a_schedule_is_run_again_beside_those_that_have_one() -> None:
    once = job(None, "once")
    world = begun(job(), once, WEB).exits("once").ask(StartRequested(), "once")
    assert world.spawned.count(("once", 1)) == 2


@pytest.mark.parametrize("before", [Scheduled(), Stopped(), Exited(), Fatal("failed", 1)])
def test_what_was_over_has_not_ended(before: Phase) -> None:
    for after in (Scheduled(), Stopped(), Exited(), Fatal("failed", 1)):
        assert ended_run(Life(phase=before), Life(phase=after), 5.0) is None
