"""`restart_when`: when a process has grown too large or too old, and how it is replaced for that."""

from __future__ import annotations

from signal import SIGTERM

import pytest

from supervisor.core.container import (
    Asked,
    MeasureMemory,
    MemoryMeasured,
    RestartDue,
    Resumed,
    RollAsked,
    ShutdownAsked,
    TimePassed,
)
from supervisor.core.counters import Counters
from supervisor.core.events import (
    DependenciesChecked,
    Notified,
    RestartRequested,
    Spawned,
    StartRequested,
    StopRequested,
)
from supervisor.core.fleet import advance, next_deadline
from supervisor.core.life import Backoff, Exited, Fatal, Run, Running, Stopped
from supervisor.core.log_events import LogEvent, describe_container_change
from supervisor.core.notice import Notice
from supervisor.core.program import Program, Restart, RestartDelay, RestartWhen, ShutdownOn, SignalStep
from supervisor.core.record import replace
from supervisor.core.restart_due import Excess, LimitState
from supervisor.core.restart_limits import RestartLimits
from supervisor.core.roll import Outcome
from supervisor.core.update_config import Order, UpdateConfig

from .worlds import OneLife, World, plan_of, program

MIB = 1024 * 1024
LARGE, SMALL = 612 * MIB, 100 * MIB
MEMORY = RestartLimits(memory=500 * MIB)
AGE = RestartLimits(age=100.0)
WEB = replace(program("web"), restart_when=MEMORY)
TWO = replace(WEB, scale=2)
TOO_LARGE = "its memory is 612.0 MiB, above 500.0 MiB"
ROLLING = UpdateConfig(order=Order.START_FIRST, monitor=0.0)


def _world(*programs: Program, **fields: object) -> World:
    """A world whose programs are RUNNING since 1.0."""
    return World(plan_of(*programs), **fields).begin().pass_to(1.0)  # type: ignore[arg-type]  # what a test says


def _large(world: World, *numbers: int) -> World:
    world.memory = {("web", number): LARGE for number in numbers or (1,)}
    return world


# ---- memory


def test_memory_is_measured_every_interval_while_the_program_is_running() -> None:
    world = _world(WEB).pass_to(95.0)
    assert world.measurements == [(31.0, "web"), (61.0, "web"), (91.0, "web")]
    world.ask(StopRequested(), "web").pass_to(200.0)
    assert (world.measurements[3:], next_deadline(world.fleet)) == ([], None)


@pytest.mark.parametrize("entry", [program("web"), replace(WEB, autostart=False)], ids=["no key", "on demand"])
def test_nothing_is_measured_without_the_key_or_a_process(entry: Program) -> None:
    world = _world(entry).pass_to(1000.0)
    assert (world.measurements, next_deadline(world.fleet)) == ([], None)


def test_a_process_above_the_limit_twice_in_a_row_is_restarted_by_its_stop_sequence() -> None:
    world = _large(_world(WEB)).pass_to(60.9)
    assert (world.restarts_due, world.signals) == ([], [])
    world.pass_to(61.0)
    assert world.restarts_due == [(61.0, ("web", 1), TOO_LARGE)]
    assert world.signals == [(61.0, ("web", 1), SIGTERM)]
    assert world.spawned == [("web", 1), ("web", 1)]


def test_a_peak_is_not_a_leak() -> None:
    world = _world(WEB)
    for at, memory in ((31.0, LARGE), (61.0, SMALL), (91.0, LARGE), (121.0, SMALL)):
        world.memory = {("web", 1): memory}
        world.pass_to(at)
    assert world.restarts_due == []


def test_exactly_the_limit_is_not_above_it() -> None:
    world = _world(WEB)
    world.memory = {("web", 1): 500 * MIB}
    assert world.pass_to(1000.0).restarts_due == []


def test_a_measurement_that_fails_neither_counts_nor_forgets() -> None:
    world = _large(_world(WEB)).pass_to(31.0)
    world.memory = {}
    world.pass_to(61.0)
    _large(world).pass_to(91.0)
    assert world.restarts_due == [(91.0, ("web", 1), TOO_LARGE)]


