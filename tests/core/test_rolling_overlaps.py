"""Rolling restarts and updates, and what else happens meanwhile: failures, requests, scales and other updates."""

from __future__ import annotations

from math import inf
from signal import SIGQUIT, SIGTERM

import pytest

from supervisor.core.container import (
    Asked,
    Begun,
    Happened,
    Over,
    RollAsked,
    ScaleAsked,
    ScaleChange,
    Serving,
    Updated,
)
from supervisor.core.events import BecameReady, Probed, RestartRequested, Spawned, StartRequested, StopRequested
from supervisor.core.fleet import advance, new_fleet
from supervisor.core.healthcheck import HealthCheck, OnUnhealthy, TcpProbe
from supervisor.core.lanes import SecondLane, first_lane, other_lane
from supervisor.core.life import Backoff, Running, Starting, Stopping
from supervisor.core.program import (
    Condition,
    Dependency,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartDelay,
    RestartWhen,
    ShutdownOn,
    SignalStep,
)
from supervisor.core.record import replace
from supervisor.core.roll import Outcome, Replacement, Roll, next_roll_deadline, postpone_roll
from supervisor.core.schedule import Schedule
from supervisor.core.update import ProgramChange, UpdateAction, compare
from supervisor.core.update_config import FailureAction, Order, UpdateConfig

from .test_rolling import CONFIG, FIRST, NEVER, WEB, fails, new, outcome, released, roll, scale, serving, up
from .worlds import World, plan_of, program

SLOW = {"web": ()}
"""Nothing but SIGKILL ends web."""
CHECK = HealthCheck(TcpProbe("127.0.0.1", 80), retries=1)
ONE, TWO, THREE = (("web", number) for number in (1, 2, 3))
BESIDE = ("web", SecondLane(1))


def acting(action: FailureAction, entry: Program = WEB, **changes: object) -> Program:
    """Return the entry with this failure_action."""
    return replace(entry, update_config=replace(entry.update_config or CONFIG, failure_action=action), **changes)


def told(world: World) -> list[str]:
    """The events, each with its time, and the instance or the reason."""
    return [
        " ".join(str(part) for part in (at, event.event, *map(event.values.get, ("instance", "reason"))) if part)
        for at, event in world.roll_events
    ]


def generations(world: World) -> list[int]:
    return [world.life(*instance).generation for instance in world.plan.programs["web"].instances]


def phases(world: World) -> list[str]:
    return [type(world.fleet.lives[i].phase).__name__ for i in world.plan.programs["web"].instances]


def one_is_replaced() -> Roll:
    """Return an update of WEB that has replaced the first instance, and not begun with the third."""
    return Roll(1, "update", CONFIG, (THREE,), total=3, becomes=new(WEB), before=WEB, replaced=(ONE,))


# ---- from its beginning to its end


def test_a_restart_tells_each_step_and_keeps_the_sum_of_it() -> None:
    world = roll(up(WEB)).pass_to(30.0)
    assert told(world) == [
        "2.0 program.rolling_begun",
        "3.0 program.replaced 1",
        "4.0 program.replaced 2",
        "5.0 program.replaced 3",
        "10.0 program.rolling_completed",
    ]
    assert world.fleet.rolls == {
        "web": Roll(1, "restart", CONFIG, (), 3, replaced=(ONE, TWO, THREE), outcome=Outcome.COMPLETED)
    }
    assert [event.health for _, event in world.roll_events] == [None] * 5
    assert roll(world).fleet.rolls["web"].serial == 2


def test_an_update_tells_each_step_and_keeps_the_sum_of_it() -> None:
    world = up(WEB).update(new(WEB)).pass_to(3.0)
    under_way = (Replacement(ONE, 1, ready_at=3.0, watched_until=8.0), Replacement(TWO, 1))
    assert world.fleet.rolls["web"] == replace(one_is_replaced(), under_way=under_way)
    assert world.plan.entries == {ONE: new(WEB), TWO: new(WEB)}
    world.pass_to(30.0)
    assert world.fleet.rolls["web"] == Roll(
        1, "update", CONFIG, (), 3, new(WEB), WEB, replaced=(ONE, TWO, THREE), outcome=Outcome.COMPLETED
    )
    assert generations(world) == [2, 2, 2]


def test_a_pause_tells_the_failure_and_keeps_what_is_left() -> None:
    world = fails(up(WEB).update(new(WEB)).pass_to(3.5), 2).pass_to(30.0)
    assert told(world)[2:] == [
        "3.5 program.replacement_failed 2 exited with code 1",
        "3.5 program.rolling_paused web:2 exited with code 1; 1 of 3 replaced, the update is paused: mend the table and"
        " run supctl update, or supctl restart --rolling web to go on as it is; with the old table, supctl update"
        " undoes it",
    ]
    reason = "exited with code 1"
    assert world.fleet.rolls["web"] == replace(
        one_is_replaced(), failed=((TWO, reason),), outcome=Outcome.PAUSED, reason=f"web:2 {reason}"
    )


@pytest.mark.parametrize(("number", "label"), [(1, "web"), (2, "web:1")])
def test_a_failure_names_the_instance_where_there_are_several(number: int, label: str) -> None:
    world = fails(roll(up(replace(WEB, scale=number))))
    assert (outcome(world), world.fleet.rolls["web"].reason) == (Outcome.PAUSED, f"{label} exited with code 1")


def test_every_failure_is_kept_where_the_roll_continues() -> None:
    world = fails(fails(roll(up(acting(FailureAction.CONTINUE)))), 2, 7).pass_to(40.0)
    assert world.fleet.rolls["web"].failed == ((ONE, "exited with code 1"), (TWO, "exited with code 7"))
    assert world.fleet.rolls["web"].reason == "web:1 exited with code 1, web:2 exited with code 7"


def test_of_several_that_fail_at_the_same_moment_the_last_one_is_the_reason() -> None:
    once = Restart(RestartWhen.ON_FAILURE, 1)
    db = replace(program("db"), restart=once, restart_delay=RestartDelay(5.0), shutdown_on=ShutdownOn.NEVER)
    config = replace(CONFIG, parallelism=2)
    world = up(replace(WEB, depends_on=(Dependency("db"),), update_config=config), db).exits("db", 7)
    roll(world)
    assert phases(world) == ["Pending", "Pending", "Running"]
    world.unspawnable = {"db": ("cannot be started", 127)}
    world.pass_to(10.0)
    assert [instance for instance, _ in world.fleet.rolls["web"].failed] == [ONE, TWO]
    assert world.fleet.rolls["web"].reason == "web:2 depends on db, which cannot be started"


