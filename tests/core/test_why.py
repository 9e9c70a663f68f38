"""Why a program is not up: the chain to the cause, in plain sentences."""

from __future__ import annotations

from math import inf
from signal import SIGKILL, SIGQUIT, SIGTERM

import pytest

from supervisor.core.container import ShutdownAsked
from supervisor.core.events import DaemonMissed, Notified, ProcessExited
from supervisor.core.healthcheck import (
    ExecProbe,
    FastCgiProbe,
    FileProbe,
    HealthCheck,
    HttpProbe,
    Probe,
    TcpProbe,
    UnixProbe,
)
from supervisor.core.hook import Hook
from supervisor.core.life import (
    Blame,
    DaemonSearch,
    Exit,
    Goal,
    Life,
    Pending,
    Run,
    Running,
    Starting,
    Stopping,
    Sweeping,
)
from supervisor.core.notice import Notice
from supervisor.core.program import (
    Condition,
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
from supervisor.core.schedule import Outcome, Schedule, ScheduledRun
from supervisor.core.snapshot import InstanceView, Snapshot, Views, project
from supervisor.core.why import Explanation, Why

from .worlds import World, plan_of, program

NEVER = Restart(RestartWhen.NEVER)
JOB = replace(program("job"), kind=ProgramType.ONESHOT, restart=NEVER, shutdown_on=ShutdownOn.NEVER)
URL = "http://127.0.0.1:8000/healthz"
CHECK = HealthCheck(HttpProbe(URL), retries=2, interval=5.0)


def explain(world: World, name: str, number: int = 1, lines: str = "") -> Explanation | None:
    why = Why(world.plan, project(world.plan, world.fleet), world.now, lambda _: lines)
    return why.explain((name, number))


def sentences(world: World, name: str, number: int = 1) -> str:
    explanation = explain(world, name, number)
    assert explanation is not None
    return " ".join(explanation.sentences)


def begin(*programs: Program, **options: object) -> World:
    return World(plan_of(*programs), **options).begin()  # type: ignore[arg-type]  # as World takes them


def test_what_is_up_needs_no_explanation() -> None:
    world = begin(program("web"), replace(program("job"), kind=ProgramType.ONESHOT, restart=NEVER)).pass_to(2.0)
    world.exits("job", 0)
    assert (explain(world, "web"), explain(world, "job")) == (None, None)


def test_the_chain_leads_to_the_cause_and_its_last_lines() -> None:
    app = replace(program("app", "db"), healthcheck=CHECK)
    world = begin(program("web", "app", condition=Condition.HEALTHY), app, program("db")).pass_to(2.0)
    for second in range(3, 13):
        world.probed("app", False).pass_to(float(second))
    world.probed("app", False)
    assert explain(world, "web", lines="no\nconnection") == Explanation(
        ("web", 1),
        (
            "web is PENDING: it waits for app to be healthy.",
            "app is unhealthy: the probe's words from http://127.0.0.1:8000/healthz, 2 times in a row; "
            "its health check has never passed.",
        ),
        (("web", 1), ("app", 1)),
        ("no", "connection"),
    )


def test_a_chain_goes_through_programs_that_wait_themselves_and_names_each_once() -> None:
    db = replace(program("db"), restart=NEVER, shutdown_on=program("db").shutdown_on)
    world = begin(
        program("web", "app", "cache", condition=Condition.STARTED),
        program("app", "migrate", condition=Condition.COMPLETED),
        program("cache", "migrate", condition=Condition.COMPLETED),
        replace(program("migrate"), kind=ProgramType.ONESHOT, restart=NEVER),
        db,
    ).pass_to(3.0)
    assert sentences(world, "web") == (
        "web is PENDING: it waits for app to start and cache to start. "
        "app is PENDING: it waits for migrate to complete. "
        "cache is PENDING: it waits for migrate to complete. "
        "migrate has been starting for 3.0s and is not ready yet."
    )


def test_what_is_starting_says_what_it_reports_and_how_long_it_may_still_take() -> None:
    web = replace(program("web"), ready=Readiness(notify="systemd", timeout=60.0))
    world = begin(web, program("other")).pass_to(3.0)
    start = "web has been starting for 3.0s and is not ready yet"
    assert sentences(world, "web") == f"{start}; it must be ready within 57s."
    world.happens("web", Notified(1, Notice(status="loading")))
    assert sentences(world, "web") == f"{start}: it says 'loading'; it must be ready within 57s."


def test_a_backoff_says_how_the_last_run_ended_and_when_it_is_tried_again() -> None:
    world = begin(program("web"), program("other")).pass_to(0.5).exits("web", 7)
    assert sentences(world, "web") == "web is in BACKOFF: exited with code 7; tries again in 0.1s (1 of 10)."


def test_what_has_failed_says_its_reason() -> None:
    web = replace(program("web"), restart=NEVER)
    world = begin(web, program("other")).pass_to(5.0).exits("web", None, SIGKILL)
    assert sentences(world, "web").startswith("web is FATAL: ")
    assert sentences(world, "web").endswith(". It is not tried again.")
    assert explain(world, "web", lines="\n".join(map(str, range(20)))).last_lines == tuple(map(str, range(10, 20)))  # type: ignore[union-attr]


def test_the_lines_of_a_failed_run_are_its_own_and_not_those_of_the_run_before() -> None:
    world = begin(program("web"), program("other")).pass_to(0.5)
    del world.pids["web", 1]
    world.happens("web", ProcessExited(1, 7, None, last_lines=("port in use",)))
    explanation = explain(world, "web", lines="from the run before\nport in use")
    assert explanation is not None
    assert explanation.last_lines == ("port in use",)


def test_what_was_stopped_and_what_is_stopping_say_so() -> None:
    world = begin(program("web"), program("other"), obeys={"web": ()}).pass_to(2.0).stop("web").pass_to(3.0)
    assert sentences(world, "web") == "web is STOPPING: it was asked to stop; step 1 of 1 is under way, 9.0s left."
    world.pass_to(13.0)
    assert sentences(world, "web") == "web is STOPPED: nobody has started it, or somebody stopped it."
    world.tell(ShutdownAsked("test"))
    assert sentences(world, "web") == "web is STOPPED: the container is stopping."


def test_what_another_container_holds_back_says_so() -> None:
    world = begin(program("job"), held={"job": 5.0})
    assert sentences(world, "job") == "job is PENDING: another container is running it."


def test_an_instance_is_named_where_there_are_several() -> None:
    world = begin(replace(program("web"), scale=2), program("other")).pass_to(0.5).exits("web", 1, number=2)
    assert sentences(world, "web", 2).startswith("web:2 is in BACKOFF: exited with code 1; ")


def showing(snapshot: Snapshot, view: InstanceView) -> Snapshot:
    """Return a snapshot that shows this of an instance."""
    views = Views(snapshot.plan, snapshot.fleet.lives, None)
    views._made = {**snapshot.instances, (view.name, view.instance): view}
    return replace(snapshot, views=views)


def test_of_several_instances_the_one_that_has_failed_is_the_cause_and_otherwise_the_first() -> None:
    app = replace(program("app"), scale=3, restart=NEVER)
    web = program("web", "app", condition=Condition.HEALTHY)
    world = begin(web, replace(app, ready=Readiness(notify="systemd")), program("other")).pass_to(1.0)
    assert explain(world, "web").causes == (("web", 1), ("app", 1))  # type: ignore[union-attr]
    world.happens("app", Notified(1, Notice(ready=True)))
    assert explain(world, "web").causes == (("web", 1), ("app", 2))  # type: ignore[union-attr]
    world = begin(replace(web, autostart=False), replace(app, shutdown_on=ShutdownOn.NEVER), program("other"))
    world.exits("app", 7, number=3)
    view = replace(project(world.plan, world.fleet).instances["web", 1], waiting_for=("app",))
    snapshot = project(world.plan, world.fleet)
    snapshot = showing(snapshot, view)
    explanation = Why(world.plan, snapshot, 0.0, lambda _: "").explain(("app", 3))
    assert explanation is not None
    assert explanation.sentences == ("app:3 is FATAL: exited with code 7. It is not tried again.",)


def test_what_has_completed_and_is_to_be_healthy_is_the_cause() -> None:
    app = replace(program("app"), restart=Restart(RestartWhen.ON_FAILURE))
    web = program("web", "app", condition=Condition.HEALTHY)
    world = begin(web, app, program("other")).exits("app", 0)
    assert sentences(world, "web") == "web is PENDING: it waits for app to be healthy. app is EXITED."
    done = World(plan_of(web, replace(JOB, name="app")), skipped={"app": "was done before"}).begin()
    assert sentences(done, "web").endswith(" app is EXITED: was done before.")


def test_what_is_up_holds_nobody_back() -> None:
    """One of two is up, the other one is not."""
    web = program("web", "db", "app", condition=Condition.HEALTHY)
    world = begin(web, program("db"), replace(program("app"), ready=Readiness(notify="systemd"))).pass_to(2.0)
    assert explain(world, "web").causes == (("web", 1), ("app", 1))  # type: ignore[union-attr]
    app = replace(program("app"), healthcheck=CHECK)
    world = begin(program("web", "app", condition=Condition.HEALTHY), app).pass_to(2.0)
    assert explain(world, "web").causes == (("web", 1), ("app", 1))  # type: ignore[union-attr]


def test_a_dependency_that_an_update_has_just_removed_is_passed_over() -> None:
    world = begin(program("web", "db", condition=Condition.HEALTHY), program("db"))
    why = Why(plan_of(program("web")), project(world.plan, world.fleet), 0.0, lambda _: "")
    explanation = why.explain(("web", 1))
    assert explanation is not None
    assert explanation.sentences == ("web is PENDING: it waits for db to start.",)


def test_the_last_run_is_told_with_what_follows_it() -> None:
    web = replace(program("web"), ready=Readiness(notify="systemd", timeout=60.0))
    world = begin(web, program("other")).pass_to(3.0).exits("web", 7).pass_to(10.0)
    assert sentences(world, "web") == (
        "web has been starting for 6.9s and is not ready yet; it must be ready within 53s. "
        "The last run of web exited with code 7 7.0s ago."
    )


def test_a_health_check_says_what_it_asks_and_when_it_passed_last() -> None:
    web = replace(program("web"), healthcheck=replace(CHECK, start_period=20.0))
    world = begin(web, program("other")).pass_to(3.0)
    start = "web has been starting for 3.0s: "
    assert sentences(world, "web") == f"{start}the first health check has not come back; it must be ready within 57s."
    world.probed("web", False)
    assert sentences(world, "web") == f"{start}the probe's words from {URL}; it must be ready within 57s."
    world.probed("web", True).pass_to(10.0)
    for second in (11.0, 16.0):
        world.pass_to(second).probed("web", False)
    world.pass_to(17.0)
    told = replace(project(world.plan, world.fleet).instances["web", 1], probe_detail=f"GET {URL}")
    assert sentences(world, "web") == (
        f"web is unhealthy: the probe's words from {URL}, 2 times in a row; its health check passed last 14s ago."
    )
    snapshot = project(world.plan, world.fleet)
    snapshot = showing(snapshot, told)
    explanation = Why(world.plan, snapshot, 17.0, lambda _: "").explain(("web", 1))
    assert explanation is not None
    assert f"GET {URL}, 2 times in a row" in explanation.sentences[0]
    assert " from " not in explanation.sentences[0]


@pytest.mark.parametrize(
    ("probe", "target"),
    [
        (ExecProbe(("curl", "-f", "localhost")), "`curl -f localhost`"),
        (HttpProbe("http+unix://%2Frun%2Fapp.sock/"), "http+unix://%2Frun%2Fapp.sock/"),
        (TcpProbe("127.0.0.1", 80), "127.0.0.1:80"),
        (UnixProbe("/run/app.sock"), "/run/app.sock"),
        (FileProbe("/run/ok"), "/run/ok"),
        (FastCgiProbe("127.0.0.1:9000"), "127.0.0.1:9000"),
    ],
)
def test_every_probe_names_what_it_asks(probe: Probe, target: str) -> None:
    world = begin(replace(program("web"), healthcheck=HealthCheck(probe))).pass_to(2.0).probed("web", False)
    assert sentences(world, "web").startswith(f"web has been starting for 2.0s: the probe's words from {target}; ")


def test_a_daemon_that_has_not_been_found_is_told_with_the_reason() -> None:
    web = replace(program("web"), kind=ProgramType.FORKING, ready=Readiness(timeout=60.0))
    world = begin(web, program("other")).pass_to(2.0)
    start = "web has been starting for 2.0s and has no daemon yet: "
    assert sentences(world, "web") == f"{start}its command has not exited; it must be ready within 58s."
    world.happens("web", DaemonMissed(1, "no pid file"))
    assert sentences(world, "web") == f"{start}its command has not exited; it must be ready within 58s."
    world = begin(web, program("other"))
    del world.pids["web", 1]
    search = DaemonSearch(Exit(0, None, 0.0), problem="no pid file")
    life = replace(world.life("web"), phase=Starting(Run(100, 0.0), 60.0, search=search))
    world.fleet = replace(world.fleet, lives={**world.fleet.lives, ("web", 1): life})
    world.now = 2.0
    assert sentences(world, "web") == f"{start}no pid file; it must be ready within 58s."


def test_a_backoff_counts_only_starts_that_failed_and_only_where_they_are_limited() -> None:
    web = replace(program("web"), restart_delay=RestartDelay(initial=5.0))
    world = begin(replace(web, start_retries=None), program("other")).pass_to(0.5).exits("web", 7).pass_to(2.5)
    assert sentences(world, "web") == "web is in BACKOFF: exited with code 7; tries again in 3.0s."
    world = begin(web, program("other")).pass_to(5.0).exits("web", 7)
    assert sentences(world, "web") == "web is in BACKOFF: exited with code 7; tries again in 5.0s."


def test_the_steps_of_a_stop_are_told_up_to_the_end_of_what_is_left() -> None:
    web = replace(program("web"), stop=(SignalStep(SIGTERM, 5.0), SignalStep(SIGQUIT, 20.0)))
    world = begin(web, program("other"), obeys={"web": ()}).pass_to(2.0).stop("web").pass_to(8.0)
    assert sentences(world, "web") == "web is STOPPING: it was asked to stop; step 2 of 2 is under way, 19s left."
    stopping = world.life("web")
    assert isinstance(stopping.phase, Stopping)
    killed = replace(stopping, phase=replace(stopping.phase, step_index=2, blame=Blame("was unhealthy (refused)")))
    sweeping = replace(stopping, phase=Sweeping(Run(100, 0.0), Exit(0, None, 8.0), 9.0, 18.0))
    for life, sentence in (
        (killed, "was unhealthy (refused); it was sent SIGKILL"),
        (sweeping, "it was asked to stop; its main process has ended, others are being stopped"),
    ):
        world.fleet = replace(world.fleet, lives={**world.fleet.lives, ("web", 1): life})
        assert sentences(world, "web") == f"web is STOPPING: {sentence}."


def test_what_waits_for_its_schedule_says_when_and_how_its_last_run_ended() -> None:
    job = replace(JOB, schedule=Schedule(interval=60.0))
    world = begin(program("web", "job", condition=Condition.COMPLETED), job, program("other")).pass_to(10.0)
    start = "web is PENDING: it waits for job to complete. job waits for its next run in "
    assert sentences(world, "web") == f"{start}50s. It has not run yet."
    world.pass_to(62.0).exits("job", 7).pass_to(65.0)
    assert sentences(world, "web") == f"{start}55s. Its last run failed 3.0s ago: exited with code 7."
    assert sentences(world, "web").endswith(sentences(world, "job"))
    fleet, snapshot = world.fleet, project(world.plan, world.fleet)
    for due, sentence in ((inf, "job waits for its next run."), (64.0, "job waits for its next run in 0.0s.")):
        later = replace(fleet, schedules={"job": replace(fleet.schedules["job"], due_at=due)})
        explanation = Why(world.plan, replace(snapshot, fleet=later), world.now, lambda _: "").explain(("job", 1))
        assert explanation is not None
        assert explanation.sentences[0] == sentence


def test_the_end_of_the_output_is_quoted_where_something_has_failed() -> None:
    world = begin(replace(program("web"), ready=Readiness(notify="systemd")), program("other")).pass_to(0.5)
    assert explain(world, "web", lines="hello").last_lines == ()  # type: ignore[union-attr]
    world.exits("web", 7).pass_to(2.0)
    assert explain(world, "web", lines="hello").last_lines == ("hello",)  # type: ignore[union-attr]
    world = begin(program("db"), unspawnable={"db": ("cannot be started", 127)})
    assert explain(world, "db", lines="hello").last_lines == ("hello",)  # type: ignore[union-attr]


def test_one_failed_probe_is_not_counted() -> None:
    world = begin(replace(program("web"), healthcheck=replace(CHECK, retries=1)), program("other"))
    world.pass_to(1.0).probed("web", True).pass_to(6.0).probed("web", False)
    assert sentences(world, "web") == (
        f"web is unhealthy: the probe's words from {URL}; its health check passed last 5.0s ago."
    )


def test_what_has_nothing_to_run_or_waits_for_its_next_run_needs_no_explanation() -> None:
    job = replace(JOB, schedule=Schedule(interval=60.0))
    world = World(plan_of(replace(JOB, name="done"), job), skipped={"done": "was done before"}).begin()
    assert (explain(world, "done"), explain(world, "job")) == (None, None)


def test_of_several_instances_that_are_waited_for_the_cause_is_one_that_has_failed_and_none_that_is_up() -> None:
    app = replace(
        program("app"), scale=3, restart=NEVER, shutdown_on=ShutdownOn.NEVER, ready=Readiness(notify="systemd")
    )
    world = begin(program("web", "app", condition=Condition.HEALTHY), app, program("other")).exits("app", 7, number=3)
    fleet = replace(world.fleet, lives={**world.fleet.lives, ("web", 1): Life(Goal.UP, Pending(("app",)))})
    why = Why(world.plan, project(world.plan, fleet), 0.0, lambda _: "")
    explanation = why.explain(("web", 1))
    assert explanation is not None
    assert explanation.causes == (("web", 1), ("app", 3))
    jobs = replace(JOB, scale=2)
    world = begin(program("web", "job", condition=Condition.COMPLETED), jobs).exits("job", 0, number=1)
    assert explain(world, "web").causes == (("web", 1), ("job", 2))  # type: ignore[union-attr]


def test_a_program_that_is_running_and_not_yet_healthy_is_the_cause() -> None:
    app = replace(program("app"), healthcheck=CHECK, ready=Readiness(notify="systemd", timeout=60.0))
    world = begin(program("web", "app", condition=Condition.HEALTHY), app)
    world.pass_to(2.0).happens("app", Notified(1, Notice(ready=True))).pass_to(5.0)
    assert isinstance(world.phase("app"), Running)
    assert sentences(world, "web") == (
        "web is PENDING: it waits for app to be healthy. "
        "app has been starting for 5.0s: the first health check has not come back."
    )


def test_a_start_that_only_has_to_last_has_no_time_by_which_it_must_be_ready() -> None:
    web = replace(program("web"), ready=Readiness(notify="systemd", timeout=60.0), min_uptime=5.0)
    world = begin(web, program("other")).pass_to(1.0).exits("web", 7).pass_to(2.0)
    world.happens("web", Notified(2, Notice(ready=True)))
    assert sentences(world, "web").startswith("web has been starting for 0.9s and is not ready yet. The last run ")


def test_what_runs_a_hook_before_its_start_is_starting() -> None:
    web = replace(program("web"), pre_start=(Hook(("check",)),))
    world = begin(web, program("other")).pass_to(2.0)
    assert sentences(world, "web") == "web has been starting for 2.0s and is not ready yet."


def test_a_program_that_is_to_be_started_in_a_moment_waits_for_that() -> None:
    world = begin(program("web"))
    world.fleet = replace(world.fleet, lives={("web", 1): Life(Goal.UP, Pending())})
    assert sentences(world, "web") == "web is PENDING: it waits to be started."


def test_what_waits_for_a_schedule_that_has_not_been_looked_at_says_only_that() -> None:
    job = replace(JOB, schedule=Schedule(interval=60.0))
    world = begin(program("web", "job", condition=Condition.COMPLETED), job)
    start = "web is PENDING: it waits for job to complete. job waits for its next run"
    schedules, world.fleet = world.fleet.schedules, replace(world.fleet, schedules={})
    assert sentences(world, "web") == f"{start}."
    world.fleet = replace(world.fleet, schedules=schedules)
    assert sentences(world, "web") == f"{start} in 1m00s. It has not run yet."
    ran = replace(schedules["job"], last_run=ScheduledRun(Outcome.SUCCEEDED, 0.0, 1.0))
    world.fleet = replace(world.fleet, schedules={"job": ran})
    assert sentences(world, "web") == f"{start} in 1m00s."


def test_the_lines_of_a_program_that_runs_again_are_those_of_its_new_run() -> None:
    web = replace(program("web"), ready=Readiness(notify="systemd"), restart_delay=RestartDelay(initial=0.0))
    world = begin(web, program("other")).pass_to(0.5)
    del world.pids["web", 1]
    world.happens("web", ProcessExited(1, 7, last_lines=("old",)))
    assert world.life("web").run is not None
    assert explain(world, "web", lines="new").last_lines == ("new",)  # type: ignore[union-attr]
