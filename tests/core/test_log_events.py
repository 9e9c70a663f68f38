"""What the log says about the steps of a life."""

from __future__ import annotations

from signal import SIGKILL, SIGTERM

import pytest

from supervisor.core.container import (
    Change,
    ContainerChange,
    ContainerReady,
    FilesChanged,
    Fleet,
    Over,
    RestartDue,
    RunsPassedOver,
    ScaleChange,
    ShutdownAsked,
    ShutdownBegun,
)
from supervisor.core.events import (
    DeadlinePassed,
    LookFailed,
    MainChanged,
    Notified,
    ProcessExited,
    SignalRefused,
    StartRequested,
)
from supervisor.core.fleet import advance
from supervisor.core.health import Health, HealthState
from supervisor.core.healthcheck import HealthCheck, OnUnhealthy, TcpProbe
from supervisor.core.hook import Hook, HookStep
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
from supervisor.core.log_events import (
    LogEvent,
    describe_change,
    describe_container_change,
    describe_container_phase,
    describe_update,
)
from supervisor.core.notice import Notice
from supervisor.core.plan import Plan
from supervisor.core.program import (
    CommandStep,
    Condition,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartWhen,
    ShutdownOn,
    SignalStep,
    WriteStep,
)
from supervisor.core.record import replace
from supervisor.core.schedule import Outcome
from supervisor.core.update import compare
from supervisor.core.verdict import Cause, Verdict
from supervisor.core.watch import Watch, WatchAction

from .worlds import OneLife, World, plan_of, program

WEB = program("web")
JOB = replace(program("job"), kind=ProgramType.ONESHOT)
NEVER = Restart(RestartWhen.NEVER)


def _events(world: World, name: str = "web") -> list[tuple[str, str]]:
    subject = world.plan.programs[name]
    changes = [change for change in world.changes if change.instance[0] == name]
    return [(note.level, note.event) for change in changes for note in describe_change(subject, change)]


def _world(*table: Program, **obeys: tuple[int, ...]) -> World:
    return World(plan_of(*table), obeys=obeys).begin()


def test_an_ordinary_life_is_info() -> None:
    world = _world(WEB, program("other")).pass_to(2.0).stop("web")
    assert _events(world) == [
        ("info", "program.started"),
        ("info", "program.became_ready"),
        ("info", "program.stop_begun"),
        ("info", "program.exited"),
        ("info", "program.stopped"),
    ]


def test_a_crash_that_is_tried_again_is_a_warning() -> None:
    world = _world(WEB, program("other")).exits("web", 7)
    assert _events(world)[1:] == [("warning", "program.exited"), ("warning", "program.restart_delayed")]


def test_the_end_of_a_run_that_was_given_up_is_a_warning_even_with_code_0() -> None:
    web = replace(WEB, ready=Readiness(notify="systemd", timeout=5.0))
    world = _world(web, program("other"), web=()).pass_to(5.0).exits("web", 0)
    assert _events(world) == [
        ("info", "program.started"),
        ("warning", "program.given_up"),
        ("info", "program.stop_begun"),
        ("warning", "program.exited"),
        ("warning", "program.restart_delayed"),
    ]


def test_leftovers_that_cannot_be_seen_are_told_once() -> None:
    web = OneLife(WEB).spawn().tell(ProcessExited(1, 7))
    notes: list[LogEvent] = []
    for event in (LookFailed(1, "cannot read /proc"), DeadlinePassed(), DeadlinePassed()):
        before = web.life
        web.tell(event, at=web.now + 1.0)
        assert web.life != before
        notes += describe_change(WEB, Change(("web", 1), before, web.life))
    reason = "cannot see which of its processes are left: cannot read /proc"
    values = {"program": "web", "reason": reason}
    assert notes == [LogEvent("warning", "program.sweep_failed", values, "STOPPING", "none")]


def test_an_end_for_good_and_badly_is_an_error() -> None:
    world = _world(replace(WEB, restart=NEVER), program("other")).exits("web", 7)
    assert _events(world)[-1] == ("error", "program.failed")


def test_a_kill_is_a_warning() -> None:
    world = _world(WEB, program("other"), web=()).stop("web").pass_to(20.0)
    assert ("warning", "program.killed") in _events(world)