def test_an_instance_keeps_its_place_until_delay_is_over_and_is_watched_for_monitor() -> None:
    config = UpdateConfig(delay=3.0, monitor=10.0, parallelism=2)
    world = roll(up(replace(WEB, update_config=config)))
    seen = {}
    for at in (2.0, 3.0, 6.0, 7.0, 13.0, 17.0):
        under_way = world.pass_to(at).fleet.rolls["web"].under_way
        seen[at] = [(each.instance[1], each.takes_a_place) for each in under_way]
    assert seen == {
        2.0: [(1, True), (2, True)],
        3.0: [(1, True), (2, True)],
        6.0: [(1, False), (2, False), (3, True)],
        7.0: [(1, False), (2, False), (3, True)],
        13.0: [(3, False)],
        17.0: [],
    }
    assert outcome(world) is Outcome.COMPLETED


def test_an_instance_that_was_watched_is_left_alone_while_others_are_still_to_be_replaced() -> None:
    world = roll(up(replace(WEB, update_config=UpdateConfig(monitor=0.5)))).pass_to(3.6)
    assert world.fleet.rolls["web"].under_way == (Replacement(TWO, 1),)
    assert world.fleet.rolls["web"].pending == (THREE,)


@pytest.mark.parametrize(("delay", "monitor", "ends"), [(60.0, 5.0, 8.0), (60.0, 0.0, 3.0), (0.0, 5.0, 8.0)])
def test_the_last_instance_is_watched_and_not_delayed(delay: float, monitor: float, ends: float) -> None:
    world = roll(up(replace(WEB, scale=1, update_config=UpdateConfig(delay=delay, monitor=monitor))))
    assert told(world.pass_to(100.0))[-1] == f"{ends} program.rolling_completed"


@pytest.mark.parametrize(("at", "is_failure"), [(7.9, True), (8.0, False)])
def test_only_an_end_within_monitor_is_a_failure(at: float, is_failure: bool) -> None:
    world = roll(up(replace(WEB, update_config=replace(CONFIG, delay=20.0)))).pass_to(7.0)
    world.tell(Happened(ONE, world.death(ONE, 1)), at=at)
    assert (outcome(world) is Outcome.PAUSED) == is_failure


def test_a_restart_after_monitor_takes_no_place_and_is_no_failure() -> None:
    """Such as one that supinit itself orders, since the process has become unhealthy."""
    check = replace(CHECK, on_unhealthy=OnUnhealthy.RESTART)
    config = replace(CONFIG, delay=20.0)
    world = up(replace(WEB, scale=2, healthcheck=check, update_config=config), obeys=SLOW)
    for number in (1, 2):
        world.happens("web", Probed(1, True, ""), number=number)
    roll(world).pass_to(13.0)
    world.happens("web", Probed(2, True, "")).pass_to(20.0)
    world.happens("web", Probed(2, False, "refused"))
    assert (phases(world)[0], world.fleet.rolls["web"].failed) == ("Stopping", ())
    assert world.fleet.rolls["web"].under_way == (Replacement(ONE, 1, 13.0, 33.0),)


def test_a_new_process_that_is_replaced_at_once_has_failed() -> None:
    """Without a delay before the restart, the next process is there in the same turn."""
    world = fails(roll(up(replace(WEB, restart_delay=RestartDelay(0.0)))), code=9)
    assert (outcome(world), world.fleet.rolls["web"].failed) == (Outcome.PAUSED, ((ONE, "exited with code 9"),))


def test_an_unhealthy_process_needs_no_words_of_its_probe() -> None:
    world = up(replace(WEB, scale=1, healthcheck=CHECK)).probed("web", True)
    roll(world).pass_to(3.0).happens("web", Probed(2, True, "")).happens("web", Probed(2, False, ""))
    assert world.fleet.rolls["web"].reason == "web is unhealthy"


@pytest.mark.parametrize("on_unhealthy", [OnUnhealthy.RESTART, OnUnhealthy.NONE])
def test_what_is_wrong_with_the_old_process_is_no_failure_of_the_new_one(on_unhealthy: OnUnhealthy) -> None:
    check = replace(CHECK, on_unhealthy=on_unhealthy)
    world = up(replace(WEB, scale=1, healthcheck=check), obeys=SLOW).probed("web", True).probed("web", False)
    roll(world).pass_to(13.0).happens("web", Probed(2, True, "")).pass_to(30.0)
    assert (outcome(world), world.fleet.rolls["web"].failed) == (Outcome.COMPLETED, ())


def test_an_old_process_that_waits_to_stop_has_not_been_replaced() -> None:
    """It stops after what depends on it, and runs until then."""
    world = up(replace(WEB, scale=1), program("proxy", "web"), obeys={"proxy": ()}).stop("proxy")
    roll(world)
    assert (phases(world), world.fleet.rolls["web"].replaced) == (["Running"], ())
    world.pass_to(60.0)
    assert (outcome(world), generations(world)) == (Outcome.COMPLETED, [2])


def test_a_restart_of_a_new_process_that_stops_slowly_begins_its_replacement_anew() -> None:
    web = replace(WEB, scale=1, depends_on=(Dependency("db", restart=True),))
    world = roll(up(web, program("db"), obeys=SLOW)).pass_to(13.0)
    assert world.fleet.rolls["web"].under_way == (Replacement(ONE, 1, 13.0, None, 18.0),)
    world.ask(RestartRequested(), "db")
    assert world.fleet.rolls["web"].under_way == (Replacement(ONE, 2),)
    world.pass_to(60.0)
    assert (outcome(world), world.fleet.rolls["web"].failed, generations(world)) == (Outcome.COMPLETED, (), [3])


def test_oneshots_are_replaced_when_they_have_completed_again() -> None:
    job = replace(WEB, kind=ProgramType.ONESHOT, restart=NEVER)
    world = up(job, program("db"))
    for number in (1, 2, 3):
        world.exits("web", number=number)
    roll(world)
    for number in (1, 2, 3):
        assert world.spawned[4:] == [ONE, TWO, THREE][:number]
        world.exits("web", number=number)
    assert (outcome(world.pass_to(30.0)), phases(world)) == (Outcome.COMPLETED, ["Exited"] * 3)


