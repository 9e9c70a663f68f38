"""/v1/logs: the kept lines, then new ones, for clients that read in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from supervisor.core.program import LogMode, LogSettings, Program
from supervisor.core.protocol import BROKEN_OFF
from supervisor.logs.reader import MAX_BEHIND

from .dialogue import Client, Reply, Served, Turns, served
from .steered import SteeredContainer, service

GET = b"GET /v1/logs?follow=1 HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n"


def container() -> SteeredContainer:
    container = SteeredContainer(service("web", scale=2), service("db")).begin()
    return container.write("db", "a\n").write("web", "b\n", instance=2).write("db", "c\n", "stderr")


def ask(path: str, query: str = "", accept: str | None = None) -> Reply:
    async def scenario() -> Reply:
        async with served(container(), path) as control:
            return await control.ask("GET", f"/v1/logs{query}", accept=accept)

    return asyncio.run(scenario())


def test_lines_of_all_programs_come_as_json_in_the_order_of_their_time(socket_path: str) -> None:
    reply = ask(socket_path)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert [(line["program"], line["instance"], line["stream"], line["message"]) for line in lines] == [
        ("db", 1, "stdout", "a"),
        ("web", 2, "stdout", "b"),
        ("db", 1, "stderr", "c"),
    ]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "db | a\nweb:2 | b\ndb | c\n"),
        ("?name=db", "a\nc\n"),
        ("?name=db&name=web:1", "db | a\ndb | c\n"),
        ("?name=web", "web:2 | b\n"),
        ("?n=2", "web:2 | b\ndb | c\n"),
        ("?n=0", ""),
        ("?stream=stderr", "db | c\n"),
        ("?name=db&n=1&stream=stdout", "a\n"),
        ("?since=3650d", "db | a\nweb:2 | b\ndb | c\n"),
        ("?since=2000-01-01", "db | a\nweb:2 | b\ndb | c\n"),
        ("?since=2999-01-01T00:00:00Z", ""),
        ("?since=2999-01-01T00:00:00%2B02:00", ""),
    ],
)
def test_a_query_says_which_lines_and_text_has_names_where_there_are_several(
    socket_path: str, query: str, text: str
) -> None:
    reply = ask(socket_path, query, "text/plain")
    assert (reply.status, reply.text) == (200, text)


def test_colours_are_asked_for(socket_path: str) -> None:
    assert "\x1b[" in ask(socket_path, "?color=1", "text/plain").text
    assert "\x1b[" not in ask(socket_path, "?color=0", "text/plain").text


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?name=nobody", 404, "no_such_program"),
        ("?n=-1", 400, "invalid_query"),
        ("?n=many", 400, "invalid_query"),
        ("?stream=both", 400, "invalid_query"),
        ("?since=yesterday", 400, "invalid_query"),
        ("?follow=yes", 400, "invalid_query"),
        ("?color=red", 400, "invalid_query"),
    ],
)
def test_what_cannot_be_read_is_refused(socket_path: str, query: str, status: int, code: str) -> None:
    reply = ask(socket_path, query)
    assert (reply.status, reply.error_code) == (status, code)


@pytest.mark.parametrize("mode", [LogMode.INHERIT, LogMode.NONE])
def test_a_program_whose_output_passes_supinit_by_is_named_and_left_out_where_all_are_meant(
    socket_path: str, mode: LogMode
) -> None:
    async def scenario() -> None:
        quiet = Program("quiet", ("true",), log=LogSettings(mode=mode))
        container = SteeredContainer(quiet, service("db")).begin().write("db", "a\n")
        async with served(container, socket_path) as control:
            reply = await control.ask("GET", "/v1/logs?name=db&name=quiet")
            assert (reply.status, reply.error_code) == (409, "not_kept")
            assert f"log.mode {mode.value}" in reply.json["error"]["message"]
            assert (await control.ask("GET", "/v1/logs", accept="text/plain")).text == "a\n"

    asyncio.run(scenario())


def test_a_head_request_gets_no_lines_and_leaves_no_listener(socket_path: str) -> None:
    async def scenario() -> None:
        async with served(container(), socket_path) as control, control.client() as client:
            client.send_raw(
                GET.replace(b"GET", b"HEAD") + b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            heads = await client.read_all()
            assert heads.count(b"HTTP/1.1 200") == 2
            assert b"db" not in heads
            assert control.container.tails.of(("db", 1)).listeners == ()

    asyncio.run(scenario())


# ---- following


class Follower:
    """A client that follows, as raw bytes."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def until(self, text: str) -> str:
        return (await self.client.reader.readuntil(text.encode())).decode()


