"""What status, metrics, probes, why and the commands say about a program that has a schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from supervisor.core.program import Program, ShutdownOn
from supervisor.core.record import replace
from supervisor.core.schedule import Schedule
from supervisor.core.wording import rfc3339

from .dialogue import Reply, served
from .steered import EPOCH, SteeredContainer, oneshot, service


def job(shutdown_on: ShutdownOn = ShutdownOn.NEVER, **keys: Any) -> Program:
    schedule = Schedule(interval=60.0, **keys)
    subject = replace(oneshot("job"), schedule=schedule, scale=schedule.max_concurrent)
    return replace(subject, shutdown_on=shutdown_on)


def ask(
    container: SteeredContainer,
    path: str,
    method: str,
    target: str,
    accept: str | None = None,
    then: Callable[[], object] | None = None,
) -> Reply:
    """Ask, and let `then` happen once the server waits for it."""

    async def scenario() -> Reply:
        async with served(container, path) as control:
            asking = asyncio.create_task(control.ask(method, target, accept=accept))
            if then is not None:
                await container.watched.wait()
                then()
            return await asking

    return asyncio.run(scenario())


def fields(container: SteeredContainer, path: str) -> dict[str, Any]:
    (entry,) = ask(container, path, "GET", "/v1/programs/job").json["programs"]
    names = ("state", "next_run_at", "last_run", "runs_skipped", "runs_missed")
    return {name: entry[name] for name in names}


def test_the_next_and_the_last_run_are_in_the_status(socket_path: str) -> None:
    container = SteeredContainer(job()).begin().wait(58.0)
    container.clock.time += 1.5
    container.end("job", 7)
    assert fields(container, socket_path) == {
        "state": "PENDING",
        "next_run_at": rfc3339(EPOCH + 120.0),
        "last_run": {
            "started_at": rfc3339(EPOCH + 60.0),
            "duration_seconds": 1.5,
            "outcome": "failed",
            "reason": "exited with code 7",
            "code": 7,
        },
        "runs_skipped": 0,
        "runs_missed": 0,
    }


def test_a_run_that_was_killed_has_a_signal(socket_path: str) -> None:
    container = SteeredContainer(job()).begin().wait(58.0).end("job", None, 9)
    last_run = fields(container, socket_path)["last_run"]
    assert (last_run["signal"], "code" in last_run) == ("SIGKILL", False)


def test_skipped_and_missed_runs_are_counted(socket_path: str) -> None:
    container = SteeredContainer(job()).begin().wait(58.0).wait(60.0).wait(170.0)
    shown = fields(container, socket_path)
    assert (shown["runs_skipped"], shown["runs_missed"]) == (1, 2)


def test_a_schedule_that_rests_has_no_next_run(socket_path: str) -> None:
    container = SteeredContainer(job(), service("web")).begin()
    ask(container, socket_path, "POST", "/v1/programs/job/stop")
    shown = fields(container, socket_path)
    assert (shown["state"], shown["next_run_at"]) == ("STOPPED", None)


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        (0, "next run in 1m00s (2027-01-15T08:02:00Z)"),
        (7, "next run in 1m00s (2027-01-15T08:02:00Z); last run exited with code 7"),
    ],
)
def test_the_table_says_when_the_next_run_is_and_that_the_last_one_failed(
    socket_path: str, code: int, detail: str
) -> None:
    container = SteeredContainer(job()).begin().wait(58.0).end("job", code)
    reply = ask(container, socket_path, "GET", "/v1/status", "text/plain")
    assert reply.text.rstrip().endswith(f"  {detail}")
    assert reply.headers["supinit-fine"] == "yes"


@pytest.mark.parametrize(
    "target", ["/readyz", "/healthz", "/healthz?name=job", "/v1/wait?for=ready&name=job&timeout=0"]
)
@pytest.mark.parametrize("shutdown_on", [ShutdownOn.NEVER, ShutdownOn.FAILURE])
@pytest.mark.parametrize("is_running", [False, True], ids=["it waits", "it runs"])
def test_nobody_waits_for_a_schedule(socket_path: str, target: str, shutdown_on: ShutdownOn, is_running: bool) -> None:
    container = SteeredContainer(job(shutdown_on), service("web")).begin().wait(60.0 if is_running else 0.0)
    assert fields(container, socket_path)["state"] == ("STARTING" if is_running else "PENDING")
    assert ask(container, socket_path, "GET", target).status == 200


def test_start_is_answered_once_the_run_has_ended(socket_path: str) -> None:
    container = SteeredContainer(job()).begin()
    reply = ask(container, socket_path, "POST", "/v1/programs/job/start", then=lambda: container.end("job", 0))
    assert (reply.status, reply.json["programs"][0]["last_run"]["code"]) == (200, 0)


def test_start_is_refused_if_the_run_fails(socket_path: str) -> None:
    container = SteeredContainer(job(max_concurrent=2)).begin()
    reply = ask(container, socket_path, "POST", "/v1/programs/job/start", then=lambda: container.end("job", 7))
    assert (reply.status, reply.json["error"]["message"]) == (409, "cannot start: job:1 exited with code 7")


def test_restart_while_it_waits_is_answered_once_the_run_has_ended(socket_path: str) -> None:
    container = SteeredContainer(job()).begin()
    reply = ask(container, socket_path, "POST", "/v1/programs/job/restart", then=lambda: container.end("job", 0))
    assert (reply.status, reply.json["programs"][0]["last_run"]["code"]) == (200, 0)


def test_the_metrics_of_a_schedule(socket_path: str) -> None:
    container = SteeredContainer(job(), service("web")).begin().wait(58.0).end("job", 0).wait(60.0).wait(60.0)
    lines = ask(container, socket_path, "GET", "/metrics").body.decode().splitlines()
    found = [line for line in lines if "_run" in line.split("{")[0] and not line.startswith("#")]
    assert found == [
        'supinit_program_scheduled_runs_total{outcome="succeeded",program="job"} 1.0',
        'supinit_program_scheduled_runs_total{outcome="failed",program="job"} 0.0',
        'supinit_program_scheduled_runs_total{outcome="stopped",program="job"} 0.0',
        'supinit_program_scheduled_runs_total{outcome="missed",program="job"} 0.0',
        'supinit_program_scheduled_runs_skipped_total{program="job"} 1.0',
        f'supinit_program_next_run_timestamp_seconds{{program="job"}} {EPOCH + 240.0}',
        f'supinit_program_last_successful_run_timestamp_seconds{{program="job"}} {EPOCH + 60.0}',
    ]


def test_why_tells_of_a_failed_run_although_nothing_is_down(socket_path: str) -> None:
    container = SteeredContainer(job(), service("web")).begin().wait(58.0)
    container.write("job", "no space left\n").end("job", 7).wait(5.0)
    reply = ask(container, socket_path, "GET", "/v1/why")
    (entry,) = reply.json["programs"]
    assert (reply.json["up"], reply.headers["supinit-fine"], entry["last_lines"]) == (True, "yes", ["no space left"])
    assert entry["why"] == "job waits for its next run in 55s. Its last run failed 5.0s ago: exited with code 7."


def test_why_says_what_a_program_waits_for_that_depends_on_a_run(socket_path: str) -> None:
    from supervisor.core.program import Condition, Dependency

    web = replace(service("web"), depends_on=(Dependency("job", Condition.COMPLETED),))
    container = SteeredContainer(job(), web).begin()
    (entry,) = ask(container, socket_path, "GET", "/v1/why").json["programs"]
    assert entry["why"] == (
        "web is PENDING: it waits for job to complete. job waits for its next run in 58s. It has not run yet."
    )