def test_a_oneshot_that_another_container_holds_back_has_not_failed() -> None:
    world = up(replace(WEB, scale=1, kind=ProgramType.ONESHOT, restart=NEVER), program("db")).exits("web")
    world.held = {"web": 5.0}
    roll(world)
    assert (phases(world), outcome(world)) == (["Pending"], None)
    world.held = {}
    world.pass_to(7.0).exits("web").pass_to(20.0)
    assert (outcome(world), world.fleet.rolls["web"].failed, generations(world)) == (Outcome.COMPLETED, (), [3])


def test_a_container_whose_last_programs_have_ended_during_a_roll_ends_with_the_roll() -> None:
    world = up(replace(WEB, kind=ProgramType.ONESHOT, restart=NEVER, scale=2)).exits("web")
    world.tell(RollAsked((ONE,))).exits("web").exits("web", number=2)
    assert isinstance(world.fleet.container_phase, Serving)
    assert isinstance(world.pass_to(8.0).fleet.container_phase, Over)
    assert (world.verdict.code, outcome(world)) == (0, Outcome.COMPLETED)


def test_a_failure_is_seen_though_the_next_process_has_to_wait() -> None:
    long = RestartDelay(100.0, max=100.0)
    web, db = replace(WEB, scale=1, depends_on=(Dependency("db"),)), replace(program("db"), restart_delay=long)
    world = roll(up(replace(web, restart_delay=RestartDelay(0.0)), db)).exits("db", 1)
    fails(world, code=9)
    assert (phases(world), outcome(world)) == (["Pending"], None)
    world.ask(StartRequested(), "db")
    assert world.fleet.rolls["web"].failed == ((ONE, "exited with code 9"),)


def test_a_process_that_is_just_being_spawned_is_replaced_like_any_other() -> None:
    plan = plan_of(replace(WEB, scale=1))
    fleet = advance(plan, new_fleet(plan), Begun(), 0.0).fleet
    fleet = advance(plan, fleet, RollAsked((ONE,)), 0.0).fleet
    fleet = advance(plan, fleet, Happened(ONE, Spawned(1, 100)), 0.0).fleet
    assert type(fleet.lives[ONE].phase).__name__ in ("Stopping", "Sweeping")
    assert fleet.lives[ONE].is_wanted


def test_an_instance_that_waits_for_its_restart_is_replaced_at_once_by_its_new_entry() -> None:
    delay = RestartDelay(100.0, max=100.0)
    world = fails(up(replace(WEB, restart_delay=delay)), 2)
    assert isinstance(world.phase("web", 2), Backoff)
    world.update(new(WEB, restart_delay=delay))
    assert (released(world), phases(world)) == ([("true",), ("new",), ("true",)], ["Running", "Starting", "Running"])
    assert (world.life("web", 2).attempts, world.pass_to(30.0).alive, outcome(world)) == (0, ["web"], Outcome.COMPLETED)


# ---- requests meanwhile


def test_an_update_starts_nothing_that_somebody_is_stopping() -> None:
    world = up(WEB, obeys=SLOW).tell(Asked((TWO,), StopRequested())).update(new(WEB)).pass_to(60.0)
    assert (outcome(world), phases(world)) == (Outcome.COMPLETED, ["Running", "Stopped", "Running"])
    assert (released(world), world.fleet.rolls["web"].replaced) == ([("new",)] * 3, (ONE, TWO, THREE))
    assert world.fleet.rolls["web"].switching == ()


def test_what_is_being_stopped_holds_nothing_else_up_and_is_stopped_by_its_old_entry() -> None:
    world = up(WEB, obeys=SLOW).tell(Asked((ONE, THREE), StopRequested()))
    world.update(new(WEB, stop=(SignalStep(SIGQUIT, 1.0),)))
    assert (world.fleet.rolls["web"].pending, phases(world)) == ((ONE, THREE), ["Stopping"] * 3)
    assert {(instance, signal) for _, instance, signal in world.signals} == {
        (ONE, SIGTERM),
        (TWO, SIGTERM),
        (THREE, SIGTERM),
    }
    world.pass_to(60.0)
    assert (phases(world), released(world)) == (["Stopped", "Running", "Stopped"], [("new",)] * 3)


def test_a_start_of_what_is_being_stopped_is_a_start_of_its_new_entry() -> None:
    world = up(WEB, obeys=SLOW).tell(Asked((TWO,), StopRequested())).update(new(WEB))
    world.tell(Asked((TWO,), StartRequested())).pass_to(80.0)
    assert (outcome(world), phases(world), released(world)) == (Outcome.COMPLETED, ["Running"] * 3, [("new",)] * 3)


def test_a_restart_that_is_asked_for_starts_what_is_being_stopped() -> None:
    world = roll(up(WEB, obeys=SLOW).tell(Asked((TWO,), StopRequested())))
    assert world.fleet.rolls["web"].under_way == (Replacement(TWO, 1),)
    world.pass_to(80.0)
    assert (outcome(world), phases(world), generations(world)) == (Outcome.COMPLETED, ["Running"] * 3, [2, 2, 2])


@pytest.mark.parametrize(
    ("event", "is_over", "reason"),
    [
        (StartRequested(), False, "web:1 exited with code 1"),
        (StopRequested(), True, "web was asked to stop"),
        (RestartRequested(), True, "web was asked to restart"),
    ],
)
def test_a_stop_or_a_restart_ends_a_paused_restart(event: StopRequested, is_over: bool, reason: str) -> None:
    world = fails(roll(up(WEB))).pass_to(20.0).tell(Asked((THREE,), event))
    ended = Outcome.GIVEN_UP if is_over else Outcome.PAUSED
    assert (outcome(world), world.fleet.rolls["web"].reason) == (ended, reason)


@pytest.mark.parametrize("event", [StartRequested(), StopRequested(), RestartRequested()])
def test_a_paused_update_outlasts_requests(event: StopRequested) -> None:
    world = fails(up(WEB).update(new(WEB))).pass_to(20.0)
    before = world.fleet.rolls
    assert world.tell(Asked((THREE,), event)).fleet.rolls == before


@pytest.mark.parametrize("event", [StartRequested(), StopRequested(), RestartRequested()])
def test_what_has_completed_stays_so(event: StopRequested) -> None:
    world = up(WEB).update(new(WEB)).pass_to(30.0)
    before = world.fleet.rolls
    assert world.tell(Asked((ONE,), event)).fleet.rolls == before


def test_a_roll_after_a_completed_update_is_a_restart() -> None:
    world = roll(up(WEB).update(new(WEB)).pass_to(30.0)).pass_to(60.0)
    assert (generations(world), world.fleet.rolls["web"].what) == ([3, 3, 3], "restart")