def follow(path: str, scenario: Callable[[Served, Follower], Awaitable[None]], patience: float = 10.0) -> None:
    async def run() -> None:
        async with served(container(), path, patience=patience) as control, control.client() as client:
            client.send_raw(GET)
            await scenario(control, Follower(client))

    asyncio.run(asyncio.wait_for(run(), 30))


def test_what_follows_comes_as_it_is_written_each_line_when_it_is_whole(socket_path: str) -> None:
    async def scenario(control: Served, follower: Follower) -> None:
        await follower.until("db | c\n")
        control.container.write("db", "half").write("web", "one\n")
        assert "half" not in await follower.until("web:1 | one\n")
        control.container.write("db", " a line\n")
        assert "db | half a line\n" in await follower.until("line\n")

    follow(socket_path, scenario)


def test_nothing_is_lost_or_doubled_between_what_was_kept_and_what_follows(socket_path: str) -> None:
    async def scenario(control: Served, follower: Follower) -> None:
        text = await follower.until("db | c\n")
        for number in range(1000):
            control.container.write("db", f"{number}\n")
            if number % 100 == 0:
                await asyncio.sleep(0)
        text += await follower.until("db | 999\n")
        numbers = [line.removeprefix("db | ") for line in text.splitlines() if line.startswith("db | ")]
        assert numbers == ["a", "c", *map(str, range(1000))]

    follow(socket_path, scenario)


def test_a_client_that_leaves_is_forgotten(socket_path: str) -> None:
    async def scenario(control: Served, follower: Follower) -> None:
        await follower.until("db | c\n")
        tail = control.container.tails.of(("db", 1))
        assert len(tail.listeners) == 1
        await follower.client.leave()
        while tail.listeners:
            await asyncio.sleep(0.001)

    follow(socket_path, scenario)


def test_a_program_that_writes_faster_than_lines_are_taken_cuts_its_follower_loose_and_says_so(
    socket_path: str,
) -> None:
    async def scenario(control: Served, follower: Follower) -> None:
        await follower.until("db | c\n")
        control.container.write("db", f"{'x' * 1000}\n" * (MAX_BEHIND // 1000 + 1))
        end = await follower.until("0\r\n")
        assert "xxx" not in end
        assert BROKEN_OFF in await follower.until("\r\n\r\n")
        assert control.container.tails.of(("db", 1)).listeners == ()

    follow(socket_path, scenario)


def test_a_client_that_takes_nothing_is_cut_loose(socket_path: str) -> None:
    async def scenario(control: Served, follower: Follower) -> None:
        await follower.until("db | c\n")
        follower.client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # selector transports have it
        tail = control.container.tails.of(("db", 1))
        while tail.listeners:
            control.container.write("db", f"{'x' * 1000}\n" * 10)
            await asyncio.sleep(0.001)

    follow(socket_path, scenario, patience=0.05)


def test_the_end_of_the_container_ends_the_stream_in_order_with_what_was_written_last(socket_path: str) -> None:
    async def scenario(control: Served, follower: Follower) -> None:
        await follower.until("db | c\n")
        control.container.write("db", "last\n")
        control.server.close()
        assert (await follower.client.read_all()).endswith(b"db | last\n\r\n0\r\n\r\n")

    follow(socket_path, scenario)


def test_a_client_of_http_1_0_gets_lines_without_chunks(socket_path: str) -> None:
    async def scenario() -> None:
        async with served(container(), socket_path) as control, control.client() as client:
            client.send_raw(b"GET /v1/logs?n=1 HTTP/1.0\r\nAccept: text/plain\r\n\r\n")
            head, _, body = (await client.read_all()).partition(b"\r\n\r\n")
            assert (b"chunked" in head, body) == (False, b"db | c\n")

    asyncio.run(scenario())


def test_a_long_history_lets_the_loop_turn(socket_path: str) -> None:
    """It is laid out in pieces: a death among them is reaped between two."""

    async def scenario() -> None:
        long = SteeredContainer(*(service(f"p{number}") for number in range(20))).begin()
        for number in range(20):
            long.write(f"p{number}", "some line of a program\n" * 2000)
        async with served(long, socket_path) as control:
            turns = Turns()
            reply = await control.ask("GET", "/v1/logs")
            assert len(reply.text.splitlines()) == 40_000
            assert turns.count > 40

    asyncio.run(scenario())