def test_what_is_held_back_is_told_once() -> None:
    world = _world(program("web", "db", condition=Condition.HEALTHY), program("db")).pass_to(0.5)
    assert _events(world) == [("info", "program.held_back")]


def test_what_another_container_holds_back_is_told_once_however_often_it_is_looked_at() -> None:
    world = World(plan_of(JOB, WEB), held={"job": 0.5}).begin().pass_to(10.0)
    changes = [change for change in world.changes if change.instance[0] == "job"]
    notes = [note for change in changes for note in describe_change(JOB, change)]
    values = {"program": "job", "reason": "another container is running it"}
    assert notes == [LogEvent("info", "program.held_back", values, "PENDING", "none")]


def test_what_was_held_back_tells_its_start_and_being_held_back_again_later() -> None:
    world = World(plan_of(JOB, WEB), held={"job": 0.5}).begin().pass_to(2.0)
    world.held = {}
    world.pass_to(3.0).exits("job", 0)
    world.held = {"job": 0.5}
    world.ask(StartRequested(), "job").pass_to(10.0)
    assert [event for _, event in _events(world, "job")] == [
        "program.held_back",
        "program.started",
        "program.exited",
        "program.completed",
        "program.held_back",
    ]


def test_what_has_nothing_to_run_has_completed_and_says_why() -> None:
    world = World(plan_of(JOB, WEB), skipped={"job": "was done before"}).begin()
    notes = [note for change in world.changes if change.instance[0] == "job" for note in describe_change(JOB, change)]
    assert notes == [
        LogEvent("info", "program.completed", {"program": "job", "reason": "was done before"}, "EXITED", "none")
    ]


def test_what_a_process_says_of_itself_is_not_told() -> None:
    world = _world(WEB).pass_to(2.0)
    world.changes.clear()
    world.happens("web", Notified(1, Notice(status="serving", reloading=True))).happens("web", MainChanged(1, 700))
    assert (len(world.changes), _events(world)) == (2, [])


def test_an_unhealthy_program_that_is_restarted_is_told_with_its_reason() -> None:
    check = HealthCheck(TcpProbe("127.0.0.1", 80), retries=1, on_unhealthy=OnUnhealthy.RESTART)
    world = _world(replace(WEB, healthcheck=check), web=()).probed("web", passed=True)
    world.changes.clear()
    world.probed("web", passed=False)
    assert _events(world) == [
        ("warning", "program.became_unhealthy"),
        ("warning", "program.given_up"),
        ("info", "program.stop_begun"),
    ]


@pytest.mark.parametrize(("scale", "values"), [(1, {"program": "web"}), (2, {"program": "web", "instance": 2})])
def test_an_instance_is_named_where_there_are_several(scale: int, values: dict[str, object]) -> None:
    world = _world(replace(WEB, scale=scale))
    notes = list(describe_change(world.plan.programs["web"], world.changes[-1]))
    assert notes == [LogEvent("info", "program.started", {**values, "pid": 100 + scale}, "STARTING", "none")]


def test_the_end_is_told_once_with_its_verdict() -> None:
    plan = plan_of(replace(WEB, restart=NEVER))
    world = World(plan).begin()
    before = world.fleet
    world.exits("web", None, SIGTERM)
    assert list(describe_container_phase(before, world.fleet)) == [
        LogEvent(
            "error",
            "container.ended",
            {
                "code": 143,
                "cause": "program ended",
                "reason": "web was terminated by SIGTERM",
                "program": "web",
                "exit": "was terminated by SIGTERM",
            },
        )
    ]
    assert isinstance(world.fleet.container_phase, Over)
    assert list(describe_container_phase(world.fleet, world.fleet)) == []


def _notes(world: World, name: str = "web") -> list[tuple[str, str, object]]:
    subject = world.plan.programs[name]
    changes = [change for change in world.changes if change.instance[0] == name]
    notes = [note for change in changes for note in describe_change(subject, change)]
    return [(note.level, note.event, note.values) for note in notes]


