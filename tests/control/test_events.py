"""/v1/events: the kept events, then new ones, for clients that read in time."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable

import pytest

from supervisor.core.protocol import BROKEN_OFF
from supervisor.logs.journal import MOST_TOLD

from .dialogue import Client, Reply, Served, served
from .steered import SteeredContainer, service

GET = b"GET /v1/events?follow=1&n=1 HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n"


def container() -> SteeredContainer:
    container = SteeredContainer(service("web", scale=2), service("db"))
    write = container.journal.write
    write("info", "container.started", pid=1)
    write("debug", "signal.ignored", signal="SIGURG")
    write("info", "program.started", program="web", instance=1, pid=7)
    write("info", "program.started", program="web", instance=2, pid=8)
    write("warning", "program.step_failed", program="web", reason="it \x1b[2J says\nno")
    write("info", "control.asked", action="restart", program="db,web:2", peer_pid=9)
    write("info", "control.asked", action="stop", program="all", peer_pid=9)
    return container


def ask(path: str, query: str = "", accept: str | None = None) -> Reply:
    async def scenario() -> Reply:
        async with served(container(), path) as control:
            return await control.ask("GET", f"/v1/events{query}", accept=accept)

    return asyncio.run(scenario())


def pids(reply: Reply) -> list[object]:
    """What is told apart here: the pids, or the action that was asked for."""
    lines = [json.loads(line) for line in reply.text.splitlines()]
    return [line.get("pid", line.get("action", line["level"])) for line in lines]


def test_events_come_as_json_with_the_values_of_the_log_whatever_its_level(socket_path: str) -> None:
    reply = ask(socket_path)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert all(line.pop("time") for line in lines)
    ids = [line.pop("id") for line in lines]
    assert ids == list(range(ids[0], ids[0] + 6))
    assert lines[:2] == [
        {"level": "info", "event": "container.started", "program": None, "pid": 1},
        {"level": "info", "event": "program.started", "program": "web", "instance": 1, "pid": 7},
    ]
    assert len(lines) == 6


def test_text_is_the_time_and_the_logs_own_words_and_nothing_a_terminal_acts_upon(socket_path: str) -> None:
    lines = [line.partition("Z ") for line in ask(socket_path, accept="text/plain").text.splitlines()]
    assert all(re.fullmatch(r"[-0-9]{10}T[:.0-9]{12}", time) for time, _, _ in lines)
    assert lines[0][2] == "container.started pid=1"
    assert lines[3][2] == r'warning: program.step_failed program=web reason="it \x1b[2J says\nno"'


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("?n=2", ["restart", "stop"]),
        ("?n=0", []),
        ("?n=100", [1, 7, 8, "warning", "restart", "stop"]),
        ("?name=db", ["restart", "stop"]),
        ("?name=web", [7, 8, "warning", "restart", "stop"]),
        ("?name=web:1", [7, "warning", "stop"]),
        ("?name=web:2&n=3", ["warning", "restart", "stop"]),
        ("?name=all", [7, 8, "warning", "restart", "stop"]),
    ],
)
def test_a_query_says_which_events(socket_path: str, query: str, told: list[object]) -> None:
    assert pids(ask(socket_path, query)) == told


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?name=nobody", 404, "no_such_program"),
        ("?n=-1", 400, "invalid_query"),
        ("?follow=yes", 400, "invalid_query"),
    ],
)
def test_what_cannot_be_read_is_refused(socket_path: str, query: str, status: int, code: str) -> None:
    reply = ask(socket_path, query)
    assert (reply.status, reply.error_code) == (status, code)


# ---- where a client continues


def events(path: str, container: SteeredContainer, query: str) -> Reply:
    async def scenario() -> Reply:
        async with served(container, path) as control:
            return await control.ask("GET", f"/v1/events{query}")

    return asyncio.run(scenario())


def test_events_after_an_id_are_those_that_the_client_lacks(socket_path: str) -> None:
    told = container()
    first, last = told.journal.first_id, told.journal.last_id
    assert pids(events(socket_path, told, f"?since={first + 2}")) == ["warning", "restart", "stop"]
    assert pids(events(socket_path, told, f"?since={first}&name=db")) == ["restart", "stop"]
    assert pids(events(socket_path, told, f"?since={first - 1}")) == pids(events(socket_path, told, "?since=0"))
    assert pids(events(socket_path, told, "?since=0")) == [1, 7, 8, "warning", "restart", "stop"]
    assert pids(events(socket_path, told, f"?since={last}")) == []


@pytest.mark.parametrize("beyond", [0, 1], ids=["an event too few", "none is missing"])
def test_events_that_are_no_longer_kept_are_told_as_a_gap(socket_path: str, beyond: int) -> None:
    told = container()
    for number in range(MOST_TOLD):
        told.journal.write("info", "program.started", program="web", pid=number)
    reply = events(socket_path, told, f"?since={told.journal.last_id - MOST_TOLD - 1 + beyond}")
    if beyond:
        assert pids(reply) == list(range(MOST_TOLD))
    else:
        assert (reply.status, reply.error_code) == (410, "gone")
        assert "later events are no longer kept" in reply.json["error"]["message"]


@pytest.mark.parametrize("since", ["17", "1700000000000", "4000000000000"])
def test_an_id_of_another_container_is_told_as_a_gap(socket_path: str, since: str) -> None:
    reply = ask(socket_path, f"?since={since}")
    assert (reply.status, reply.error_code) == (410, "gone")
    assert "it is not an event of this container" in reply.json["error"]["message"]


def test_events_since_a_time_are_those_that_came_later(socket_path: str) -> None:
    assert pids(ask(socket_path, "?since=2026-01-01")) == [1, 7, 8, "warning", "restart", "stop"]
    assert pids(ask(socket_path, "?since=2999-01-01")) == []


def test_an_event_that_changes_an_instance_carries_its_state_and_health(socket_path: str) -> None:
    steered = SteeredContainer(service("web", checked=True)).begin().probe("web", False).wait(31)
    steered.probe("web", False)
    lines = [json.loads(line) for line in events(socket_path, steered, "").text.splitlines()]
    assert [(line["event"], line["state"], line["health"]) for line in lines] == [
        ("program.started", "STARTING", "starting"),
        ("program.became_unhealthy", "STARTING", "unhealthy"),
    ]


# ---- following


def follow(path: str, scenario: Callable[[Served, Client], Awaitable[None]], patience: float = 10.0) -> None:
    async def run() -> None:
        async with served(container(), path, patience=patience) as control, control.client() as client:
            client.send_raw(GET)
            await client.reader.readuntil(b"action=stop program=all peer_pid=9\n")
            await scenario(control, client)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_what_follows_comes_as_it_happens_and_nothing_twice(socket_path: str) -> None:
    async def scenario(control: Served, client: Client) -> None:
        control.container.begin()
        text = await client.reader.readuntil(b"program.became_ready program=db pid=103 after_seconds=2.0\n")
        assert (text.count(b"program.started"), text.count(b"action=")) == (3, 0)
        control.container.end("db", 3)
        await client.reader.readuntil(b"warning: program.exited program=db pid=103 code=3 ran_for=2.0\n")

    follow(socket_path, scenario)


def test_a_client_that_leaves_is_forgotten(socket_path: str) -> None:
    async def scenario(control: Served, client: Client) -> None:
        assert len(control.container.journal.listeners) == 1
        await client.leave()
        while control.container.journal.listeners:
            await asyncio.sleep(0.001)

    follow(socket_path, scenario)


def test_more_events_at_once_than_are_kept_cut_a_follower_loose_and_say_so(socket_path: str) -> None:
    async def scenario(control: Served, client: Client) -> None:
        for number in range(MOST_TOLD + 1):
            control.container.journal.write("info", "program.started", program="web", pid=number)
        end = await client.reader.readuntil(b"\r\n0\r\n")
        assert b"program.started" not in end
        assert BROKEN_OFF.encode() in await client.reader.readuntil(b"\r\n\r\n")
        assert control.container.journal.listeners == ()

    follow(socket_path, scenario)


def test_as_many_events_at_once_as_are_kept_all_arrive(socket_path: str) -> None:
    async def scenario(control: Served, client: Client) -> None:
        for number in range(MOST_TOLD):
            control.container.journal.write("info", "program.started", program="web", pid=number)
        text = await client.reader.readuntil(f"pid={MOST_TOLD - 1}\n".encode())
        assert text.count(b"program.started") == MOST_TOLD

    follow(socket_path, scenario)


def test_a_client_that_takes_nothing_is_cut_loose(socket_path: str) -> None:
    async def scenario(control: Served, client: Client) -> None:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # selector transports have it
        while control.container.journal.listeners:
            for _ in range(100):
                control.container.journal.write("info", "program.failed", program="web", reason="x" * 1000)
            await asyncio.sleep(0.001)

    follow(socket_path, scenario, patience=0.05)


def test_the_end_of_the_container_ends_the_stream_in_order_with_what_was_told_last(socket_path: str) -> None:
    async def scenario(control: Served, client: Client) -> None:
        control.container.journal.write("info", "container.ended", code=0)
        control.server.close()
        assert (await client.read_all()).endswith(b"container.ended code=0\n\r\n0\r\n\r\n")

    follow(socket_path, scenario)
