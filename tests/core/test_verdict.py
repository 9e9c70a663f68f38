"""Why the container ends, and with which exit code (the contract's table)."""

from __future__ import annotations

from signal import SIGKILL, SIGTERM

import pytest

from supervisor.core.container import (
    Closing,
    ContainerSwept,
    Draining,
    Fault,
    Happened,
    Over,
    Serving,
    ShutdownAsked,
    ShutdownBegun,
)
from supervisor.core.events import BecameReady, ProcessExited, RestartRequested, StartFailed, StartRequested, Swept
from supervisor.core.fleet import advance, new_fleet
from supervisor.core.healthcheck import HealthCheck, OnUnhealthy, TcpProbe
from supervisor.core.life import Exit, Fatal
from supervisor.core.program import (
    Condition,
    Dependency,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartWhen,
    Settings,
    ShutdownOn,
)
from supervisor.core.record import replace
from supervisor.core.verdict import Cause, Verdict, with_code_of_main

from .worlds import World, plan_of, program

NEVER = Restart(RestartWhen.NEVER)
WEB = replace(program("web"), restart=NEVER)
OTHER = program("other")
JOB = replace(program("job"), kind=ProgramType.ONESHOT, restart=NEVER)
CHECK = HealthCheck(TcpProbe("127.0.0.1", 80), retries=1, on_unhealthy=OnUnhealthy.SHUTDOWN)


def _world(*table: Program) -> World:
    return World(plan_of(*table)).begin()


def test_a_shutdown_that_was_asked_for_ends_with_0() -> None:
    world = _world(WEB, OTHER).tell(ShutdownAsked("received SIGTERM"))
    assert world.verdict == Verdict(Cause.ASKED, 0, "received SIGTERM")


def test_a_shutdown_is_announced_once_with_its_verdict() -> None:
    world = World(plan_of(WEB), obeys={"web": ()}).begin()
    first = advance(world.plan, world.fleet, ShutdownAsked("received SIGTERM"), 0.5)
    second = advance(world.plan, first.fleet, ShutdownAsked("received SIGINT"), 0.6)
    begun = [change for turn in (first, second) for change in turn.changes if isinstance(change, ShutdownBegun)]
    assert begun == [ShutdownBegun(Verdict(Cause.ASKED, 0, "received SIGTERM"))]


def test_a_shutdown_that_was_hurried_ends_with_0() -> None:
    world = World(plan_of(WEB), obeys={"web": ()}).begin().tell(ShutdownAsked("received SIGTERM"))
    world.tell(ShutdownAsked("received SIGINT"), at=2.0)
    assert (world.verdict, world.fleet.container_phase) == (Verdict(Cause.ASKED, 0, "received SIGTERM"), Over())


def test_a_program_that_fails_during_a_shutdown_does_not_change_the_verdict() -> None:
    world = World(plan_of(WEB), obeys={"web": ()}).begin().tell(ShutdownAsked("received SIGTERM")).exits("web", 7)
    assert world.verdict.code == 0


@pytest.mark.parametrize(
    ("code", "signal", "expected", "reason"),
    [
        pytest.param(7, None, 7, "web exited with code 7", id="code"),
        pytest.param(None, SIGTERM, 143, "web was terminated by SIGTERM", id="SIGTERM"),
        pytest.param(None, SIGKILL, 137, "web was terminated by SIGKILL", id="SIGKILL"),
    ],
)
def test_a_program_that_fails_for_good_gives_its_code(
    code: int | None, signal: int | None, expected: int, reason: str
) -> None:
    world = _world(WEB, OTHER).exits("web", code, signal)
    exit_ = Exit(code, signal, 0.0)
    assert world.verdict == Verdict(Cause.PROGRAM_ENDED, expected, reason, ("web", 1), exit_)
    assert world.alive == []


@pytest.mark.parametrize("code", [126, 127])
def test_a_command_that_cannot_be_run_gives_the_shells_code(code: int) -> None:
    sentence = "cannot be started: web: no such file"
    world = World(plan_of(program("web"), OTHER), unspawnable={"web": (sentence, code)}).begin()
    assert world.verdict == Verdict(Cause.PROGRAM_ENDED, code, f"web {sentence}", ("web", 1))