@pytest.mark.parametrize(
    ("retries", "level", "event", "values"),
    [
        (10, "warning", "program.restart_delayed", {"seconds": 0.1}),
        (1, "error", "program.failed", {}),
    ],
)
def test_the_first_event_of_a_failed_start_says_why(
    retries: int, level: str, event: str, values: dict[str, object]
) -> None:
    reason = "cannot change to /srv: No such file or directory"
    web = replace(WEB, start_retries=retries)
    world = World(plan_of(web, program("other")), unspawnable={"web": (reason, None)}).begin()
    assert _notes(world) == [(level, event, {"program": "web", **values, "reason": reason})]


@pytest.mark.parametrize(
    ("restart", "last"),
    [
        (WEB.restart, ("warning", "program.restart_delayed", {"seconds": 0.1, "reason": "exited with code 7"})),
        (NEVER, ("error", "program.failed", {"reason": "exited with code 7", "last_lines": ["one", "two"]})),
    ],
    ids=["restarted", "failed"],
)
def test_a_crash_tells_the_last_lines_of_output(restart: Restart, last: tuple[str, str, dict[str, object]]) -> None:
    world = _world(replace(WEB, restart=restart), program("other"))
    world.changes.clear()
    world.death(("web", 1), 7)
    world.happens("web", ProcessExited(1, 7, None, last_lines=("one", "two")))
    exited = {"program": "web", "pid": 101, "code": 7, "ran_for": 0.0, "last_lines": ["one", "two"]}
    level, event, values = last
    assert _notes(world) == [
        ("warning", "program.exited", exited),
        (level, event, {"program": "web", **values}),
    ]


def test_an_expected_exit_tells_its_last_lines_too() -> None:
    """A client that follows the events has them, as the status does."""
    world = _world(WEB, program("other"), web=()).stop("web")
    world.changes.clear()
    world.death(("web", 1), 0)
    world.happens("web", ProcessExited(1, 0, None, last_lines=("bye",)))
    assert _notes(world) == [
        ("info", "program.exited", {"program": "web", "pid": 101, "code": 0, "ran_for": 0.0, "last_lines": ["bye"]}),
        ("info", "program.stopped", {"program": "web"}),
    ]


def test_the_end_of_the_container_says_how_many_instances_were_killed() -> None:
    """In the shutdown, not before."""
    plan = plan_of(replace(WEB, scale=2), program("other"), program("third"))
    world = World(plan, obeys={"web": (), "third": ()}).begin().stop("third").pass_to(20.0)
    world.tell(ShutdownAsked("SIGTERM was received"))
    before = world.fleet
    world.run_out()
    about = {"code": 0, "cause": "asked", "reason": "SIGTERM was received", "killed": 2}
    assert list(describe_container_phase(before, world.fleet)) == [LogEvent("info", "container.ended", about)]


def test_a_kill_that_was_refused_is_not_counted_as_one() -> None:
    world = World(plan_of(WEB), obeys={"web": ()}).begin()
    world.tell(ShutdownAsked("SIGTERM was received"))
    world.happens("web", SignalRefused(1))
    assert world.fleet.killed == 0


def test_a_shutdown_that_was_asked_for_is_info() -> None:
    world = _world(WEB)
    turn = advance(world.plan, world.fleet, ShutdownAsked("received SIGTERM"), 1.0)
    assert turn.fleet.verdict == Verdict(Cause.ASKED, 0, "received SIGTERM")
    note = describe_container_change(ShutdownBegun(Verdict(Cause.ASKED, 0, "received SIGTERM")))
    assert note == LogEvent("info", "container.shutdown_begun", {"cause": "asked", "reason": "received SIGTERM"})


def test_the_end_of_the_main_program_is_info_since_its_code_tells() -> None:
    main = replace(WEB, is_main=True, restart=NEVER, shutdown_on=ShutdownOn.EXIT)
    world = _world(main)
    world.changes.clear()
    before = world.fleet
    world.exits("web", 130)
    assert _events(world) == [("info", "program.exited"), ("info", "program.failed")]
    values = {"cause": "main program ended", "reason": "web exited with code 130"}
    assert describe_container_change(ShutdownBegun(world.verdict)) == LogEvent(
        "info", "container.shutdown_begun", values
    )
    about = {"code": 130, **values, "program": "web", "exit": "exited with code 130"}
    assert list(describe_container_phase(before, world.fleet)) == [LogEvent("info", "container.ended", about)]


