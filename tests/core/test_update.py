"""From one table to another, while the container runs."""

from __future__ import annotations

from signal import SIGKILL, SIGQUIT, SIGTERM

import pytest

from supervisor.core.container import Asked, Over, ScaleAsked, Serving, ShutdownAsked, Updated
from supervisor.core.events import Notified, StartRequested, StopRequested
from supervisor.core.health import Health
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.life import Exited, Fatal, Pending, Running, Stopped, Stopping
from supervisor.core.notice import Notice
from supervisor.core.plan import make_plan
from supervisor.core.program import (
    Condition,
    Dependency,
    LogMode,
    LogSettings,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartWhen,
    Settings,
    ShutdownOn,
    SignalStep,
    Table,
)
from supervisor.core.record import replace
from supervisor.core.restart_limits import RestartLimits
from supervisor.core.schedule import Schedule
from supervisor.core.update import (
    Difference,
    ProgramChange,
    Reading,
    UpdateAction,
    compare,
    keeps_runs,
    needs_new_process,
    settings_after,
)
from supervisor.core.update_config import UpdateConfig
from supervisor.core.watch import Watch

from .worlds import World, plan_of, program

WEB, DB = program("web", "db"), program("db")
CHECK = HealthCheck(TcpProbe("127.0.0.1", 80))
NEVER = Restart(RestartWhen.NEVER)


def other(entry: Program, **changes: object) -> Program:
    """Return an entry that needs a new process."""
    return replace(entry, command=("another",), **changes)


def up(*programs: Program, **fields: object) -> World:
    return World(plan_of(*programs), **fields).begin().pass_to(2.0)  # type: ignore[arg-type]  # what a test says


# ---- what a table changes


@pytest.mark.parametrize(
    ("changes", "action", "because"),
    [
        ({"command": ("a",)}, UpdateAction.RESTART, ("command",)),
        ({"kind": ProgramType.ONESHOT}, UpdateAction.RESTART, ("type",)),
        ({"environment": (("A", "1"),), "umask": 0o22}, UpdateAction.RESTART, ("environment", "umask")),
        ({"nice": 5, "healthcheck": CHECK}, UpdateAction.RESTART, ("nice", "healthcheck")),
        ({"watchdog": 5.0}, UpdateAction.RESTART, ("watchdog",)),
        ({"ready": Readiness(notify="systemd")}, UpdateAction.RESTART, ("ready",)),
        ({"log": LogSettings(mode=LogMode.INHERIT)}, UpdateAction.RESTART, ("log",)),
        ({"log": LogSettings(mode=LogMode.NONE)}, UpdateAction.RESTART, ("log",)),
        ({"log": LogSettings(mode=LogMode.JSON)}, UpdateAction.CHANGE, ("log",)),
        ({"log": LogSettings(redirect_stderr=True)}, UpdateAction.RESTART, ("log",)),
        ({"ready": Readiness(log="up", timeout=5.0)}, UpdateAction.CHANGE, ("ready",)),
        ({"healthcheck": CHECK}, UpdateAction.CHANGE, ("healthcheck",)),
        ({"stop": (SignalStep(SIGQUIT, 1.0),), "restart": NEVER}, UpdateAction.CHANGE, ("restart", "stop")),
        ({"depends_on": (Dependency("db", Condition.HEALTHY),)}, UpdateAction.CHANGE, ("depends_on",)),
        ({"scale": 3}, UpdateAction.CHANGE, ("scale",)),
    ],
)
def test_what_needs_a_new_process_and_what_does_not(
    changes: dict[str, object], action: UpdateAction, because: tuple[str, ...]
) -> None:
    difference = compare(plan_of(DB, WEB), {}, plan_of(DB, replace(WEB, **changes)))
    assert difference == Difference((ProgramChange("web", action, because),), unchanged=1)


def test_what_is_new_and_what_is_gone() -> None:
    difference = compare(plan_of(DB, WEB), {}, plan_of(DB, program("worker")))
    changes = (ProgramChange("worker", UpdateAction.ADD), ProgramChange("web", UpdateAction.REMOVE))
    assert difference == Difference(changes, unchanged=1)
    assert difference.names(UpdateAction.ADD, UpdateAction.REMOVE) == ("worker", "web")