def test_a_program_that_is_never_ready_gives_1() -> None:
    web = replace(WEB, ready=Readiness(notify="systemd", timeout=5.0))
    world = _world(web, OTHER).pass_to(5.0)
    assert (world.verdict.cause, world.verdict.code) == (Cause.PROGRAM_ENDED, 1)
    assert world.verdict.reason == "web was not ready within 5 s"


def test_a_program_that_came_up_broken_gives_1() -> None:
    web = replace(WEB, ready=Readiness(log="up", fail_log="broken"))
    assert _world(web, OTHER).happens("web", StartFailed(1, "said: broken")).verdict.code == 1


def test_on_unhealthy_shutdown_gives_1() -> None:
    world = _world(replace(WEB, healthcheck=CHECK), OTHER).probed("web", passed=True).probed("web", passed=False)
    assert world.verdict == Verdict(Cause.UNHEALTHY, 1, "web is unhealthy: the probe's words", ("web", 1))


@pytest.mark.parametrize("policy", [OnUnhealthy.NONE, OnUnhealthy.RESTART], ids=["none", "restart"])
def test_other_unhealthy_programs_do_not_end_the_container(policy: OnUnhealthy) -> None:
    web = replace(program("web"), healthcheck=replace(CHECK, on_unhealthy=policy))
    world = _world(web, OTHER).probed("web", passed=True).probed("web", passed=False)
    assert isinstance(world.fleet.container_phase, Serving)


def test_start_timeout_gives_75() -> None:
    web = replace(WEB, ready=Readiness(notify="systemd"))
    world = World(plan_of(web, settings=Settings(start_timeout=5.0))).begin().run_out()
    assert world.verdict == Verdict(Cause.START_TIMEOUT, 75, "not ready within start_timeout: web is not ready")


@pytest.mark.parametrize(
    ("probed", "obstacle"),
    [
        pytest.param((), "its first health check has not come back", id="not-probed"),
        pytest.param((False,), "the probe's words", id="failed"),
    ],
)
def test_start_timeout_says_what_the_health_check_found(probed: tuple[bool, ...], obstacle: str) -> None:
    web = replace(WEB, healthcheck=CHECK)
    world = World(plan_of(web, OTHER, settings=Settings(start_timeout=5.0))).begin()
    for passed in probed:
        world.probed("web", passed)
    reason = f"not ready within start_timeout: web is not healthy: {obstacle}"
    assert world.run_out().verdict == Verdict(Cause.START_TIMEOUT, 75, reason)


def test_an_internal_error_gives_70_after_every_child_was_stopped() -> None:
    world = _world(WEB, OTHER).tell(Fault("a bug"))
    assert (world.verdict, world.alive) == (Verdict(Cause.INTERNAL, 70, "a bug"), [])
    assert isinstance(world.fleet.container_phase, Over)


def test_an_internal_error_after_a_shutdown_that_was_asked_for_gives_70() -> None:
    world = World(plan_of(WEB), obeys={"web": ()}).begin().tell(ShutdownAsked("received SIGTERM"))
    container_phase = world.fleet.container_phase
    assert world.tell(Fault("a bug")).verdict == Verdict(Cause.INTERNAL, 70, "a bug")
    assert (world.fleet.container_phase, world.alive) == (container_phase, ["web"])


def test_an_internal_error_after_every_program_ended_well_gives_70_until_all_is_over() -> None:
    plan = plan_of(JOB)
    ended = World(plan).begin().fleet
    ended = advance(plan, ended, Happened(("job", 1), ProcessExited(1, 0, None)), 1.0).fleet
    ended = advance(plan, ended, Happened(("job", 1), Swept(1)), 1.0).fleet
    assert (type(ended.container_phase), ended.verdict) == (
        Closing,
        Verdict(Cause.FINISHED, 0, "every program has ended well"),
    )
    assert advance(plan, ended, Fault("a bug"), 1.0).fleet.verdict == Verdict(Cause.INTERNAL, 70, "a bug")
    over = advance(plan, ended, ContainerSwept(), 1.0).fleet
    assert advance(plan, over, Fault("a bug"), 1.0).fleet == over