def test_a_roll_that_continues_a_paused_update_replaces_what_is_left() -> None:
    world = fails(up(WEB).update(new(WEB)).pass_to(3.5), 2).pass_to(20.0)
    before = generations(world)
    roll(world).pass_to(60.0)
    assert (outcome(world), released(world)) == (Outcome.COMPLETED, [("new",)] * 3)
    assert (before, generations(world)) == ([2, 3, 1], [2, 3, 2])


def test_the_schedule_of_a_program_decides_when_it_runs_and_not_a_roll() -> None:
    job = replace(WEB, scale=1, kind=ProgramType.ONESHOT, schedule=Schedule(interval=60.0))
    world = roll(up(job))
    assert (world.fleet.rolls, world.spawned) == ({}, [])
    world.update(new(job), program("db"))
    assert (world.fleet.rolls, world.plan.programs["web"]) == ({}, new(job))


def test_an_instance_that_ends_after_its_update_keeps_the_entry_of_its_program() -> None:
    world = scale(up(WEB).update(new(WEB)).pass_to(30.0), 5).pass_to(40.0)
    fails(world).pass_to(60.0)
    assert (world.plan.entries, len(world.pids)) == ({}, 5)


# ---- a rollback


@pytest.mark.parametrize("what", ["restart", "update"])
def test_only_an_update_can_return_to_an_old_entry(what: str) -> None:
    world = up(acting(FailureAction.ROLLBACK))
    world = roll(world) if what == "restart" else world.update(new(acting(FailureAction.ROLLBACK)))
    fails(world)
    assert told(world)[-1].split()[1] == {"restart": "program.rolling_paused", "update": "program.rollback_begun"}[what]


def test_a_rollback_brings_back_the_whole_old_entry() -> None:
    before = acting(FailureAction.ROLLBACK, scale=1, depends_on=(Dependency("db"),))
    world = up(before, program("db")).update(new(before, depends_on=()), program("db"))
    assert world.plan.programs["web"].depends_on == ()
    fails(world).pass_to(30.0)
    assert (outcome(world), world.plan) == (Outcome.ROLLED_BACK, plan_of(before, program("db")))


def test_a_rollback_does_not_wait_for_what_the_update_has_removed() -> None:
    before = acting(FailureAction.ROLLBACK, scale=1, depends_on=(Dependency("db"),))
    after = new(before, depends_on=())
    world = fails(up(before, program("db")).update(after)).pass_to(30.0)
    assert (outcome(world), world.plan) == (Outcome.ROLLED_BACK, plan_of(replace(before, depends_on=())))


def test_a_rollback_of_an_update_that_was_continued_returns_to_the_entry_before_it() -> None:
    before = acting(FailureAction.PAUSE, depends_on=(Dependency("db"),))
    world = fails(up(before, program("db")).update(new(before, depends_on=()), program("db"))).pass_to(20.0)
    world.update(acting(FailureAction.ROLLBACK, new(before, depends_on=())), program("db"))
    fails(world, 2).pass_to(60.0)
    assert (outcome(world), world.plan) == (Outcome.ROLLED_BACK, plan_of(before, program("db")))


def test_a_rollback_replaces_what_is_on_its_way_and_leaves_alone_what_was_not_touched() -> None:
    before = acting(FailureAction.ROLLBACK)
    before = replace(before, update_config=replace(before.update_config or CONFIG, parallelism=2))
    world = up(before, obeys=SLOW).update(new(before))
    assert phases(world) == ["Stopping", "Stopping", "Running"]
    assert set(world.fleet.rolls["web"].switching) == {ONE, TWO}
    fails(world)
    assert released(world) == [("new",), ("true",), ("true",)]
    assert world.fleet.rolls["web"].switching == (TWO,)
    fails(world)
    assert world.fleet.rolls["web"] == Roll(
        1,
        "update",
        before.update_config or CONFIG,
        pending=(),
        total=2,
        becomes=before,
        before=before,
        under_way=(Replacement(ONE, 2), Replacement(TWO, 1)),
        switching=(TWO,),
        is_rollback=True,
        cause="web:1 exited with code 1",
    )
    assert world.plan.entries == {}
    world.pass_to(60.0)
    assert (outcome(world), generations(world), released(world)) == (Outcome.ROLLED_BACK, [3, 2, 1], [("true",)] * 3)
    assert world.plan == plan_of(before)


def test_a_rollback_start_first_dismisses_the_new_processes_and_touches_no_old_one() -> None:
    before = acting(FailureAction.ROLLBACK, FIRST)
    before = replace(before, update_config=replace(before.update_config or CONFIG, parallelism=2))
    world = up(before)
    pids = serving(world)
    world.update(new(before)).tell(Happened(BESIDE, world.death(BESIDE, 1))).pass_to(60.0)
    assert (outcome(world), serving(world), generations(world)) == (Outcome.ROLLED_BACK, pids, [1, 1])
    assert (world.plan, world.fleet.rolls["web"].total) == (plan_of(before), 0)


def test_a_rollback_without_a_process_to_replace_brings_the_old_entry_back_in_place() -> None:
    before = acting(FailureAction.ROLLBACK)
    pid = (world := up(before).tell(Asked((ONE,), StopRequested()))).pids[THREE]
    world.update(new(before))
    fails(world, 2).pass_to(60.0)
    assert (outcome(world), world.plan, world.pids[THREE]) == (Outcome.ROLLED_BACK, plan_of(before), pid)


def test_a_rollback_to_the_same_entry_tries_the_instance_that_has_failed_once_more() -> None:
    """A file that the entry names has changed, and may have been mended meanwhile."""
    web = acting(FailureAction.ROLLBACK, restart=NEVER)
    world = up(web).tell(Updated(plan_of(web), {"web": ("env_file",)}))
    fails(world).pass_to(60.0)
    assert (outcome(world), generations(world)) == (Outcome.ROLLED_BACK, [3, 1, 1])


# ---- other updates meanwhile


def test_a_file_that_has_changed_replaces_every_instance_though_the_entry_is_the_same() -> None:
    world = up(WEB).tell(Updated(plan_of(WEB), {"web": ("env_file",)})).pass_to(3.5)
    world.tell(Updated(plan_of(WEB), {"web": ("env_file",)})).pass_to(60.0)
    assert [line.split()[1] for line in told(world) if "roll" in line] == [
        "program.rolling_begun",
        "program.rolling_given_up",
        "program.rolling_begun",
        "program.rolling_completed",
    ]
    assert (outcome(world), generations(world)) == (Outcome.COMPLETED, [3, 3, 2])