def test_settings_count_at_once_or_with_a_new_container() -> None:
    old = make_plan(Table(Settings(), (DB,)))
    new = make_plan(Table(Settings(run_dir="/elsewhere", drain_delay=5.0, metrics_listen=("::1", 1)), (DB,)))
    assert compare(old, {}, new) == Difference((), ("drain_delay",), ("run_dir", "metrics"), unchanged=1)
    assert settings_after(old.settings, new.settings) == Settings(drain_delay=5.0)


# ---- what becomes of the processes


def test_a_table_that_is_the_same_changes_nothing() -> None:
    world = up(DB, WEB)
    before = world.fleet
    world.update(DB, WEB)
    assert (world.fleet.lives, world.fleet.leaving) == (before.lives, {})


def test_what_is_new_is_started_after_what_it_depends_on() -> None:
    world = up(DB)
    pids = dict(world.pids)
    world.update(DB, program("cache"), program("web", "cache"))
    assert world.spawned == [("db", 1), ("cache", 1), ("web", 1)]
    assert world.pids["db", 1] == pids["db", 1]
    assert list(world.plan.programs) == ["db", "cache", "web"]


def test_what_is_gone_is_stopped_in_order_and_forgotten() -> None:
    world = up(DB, WEB, program("other"))
    world.update(program("other"))
    assert world.stop_order == ["web", "db"]
    assert list(world.fleet.lives) == [("other", 1)]
    assert isinstance(world.fleet.container_phase, Serving)


def test_what_is_another_command_gets_a_new_process_and_the_others_keep_theirs() -> None:
    world = up(DB, WEB)
    pids = dict(world.pids)
    world.update(DB, other(WEB))
    assert world.stop_order == ["web"]
    assert world.pids["db", 1] == pids["db", 1]
    assert world.pids["web", 1] != pids["web", 1]
    assert world.plan.programs["web"].command == ("another",)


def test_a_process_is_stopped_by_the_entry_that_it_was_started_with() -> None:
    old = replace(WEB, stop=(SignalStep(SIGQUIT, 5.0),))
    world = up(DB, old, obeys={"web": (SIGQUIT,)})
    world.update(DB, other(WEB, stop=(SignalStep(SIGTERM, 1.0),)))
    assert [(name, number) for _, (name, _), number in world.signals] == [("web", SIGQUIT)]


def test_several_that_are_replaced_stop_and_start_in_order() -> None:
    world = up(DB, WEB)
    world.update(other(DB), other(WEB))
    assert world.stop_order == ["web", "db"]
    assert world.spawned[2:] == [("db", 1), ("web", 1)]


def test_what_is_unchanged_stays_up_though_what_it_depends_on_is_replaced() -> None:
    world = up(DB, WEB)
    pid = world.pids["web", 1]
    world.update(other(DB), WEB)
    assert (world.stop_order, world.pids["web", 1]) == (["db"], pid)


def test_until_the_old_process_is_gone_the_old_entry_counts() -> None:
    world = up(DB, WEB, obeys={"web": ()})
    world.update(DB, other(WEB))
    assert isinstance(world.phase("web"), Stopping)
    assert world.plan.programs["web"] == WEB
    assert list(world.fleet.leaving) == ["web"]
    world.pass_to(60.0)
    assert (world.plan.programs["web"].command, world.fleet.leaving) == (("another",), {})
    assert isinstance(world.phase("web"), Running)


def test_somebody_who_starts_what_is_leaving_does_not_keep_it() -> None:
    world = up(DB, WEB, obeys={"web": ()})
    world.update(DB)
    world.ask(StartRequested(), "web")
    world.pass_to(60.0)
    assert list(world.fleet.lives) == [("db", 1)]


def test_what_somebody_starts_while_it_is_replaced_is_started_with_its_new_entry() -> None:
    world = up(DB, WEB, obeys={"web": (), "db": ()}).stop("web", "db")
    world.update(DB, other(WEB))
    assert isinstance(world.phase("web"), Stopping)
    world.ask(StartRequested(), "web")
    world.pass_to(60.0)
    assert (world.alive, world.plan.programs["web"].command) == (["db", "web"], ("another",))


def test_what_somebody_stops_while_it_is_replaced_stays_down() -> None:
    world = up(DB, WEB, obeys={"web": ()})
    world.update(DB, other(WEB))
    world.stop("web")
    world.pass_to(60.0)
    assert isinstance(world.phase("web"), Stopped)
    assert world.plan.programs["web"].command == ("another",)