def test_an_internal_error_leaves_the_failure_of_a_program_as_the_verdict() -> None:
    world = World(plan_of(WEB, OTHER), obeys={"other": ()}).begin().exits("web", 7)
    before = world.fleet
    assert world.tell(Fault("a bug")).fleet == before


def test_what_supinit_itself_has_ended_has_no_exit_in_the_verdict() -> None:
    """The SIGTERM that ended it was supinit's own."""
    web = replace(WEB, ready=Readiness(notify="systemd", timeout=5.0))
    world = _world(web, OTHER).pass_to(5.0)
    assert world.life("web").last_exit == Exit(None, SIGTERM, 5.0)
    assert world.verdict == Verdict(Cause.PROGRAM_ENDED, 1, "web was not ready within 5 s", ("web", 1))


def test_a_spawn_that_failed_after_earlier_runs_has_no_exit_in_the_verdict() -> None:
    world = World(plan_of(program("web"), OTHER)).begin().exits("web", 7)
    world.unspawnable = {"web": ("cannot be started: not found", 127)}
    world.pass_to(1.0)
    assert world.verdict == Verdict(Cause.PROGRAM_ENDED, 127, "web cannot be started: not found", ("web", 1))


def test_a_oneshot_with_nothing_to_run_that_ends_the_container_gives_0_and_says_why() -> None:
    job = replace(JOB, shutdown_on=ShutdownOn.EXIT)
    world = World(plan_of(job, OTHER), skipped={"job": "was done before for abc"}).begin()
    assert world.verdict == Verdict(Cause.PROGRAM_ENDED, 0, "job was done before for abc", ("job", 1))


def test_every_program_with_nothing_to_run_gives_0() -> None:
    world = World(plan_of(JOB), skipped={"job": "was done before"}).begin()
    assert (world.verdict, world.fleet.container_phase) == (
        Verdict(Cause.FINISHED, 0, "every program has ended well"),
        Over(),
    )


def test_the_first_verdict_stands() -> None:
    web, db = replace(WEB, name="web"), replace(WEB, name="db")
    world = World(plan_of(web, db), obeys={"web": (), "db": ()}).begin().exits("web", 7).exits("db", 9)
    assert (world.verdict.instance, world.verdict.code) == (("web", 1), 7)


@pytest.mark.parametrize(
    ("shutdown_on", "code", "expected"),
    [
        pytest.param(ShutdownOn.FAILURE, 0, None, id="failure, ended well"),
        pytest.param(ShutdownOn.FAILURE, 7, 7, id="failure, failed"),
        pytest.param(ShutdownOn.EXIT, 0, 0, id="exit, ended well"),
        pytest.param(ShutdownOn.EXIT, 7, 7, id="exit, failed"),
        pytest.param(ShutdownOn.NEVER, 0, None, id="never, ended well"),
        pytest.param(ShutdownOn.NEVER, 7, None, id="never, failed"),
    ],
)
def test_shutdown_on_says_which_end_for_good_ends_the_container(
    shutdown_on: ShutdownOn, code: int, expected: int | None
) -> None:
    world = _world(replace(WEB, shutdown_on=shutdown_on), OTHER).exits("web", code)
    assert (world.fleet.verdict.code if world.fleet.verdict is not None else None) == expected
    assert isinstance(world.fleet.container_phase, Serving) == (expected is None)


@pytest.mark.parametrize("shutdown_on", ShutdownOn, ids=lambda shutdown_on: shutdown_on.value)
def test_an_end_that_is_followed_by_a_restart_does_not_end_the_container(shutdown_on: ShutdownOn) -> None:
    world = _world(replace(program("web"), shutdown_on=shutdown_on), OTHER).exits("web", 7)
    assert isinstance(world.fleet.container_phase, Serving)


@pytest.mark.parametrize("shutdown_on", ShutdownOn, ids=lambda shutdown_on: shutdown_on.value)
def test_a_stop_that_somebody_asked_for_does_not_end_the_container(shutdown_on: ShutdownOn) -> None:
    world = _world(replace(WEB, shutdown_on=shutdown_on), OTHER).stop("web", "other")
    assert isinstance(world.fleet.container_phase, Serving)


def test_every_program_ended_well_gives_0() -> None:
    world = _world(JOB, replace(JOB, name="second")).exits("job")
    assert isinstance(world.fleet.container_phase, Serving)
    assert world.exits("second").verdict == Verdict(Cause.FINISHED, 0, "every program has ended well")


