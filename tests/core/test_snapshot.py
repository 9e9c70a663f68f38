"""The one read-only view: states, health and the container's own markers."""

from __future__ import annotations

from signal import SIGTERM
from weakref import ref

import pytest

from supervisor.core.container import Fleet, ShutdownAsked
from supervisor.core.events import BecameReady, Notified, Probed, StartRequested
from supervisor.core.health import Health, HealthState
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.life import (
    Backoff,
    Blame,
    Claiming,
    Exit,
    Exited,
    Fatal,
    Life,
    Pending,
    Phase,
    Preparing,
    Run,
    Running,
    Scheduled,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.notice import Notice
from supervisor.core.program import (
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
from supervisor.core.schedule import Schedule
from supervisor.core.snapshot import InstanceView, Snapshot, State, project

from .worlds import World, plan_of, program

RUN = Run(100, 1.0)
EXIT = Exit(7, None, 3.0)
CHECK = HealthCheck(TcpProbe("127.0.0.1", 80), interval=10.0, retries=1)
WEB = program("web")
CHECKED = replace(WEB, healthcheck=CHECK)
JOB = replace(program("job"), kind=ProgramType.ONESHOT, restart=Restart(RestartWhen.NEVER))
OTHER = program("other")


def _view(life: Life) -> InstanceView:
    return project(plan_of(WEB), Fleet({("web", 1): life})).instances["web", 1]


@pytest.mark.parametrize(
    ("phase", "state"),
    [
        (Stopped(), State.STOPPED),
        (Pending(), State.PENDING),
        (Spawning(), State.STARTING),
        (Starting(RUN, 2.0), State.STARTING),
        (Running(RUN), State.RUNNING),
        (Stopping(RUN, 0, 11.0), State.STOPPING),
        (Sweeping(RUN, EXIT, 4.0, 13.0), State.STOPPING),
        (Backoff(5.0, "exited with code 7"), State.BACKOFF),
        (Pending(held_until=2.0), State.PENDING),
        (Exited(), State.EXITED),
        (Exited("was done before"), State.EXITED),
        (Fatal("exited with code 7", 7), State.FATAL),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, State) else value.value,
)
def test_every_phase_has_its_state(phase: Phase, state: State) -> None:
    assert _view(Life(phase=phase)).state is state


@pytest.mark.parametrize("phase", [Starting(RUN, 2.0), Running(RUN), Stopping(RUN, 0, 11.0)], ids=repr)
def test_a_process_is_seen_with_its_pid_and_start(phase: Phase) -> None:
    view = _view(Life(phase=phase))
    assert (view.pid, view.started_at) == (100, 1.0)


@pytest.mark.parametrize(
    ("phase", "reason", "waiting_for", "starts_again_at"),
    [
        pytest.param(Fatal("exited with code 7", 7), "exited with code 7", (), None, id="failed"),
        pytest.param(Pending(("db",)), None, ("db",), None, id="waiting"),
        pytest.param(Pending(held_until=2.0, held_by="not now"), "not now", (), None, id="held"),
        pytest.param(Exited("was done before"), "was done before", (), None, id="skipped"),
        pytest.param(Backoff(5.0, "was unhealthy"), "was unhealthy", (), 5.0, id="backoff"),
        pytest.param(Stopping(RUN, 0, 2.0, blame=Blame("was unhealthy")), "was unhealthy", (), None, id="blamed"),
        pytest.param(Stopping(RUN, 0, 2.0), None, (), None, id="asked"),
        pytest.param(Stopping(RUN, 0, 2.0, hook="pre_stop leave"), "pre_stop leave", (), None, id="pre_stop"),
        pytest.param(Preparing(0, "pre_start check", 9.0), "pre_start check", (), None, id="pre_start"),
        pytest.param(Sweeping(RUN, EXIT, 4.0, 13.0, hook="post_stop x"), "post_stop x", (), None, id="post_stop"),
        pytest.param(
            Sweeping(RUN, EXIT, 4.0, 13.0, unknown="cannot read /proc"),
            "cannot see which of its processes are left: cannot read /proc",
            (),
            None,
            id="unknown",
        ),
        pytest.param(Claiming(9.0, "asks db"), "asks db", (), None, id="claiming"),
        pytest.param(Scheduled("exited with code 7"), "exited with code 7", (), None, id="scheduled"),
    ],
)
def test_a_phase_shows_what_is_true_in_it(
    phase: Phase, reason: str | None, waiting_for: tuple[str, ...], starts_again_at: float | None
) -> None:
    view = _view(Life(phase=phase))
    assert (view.pid is None, view.reason) == (not isinstance(phase, Stopping), reason)
    assert (view.waiting_for, view.starts_again_at) == (waiting_for, starts_again_at)


def test_a_view_holds_what_an_operator_asks_for() -> None:
    health_state = HealthState(1.0, Health.UNHEALTHY, failures=3, last_pass_at=2.0, detail="refused")
    life = Life(
        phase=Running(RUN),
        since=2.0,
        generation=4,
        restarts=3,
        health_state=health_state,
        last_exit=EXIT,
        status_text="ok",
    )
    assert _view(life) == InstanceView(
        name="web",
        instance=1,
        state=State.RUNNING,
        health=Health.UNHEALTHY,
        pid=100,
        since=2.0,
        started_at=1.0,
        generation=4,
        restarts=3,
        last_exit=EXIT,
        reason=None,
        waiting_for=(),
        starts_again_at=None,
        last_pass_at=2.0,
        probe_failures=3,
        probe_detail="refused",
        status_text="ok",
    )


@pytest.mark.parametrize(
    ("phase", "status_text"),
    [
        (Starting(RUN, 2.0), "ok"),
        (Running(RUN), "ok"),
        (Stopping(RUN, 0, 11.0), "ok"),
        (Sweeping(RUN, EXIT, 4.0, 13.0), ""),
        (Backoff(5.0, "exited with code 7"), ""),
        (Fatal("exited with code 7", 7), ""),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value or "nothing",
)
def test_only_a_process_says_something_of_itself(phase: Phase, status_text: str) -> None:
    assert _view(Life(phase=phase, status_text="ok")).status_text == status_text


@pytest.mark.parametrize(
    ("phase", "health", "fine"),
    [
        pytest.param(Running(RUN), Health.HEALTHY, True, id="healthy"),
        pytest.param(Running(RUN), None, True, id="no health check"),
        pytest.param(Running(RUN), Health.STARTING, True, id="not yet checked"),
        pytest.param(Running(RUN), Health.UNHEALTHY, False, id="unhealthy"),
        pytest.param(Starting(RUN, 2.0), None, False, id="starting"),
        pytest.param(Exited(), None, True, id="exited"),
        pytest.param(Stopped(), None, False, id="stopped"),
        pytest.param(Fatal("x", 1), None, False, id="fatal"),
    ],
)
def test_fine_is_running_and_not_unhealthy_or_exited(phase: Phase, health: Health | None, fine: bool) -> None:
    health_state = None if health is None else HealthState(1.0, health)
    assert _view(Life(phase=phase, health_state=health_state)).is_fine is fine


# ---- the container


def _markers(world: World) -> tuple[list[str], bool, bool]:
    """What stands in run_dir: the names in health/, then `healthy` and `ready`."""
    snapshot = project(world.plan, world.fleet)
    return list(snapshot.healthy_programs), snapshot.healthy, snapshot.ready


def _world(*table: Program, drain: float = 0.0) -> World:
    return World(plan_of(*table, settings=Settings(drain_delay=drain))).begin()


def test_a_program_without_a_health_check_is_healthy_while_it_is_running() -> None:
    world = _world(WEB)
    assert _markers(world) == ([], False, False)
    assert _markers(world.pass_to(1.0)) == (["web"], True, True)
    assert _markers(world.exits("web", 1)) == ([], False, True)


def test_a_program_with_a_health_check_is_healthy_while_it_passes() -> None:
    world = _world(CHECKED)
    assert _markers(world.pass_to(5.0)) == ([], False, False)
    assert _markers(world.probed("web", passed=True)) == (["web"], True, True)
    assert _markers(world.pass_to(20.0).probed("web", passed=False)) == ([], False, True)
    assert _markers(world.pass_to(40.0).probed("web", passed=True)) == (["web"], True, True)


def test_a_program_is_as_old_as_the_oldest_of_its_last_passes() -> None:
    world = _world(replace(CHECKED, scale=2))
    world.happens("web", Probed(1, True), number=1).pass_to(4.0).happens("web", Probed(1, True), number=2)
    assert project(world.plan, world.fleet).healthy_programs == {"web": 0.0}


def test_a_program_is_healthy_only_in_every_instance() -> None:
    world = _world(replace(WEB, scale=2)).pass_to(5.0)
    assert _markers(world) == (["web"], True, True)
    assert _markers(world.exits("web", 1, number=2)) == ([], False, True)


def test_what_has_completed_holds_the_container_not_back() -> None:
    world = _world(JOB, WEB).exits("job", 0).pass_to(1.0)
    assert _markers(world) == (["web"], True, True)


def test_instances_may_be_some_healthy_and_some_completed() -> None:
    job = replace(JOB, scale=2, ready=Readiness(notify="systemd"))
    world = _world(job, WEB).pass_to(5.0).happens("job", BecameReady(1), number=2).exits("job", 0, number=1)
    assert _markers(world) == (["web"], True, True)


def test_a_oneshot_that_has_not_completed_holds_both_back() -> None:
    world = _world(JOB, WEB).pass_to(3600.0)
    assert _markers(world) == (["web"], False, False)
    assert _markers(world.exits("job", 0)) == (["web"], True, True)


def test_a_oneshot_with_nothing_to_run_holds_neither_back() -> None:
    world = World(plan_of(JOB, WEB), skipped={"job": "was done before"}).begin().pass_to(1.0)
    assert _markers(world) == (["web"], True, True)


def test_what_never_ends_the_container_holds_neither_back() -> None:
    optional = replace(OTHER, shutdown_on=ShutdownOn.NEVER, ready=Readiness(notify="systemd"))
    world = _world(WEB, optional).pass_to(5.0)
    assert _markers(world) == (["web"], True, True)
    assert _markers(world.happens("other", BecameReady(1))) == (["web", "other"], True, True)


def test_what_somebody_stopped_makes_the_container_unhealthy_and_leaves_it_ready() -> None:
    assert _markers(_world(WEB, OTHER).pass_to(5.0).stop("other")) == (["web"], False, True)


def test_once_programs_are_being_stopped_no_marker_stands() -> None:
    world = World(plan_of(WEB), obeys={"web": ()}).begin().pass_to(5.0).tell(ShutdownAsked("SIGTERM"))
    assert (world.alive, _markers(world)) == (["web"], ([], False, False))
    snapshot = project(world.plan, world.fleet)
    assert (snapshot.stopping, snapshot.in_service) == (True, False)


def test_while_draining_only_the_ready_marker_is_gone() -> None:
    """A load balancer should send no more requests; an orchestrator has no reason to restart the container."""
    plan = plan_of(WEB, OTHER, settings=Settings(drain_delay=5.0))
    world = World(plan, obeys={"web": (), "other": ()}).begin().pass_to(5.0).tell(ShutdownAsked("SIGTERM"))
    assert _markers(world) == (["web", "other"], True, False)
    snapshot = project(plan, world.fleet)
    assert (snapshot.stopping, snapshot.in_service) == (True, True)
    assert _markers(world.exits("other", 1)) == (["web"], False, False)
    assert _markers(world.pass_to(10.0)) == ([], False, False)


def test_the_verdict_is_part_of_the_view() -> None:
    world = _world(WEB)
    assert project(world.plan, world.fleet).verdict is None
    world.tell(ShutdownAsked("SIGTERM"))
    assert project(world.plan, world.fleet).verdict == world.verdict


# ---- what has not changed is taken over


def test_the_view_of_an_unchanged_fleet_is_the_same_one() -> None:
    world = _world(WEB)
    snapshot = project(world.plan, world.fleet)
    assert project(world.plan, world.fleet, snapshot) is snapshot


def test_the_view_of_an_unchanged_life_is_the_same_one() -> None:
    world = World(plan_of(WEB, OTHER), obeys={"web": (SIGTERM,)}).begin()
    before: Snapshot = project(world.plan, world.fleet)
    other = before.instances["other", 1]
    unseen = project(world.plan, world.pass_to(0.5).stop("web").fleet, before)  # nobody asks for its views
    assert unseen is not before
    after = project(world.plan, world.ask(StartRequested(), "web").stop("web").fleet, unseen)
    assert after.instances["other", 1] is other
    assert after.instances["web", 1].state is State.STOPPED
    assert after == project(world.plan, world.fleet)


@pytest.mark.parametrize(
    ("state", "fine"),
    [(State.STARTING, True), (State.RUNNING, True), (State.BACKOFF, False), (State.STOPPING, False)],
)
def test_a_run_of_a_schedule_is_fine_while_it_is_under_way(state: State, fine: bool) -> None:
    view = replace(_view(Life(phase=Running(RUN))), has_schedule=True, state=state)
    assert view.is_fine == fine
    assert not replace(view, health=Health.UNHEALTHY).is_fine
    assert replace(view, has_schedule=False, state=State.STARTING).is_fine is False


def test_what_tells_its_store_says_so() -> None:
    phase = Sweeping(RUN, EXIT, 4.0, 13.0, tells_store=True, hook="post_stop clean")
    assert _view(Life(phase=phase)).reason == "tells the store how the run has ended"


def test_a_view_that_reuses_parts_of_the_one_before_follows_a_change_of_the_table() -> None:
    world = World(plan_of(replace(CHECKED, scale=2), OTHER)).begin().pass_to(2.0)
    for passed, number in ((True, 1), (True, 2), (False, 1)):
        before = project(world.plan, world.fleet)
        world.happens("web", Probed(1, passed, "x"), number=number)
        assert project(world.plan, world.fleet, before) == project(world.plan, world.fleet)
    before = project(world.plan, world.fleet)
    world.update(CHECKED, OTHER, program("third"))
    assert project(world.plan, world.fleet, before) == project(world.plan, world.fleet)
    before = project(world.plan, world.fleet)
    world.pass_to(30.0).update(replace(CHECKED, schedule=None, healthcheck=None), OTHER, program("third"))
    assert project(world.plan, world.fleet, before) == project(world.plan, world.fleet)


def test_a_view_that_reuses_parts_of_the_one_before_is_the_one_that_is_made_anew() -> None:
    """Programs come up, fail, are checked, replaced, added, removed and scaled, and the container ends."""
    crashing = replace(OTHER, restart_delay=RestartDelay(initial=20.0))
    world = World(plan_of(CHECKED, crashing, JOB), obeys={"web": ()})
    before: Snapshot | None = None

    def follow(world: World) -> None:
        nonlocal before
        anew = project(world.plan, world.fleet)
        before = project(world.plan, world.fleet, before)
        assert before == anew
        assert list(before.healthy_programs) == [n for n in before.healthy_programs if n in world.plan.programs]

    follow(world.begin())
    follow(world.pass_to(1.0))
    follow(world.probed("web", passed=True))
    follow(world.exits("job", 0))
    follow(world.exits("other", 7))
    follow(world.pass_to(15.0).probed("web", passed=False))
    follow(world.pass_to(30.0).probed("web", passed=True))
    follow(world.exits("other", 7))
    follow(world.update(CHECKED, replace(crashing, shutdown_on=ShutdownOn.NEVER), JOB))
    follow(world.update(CHECKED, replace(crashing, scale=2), JOB))
    follow(world.pass_to(40.0))
    follow(world.update(CHECKED, replace(crashing, scale=1), JOB))
    follow(world.update(CHECKED, JOB))
    follow(world.update(CHECKED, JOB, program("third")))
    follow(world.pass_to(50.0))
    follow(world.update(replace(CHECKED, command=("another",)), JOB, program("third")))
    follow(world.pass_to(70.0))
    follow(world.tell(ShutdownAsked("SIGTERM")))
    follow(world.run_out())


def test_what_is_healthy_is_the_same_object_until_it_changes() -> None:
    world = World(plan_of(WEB, OTHER)).begin().pass_to(2.0)
    before = project(world.plan, world.fleet)
    after = project(world.plan, world.happens("web", Notified(1, Notice(status="ok"))).fleet, before)
    assert after is not before
    assert after.healthy_programs is before.healthy_programs


def test_the_age_of_a_pass_is_that_of_the_instances_that_have_passed() -> None:
    unchecked = HealthState(1.0, Health.HEALTHY)
    passed = replace(unchecked, last_pass_at=2.0)
    lives = {("web", n): Life(phase=Running(RUN), health_state=s) for n, s in ((1, unchecked), (2, passed))}
    assert project(plan_of(replace(WEB, scale=2)), Fleet(lives)).healthy_programs == {"web": 2.0}


def test_programs_are_in_service_until_they_are_stopped() -> None:
    world = World(plan_of(WEB)).begin()
    assert project(world.plan, world.fleet).in_service
    assert not project(world.plan, world.tell(ShutdownAsked("SIGTERM")).fleet).in_service


def test_views_are_equal_to_what_shows_the_same_only() -> None:
    world = World(plan_of(WEB)).begin()
    first = project(world.plan, world.fleet).views
    assert first == project(world.plan, world.fleet).views
    assert first != project(world.plan, world.pass_to(2.0).fleet).views
    assert first != {("web", 1): "something else"}


def test_an_instance_without_a_process_shows_nothing_of_one() -> None:
    assert _view(Life()) == InstanceView(
        name="web",
        instance=1,
        state=State.STOPPED,
        health=Health.NONE,
        pid=None,
        since=0.0,
        started_at=None,
        generation=0,
        restarts=0,
        last_exit=None,
        reason=None,
        waiting_for=(),
        starts_again_at=None,
        last_pass_at=None,
        probe_failures=0,
        probe_detail="",
        status_text="",
        on_demand=False,
        has_schedule=False,
        awaits_run=False,
    )


def test_a_schedule_is_seen_though_the_instance_has_not_changed() -> None:
    job = replace(JOB, autostart=False)
    world = World(plan_of(WEB, job)).begin()
    before = project(world.plan, world.fleet)
    assert not before.instances["job", 1].has_schedule
    plan = plan_of(WEB, replace(job, schedule=Schedule(interval=60.0)))
    after = project(plan, world.fleet, before)
    assert after == project(plan, world.fleet)
    assert after.instances["job", 1].has_schedule


def test_views_do_not_keep_the_views_before_them() -> None:
    world = World(plan_of(WEB)).begin()
    before = project(world.plan, world.fleet)
    assert before.instances
    unseen = project(world.plan, world.pass_to(1.0).fleet, before)
    old = [ref(before.views), ref(unseen.views)]
    after = project(world.plan, world.stop("web").fleet, unseen)
    del before, unseen
    assert [view() is None for view in old] == [False, True]
    assert after.instances
    assert [view() for view in old] == [None, None]


def test_what_runs_until_its_turn_to_stop_has_no_marker_any_more() -> None:
    world = World(plan_of(WEB, program("proxy", "web")), obeys={"proxy": ()}).begin().pass_to(5.0)
    world.tell(ShutdownAsked("SIGTERM"))
    assert isinstance(world.phase("web"), Running)
    assert project(world.plan, world.fleet).healthy_programs == {}
