"""POST /v1/update: what it answers, and when."""

from __future__ import annotations

import asyncio

import pytest

from supervisor.core.container import ShutdownAsked
from supervisor.core.plan import make_plan
from supervisor.core.program import Program, Settings, ShutdownOn, Table
from supervisor.core.record import replace

from .dialogue import Reply, served
from .steered import SteeredContainer, service

WEB, DB = service("web"), service("db")


def container(*programs: Program, obedient: bool = True) -> SteeredContainer:
    container = SteeredContainer(WEB, DB, obedient=obedient).begin()
    container.new_plan = make_plan(Table(Settings(drain_delay=1.0, run_dir="/elsewhere"), programs))
    return container


def ask(
    container: SteeredContainer, path: str, body: object = None, accept: str | None = None, wait: float = 0
) -> Reply:
    """Ask for an update; `wait` seconds pass on the container's clock once it is under way."""

    async def scenario() -> Reply:
        async with served(container, path) as control:
            asking = asyncio.create_task(control.ask("POST", "/v1/update", body, accept))
            if wait:
                await container.watched.wait()
                container.wait(wait)
            return await asking

    return asyncio.run(scenario())


def test_an_update_answers_what_it_has_changed_once_that_has_come_about(socket_path: str) -> None:
    update = container(replace(WEB, command=("another",)), service("new"))
    reply = ask(update, socket_path, wait=2.0)
    assert reply.status == 200
    assert reply.json == {
        "applied": True,
        "programs": [
            {"program": "web", "action": "restart", "because": ["command"]},
            {"program": "new", "action": "add", "because": []},
            {"program": "db", "action": "remove", "because": []},
        ],
        "settings": {"changed": ["drain_delay"], "needs_new_container": ["run_dir"]},
        "unchanged": 0,
    }
    assert list(update.plan.programs) == ["web", "new"]


def test_a_dry_run_changes_nothing(socket_path: str) -> None:
    update = container(WEB)
    reply = ask(update, socket_path, {"dry_run": True}, "text/plain")
    assert (reply.status, reply.text) == (
        200,
        "- db  removed\n"
        "= supervisor: drain_delay\n"
        "! supervisor: run_dir changed, which needs a new container\n"
        "1 program unchanged; dry run, nothing applied\n",
    )
    assert list(update.plan.programs) == ["web", "db"]


def test_a_difference_reads_like_one(socket_path: str) -> None:
    new = (replace(WEB, command=("another",), nice=5), replace(DB, min_uptime=0.5), service("worker"))
    update = container(*new)
    update.new_plan = make_plan(Table(Settings(), new))
    text = ask(update, socket_path, {"dry_run": True}, "text/plain").text
    assert text == (
        "~ web     restart because of: command, nice\n"
        "= db      in place: min_uptime\n"
        "+ worker  added\n"
        "0 programs unchanged; dry run, nothing applied\n"
    )
    update.new_plan = update.plan
    assert ask(update, socket_path, accept="text/plain").text == "nothing has changed\n"


def test_a_table_with_problems_names_all_of_them_and_changes_nothing(socket_path: str) -> None:
    invalid = SteeredContainer(WEB).begin()
    reply = ask(invalid, socket_path)
    assert (reply.status, reply.error_code, len(reply.json["problems"])) == (422, "invalid_configuration", 2)
    assert reply.json["error"]["message"] == (
        "cannot update: f:1:1: programs: cannot be read (and 1 more); nothing has changed"
    )
    reply = ask(invalid, socket_path, accept="text/plain")
    assert (reply.status, reply.text.splitlines()[0]) == (422, "f:1:1: programs: cannot be read")
    assert list(invalid.plan.programs) == ["web"]


@pytest.mark.parametrize(
    ("shutdown_on", "code"), [(ShutdownOn.FAILURE, "stopping"), (ShutdownOn.NEVER, "failed")], ids=["fatal", "bearable"]
)
def test_what_cannot_be_started_is_named_whether_it_brings_the_container_down_or_not(
    socket_path: str, shutdown_on: ShutdownOn, code: str
) -> None:
    update = container(WEB, DB, replace(service("new", start_retries=1), shutdown_on=shutdown_on))

    async def scenario() -> Reply:
        async with served(update, socket_path) as control:
            asking = asyncio.create_task(control.ask("POST", "/v1/update"))
            await update.watched.wait()
            update.end("new", 7)
            return await asking

    reply = asyncio.run(scenario())
    assert (reply.status, reply.error_code) == (409, code)
    assert "new exited with code 7" in reply.json["error"]["message"]


def test_an_update_that_takes_too_long_goes_on(socket_path: str) -> None:
    update = container(WEB, obedient=False)
    reply = ask(update, socket_path, {"timeout": 0})
    assert (reply.status, reply.error_code) == (504, "timeout")
    assert "db is still stopping; the update continues" in reply.json["error"]["message"]
    assert list(update.fleet.leaving) == ["db"]


def test_nobody_has_to_wait(socket_path: str) -> None:
    reply = ask(container(WEB, obedient=False), socket_path, {"wait": False})
    assert (reply.status, reply.json["applied"]) == (202, True)


@pytest.mark.parametrize("body", [{"dry_run": "yes"}, {"wait": 1}, {"timeout": "soon"}, []])
def test_a_body_that_cannot_be_read_changes_nothing(socket_path: str, body: object) -> None:
    update = container(WEB)
    assert ask(update, socket_path, body).status == 400
    assert list(update.plan.programs) == ["web", "db"]


def test_a_container_that_stops_takes_no_other_table(socket_path: str) -> None:
    update = container(WEB, obedient=False).take(ShutdownAsked("SIGTERM"))
    reply = ask(update, socket_path)
    assert (reply.status, reply.error_code) == (409, "stopping")


@pytest.mark.parametrize(
    ("target", "status"), [("/v1/wait?name=db&for=healthy", 409), ("/v1/wait?name=db&for=stopped", 200)]
)
def test_a_wait_for_what_an_update_removes_is_answered(socket_path: str, target: str, status: int) -> None:
    async def scenario() -> None:
        update = container(WEB, obedient=False)
        async with served(update, socket_path) as control:
            waiting = asyncio.create_task(control.ask("GET", target))
            if "stopped" not in target:
                update.end("db", 1)
                waiting.cancel()
                waiting = asyncio.create_task(control.ask("GET", target))
            await update.watched.wait()
            await update.update(dry_run=False)
            if ("db", 1) in update.fleet.lives:
                update.end("db", 0)
            assert (await waiting).status == status

    asyncio.run(scenario())