def test_the_old_table_undoes_an_update_whose_first_instance_is_still_stopping() -> None:
    world = up(WEB, obeys=SLOW).update(new(WEB)).update(WEB).pass_to(60.0)
    assert (world.plan, generations(world)) == (plan_of(WEB), [2, 1, 1])
    assert (outcome(world), world.fleet.rolls["web"].serial) == (Outcome.COMPLETED, 2)


def test_a_table_without_update_config_takes_over_while_an_instance_is_still_stopping() -> None:
    third = replace(WEB, command=("third",), update_config=None)
    world = up(WEB, obeys=SLOW).update(new(WEB)).update(third).pass_to(60.0)
    assert (world.plan, outcome(world), world.fleet.rolls["web"].switching) == (plan_of(third), Outcome.GIVEN_UP, ())


def test_an_update_after_a_paused_restart_begins_without_another_word_about_that() -> None:
    world = fails(roll(up(WEB))).pass_to(20.0).update(new(WEB))
    assert [line.split()[1] for line in told(world)] == [
        "program.rolling_begun",
        "program.replacement_failed",
        "program.rolling_paused",
        "program.rolling_begun",
    ]


def test_an_update_takes_over_from_a_restart() -> None:
    world = roll(up(WEB)).update(new(WEB)).pass_to(60.0)
    assert [line for line in told(world) if "given" in line or "begun" in line] == [
        "2.0 program.rolling_begun",
        "2.0 program.rolling_given_up another update has begun",
        "2.0 program.rolling_begun",
    ]
    assert (world.plan, outcome(world)) == (plan_of(new(WEB)), Outcome.COMPLETED)


@pytest.mark.parametrize(
    ("others", "is_over"),
    [((WEB, program("db")), False), ((replace(WEB, scale=1),), False), ((), True)],
    ids=["another program", "fewer instances", "it is removed"],
)
def test_a_restart_goes_on_unless_an_update_takes_all_instances(others: tuple[Program, ...], is_over: bool) -> None:
    world = roll(up(WEB, program("other"), obeys=SLOW)).update(*others, program("other"))
    assert outcome(world) is (Outcome.GIVEN_UP if is_over else None)
    world.pass_to(60.0)
    ended = Outcome.GIVEN_UP if is_over else Outcome.COMPLETED
    assert (outcome(world), world.plan) == (ended, plan_of(*others, program("other")))


@pytest.mark.parametrize("parallelism", [1, 0])
def test_instances_that_an_update_takes_away_are_not_replaced(parallelism: int) -> None:
    web = replace(WEB, update_config=replace(CONFIG, parallelism=parallelism))
    world = roll(up(web, obeys=SLOW)).update(replace(web, scale=1))
    assert (world.fleet.rolls["web"].pending, world.fleet.rolls["web"].under_way) == ((), (Replacement(ONE, 1),))
    world.pass_to(60.0)
    assert (outcome(world), generations(world), len(world.pids)) == (Outcome.COMPLETED, [2], 1)


def test_a_new_program_starts_as_a_whole() -> None:
    world = up(program("db")).update(program("db"), WEB)
    assert (world.fleet.rolls, world.spawned[1:]) == ({}, [ONE, TWO, THREE])


@pytest.mark.parametrize("first", [(program("db"),), (new(replace(WEB, update_config=None)), program("db"))])
def test_what_leaves_as_a_whole_already_becomes_what_the_newest_table_says(first: tuple[Program, ...]) -> None:
    world = up(replace(WEB, update_config=None), program("db"), obeys=SLOW).update(*first)
    third = replace(WEB, command=("third",))
    world.update(third, program("db")).pass_to(60.0)
    assert (world.fleet.rolls, world.plan, generations(world)) == (
        {},
        plan_of(third, program("db")),
        generations(world),
    )
    assert len(world.spawned) == 3 + 3 + 1


def test_instances_that_leave_already_are_replaced_by_new_ones_in_the_end() -> None:
    world = scale(up(WEB, obeys=SLOW), 1).update(new(WEB, scale=4))
    assert (world.fleet.rolls["web"].total, sorted(world.pids)) == (1, [ONE, TWO, THREE])
    world.pass_to(60.0)
    assert (world.plan, outcome(world)) == (plan_of(new(WEB, scale=4)), Outcome.COMPLETED)
    assert sorted(world.pids) == [ONE, TWO, THREE, ("web", 4)]


def test_what_leaves_during_an_update_is_stopped_by_the_entry_that_it_was_started_with() -> None:
    stop = (SignalStep(SIGQUIT, 1.0), SignalStep(SIGTERM, 100.0))
    before = replace(WEB, stop=stop, update_config=UpdateConfig(monitor=0.0))
    world = up(before, program("api"), obeys={**SLOW, "api": ()}).update(before, new(program("api")))
    scale(world, 2).update(new(before, scale=2, stop=(SignalStep(SIGTERM, 5.0),)), new(program("api")))
    for number in (1, 2):
        world.exits("web", number=number).pass_to(world.now + 1.5)
    assert (outcome(world), phases(world)) == (Outcome.COMPLETED, ["Running"] * 2 + ["Stopping"])
    assert world.plan.program_of(THREE).stop == stop
    world.pass_to(90.0)
    assert isinstance(world.phase("web", 3), Stopping)
    world.pass_to(150.0)
    assert world.plan == plan_of(new(before, scale=2, stop=(SignalStep(SIGTERM, 5.0),)), new(program("api")))


def test_a_stop_sequence_that_changes_is_applied_at_once_but_to_what_is_stopping() -> None:
    after = replace(WEB, stop=(SignalStep(SIGQUIT, 1.0),))
    world = up(WEB, obeys=SLOW).tell(Asked((TWO,), StopRequested())).update(after)
    assert [world.plan.program_of(i) for i in (ONE, TWO, THREE)] == [after, WEB, after]
    world.pass_to(60.0)
    assert (world.plan, generations(world), phases(world)) == (
        plan_of(after),
        [1, 1, 1],
        ["Running", "Stopped", "Running"],
    )


def test_instances_that_need_no_new_process_are_changed_in_place() -> None:
    third = new(WEB, healthcheck=CHECK)
    world = fails(up(WEB).update(new(WEB)).pass_to(3.5), 2).pass_to(10.0).update(third)
    assert ([world.plan.program_of(i) for i in (ONE, TWO)], world.probes) == ([third, third], [THREE])
    assert world.pass_to(10.5).probes == [THREE, ONE, TWO]
    assert (world.fleet.rolls["web"].total, generations(world)[0]) == (1, 2)