def test_a_main_program_that_cannot_be_started_is_an_error() -> None:
    main = replace(WEB, is_main=True, restart=NEVER, shutdown_on=ShutdownOn.EXIT)
    world = World(plan_of(main), unspawnable={"web": ("cannot be started: web was not found", 127)}).begin()
    assert _events(world)[-1] == ("error", "program.failed")
    assert describe_container_change(ShutdownBegun(world.verdict)).level == "error"


RUN = Run(100, 0.0)
DOWN = Exit(None, SIGKILL, 8.0, out_of_memory=True, last_lines=("one", "two"))
SWEEPING = Sweeping(RUN, DOWN, 9.0, 18.0)
ASKED = replace(SWEEPING, asked=True)
STEPWISE = replace(
    WEB,
    stop=(
        WriteStep("/run/web.fifo", b"q", 30.0),
        CommandStep(("web", "quit"), 20.0),
        HookStep(Hook(("leave",), timeout=10.0)),
        SignalStep(SIGTERM, 5.0),
    ),
)
STOPPING = Stopping(RUN, 0, 30.0)
UP = Running(RUN)
BLAMED = replace(STOPPING, blame=Blame("was unhealthy (refused)"))
STUCK = replace(STOPPING, step_index=4, is_stuck=True)
CLAIMING = Claiming(10.0, "another container is running it")
ANOTHER = replace(CLAIMING, reason="asks db whether it is to run")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (Pending(), Pending(("db", "cache")), ["info program.held_back waits_for=db,cache"]),
        (Pending(("db",)), Pending(("db",)), []),
        (Pending(("db",)), Pending(("cache",)), ["info program.held_back waits_for=cache"]),
        (Stopped(), Pending(("db",)), ["info program.held_back waits_for=db"]),
        (Spawning(), Pending(held_until=5.0, held_by="held"), ["info program.held_back reason=held"]),
        (Spawning(was_held=True), Pending(held_until=5.0, held_by="held"), []),
        (Pending(), CLAIMING, ["info program.held_back reason=another container is running it"]),
        (CLAIMING, CLAIMING, []),
        (CLAIMING, ANOTHER, ["info program.held_back reason=asks db whether it is to run"]),
        (Spawning(), UP, ["info program.started pid=100", "info program.became_ready pid=100 after_seconds=8.0"]),
        (Starting(RUN, 9.0), UP, ["info program.became_ready pid=100 after_seconds=8.0"]),
        (Pending(), Preparing(0, "pre_start check", 9.0), ["info program.hook_begun hook=pre_start check"]),
        (
            UP,
            replace(SWEEPING, exit=replace(DOWN, out_of_memory=False)),
            ["warning program.exited pid=100 signal=SIGKILL ran_for=8.0 last_lines=['one', 'two']"],
        ),
        (
            UP,
            SWEEPING,
            [
                "warning program.exited pid=100 signal=SIGKILL ran_for=8.0 reason=out of memory "
                "last_lines=['one', 'two']"
            ],
        ),
        (STOPPING, replace(ASKED, exit=Exit(7, None, 8.0)), ["info program.exited pid=100 code=7 ran_for=8.0"]),
        (UP, replace(SWEEPING, exit=Exit(0, None, 8.0)), ["info program.exited pid=100 code=0 ran_for=8.0"]),
        (SWEEPING, Backoff(9.5, "crashed"), ["warning program.restart_delayed seconds=1.5 reason=crashed"]),
        (SWEEPING, Exited(), ["info program.completed"]),
        (Spawning(), Exited("was done before"), ["info program.completed reason=was done before"]),
        (SWEEPING, Fatal("crashed", 1), ["error program.failed reason=crashed last_lines=['one', 'two']"]),
        (Spawning(), Fatal("cannot be started", 127), ["error program.failed reason=cannot be started"]),
        (Stopped(), Scheduled(), ["info program.scheduled"]),
        (Exited(), Scheduled(), ["info program.scheduled"]),
        (Fatal("crashed", 1), Scheduled(), ["info program.scheduled"]),
        (SWEEPING, Scheduled(), ["info program.completed"]),
        (SWEEPING, Scheduled("crashed", 7), ["error program.run_failed reason=crashed last_lines=['one', 'two']"]),
        (Spawning(), Scheduled("cannot be started", 127), ["error program.run_failed reason=cannot be started"]),
        (UP, STOPPING, ["info program.stop_begun step=write to /run/web.fifo wait=30.0"]),
        (UP, replace(STOPPING, pace=0.5), ["info program.stop_begun step=write to /run/web.fifo wait=15.0"]),
        (
            UP,
            BLAMED,
            [
                "warning program.given_up reason=was unhealthy (refused)",
                "info program.stop_begun step=write to /run/web.fifo wait=30.0",
            ],
        ),
        (STOPPING, replace(STOPPING, deadline=20.0), []),
        (STOPPING, replace(STOPPING, step_index=1), ["info program.stop_continued step=web quit wait=20.0"]),
        (BLAMED, replace(BLAMED, step_index=2), ["info program.stop_continued step=pre_stop leave wait=10.0"]),
        (STOPPING, replace(STOPPING, step_index=3), ["info program.stop_continued step=SIGTERM to its main wait=5.0"]),
        (STOPPING, replace(STOPPING, step_index=3, is_refused=True), []),
        (STOPPING, replace(STOPPING, step_index=4), ["warning program.killed pid=100"]),
        (
            replace(STUCK, is_stuck=False),
            STUCK,
            ["error program.left_behind pid=100 reason=SIGKILL has not ended it"],
        ),
        (
            replace(STUCK, is_stuck=False),
            replace(STUCK, is_refused=True),
            ["error program.left_behind pid=100 reason=supinit may not signal it"],
        ),
        (STUCK, replace(STUCK, deadline=50.0), []),
    ],
)  # fmt: skip
def test_what_a_step_tells(before: Phase, after: Phase, told: list[str]) -> None:
    change = Change(("web", 1), Life(phase=before), Life(phase=after, since=8.0))
    notes = []
    for note in describe_change(STEPWISE, change):
        values = dict(note.values)
        assert values.pop("program") == "web"
        notes.append(" ".join((note.level, note.event, *(f"{key}={value}" for key, value in values.items()))))
    assert notes == told