def test_what_somebody_has_stopped_stays_down_with_its_new_entry() -> None:
    world = up(DB, WEB).stop("web")
    world.update(DB, other(WEB))
    assert isinstance(world.phase("web"), Stopped)
    assert world.ask(StartRequested(), "web").plan.programs["web"].command == ("another",)


def test_what_has_failed_for_good_is_tried_again_with_its_new_entry() -> None:
    worker = replace(program("worker"), shutdown_on=ShutdownOn.NEVER)
    world = up(DB, worker, unspawnable={"worker": ("was not found", 127)})
    assert isinstance(world.phase("worker"), Fatal)
    world.unspawnable = {}
    world.update(DB, other(worker))
    assert world.alive == ["db", "worker"]


def test_a_oneshot_that_is_done_runs_again_only_if_it_is_another_one() -> None:
    migrate = Program("migrate", ("true",), kind=ProgramType.ONESHOT, restart=NEVER)
    world = up(DB, migrate).exits("migrate")
    world.update(DB, replace(migrate, min_uptime=5.0))
    assert isinstance(world.phase("migrate"), Exited)
    world.update(DB, other(migrate))
    assert world.alive == ["db", "migrate"]


# ---- in place


def test_a_new_health_check_is_asked_at_once_and_an_old_one_no_more() -> None:
    world = up(DB)
    pid = world.pids["db", 1]
    world.update(replace(DB, healthcheck=CHECK)).pass_to(2.0)
    assert (world.probes, world.life("db").health) == ([("db", 1)], Health.STARTING)
    world.probed("db", True)
    assert world.life("db").health is Health.HEALTHY
    world.update(replace(DB, healthcheck=replace(CHECK, interval=5.0))).pass_to(2.0)
    assert (len(world.probes), world.life("db").health) == (2, Health.HEALTHY)
    world.update(DB)
    assert (world.life("db").health, world.pids["db", 1]) == (Health.NONE, pid)


def test_a_start_is_given_its_new_patience() -> None:
    slow = replace(DB, ready=Readiness(log="up", timeout=5.0))
    world = World(plan_of(slow)).begin().pass_to(4.0)
    world.update(replace(slow, ready=Readiness(log="up", timeout=50.0))).pass_to(40.0)
    assert world.stop_order == []
    world.pass_to(51.0)
    assert world.stop_order == ["db"]


def test_a_new_restart_policy_counts_from_the_next_end_on() -> None:
    world = up(DB, replace(WEB, shutdown_on=ShutdownOn.NEVER))
    world.update(DB, replace(WEB, shutdown_on=ShutdownOn.NEVER, restart=NEVER)).exits("web", 1)
    assert isinstance(world.phase("web"), Fatal)


def test_more_instances_are_started_and_fewer_are_stopped_without_touching_the_others() -> None:
    world = up(DB)
    pid = world.pids["db", 1]
    world.update(replace(DB, scale=3))
    assert sorted(world.pids) == [("db", 1), ("db", 2), ("db", 3)]
    world.update(replace(DB, scale=2))
    assert sorted(world.pids) == [("db", 1), ("db", 2)]
    assert sorted(world.fleet.lives) == [("db", 1), ("db", 2)]
    assert world.pids["db", 1] == pid


def test_what_waits_for_another_program_from_now_on_is_started_when_that_is_there() -> None:
    blocked = Program("worker", ("true",), depends_on=(Dependency("db", Condition.HEALTHY),))
    world = up(replace(DB, healthcheck=CHECK), blocked)
    assert isinstance(world.phase("worker"), Pending)
    world.update(replace(DB, healthcheck=CHECK), program("worker"))
    assert world.alive == ["db", "worker"]


# ---- in the middle


def test_a_shutdown_in_the_middle_stops_everything_and_starts_nothing() -> None:
    world = up(DB, WEB, obeys={"web": ()})
    world.update(other(DB), other(WEB), program("new"))
    spawned = list(world.spawned)
    world.tell(_shutdown()).run_out()
    assert world.spawned == spawned
    assert (world.verdict.code, isinstance(world.fleet.container_phase, Over)) == (0, True)