def test_a_measurement_of_an_earlier_process_does_not_count_for_the_new_one() -> None:
    world = _large(_world(WEB)).pass_to(31.0).exits("web", 0).pass_to(60.0)
    world.tell(MemoryMeasured("web", {("web", 1): (1, LARGE)})).pass_to(61.5)
    assert isinstance(world.phase("web"), Running)
    assert world.restarts_due == []


@pytest.mark.parametrize(("generation", "looks"), [(1, [1]), (0, [])])
def test_an_answer_about_an_earlier_process_does_not_count(generation: int, looks: list[int]) -> None:
    world = _world(WEB)
    asked = advance(world.plan, world.fleet, TimePassed(), 31.0)
    assert asked.orders == (MeasureMemory("web"),)
    answer = MemoryMeasured("web", {("web", 1): (generation, LARGE)})
    answered = advance(world.plan, asked.fleet, answer, 31.5).fleet
    assert [excess.looks for excess in answered.limits["web"].over.values()] == looks
    assert next_deadline(answered) == 61.5


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    world = _world(WEB)
    before = world.fleet
    assert world.tell(MemoryMeasured("web", {("web", 1): (1, LARGE)})).fleet == before


# ---- age


@pytest.mark.parametrize(("jitter", "at"), [(0.0, 100.0), (0.5, 95.0)])
def test_a_process_is_restarted_at_its_age_or_somewhat_earlier_as_its_jitter_says(jitter: float, at: float) -> None:
    world = _world(replace(WEB, restart_when=AGE))
    life = world.fleet.lives["web", 1]
    assert isinstance(life.phase, Running)
    older = replace(life, phase=replace(life.phase, run=replace(life.phase.run, jitter=jitter)))
    world.fleet = replace(world.fleet, lives={("web", 1): older})
    world.tell(Resumed(0.0)).pass_to(at - 0.1)
    assert world.restarts_due == []
    world.pass_to(at)
    assert [due[:2] for due in world.restarts_due] == [(at, ("web", 1))]


def test_the_jitter_comes_with_the_process() -> None:
    subject = OneLife(replace(WEB, restart_when=AGE))
    subject.tell(StartRequested(), DependenciesChecked(()), Spawned(1, 100, 0.25))
    assert subject.life.run == Run(100, since=0.0, jitter=0.25)


def test_the_age_of_a_new_process_counts_anew() -> None:
    world = _world(replace(WEB, restart_when=AGE)).pass_to(250.0)
    assert world.restarts_due == [
        (100.0, ("web", 1), "it has run for 1m40s"),
        (200.0, ("web", 1), "it has run for 1m40s"),
    ]


def test_age_alone_measures_nothing() -> None:
    assert _world(replace(WEB, restart_when=AGE)).pass_to(1000.0).measurements == []


# ---- how it is replaced


def test_instances_that_are_due_together_are_restarted_one_after_the_other() -> None:
    world = _large(_world(TWO), 1, 2).pass_to(61.5)
    assert world.spawned[2:] == [("web", 1)]
    world.pass_to(62.5)
    assert world.spawned[2:] == [("web", 1), ("web", 2)]
    assert world.restarts_due == [(61.0, ("web", 1), TOO_LARGE), (62.0, ("web", 2), TOO_LARGE)]


def test_an_instance_waits_while_another_one_is_stopping() -> None:
    slow = replace(TWO, stop=(SignalStep(SIGTERM, 1000.0),))
    world = _large(_world(slow, obeys={"web": ()}), 2)
    world.pass_to(50.0).tell(RollAsked((("web", 1),))).pass_to(200.0)
    assert world.restarts_due == []


def _waiting() -> World:
    """A world in which web:2 is due since 61.0, and waits: web:1, which was replaced, is watched until 101.0."""
    world = _large(_world(replace(TWO, update_config=UpdateConfig(monitor=50.0))), 2)
    return world.pass_to(50.0).tell(RollAsked((("web", 1),))).pass_to(100.0)


def test_an_instance_waits_for_the_end_of_a_rolling_restart() -> None:
    world = _waiting()
    assert world.restarts_due == []
    assert world.pass_to(101.0).restarts_due == [(101.0, ("web", 2), TOO_LARGE)]