@pytest.mark.parametrize(
    ("health", "level", "event"),
    [
        (Health.HEALTHY, "info", "program.became_healthy"),
        (Health.UNHEALTHY, "warning", "program.became_unhealthy"),
        (Health.STARTING, None, None),
    ],
)
def test_a_turn_of_the_health_is_told_with_the_probes_words(health: Health, level: str, event: str | None) -> None:
    before, after = (
        Life(phase=UP, health_state=HealthState(0.0, state, detail=detail))
        for state, detail in ((Health.STARTING, ""), (health, "HTTP 500"))
    )
    told = [LogEvent(level, event, {"program": "web", "detail": "HTTP 500"}, "RUNNING", health.value)] if event else []
    assert list(describe_change(WEB, Change(("web", 1), before, after))) == told


def test_what_comes_beside_the_process_that_serves_is_told_without_a_state() -> None:
    change = Change(("web", 1), Life(phase=Spawning()), Life(phase=Starting(RUN, 9.0)), is_beside=True)
    assert list(describe_change(WEB, change)) == [LogEvent("info", "program.started", {"program": "web", "pid": 100})]


@pytest.mark.parametrize(
    ("change", "level", "event", "values"),
    [
        (
            RunsPassedOver("web", 1, None, "the run before is not over"),
            "warning",
            "program.run_skipped",
            {"runs": 1, "reason": "the run before is not over"},
        ),
        (
            RunsPassedOver("web", 2, Outcome.MISSED, "it was due up to 9 s ago"),
            "warning",
            "program.run_missed",
            {"runs": 2, "reason": "it was due up to 9 s ago"},
        ),
        (
            RestartDue(("web", 2), "memory", "its memory is 2.0 MiB, above 1.0 MiB", is_one_of_many=True),
            "warning",
            "program.restart_due",
            {"instance": 2, "reason": "its memory is 2.0 MiB, above 1.0 MiB"},
        ),
        (
            RestartDue(("web", 1), "age", "it has run for 1h00m", is_one_of_many=False),
            "info",
            "program.restart_due",
            {"reason": "it has run for 1h00m"},
        ),
        (ScaleChange("web", 1, 3), "info", "program.scaled", {"instances": 3, "before": 1}),
        (
            FilesChanged(("web", Watch("/certs")), (*"abcdefghijk",), (("web", 1),)),
            "info",
            "program.files_changed",
            {"path": "/certs", "changed": "a,b,c,d,e,f,g,h,i,j,…", "does": "reload"},
        ),
        (
            FilesChanged(("web", Watch("/certs")), (*"abcdefghij",), ()),
            "info",
            "program.files_changed",
            {"path": "/certs", "changed": "a,b,c,d,e,f,g,h,i,j", "does": "nothing"},
        ),
        (
            FilesChanged(("web", Watch("/certs", WatchAction.RESTART)), ("",), (("web", 1),)),
            "info",
            "program.files_changed",
            {"path": "/certs", "does": "restart"},
        ),
    ],
)
def test_what_is_not_a_step_of_one_instance(
    change: ContainerChange, level: str, event: str, values: dict[str, object]
) -> None:
    assert describe_container_change(change) == LogEvent(level, event, {"program": "web", **values})