def test_an_update_during_an_update_wins() -> None:
    world = up(DB, WEB, obeys={"web": ()})
    world.update(DB, other(WEB))
    world.update(DB, replace(WEB, command=("a third",)))
    world.pass_to(60.0)
    assert world.plan.programs["web"].command == ("a third",)
    assert world.alive == ["db", "web"]


def test_what_is_taken_away_and_given_back_is_up_in_the_end() -> None:
    world = up(DB, WEB, obeys={"web": ()})
    world.update(DB)
    world.update(DB, WEB)
    assert compare(world.plan, world.fleet.leaving, plan_of(DB, WEB)) == Difference(unchanged=2)
    world.pass_to(60.0)
    assert (world.alive, world.fleet.leaving) == (["db", "web"], {})


def test_old_and_new_entries_that_would_wait_in_a_circle_do_not() -> None:
    a, b = program("a"), program("b", "a")
    world = up(a, b, obeys={"a": (), "b": ()})
    world.update(replace(other(a), depends_on=(Dependency("b"),)), other(program("b")))
    world.pass_to(120.0)
    assert world.alive == ["a", "b"]
    assert world.plan.programs["a"].depends_on == (Dependency("b"),)


def test_a_new_entry_that_would_close_a_circle_with_one_that_is_still_leaving_does_not() -> None:
    """It comes in when the old process of its own program is gone, which need not be the last one to go."""
    slow, middle, quick = program("slow", "middle"), program("middle", "quick"), program("quick")
    world = up(slow, middle, quick, obeys={"slow": ()})
    new_quick = replace(other(quick), depends_on=(Dependency("slow"),))
    world.update(other(program("slow")), middle, new_quick)
    assert (world.alive, list(world.fleet.leaving)) == (["middle", "slow"], ["slow"])
    world.pass_to(60.0)
    assert (world.alive, world.fleet.leaving) == (["middle", "quick", "slow"], {})
    assert world.plan.programs["quick"].depends_on == (Dependency("slow"),)


def test_a_new_stop_sequence_waits_for_the_end_of_the_one_under_way() -> None:
    """Its steps are those of the entry that it began with."""
    world = up(DB, program("other"), obeys={"db": ()}).stop("db")
    changed = replace(DB, stop=(SignalStep(SIGQUIT, 1.0), SignalStep(SIGTERM, 1.0)))
    world.update(changed, program("other"))
    assert world.plan.programs["db"] == DB
    world.pass_to(12.0)
    assert [(time, signal) for time, _, signal in world.signals] == [(2.0, SIGTERM), (12.0, SIGKILL)]
    assert (world.plan.programs["db"], world.phase("db")) == (changed, Stopped())


def test_what_waits_for_a_program_that_an_update_removes_starts_when_it_is_gone() -> None:
    web = program("web", "migrate", condition=Condition.COMPLETED)
    migrate = Program("migrate", ("migrate",), kind=ProgramType.ONESHOT, restart=NEVER)
    world = up(migrate, web, program("other"), obeys={"migrate": ()})
    assert isinstance(world.phase("web"), Pending)
    world.update(replace(web, depends_on=()), program("other"))
    assert "web" in world.pass_to(13.0).alive


def test_what_waits_for_a_program_starts_when_an_update_has_replaced_it_by_one_that_needs_no_wait() -> None:
    web = program("web", "db", condition=Condition.HEALTHY)
    db = replace(DB, healthcheck=CHECK)
    world = up(db, web)
    assert isinstance(world.phase("web"), Pending)
    world.update(replace(db, command=("another",), scale=1, healthcheck=None), web).pass_to(5.0)
    assert world.alive == ["db", "web"]


def test_an_update_once_a_shutdown_has_begun_changes_nothing() -> None:
    world = up(DB, WEB, obeys={"web": ()}).tell(_shutdown())
    before = world.fleet
    world.update(program("new"))
    assert world.fleet.lives == before.lives


def test_a_table_of_which_nothing_is_left_to_run_ends_the_container() -> None:
    migrate = Program("migrate", ("true",), kind=ProgramType.ONESHOT, restart=NEVER)
    world = up(DB, migrate).exits("migrate")
    world.update(migrate).run_out()
    assert (world.verdict.code, world.verdict.reason) == (0, "every program has ended well")


def _shutdown() -> ShutdownAsked:
    return ShutdownAsked("SIGTERM was received")