def test_what_waits_is_judged_by_the_limit_of_the_newest_table() -> None:
    world = _waiting()
    limits = RestartLimits(memory=700 * MIB)
    world.update(replace(world.plan.programs["web"], restart_when=limits)).pass_to(500.0)
    assert world.restarts_due == []


@pytest.mark.parametrize("large", [1, 2])
def test_nothing_is_replaced_while_a_restart_of_the_program_waits_for_its_turn(large: int) -> None:
    app = replace(program("app", "web"), stop=(SignalStep(SIGTERM, 1000.0),))
    world = _large(_world(TWO, app, obeys={"app": ()}), large).pass_to(31.0)
    world.tell(Asked((("web", 1), ("app", 1)), RestartRequested())).pass_to(500.0)
    assert (isinstance(world.phase("web"), Running), world.life("web").again) == (True, True)
    assert world.restarts_due == []


def test_with_update_config_the_new_process_starts_first() -> None:
    world = _large(_world(replace(WEB, update_config=ROLLING))).pass_to(61.5)
    assert (len(world.spawned), world.signals) == (2, [])
    world.pass_to(62.5)
    assert [number for _, (_, number), _ in world.signals] == [1]
    assert world.fleet.rolls["web"].outcome is Outcome.COMPLETED


def test_a_new_process_that_fails_is_not_tried_again_at_once() -> None:
    world = _large(_world(replace(WEB, update_config=ROLLING))).pass_to(61.5)
    world.unspawnable = {"web": ("cannot be started", None)}
    world.exits("web", 1, number=world.spawned[-1][1]).pass_to(300.0)
    assert [at for at, _, _ in world.restarts_due] == [61.0]
    world.pass_to(661.0)
    assert [at for at, _, _ in world.restarts_due] == [61.0, 661.0]


def test_a_pause_moves_the_time_for_which_a_process_is_left_alone() -> None:
    world = _large(_world(replace(WEB, update_config=ROLLING))).pass_to(61.5)
    world.unspawnable = {"web": ("cannot be started", None)}
    world.exits("web", 1, number=world.spawned[-1][1]).pass_to(100.0)
    world.tell(Resumed(50.0), at=150.0).pass_to(1000.0)
    assert [at for at, _, _ in world.restarts_due] == [61.0, 711.0]


def test_an_update_that_was_paused_is_not_continued() -> None:
    web = replace(TWO, update_config=UpdateConfig())
    world = _world(web)
    world.unspawnable = {"web": ("cannot be started", 127)}
    world.update(replace(web, command=("broken",))).pass_to(10.0)
    assert world.fleet.rolls["web"].outcome is Outcome.PAUSED
    world.unspawnable = {}
    _large(world, 2).pass_to(100.0)
    assert [due[1] for due in world.restarts_due] == [("web", 2)]
    assert world.fleet.rolls["web"].outcome is Outcome.PAUSED
    assert world.plan.program_of(("web", 2)).command == web.command


def test_it_is_neither_a_failure_nor_a_restart_that_nobody_asked_for() -> None:
    world = _large(_world(replace(WEB, restart=Restart(RestartWhen.NEVER), start_retries=1))).pass_to(500.0)
    life = world.life("web")
    assert len(world.restarts_due) > 2
    assert (life.failures, life.attempts, life.restarts, life.goal.name) == (0, 0, 0, "UP")


# ---- what it leaves alone


def test_nothing_is_due_once_the_shutdown_has_begun() -> None:
    slow = replace(WEB, stop=(SignalStep(SIGTERM, 1000.0),))
    world = _large(_world(slow, obeys={"web": ()})).pass_to(31.0).tell(ShutdownAsked("SIGTERM")).pass_to(500.0)
    assert (world.restarts_due, world.measurements, world.fleet.limits) == ([], [(31.0, "web")], {})


def test_a_program_that_waits_for_its_stop_is_left_alone() -> None:
    app = replace(program("app", "web"), stop=(SignalStep(SIGTERM, 1000.0),))
    world = _large(_world(replace(WEB, restart_when=replace(MEMORY, age=100.0)), app, obeys={"app": ()}))
    world.pass_to(31.0).ask(StopRequested(), "web", "app").pass_to(500.0)
    assert isinstance(world.phase("web"), Running)
    assert world.restarts_due == []