def test_every_program_ended_and_one_badly_gives_its_code_though_it_may_never_end_the_container() -> None:
    world = _world(replace(JOB, name="optional", shutdown_on=ShutdownOn.NEVER), JOB).exits("optional", 7)
    assert isinstance(world.fleet.container_phase, Serving)
    assert world.exits("job").verdict.code == 7


def test_what_is_stopped_has_not_ended_so_the_container_stays() -> None:
    world = _world(JOB, OTHER).stop("other").exits("job")
    assert isinstance(world.fleet.container_phase, Serving)
    assert world.ask(StartRequested(), "other").alive == ["other"]


def test_the_last_process_that_ends_by_itself_is_not_waited_upon_for_a_drain() -> None:
    job = replace(JOB, ready=Readiness(notify="systemd"))
    world = World(plan_of(job, settings=Settings(drain_delay=5.0))).begin().happens("job", BecameReady(1))
    assert world.fleet.ready_at is not None
    assert world.exits("job").fleet.container_phase == Over()


def test_a_failure_drains_too() -> None:
    world = World(plan_of(WEB, OTHER, settings=Settings(drain_delay=5.0))).begin().pass_to(2.0).exits("web", 7)
    assert (world.fleet.container_phase, world.alive) == (Draining(2.0, 7.0), ["other"])


def test_a_dependant_that_fails_with_its_dependency_gives_1() -> None:
    db = replace(WEB, name="db", shutdown_on=ShutdownOn.NEVER)
    world = _world(db, program("web", "db", condition=Condition.HEALTHY), OTHER).exits("db", 7)
    assert world.phase("web") == Fatal("depends on db, which exited with code 7", 1)
    assert (world.verdict.instance, world.verdict.code) == (("web", 1), 1)


def test_a_dependency_that_ends_the_container_is_named_itself() -> None:
    world = _world(replace(WEB, name="db"), program("web", "db", condition=Condition.HEALTHY)).exits("db", 7)
    assert (world.verdict.instance, world.verdict.code) == (("db", 1), 7)


def test_the_end_of_one_instance_of_several_counts() -> None:
    world = _world(replace(WEB, scale=3)).exits("web", 7, number=2)
    assert (world.verdict.instance, world.verdict.code) == (("web", 2), 7)


# ---- the main program

MAIN = replace(program("main", "web"), is_main=True, restart=NEVER, shutdown_on=ShutdownOn.EXIT)
"""Beside WEB, which its code is passed on before."""
ENDS = [
    pytest.param(0, None, 0, "main exited with code 0", id="0"),
    pytest.param(7, None, 7, "main exited with code 7", id="code"),
    pytest.param(None, SIGKILL, 137, "main was terminated by SIGKILL", id="signal"),
]


@pytest.mark.parametrize(("code", "signal", "expected", "reason"), ENDS)
def test_the_end_of_the_main_program_is_the_containers(
    code: int | None, signal: int | None, expected: int, reason: str
) -> None:
    world = _world(MAIN, WEB).exits("main", code, signal)
    assert world.verdict == Verdict(Cause.MAIN_ENDED, expected, reason, ("main", 1), Exit(code, signal, 0.0))
    assert (world.fleet.container_phase, world.stop_order) == (Over(), ["main", "web"])


@pytest.mark.parametrize("code", [0, 3], ids=["well", "badly"])
def test_the_main_programs_code_is_its_own_whatever_counts_as_success(code: int) -> None:
    world = _world(replace(MAIN, success_exit_codes=(3,)), WEB).exits("main", code)
    assert (world.verdict.cause, world.verdict.code) == (Cause.MAIN_ENDED, code)


@pytest.mark.parametrize(
    ("code", "signal", "expected"),
    [
        pytest.param(0, None, 0, id="0"),
        pytest.param(3, None, 3, id="code"),
        pytest.param(None, SIGTERM, 143, id="ours"),
    ],
)
def test_a_shutdown_that_was_asked_for_passes_the_main_programs_code_on(
    code: int | None, signal: int | None, expected: int
) -> None:
    world = World(plan_of(MAIN, WEB), obeys={"main": ()}).begin().tell(ShutdownAsked("SIGTERM was received"))
    assert world.verdict == Verdict(Cause.ASKED, 0, "SIGTERM was received")
    world.exits("main", code, signal)
    exit_ = Exit(code, signal, 0.0)
    assert world.verdict == Verdict(Cause.ASKED, expected, "SIGTERM was received", ("main", 1), exit_)
    assert not world.verdict.is_failure