def test_a_new_stop_sequence_waits_for_each_one_under_way() -> None:
    web = replace(program("web"), scale=2)
    world = World(plan_of(web), obeys={"web": ()}).begin().pass_to(2.0)
    world.tell(Asked((("web", 2),), StopRequested()))
    world.update(replace(web, stop=(SignalStep(SIGTERM, 99.0),)))
    assert [signal for _, instance, signal in world.signals if instance == ("web", 1)] == [SIGTERM]
    world.pass_to(60.0)
    assert world.plan.programs["web"].stop == (SignalStep(SIGTERM, 99.0),)


@pytest.mark.parametrize(("before", "after", "kept"), [(1, 1, True), (1, 0, False), (0, 1, False), (0, 0, False)])
def test_only_a_schedule_that_stays_one_keeps_its_run(before: int, after: int, kept: bool) -> None:
    entries = (program("job"), replace(program("job"), schedule=Schedule(interval=60.0)))
    assert keeps_runs(entries[before], entries[after]) == kept
    assert not keeps_runs(entries[before], None)


def test_the_names_of_a_difference_are_those_of_the_action() -> None:
    changes = (ProgramChange("web", UpdateAction.ADD), ProgramChange("db", UpdateAction.REMOVE))
    difference = Difference(changes)
    assert (difference.names(UpdateAction.ADD), difference.names(UpdateAction.CHANGE)) == (("web",), ())
    assert difference.names(UpdateAction.ADD, UpdateAction.REMOVE) == ("web", "db")


def test_what_is_already_leaving_for_good_is_no_difference_and_what_was_to_come_back_is() -> None:
    world = World(plan_of(program("web"), DB), obeys={"web": ()}).begin().pass_to(2.0)
    world.update(DB)
    assert compare(world.plan, world.fleet.leaving, plan_of(DB)).programs == ()
    [change] = compare(world.plan, world.fleet.leaving, plan_of(program("web"), DB)).programs
    assert change == ProgramChange("web", UpdateAction.ADD)
    world.update(other(program("web")), DB)
    [change] = compare(world.plan, world.fleet.leaving, plan_of(DB)).programs
    assert change == ProgramChange("web", UpdateAction.REMOVE)


def test_the_warnings_of_a_table_last_while_its_programs_leave() -> None:
    old = plan_of(program("web"), DB)
    new = replace(plan_of(other(program("web"), depends_on=(Dependency("db"),)), DB), warnings=("it will bite",))
    world = World(old, obeys={"web": ()}).begin().pass_to(2.0).tell(Updated(new))
    assert world.plan.warnings == ("it will bite",)
    assert world.pass_to(60.0).plan.warnings == ("it will bite",)


# ---- the plan in the end

CONFIG = UpdateConfig()
JOB = replace(program("job"), kind=ProgramType.ONESHOT, restart=NEVER, schedule=Schedule(interval=60.0))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((DB, WEB), (WEB, DB)),
        ((DB, WEB), (DB, other(WEB, is_main=True))),
        ((DB, other(WEB, is_main=True)), (DB, WEB)),
        ((DB, WEB), (DB, other(WEB, restart_when=RestartLimits(age=60.0)))),
        ((DB, WEB), (DB, replace(WEB, watch=(Watch("/conf"),)))),
        ((DB, WEB), (DB, other(WEB, watch=(Watch("/conf"),)))),
        ((DB, WEB), (DB, other(WEB, stop=(SignalStep(SIGTERM, 99.0),)))),
        ((DB, WEB), (other(DB), other(WEB, depends_on=()))),
        ((program("a"), program("b")), (other(program("a")), other(program("b"), depends_on=(Dependency("a"),)))),
        ((DB, WEB), (WEB, replace(DB, scale=3))),
        ((DB, WEB), (replace(WEB, depends_on=()),)),
        ((DB, JOB), (DB, replace(JOB, command=("new",)))),
        ((DB, JOB), (DB, replace(JOB, schedule=None))),
        ((DB, replace(JOB, schedule=None)), (DB, JOB)),
    ],
)
def test_the_plan_in_the_end_is_that_of_the_new_table(before: tuple[Program, ...], after: tuple[Program, ...]) -> None:
    world = up(*before, obeys={"web": ()}).update(*after).pass_to(60.0)
    assert (world.plan, world.fleet.leaving) == (plan_of(*after), {})
    assert sorted(world.plan.programs) == sorted(set(world.alive) | {"job"} & set(world.plan.programs))