def test_what_is_stopping_is_changed_in_place_where_its_stop_sequence_stays() -> None:
    third = new(WEB, start_retries=3)
    world = fails(up(WEB, obeys=SLOW).update(new(WEB)).pass_to(13.5), 2).pass_to(20.0)
    world.tell(Asked((ONE,), StopRequested())).update(third)
    assert (phases(world)[0], world.plan.program_of(ONE), world.fleet.rolls["web"].total) == ("Stopping", third, 1)


def test_a_rollback_takes_back_at_once_what_was_changed_in_place() -> None:
    back = acting(FailureAction.ROLLBACK, healthcheck=CHECK)
    world = fails(up(WEB).update(new(WEB)).pass_to(3.5), 2).pass_to(20.0).update(back)
    assert world.life("web", 3).health_state is not None
    fails(world)
    assert (world.life("web", 3).health_state, world.plan.program_of(THREE), generations(world)[2]) == (None, WEB, 1)


def test_a_paused_update_with_nothing_left_to_replace_completes_with_the_same_table() -> None:
    world = fails(up(WEB).update(new(WEB)).pass_to(5.5), 3).pass_to(30.0)
    before = generations(world)
    assert outcome(world) is Outcome.PAUSED
    world.update(new(WEB))
    assert (outcome(world), world.plan, generations(world)) == (Outcome.COMPLETED, plan_of(new(WEB)), before)


@pytest.mark.parametrize("table", [WEB, new(WEB)])
def test_a_table_without_update_config_ends_a_paused_update_at_once(table: Program) -> None:
    table = replace(table, update_config=None)
    world = fails(up(WEB).update(new(WEB)).pass_to(3.5), 2).pass_to(20.0).update(table)
    assert (world.plan, len(world.spawned)) == (plan_of(table), 3 + 3 + 3)
    assert not world.fleet.rolls["web"].can_go_on


def test_an_update_start_first_that_was_given_up_and_undone_does_not_continue() -> None:
    world = up(FIRST).update(new(FIRST)).tell(Asked((TWO,), StopRequested())).pass_to(20.0)
    assert (outcome(world), world.plan.entries) == (Outcome.GIVEN_UP, {})
    roll(world.update(FIRST)).pass_to(60.0)
    assert (released(world), world.fleet.rolls["web"].what) == ([("true",)] * 2, "restart")


def test_an_update_of_one_program_leaves_the_rolls_of_others_alone() -> None:
    web, api = WEB, replace(WEB, name="api")
    world = up(web, api).update(new(web), new(api)).pass_to(3.5)
    world.update(new(web), replace(new(api), update_config=None)).pass_to(60.0)
    assert {name: each.outcome for name, each in world.fleet.rolls.items()} == {
        "web": Outcome.COMPLETED,
        "api": Outcome.GIVEN_UP,
    }
    assert {name: each.total for name, each in world.fleet.rolls.items()} == {"web": 3, "api": 3}
    assert world.plan == plan_of(new(web), replace(new(api), update_config=None))


def test_an_update_waits_for_what_its_new_entry_depends_on() -> None:
    db = replace(program("db"), min_uptime=5.0)
    after = new(WEB, depends_on=(Dependency("db"),))
    world = up(WEB).update(after, db)
    assert world.plan.programs["web"] == replace(WEB, depends_on=(Dependency("db"),))
    assert world.plan.dependants == {"web": (), "db": ("web",)}
    assert world.pass_to(60.0).plan == plan_of(after, db)


def test_the_time_to_stop_is_that_of_the_slowest_entry_during_an_update() -> None:
    web = replace(WEB, depends_on=(Dependency("db"),))
    slow = new(web, stop=(SignalStep(SIGTERM, 60.0),))
    world = up(web, program("db"))
    assert world.plan.stop_time_below["web"] == 10.0
    web_below = program("proxy", "web")
    world = up(web, program("db"), web_below)
    assert world.plan.stop_time_below["proxy"] == 20.0
    world.update(slow, program("db"), web_below)
    assert (world.plan.stop_time_below["proxy"], world.fleet.rolls["web"].outcome) == (70.0, None)


def test_what_is_known_of_the_table_and_its_scales_lasts_through_an_update() -> None:
    web, api = replace(WEB, depends_on=(Dependency("db"),)), replace(WEB, name="api", update_config=None)
    after = new(web, stop=(SignalStep(SIGTERM, 60.0),)), new(api, depends_on=(Dependency("db"),)), program("db")
    world = scale(up(web, api, program("db"), obeys={"api": ()}), 4, "api")
    world.tell(Updated(replace(plan_of(*after), warnings=("it will bite",))))
    for at in (2.0, 2.5, 12.5, 60.0):
        world.pass_to(at)
        assert (world.plan.warnings, world.plan.scaled) == (("it will bite",), {"api": (3, 4)})
    assert world.plan == replace(
        plan_of(after[0], replace(after[1], scale=4), after[2]), warnings=("it will bite",), scaled={"api": (3, 4)}
    )


def test_the_difference_of_a_paused_update_concerns_its_own_program_and_keys_only() -> None:
    api = replace(WEB, name="api")
    world = fails(up(WEB, api).update(new(WEB, scale=4), api)).pass_to(20.0)
    assert compare(world.plan, {}, plan_of(WEB, api), {}, world.fleet.rolls).programs == (
        ProgramChange("web", UpdateAction.RESTART, ("command",)),
    )


def test_the_difference_during_a_restart_is_that_of_the_table() -> None:
    world = roll(up(WEB))
    assert compare(world.plan, {}, plan_of(WEB), {}, world.fleet.rolls).programs == ()
    assert compare(world.plan, {}, plan_of(new(WEB)), {}, world.fleet.rolls).programs == (
        ProgramChange("web", UpdateAction.RESTART, ("command",)),
    )


# ---- start-first


def test_the_event_of_a_process_that_takes_over_has_its_health() -> None:
    entry = replace(FIRST, scale=1, healthcheck=CHECK)
    world = roll(up(entry).probed("web", True)).pass_to(3.0)
    world.tell(Happened(BESIDE, Probed(2, True, "")))
    assert [(event.event, event.state, event.health) for _, event in world.roll_events] == [
        ("program.rolling_begun", None, None),
        ("program.replaced", "RUNNING", "healthy"),
    ]