def test_the_last_lines_of_the_program_that_ended_the_container_are_told() -> None:
    world = World(plan_of(replace(WEB, restart=NEVER))).begin()
    before = world.fleet
    world.exits("web", 7)
    [told] = describe_container_phase(before, world.fleet, "one\ntwo")
    assert told.values["last_lines"] == "one\ntwo"


def test_a_step_without_news_of_the_health_tells_nothing_of_it() -> None:
    before = Life(phase=Running(RUN), health_state=HealthState(0.0, Health.HEALTHY))
    after = replace(before, health_state=HealthState(0.0, Health.HEALTHY, detail="again"))
    assert list(describe_change(WEB, Change(("web", 1), before, after))) == []


def test_the_end_of_a_process_is_no_news_of_its_health() -> None:
    before = Life(phase=Running(RUN), health_state=HealthState(0.0, Health.HEALTHY))
    assert list(describe_change(WEB, Change(("web", 1), before, Life(phase=Running(RUN))))) == []


def test_times_are_told_from_the_start_of_the_process_in_milliseconds() -> None:
    run = Run(100, 5.0)
    ready = Change(("web", 1), Life(phase=Starting(run, 9.0)), Life(phase=Running(run), since=6.23456))
    [event] = describe_change(WEB, ready)
    assert event.values == {"program": "web", "pid": 100, "after_seconds": 1.235}
    exited = Change(("web", 1), ready.after, Life(phase=Sweeping(run, Exit(7, None, 8.5), 9.0, 18.0)))
    [event] = describe_change(WEB, exited)
    assert event.values == {"program": "web", "pid": 100, "code": 7, "ran_for": 3.5}


def test_a_container_that_has_become_ready_is_told() -> None:
    assert describe_container_change(ContainerReady()) == LogEvent("info", "container.became_ready", {})


@pytest.mark.parametrize(
    ("after", "values"),
    [
        (plan_of(WEB), {"unchanged": 1}),
        (plan_of(replace(WEB, command=("another",))), {"restarted": "web"}),
        (plan_of(WEB, program("a"), program("b")), {"added": "a,b"}),
        (plan_of(program("a")), {"added": "a", "removed": "web"}),
    ],
)
def test_a_new_table_is_told_by_what_it_changes(after: Plan, values: dict[str, object]) -> None:
    event = describe_update(compare(plan_of(WEB), {}, after))
    assert event == LogEvent("info", "container.updated", values)


def test_the_end_of_the_container_is_told_only_when_it_comes_and_with_a_verdict() -> None:
    verdict = Verdict(Cause.ASKED, 0, "SIGTERM")
    serving, over = Fleet({}, verdict=verdict), Fleet({}, Over(), verdict=verdict)
    assert [event.event for event in describe_container_phase(serving, over)] == ["container.ended"]
    for before, after in ((serving, serving), (over, over), (serving, replace(over, verdict=None))):
        assert list(describe_container_phase(before, after)) == []