def test_a_program_that_names_a_removed_one_until_it_has_left_does_not_keep_it() -> None:
    """db has crashed while web, which depends on it with its old entry, is still stopping."""
    world = up(DB, WEB, program("cache"), obeys={"web": ()})
    world.update(other(WEB, depends_on=(Dependency("cache"),)), program("cache"))
    world.exits("db", 1)
    assert list(world.plan.programs) == ["web", "cache"]
    assert world.plan.programs["web"] == replace(WEB, depends_on=())
    after = plan_of(other(WEB, depends_on=(Dependency("cache"),)), program("cache"))
    assert (world.pass_to(60.0).plan, world.alive) == (after, ["cache", "web"])


def test_what_does_not_leave_keeps_what_it_depends_on_while_another_program_is_removed() -> None:
    slow = replace(program("api", "db"), update_config=CONFIG)
    world = up(DB, slow, program("gone"), obeys={"api": ()})
    world.update(DB, other(slow))
    assert world.plan.programs["api"] == slow
    assert world.plan.dependants == {"db": ("api",), "api": ()}


# ---- files that have changed


STALE = {"web": ("env_file", "command")}


def test_a_file_that_has_changed_is_a_reason_for_a_new_process() -> None:
    for after, because in ((WEB, ("env_file", "command")), (replace(WEB, nice=5), ("nice", "env_file", "command"))):
        change = ProgramChange("web", UpdateAction.RESTART, because)
        assert compare(plan_of(DB, WEB), {}, plan_of(DB, after), STALE).programs == (change,)
    assert compare(plan_of(DB, JOB), {}, plan_of(DB, JOB), {"job": ("env_file",)}).programs == (
        ProgramChange("job", UpdateAction.CHANGE, ("env_file",)),
    )


def test_a_program_whose_file_has_changed_gets_a_new_process_and_the_others_keep_theirs() -> None:
    world = up(DB, WEB)
    world.tell(Updated(plan_of(DB, WEB), STALE))
    assert (world.spawned[2:], world.plan) == ([("web", 1)], plan_of(DB, WEB))


def test_a_table_that_was_read_is_compared_again_if_another_one_has_come_into_effect_meanwhile() -> None:
    old, new = plan_of(DB, WEB), plan_of(DB, other(WEB))
    reading = Reading(new, {}, old, compare(old, {}, new))
    assert reading.difference_from(old, {}, {}) is reading.difference
    assert reading.difference_from(plan_of(DB), {}, {}) == compare(plan_of(DB), {}, new)
    assert reading.difference_from(new, {}, {}) == Difference(unchanged=2)


@pytest.mark.parametrize(("mode", "is_new"), [(LogMode.NONE, True), (LogMode.INHERIT, False), (LogMode.PREFIX, True)])
def test_a_program_that_has_supinits_own_output_needs_a_new_process_for_any_other(mode: LogMode, is_new: bool) -> None:
    inherits = replace(WEB, log=LogSettings(mode=LogMode.INHERIT))
    assert needs_new_process(inherits, replace(WEB, log=LogSettings(mode=mode))) == is_new


# ---- a stop under way


def test_a_stop_sequence_changes_in_place_where_nothing_is_stopping() -> None:
    world = up(DB, WEB)
    after = replace(DB, stop=(SignalStep(SIGQUIT, 1.0),))
    world.update(after, WEB)
    assert (world.plan, world.fleet.leaving, world.spawned[2:]) == (plan_of(after, WEB), {}, [])


def test_what_is_stopping_takes_any_other_change_at_once() -> None:
    world = up(DB, program("other"), obeys={"db": ()}).stop("db")
    after = replace(DB, start_retries=3)
    assert world.update(after, program("other")).plan == plan_of(after, program("other"))


# ---- which instances are up in the end