def test_each_step_says_whether_its_process_serves_or_is_beside() -> None:
    world = up(replace(FIRST, scale=1))
    world.changes.clear()
    roll(world).pass_to(30.0)
    steps = [(c.instance, type(c.after.phase).__name__, c.is_beside) for c in world.changes]
    assert steps == [
        (BESIDE, "Pending", True),
        (BESIDE, "Spawning", True),
        (BESIDE, "Starting", True),
        (BESIDE, "Running", True),
        (ONE, "Running", True),
        (ONE, "Stopping", True),
        (ONE, "Sweeping", True),
        (ONE, "Stopped", True),
    ]


@pytest.mark.parametrize("at", [2.0, 3.5, 8.0, 60.0])
def test_the_lanes_of_the_instances_are_no_difference(at: float) -> None:
    world = up(FIRST).update(new(FIRST)).pass_to(at)
    assert compare(world.plan, {}, plan_of(new(FIRST)), {}, world.fleet.rolls).programs == ()


@pytest.mark.parametrize("at", [2.0, 3.5, 60.0], ids=["at its beginning", "in the middle", "afterwards"])
def test_a_table_without_update_config_replaces_old_and_new_processes(at: float) -> None:
    after = replace(FIRST, command=("third",), update_config=None)
    world = up(FIRST, program("db")).update(new(FIRST), program("db")).pass_to(at)
    world.update(after, program("db")).pass_to(100.0)
    assert ([world.plan.program_of(i).command for i in world.fleet.lives], len(world.pids)) == (
        [("third",)] * 2 + [("true",)],
        3,
    )
    assert (world.plan.programs["web"].beside, world.plan.entries) == ((), {})


@pytest.mark.parametrize("at", [2.0, 3.5, 60.0], ids=["at its beginning", "in the middle", "afterwards"])
def test_what_is_removed_takes_the_new_processes_with_it(at: float) -> None:
    world = up(FIRST, program("db")).update(new(FIRST), program("db")).pass_to(at).update(program("db"))
    assert (world.pass_to(100.0).plan, list(world.pids)) == (plan_of(program("db")), [("db", 1)])


def test_an_update_of_another_program_leaves_the_new_processes_beside_the_old_ones() -> None:
    world = roll(up(FIRST, program("db")))
    pids = dict(world.pids)
    world.update(FIRST, replace(program("db"), start_retries=3))
    assert (world.pids, world.plan.programs["web"].beside) == (pids, (BESIDE,))


def test_a_new_process_that_has_failed_stays_beside_until_it_is_gone() -> None:
    """The roll may be over by then."""
    entry = replace(acting(FailureAction.CONTINUE, FIRST), scale=1, ready=Readiness(log="up", timeout=2.0))
    world = World(plan_of(entry), obeys=SLOW).begin().happens("web", BecameReady(1))
    roll(world).pass_to(2.0)
    assert (outcome(world), list(world.fleet.lives)) == (Outcome.COMPLETED, [ONE, BESIDE])
    assert isinstance(world.fleet.lives[BESIDE].phase, Stopping)
    assert list(world.pass_to(60.0).fleet.lives) == [ONE]


def test_what_is_not_running_is_replaced_in_its_own_lane() -> None:
    world = fails(up(replace(FIRST, scale=1)))
    assert isinstance(world.phase("web"), Backoff)
    roll(world)
    assert list(world.fleet.lives) == [ONE]


def test_no_third_process_starts_beside_an_old_one_that_is_still_stopping() -> None:
    one = replace(FIRST, scale=1)
    world = up(one, obeys=SLOW).update(new(one)).pass_to(3.5).update(replace(one, command=("third",)))
    assert (sorted(world.pids), phases(world)) == ([ONE, BESIDE], ["Stopping"])
    world.pass_to(60.0)
    assert ([life.generation for life in world.fleet.lives.values()], outcome(world)) == ([3], Outcome.COMPLETED)


def test_no_oneshot_starts_beside_another_though_it_has_reported_that_it_is_ready() -> None:
    job = replace(FIRST, scale=1, kind=ProgramType.ONESHOT, restart=NEVER)
    world = up(job).happens("web", BecameReady(1))
    assert phases(world) == ["Running"]
    assert (list(roll(world).fleet.lives), len(world.pids)) == ([ONE], 1)


def test_an_old_process_that_has_ended_takes_the_new_entry_though_the_first_try_has_failed() -> None:
    delay = RestartDelay(1000.0, max=1000.0)
    entry = replace(acting(FailureAction.CONTINUE, FIRST), restart_delay=delay)
    world = up(entry).update(new(entry))
    world.tell(Happened(BESIDE, world.death(BESIDE, 1))).exits("web", 1).pass_to(30.0)
    assert (outcome(world), released(world), world.plan) == (Outcome.COMPLETED, [("new",)] * 2, world.plan)
    assert (phases(world)[0], world.plan.entries) == ("Backoff", {})


# ---- what it decides for others


def test_an_update_is_under_way_until_it_has_an_outcome() -> None:
    update = Roll(1, "update", CONFIG, (), 3, becomes=WEB)
    assert update.is_update_under_way
    assert not replace(update, outcome=Outcome.PAUSED).is_update_under_way
    assert not replace(update, becomes=None).is_update_under_way


def test_the_next_deadline_is_the_first_of_those_that_are_watched() -> None:
    later, sooner = (Replacement(("web", n), 1, 3.0, None, 8.0 - n) for n in (1, 2))
    roll_ = Roll(1, "restart", CONFIG, (THREE,), 3, under_way=(later, sooner, Replacement(THREE, 1)))
    assert next_roll_deadline(roll_) == 6.0
    assert next_roll_deadline(replace(roll_, under_way=(later, replace(sooner, free_at=4.0)))) == 4.0
    assert next_roll_deadline(replace(roll_, pending=(), under_way=(later, replace(sooner, free_at=4.0)))) == 6.0
    assert next_roll_deadline(replace(roll_, under_way=(Replacement(THREE, 1),))) == inf


def test_a_pause_moves_what_is_watched_and_nothing_else() -> None:
    watched, waiting = Replacement(ONE, 1, 3.0, None, 8.0), Replacement(TWO, 1)
    roll_ = Roll(1, "restart", CONFIG, (THREE,), 3, under_way=(watched, waiting))
    assert postpone_roll(roll_, 5.0) == replace(roll_, under_way=(replace(watched, watched_until=13.0), waiting))


