"""/v1/why and supctl why: why something is not up."""

from __future__ import annotations

import asyncio

import pytest

from supervisor.core.program import Condition, Dependency, Program

from .dialogue import Reply, served
from .steered import SteeredContainer, service


def ill() -> SteeredContainer:
    web = Program("web", ("true",), depends_on=(Dependency("app", Condition.HEALTHY),))
    container = SteeredContainer(web, service("app", checked=True), service("db")).begin()
    return (
        container.write("app", "no route\x1b[2J\nto db\n").probe("app", False).wait(31).probe("app", False, "HTTP 500")
    )


APP = "app is unhealthy: HTTP 500 from 127.0.0.1:80; its health check has never passed."
WEB = f"web is PENDING: it waits for app to be healthy. {APP}"


def get(path: str, query: str = "", accept: str | None = None) -> Reply:
    async def scenario() -> Reply:
        async with served(ill(), path) as control:
            return await control.ask("GET", f"/v1/why{query}", accept=accept)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "target", ["/v1/status", "/v1/programs/all", "/v1/why", "/v1/events", "/healthz", "/readyz", "/v1/wait?timeout=0"]
)
def test_no_text_has_anything_that_a_terminal_would_act_on(socket_path: str, target: str) -> None:
    """Probe output, the lines of a program and what it says of itself are a program's own words."""

    async def scenario() -> Reply:
        container = SteeredContainer(service("app", checked=True), service("db")).begin()
        container.say("db", "\x1b]0;x\x07\r").write("app", "\x1b[2Jx\r\n").probe("app", False, "no\x1b[2J\r\x9bK")
        container.journal.write("warning", "program.step_failed", program="app", reason="\x1b[2J\r\x9bK")
        async with served(container, socket_path) as control:
            return await control.ask("GET", target, accept="text/plain")

    text = asyncio.run(scenario()).text
    assert text.replace("\n", "").isprintable()


def test_each_instance_that_is_not_up_has_its_chain_of_causes(socket_path: str) -> None:
    reply = get(socket_path)
    lines = ["no route\x1b[2J", "to db"]
    names = [{"name": "web", "instance": 1}, {"name": "app", "instance": 1}]
    web = {"name": "web", "instance": 1, "state": "PENDING", "health": "none"}
    app = {"name": "app", "instance": 1, "state": "STARTING", "health": "unhealthy"}
    assert reply.json == {
        "up": False,
        "programs": [
            {**web, "why": WEB, "causes": names, "last_lines": lines},
            {**app, "why": APP, "causes": names[1:], "last_lines": lines},
        ],
        "rolling": [],
    }
    assert reply.headers["supinit-fine"] == "no"


@pytest.mark.parametrize(
    ("query", "text", "fine"),
    [
        ("", f"{WEB}\n\n{APP}\nIts last lines:\n    no route [2J\n    to db\n", "no"),
        ("?name=web", f"{WEB}\nIts last lines:\n    no route [2J\n    to db\n", "no"),
        ("?name=db", "everything is up\n", "yes"),
    ],
    ids=["all", "one, whose cause is not asked for", "what is up"],
)
def test_text_is_a_paragraph_each_with_the_last_lines_once(socket_path: str, query: str, text: str, fine: str) -> None:
    reply = get(socket_path, query, "text/plain")
    assert (reply.status, reply.text, reply.headers["supinit-fine"]) == (200, text, fine)