@pytest.mark.parametrize(
    ("before", "stopped", "after", "running"),
    [
        (2, (), {"scale": 3}, (1, 2, 3)),
        (2, (1,), {"scale": 3}, (2, 3)),
        (2, (1, 2), {"scale": 3}, ()),
        (0, (), {"scale": 2}, (1, 2)),
        (0, (), {"scale": 2, "autostart": False}, ()),
    ],
)
def test_a_new_instance_is_started_where_others_are_wanted_or_there_was_none(
    before: int, stopped: tuple[int, ...], after: dict[str, object], running: tuple[int, ...]
) -> None:
    web = replace(program("web"), scale=before)
    world = up(DB, web).tell(Asked(tuple(("web", number) for number in stopped), StopRequested()))
    world.update(DB, other(web, **after)).pass_to(30.0)
    assert sorted(number for name, number in world.pids if name == "web") == list(running)


def test_what_stays_of_a_program_that_shrinks_takes_its_new_entry_when_the_others_are_gone() -> None:
    web = replace(program("web"), scale=3)
    world = up(DB, web, obeys={"web": ()}).tell(Asked((("web", 2),), StopRequested()))
    after = replace(web, scale=2, healthcheck=CHECK)
    assert world.update(DB, after).plan.programs["web"] == web
    world.pass_to(12.5)
    assert (world.plan, world.probes, world.life("web", 2).health) == (plan_of(DB, after), [("web", 1)], Health.NONE)


@pytest.mark.parametrize(
    ("before", "after", "is_restarted"),
    [
        (DB, other(DB), True),
        (replace(DB, scale=2), other(replace(DB, scale=2)), True),
        (replace(DB, scale=2), DB, False),
        (replace(DB, scale=0), other(DB), False),
        (DB, replace(DB, start_retries=3), False),
    ],
    ids=["another", "both others", "one less", "none before", "in place"],
)
def test_what_is_to_restart_with_a_program_follows_the_replacement_of_all_its_instances(
    before: Program, after: Program, is_restarted: bool
) -> None:
    web = replace(program("web"), depends_on=(Dependency("db", restart=True),))
    world = up(before, web).update(after, web).pass_to(30.0)
    assert world.life("web").generation == (2 if is_restarted else 1)


def test_the_removal_of_a_program_restarts_nothing_that_no_longer_depends_on_it() -> None:
    web = replace(program("web"), scale=2, depends_on=(Dependency("db", restart=True),))
    world = up(DB, web).update(replace(web, scale=1, depends_on=())).pass_to(30.0)
    assert (world.life("web").generation, world.alive) == (1, ["web"])


# ---- a number of instances at run time


def test_a_number_of_instances_at_run_time_outlasts_updates_of_other_programs() -> None:
    web = replace(WEB, depends_on=())
    world = up(DB, web, obeys={"db": ()}).tell(ScaleAsked("web", 3))
    world.update(other(DB), web)
    assert (world.plan.scaled, world.plan.programs["web"].scale) == ({"web": (1, 3)}, 3)
    world.pass_to(60.0)
    assert world.plan == replace(plan_of(other(DB), replace(web, scale=3)), scaled={"web": (1, 3)})
    assert world.update(other(DB)).pass_to(90.0).plan == plan_of(other(DB))


def test_a_number_of_instances_at_run_time_counts_for_what_follows_a_program_that_leaves() -> None:
    world = up(DB, WEB, obeys={"web": ()}).update(DB, other(WEB)).tell(ScaleAsked("web", 3))
    going = world.fleet.leaving["web"]
    assert (going.instances, going.becomes) == ((("web", 1),), other(WEB, scale=3))
    world.tell(ScaleAsked("web", 2)).pass_to(60.0)
    assert world.plan == replace(plan_of(DB, other(WEB, scale=2)), scaled={"web": (1, 2)})
    assert sorted(world.pids) == [("db", 1), ("web", 1), ("web", 2)]


def test_what_depends_on_a_program_from_now_on_holds_it_back() -> None:
    world = up(DB, program("web"), program("other"), obeys={"web": ()}).stop("web")
    world.update(DB, WEB, program("other")).stop("db")
    assert (world.fleet.held, world.alive) == ({"db": 1}, ["db", "other", "web"])
    assert world.pass_to(60.0).stop_order == ["web", "db"]


def test_a_start_that_has_asked_for_more_time_keeps_it_through_an_update_of_another_program() -> None:
    slow = replace(program("web"), ready=Readiness(notify="systemd", timeout=5.0))
    world = up(DB, slow).happens("web", Notified(1, Notice(extend_by=60.0)))
    world.update(replace(DB, start_retries=3), slow).pass_to(60.0)
    assert (world.life("web").generation, world.stop_order) == (1, [])