def test_what_depends_on_it_waits_for_the_instances_that_stay_and_for_those_that_were_replaced() -> None:
    """Of four, the first is new and watched, two are on their way, and the last one is not up yet."""
    web = replace(WEB, scale=4, update_config=replace(CONFIG, parallelism=2, monitor=60.0))
    proxy = replace(program("proxy", "web", condition=Condition.HEALTHY), autostart=False)
    world = up(web, proxy)
    for number in (2, 3, 4):
        world.exits("web", number=number)
    world.pass_to(6.0)
    roll(world).pass_to(7.0)
    world.ask(StartRequested(), "proxy")
    assert isinstance(world.phase("proxy"), Starting)


def test_of_two_on_their_way_a_request_changes_neither_and_of_one_that_is_watched_it_does() -> None:
    web = replace(WEB, update_config=replace(CONFIG, parallelism=2))
    world = roll(up(web, obeys=SLOW))
    before = world.fleet.lives
    assert world.tell(Asked((TWO,), StartRequested())).tell(Asked((ONE,), RestartRequested())).fleet.lives == before
    world.pass_to(13.0)
    assert phases(world) == ["Running", "Running", "Stopping"]
    world.tell(Asked((ONE,), RestartRequested()))
    assert phases(world) == ["Stopping", "Running", "Stopping"]


def _ends(world: World) -> bool:
    return not isinstance(world.fleet.container_phase, Serving)


@pytest.mark.parametrize("action", FailureAction)
@pytest.mark.parametrize("what", ["restart", "update"])
def test_the_only_instance_ends_the_container_unless_the_old_entry_comes_back(action: FailureAction, what: str) -> None:
    web = acting(action, scale=1, restart=NEVER)
    db = program("db")
    world = roll(up(web, db)) if what == "restart" else up(web, db).update(new(web), db)
    comes_back = (action, what) == (FailureAction.ROLLBACK, "update")
    assert _ends(fails(world)) != comes_back
    assert not comes_back or _ends(fails(world)), "the old entry has failed, too"


@pytest.mark.parametrize("others_serve", [True, False])
def test_a_new_process_that_fails_for_good_ends_the_container_where_no_other_one_serves(others_serve: bool) -> None:
    world = up(replace(WEB, scale=2, restart=NEVER), program("db"))
    if not others_serve:
        world.tell(Asked((TWO,), StopRequested()))
    assert _ends(fails(world.tell(RollAsked((ONE,))))) != others_serve


@pytest.mark.parametrize("parallelism", [1, 2])
def test_an_instance_that_is_not_being_replaced_ends_the_container_as_always(parallelism: int) -> None:
    web = replace(WEB, restart=NEVER, update_config=replace(CONFIG, parallelism=parallelism))
    assert _ends(fails(roll(up(web)), 3))


def test_an_instance_that_fails_after_the_roll_ends_the_container_as_always() -> None:
    assert _ends(fails(roll(up(replace(WEB, restart=NEVER))).pass_to(30.0)))


def test_the_health_of_a_process_beside_the_one_that_serves_does_not_end_the_container() -> None:
    """It still runs, since what is being stopped and depends on it goes first."""
    web = replace(FIRST, scale=1, healthcheck=replace(CHECK, on_unhealthy=OnUnhealthy.SHUTDOWN))
    world = up(web, program("proxy", "web"), obeys={"proxy": ()}).probed("web", True).pass_to(3.0).stop("proxy")
    roll(world).tell(Happened(BESIDE, Probed(2, True, "")))
    assert (world.plan.programs["web"].beside, type(world.phase("web"))) == ((ONE,), Running)
    assert not _ends(world.tell(Happened(ONE, Probed(1, False, "refused"))))
    assert _ends(world.tell(Happened(BESIDE, Probed(2, False, "refused"))))


def test_the_lanes_of_an_instance_have_one_number_and_are_different_ids() -> None:
    first, second = 1, SecondLane(1)
    assert (first == second, second == first, first != second, second != SecondLane(1)) == (False, False, True, False)
    assert (second == SecondLane(1), second != SecondLane(2), len({first, second, SecondLane(1)})) == (True, True, 2)
    assert (first_lane(BESIDE), first_lane(ONE), other_lane(ONE), other_lane(BESIDE)) == (ONE, ONE, BESIDE, ONE)


# ---- a scale meanwhile


def test_a_scale_of_what_is_unknown_or_about_to_be_removed_changes_nothing() -> None:
    world = up(WEB, program("db"), obeys=SLOW).update(program("db"))
    before = world.fleet
    assert scale(scale(world, 5, "nobody"), 5).fleet == before
    assert list(world.pass_to(30.0).plan.programs) == ["db"]


def test_what_is_about_to_be_the_main_program_stays_the_only_one() -> None:
    web = replace(WEB, scale=1, update_config=None)
    world = scale(up(web, obeys=SLOW).update(replace(web, is_main=True)), 2).pass_to(60.0)
    assert world.plan == plan_of(replace(web, is_main=True))


def test_each_scale_is_told_with_the_number_before_it() -> None:
    world = up(replace(WEB, update_config=None), obeys=SLOW).update(new(replace(WEB, update_config=None)))
    for before, number in ((3, 5), (5, 2)):
        turn = advance(world.plan, world.fleet, ScaleAsked("web", number), world.now)
        assert [c for c in turn.changes if isinstance(c, ScaleChange)] == [ScaleChange("web", before, number)]
        scale(world, number)


def test_a_scale_takes_what_is_beside_the_instances_that_go_and_starts_none_that_was_stopped() -> None:
    world = roll(up(replace(FIRST, scale=3, update_config=replace(CONFIG, order=Order.START_FIRST, parallelism=3))))
    world.obeys = SLOW
    world.tell(Asked((THREE,), StopRequested()))
    assert [str(number) for _, number in world.plan.programs["web"].beside] == ["1", "2", "3"]
    second, third = ("web", SecondLane(2)), ("web", SecondLane(3))
    going = scale(world, 1).fleet.leaving["web"]
    assert (going.instances, going.wanted) == ((TWO, THREE, second, third), (TWO,))
    assert list(world.pass_to(60.0).fleet.lives) == [ONE]


def test_what_is_down_already_goes_at_once() -> None:
    world = up(WEB).tell(Asked((THREE,), StopRequested())).pass_to(5.0)
    turn = advance(world.plan, world.fleet, ScaleAsked("web", 2), 5.0)
    assert (list(turn.fleet.lives), turn.fleet.leaving) == ([ONE, TWO], {})