def test_what_is_down_stays_down() -> None:
    never = replace(TWO, restart=Restart(RestartWhen.NEVER), shutdown_on=ShutdownOn.NEVER)
    world = _large(_world(replace(never, restart_when=replace(MEMORY, age=100.0))), 1, 2)
    world.exits("web", 1).exits("web", 1, number=2).pass_to(500.0)
    assert (type(world.phase("web")), type(world.phase("web", 2))) == (Fatal, Fatal)
    assert (world.restarts_due, next_deadline(world.fleet)) == ([], None)


# ---- updates, and pauses


def test_an_update_adds_changes_and_removes_limits_in_place() -> None:
    world = _large(_world(program("web"))).pass_to(10.0).update(WEB)
    assert (world.pass_to(40.0).measurements, len(world.spawned)) == ([(40.0, "web")], 1)
    world.update(replace(WEB, restart_when=RestartLimits(memory=700 * MIB, interval=5.0)))
    assert (world.pass_to(51.0).measurements[1:], world.restarts_due) == ([(45.0, "web"), (50.0, "web")], [])
    world.update(program("web"))
    assert (world.fleet.limits, next_deadline(world.fleet), len(world.spawned)) == ({}, None, 1)


def test_a_pause_moves_the_next_measurement() -> None:
    world = _world(WEB)
    world.tell(Resumed(7.0), at=8.0)
    assert next_deadline(world.fleet) == 38.0


# ---- what is told


@pytest.mark.parametrize(
    ("change", "event"),
    [
        (
            RestartDue(("web", 1), "memory", TOO_LARGE, is_one_of_many=False),
            LogEvent("warning", "program.restart_due", {"program": "web", "reason": TOO_LARGE}),
        ),
        (
            RestartDue(("web", 2), "age", "it has run for 1d00h", is_one_of_many=True),
            LogEvent(
                "info", "program.restart_due", {"program": "web", "instance": 2, "reason": "it has run for 1d00h"}
            ),
        ),
    ],
    ids=["memory", "age"],
)
def test_an_event_says_why(change: RestartDue, event: LogEvent) -> None:
    assert describe_container_change(change) == event


def test_they_are_counted_by_limit() -> None:
    counters = Counters()
    for limit in ("age", "memory", "age"):
        counters.note_container(RestartDue(("web", 1), limit, "", is_one_of_many=False))
    assert counters.of(("web", 1)).restarts_due == {"age": 2, "memory": 1}


def test_a_limit_that_an_update_removes_forgets_what_was_measured() -> None:
    world = _large(_world(WEB)).pass_to(31.0)
    assert list(world.fleet.limits["web"].over) == [("web", 1)]
    world.update(replace(WEB, restart_when=AGE))
    assert world.fleet.limits["web"].over == {}


def test_a_program_that_is_stopped_while_it_is_measured_is_measured_again_after_its_next_start() -> None:
    world = _world(WEB)
    fleet = advance(world.plan, world.fleet, TimePassed(), 31.0).fleet
    assert fleet.limits["web"].is_looking
    world.fleet = fleet
    world.ask(StopRequested(), "web").ask(StartRequested(), "web").pass_to(100.0)
    assert world.measurements != []


def test_a_measurement_of_a_program_without_limits_changes_nothing() -> None:
    world = _world(program("web"))
    before = world.fleet
    assert world.tell(MemoryMeasured("web", {("web", 1): (1, LARGE)})).fleet == before


@pytest.mark.parametrize(("entry", "is_one_of_many"), [(WEB, False), (TWO, True)])
def test_an_instance_is_named_where_there_are_several(entry: Program, is_one_of_many: bool) -> None:
    world = _large(_world(entry)).pass_to(60.0)
    turn = advance(world.plan, world.fleet, TimePassed(), 61.0)
    measured = MemoryMeasured("web", {("web", 1): (1, LARGE)})
    turn = advance(world.plan, turn.fleet, measured, 61.0)
    turn = advance(world.plan, turn.fleet, TimePassed(), 61.0)
    assert [c for c in turn.changes if isinstance(c, RestartDue)] == [
        RestartDue(("web", 1), "memory", TOO_LARGE, is_one_of_many)
    ]