def test_a_shutdown_before_the_main_program_ever_ran_ends_with_0() -> None:
    main = replace(MAIN, depends_on=(Dependency("job", Condition.COMPLETED),))
    world = _world(main, JOB).tell(ShutdownAsked("SIGTERM was received"))
    assert world.verdict == Verdict(Cause.ASKED, 0, "SIGTERM was received")


@pytest.mark.parametrize("code", [126, 127])
def test_a_main_program_that_cannot_be_run_gives_the_shells_code(code: int) -> None:
    sentence = "cannot be started: main: no such file"
    world = World(plan_of(MAIN, WEB), unspawnable={"main": (sentence, code)}).begin()
    assert world.verdict == Verdict(Cause.PROGRAM_ENDED, code, f"main {sentence}", ("main", 1))
    assert world.verdict.is_failure


def test_the_main_program_gives_its_code_also_where_something_else_has_failed_and_is_the_reason() -> None:
    world = _world(MAIN, WEB).exits("web", 7)
    assert world.verdict == Verdict(Cause.PROGRAM_ENDED, 143, "web exited with code 7", ("web", 1), Exit(7, None, 0.0))
    assert (world.fleet.container_phase, world.stop_order) == (Over(), ["web", "main"])


def test_a_failure_does_not_end_with_0_because_the_main_program_was_stopped_well() -> None:
    world = World(plan_of(MAIN, WEB), obeys={"main": ()}).begin().exits("web", 7).exits("main", 0)
    assert world.verdict == Verdict(Cause.PROGRAM_ENDED, 7, "web exited with code 7", ("web", 1), Exit(7, None, 0.0))


def test_what_ends_the_container_without_having_failed_leaves_the_code_to_the_main_program() -> None:
    world = _world(MAIN, WEB, replace(JOB, shutdown_on=ShutdownOn.EXIT)).exits("job")
    reason = "job exited with code 0"
    assert world.verdict == Verdict(Cause.PROGRAM_ENDED, 143, reason, ("main", 1), Exit(None, SIGTERM, 0.0))


def test_an_internal_error_is_70_beside_a_main_program() -> None:
    assert _world(MAIN, WEB).tell(Fault("a bug")).verdict == Verdict(Cause.INTERNAL, 70, "a bug")


def test_a_main_program_that_is_restarted_by_hand_does_not_end_the_container() -> None:
    world = _world(MAIN, WEB).ask(RestartRequested(), "main")
    assert (world.fleet.container_phase, world.alive, world.spawned.count(("main", 1))) == (
        Serving(),
        ["main", "web"],
        2,
    )


def test_a_main_program_that_may_not_end_the_container_still_gives_its_code_in_the_end() -> None:
    main = replace(MAIN, shutdown_on=ShutdownOn.NEVER)
    world = _world(main, WEB).exits("main", 3)
    assert isinstance(world.fleet.container_phase, Serving)
    assert world.tell(ShutdownAsked("SIGTERM was received")).verdict.code == 3


@pytest.mark.parametrize(
    ("cause", "code", "is_failure"),
    [
        (Cause.ASKED, 143, False),
        (Cause.MAIN_ENDED, 7, False),
        (Cause.FINISHED, 0, False),
        (Cause.PROGRAM_ENDED, 0, False),
        (Cause.PROGRAM_ENDED, 1, True),
        (Cause.INTERNAL, 70, True),
    ],
)
def test_a_human_should_look_where_the_end_was_a_failure_that_nobody_asked_for(
    cause: Cause, code: int, is_failure: bool
) -> None:
    assert Verdict(cause, code, "because").is_failure is is_failure


def test_without_a_verdict_the_main_program_gives_no_code() -> None:
    plan = plan_of(replace(WEB, is_main=True))
    assert with_code_of_main(plan, new_fleet(plan).lives, None) is None
