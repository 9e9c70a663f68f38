"""Why a program is not up: the chain to the cause, in plain sentences."""

from __future__ import annotations

from signal import SIGKILL

import pytest

from supervisor.core.container import ShutdownAsked
from supervisor.core.events import Notified, ProcessExited
from supervisor.core.healthcheck import HealthCheck, HttpProbe
from supervisor.core.notice import Notice
from supervisor.core.program import Condition, Program, ProgramType, Readiness, Restart, RestartWhen
from supervisor.core.record import replace
from supervisor.core.snapshot import project
from supervisor.core.why import Explanation, Why

from .test_laws_of_the_fleet import SEEDS, walk
from .worlds import World, plan_of, program

NEVER = Restart(RestartWhen.NEVER)
CHECK = HealthCheck(HttpProbe("http://127.0.0.1:8000/healthz"), retries=2, interval=5.0)


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


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_that_is_not_up_is_explained_and_nothing_else(seed: int) -> None:
    for world in walk(seed):
        for instance, view in project(world.plan, world.fleet).instances.items():
            explanation = explain(world, *instance)
            has_failed_run = view.awaits_run and view.reason is not None
            assert (explanation is None) == (view.is_fine and not has_failed_run)
            if explanation is not None:
                assert explanation.causes[0] == instance
                assert all(sentence.endswith(".") and ".." not in sentence for sentence in explanation.sentences)