@pytest.mark.parametrize("phase", [Stopped, Backoff, Exited, Fatal])
def test_an_instance_that_rests_holds_up_no_other(phase: type) -> None:
    never = RestartWhen.NEVER if phase is Fatal else RestartWhen.ON_FAILURE
    delay = RestartDelay(1000.0, max=1000.0)
    web = replace(TWO, restart=Restart(never), restart_delay=delay, shutdown_on=ShutdownOn.NEVER)
    world = _large(_world(web), 1)
    if phase is Stopped:
        world.tell(Asked((("web", 2),), StopRequested()))
    else:
        world.exits("web", 0 if phase is Exited else 1, number=2)
    assert isinstance(world.phase("web", 2), phase)
    assert world.pass_to(61.0).restarts_due == [(61.0, ("web", 1), TOO_LARGE)]


def test_an_instance_waits_until_those_that_leave_are_gone() -> None:
    slow = replace(TWO, restart_when=AGE, stop=(SignalStep(SIGTERM, 50.0),))
    world = _world(slow, obeys={"web": ()}).pass_to(90.0).update(replace(slow, scale=1))
    assert world.pass_to(139.9).restarts_due == []
    assert [due[:2] for due in world.pass_to(140.0).restarts_due] == [(140.0, ("web", 1))]


def test_what_an_instance_that_has_left_was_measured_at_is_forgotten() -> None:
    world = _large(_world(TWO), 1, 2).pass_to(31.0).update(WEB)
    assert world.fleet.limits["web"].over == {("web", 1): Excess(1, LARGE, 1)}


def test_one_measurement_is_under_way_at_a_time() -> None:
    world = _world(TWO)
    asked = advance(world.plan, world.fleet, TimePassed(), 31.0).fleet
    stopped = advance(world.plan, asked, Asked((("web", 2),), StopRequested()), 32.0).fleet
    assert asked.limits["web"] == stopped.limits["web"] == LimitState(is_looking=True)


def test_a_process_whose_memory_is_below_its_limit_is_replaced_at_its_age() -> None:
    world = _world(replace(WEB, restart_when=replace(AGE, memory=500 * MIB)))
    world.memory = {("web", 1): SMALL}
    assert world.pass_to(100.0).restarts_due == [(100.0, ("web", 1), "it has run for 1m40s")]


def test_after_a_completed_roll_the_next_process_is_replaced_by_another_one() -> None:
    world = _world(replace(WEB, restart_when=AGE, update_config=UpdateConfig(monitor=0.0))).pass_to(250.0)
    assert [at for at, _, _ in world.restarts_due] == [100.0, 200.0]
    assert (world.fleet.rolls["web"].serial, world.fleet.rolls["web"].outcome) == (2, Outcome.COMPLETED)


def test_each_process_that_stays_is_left_alone_for_a_time_of_its_own() -> None:
    """Then it has to be measured again: it may have become smaller."""
    web = replace(TWO, restart_when=replace(MEMORY, interval=400.0), update_config=ROLLING)
    world = _large(_world(web), 1, 2)
    world.pass_to(800.9).unspawnable = {"web": ("cannot be started", None)}
    world.pass_to(1000.0)
    assert [due[:2] for due in world.restarts_due] == [(801.0, ("web", 1)), (801.0, ("web", 2))]
    assert world.fleet.limits["web"].asked == {("web", 1): (1, 1401.0), ("web", 2): (1, 1401.0)}
    world.pass_to(1700.0)
    assert [due[:2] for due in world.restarts_due[2:]] == [(1601.0, ("web", 1)), (1601.0, ("web", 2))]


def test_what_is_due_waits_where_another_instance_is_lost_at_that_moment() -> None:
    web = replace(TWO, restart_when=AGE, watchdog=99.0, stop=(SignalStep(SIGTERM, 1000.0),))
    world = _world(web, obeys={"web": ()})
    world.pass_to(50.0).happens("web", Notified(1, Notice(is_alive=True)), number=1).pass_to(99.9)
    turn = advance(world.plan, world.fleet, TimePassed(), 100.0)
    assert [type(life.phase).__name__ for life in turn.fleet.lives.values()] == ["Running", "Stopping"]
    assert [change for change in turn.changes if isinstance(change, RestartDue)] == []
