"""Whatever a client sends costs a bounded amount, is answered in words, and disturbs nobody else. Raw bytes only."""

from __future__ import annotations

import asyncio

import pytest

from supervisor.control.http.connection import Connection
from supervisor.control.http.connection_limit import MAX_CONNECTIONS

from .dialogue import Turns, served
from .steered import SteeredContainer, service

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
WAIT = b"GET /v1/wait?for=ready HTTP/1.1\r\nHost: x\r\n\r\n"
HASTY = 0.05
"""Seconds of patience, where running out of it is the subject."""


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def answer_to(path: str, data: bytes, patience: float = 10.0) -> bytes:
    """Send the bytes and return everything that comes until the server closes; our side stays open."""
    async with served(SteeredContainer(service("web")), path, patience=patience) as control, control.client() as client:
        client.send_raw(data)
        return await client.read_all()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, id="tls"),
        pytest.param(b"hello\r\n\r\n", 400, id="no http"),
        pytest.param(b"GET /livez HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"POST /v1/shutdown HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, id="negative length"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 17_000 + b"\r\n\r\n", 431, id="a huge head"),
        pytest.param(b"GET /" + b"a" * 17_000, 431, id="a head without an end"),
        pytest.param(b"POST /v1/update HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413, id="a huge body"),
        pytest.param(
            b"POST /v1/update HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + (b"1000\r\n" + b"a" * 4096 + b"\r\n") * 17,
            413,
            id="a huge body in chunks",
        ),
    ],
)
def test_what_is_not_to_be_served_is_answered_and_cut_off(socket_path: str, data: bytes, status: int) -> None:
    answer = asyncio.run(answer_to(socket_path, data))
    assert status_of(answer) == status
    assert b"Connection: close" in answer
    assert b'{"error":{"code":' in answer


def test_a_refused_body_that_is_still_being_sent_does_not_cost_the_client_its_answer(socket_path: str) -> None:
    head = b"POST /v1/update HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n"
    assert status_of(asyncio.run(answer_to(socket_path, head + b"a" * 400_000))) == 413


def test_a_request_that_comes_too_slowly_is_given_up(socket_path: str) -> None:
    assert status_of(asyncio.run(answer_to(socket_path, GET[:20], patience=HASTY))) == 408


def test_an_idle_connection_is_closed_without_a_word(socket_path: str) -> None:
    assert asyncio.run(answer_to(socket_path, b"", patience=HASTY)) == b""


def test_a_connection_that_is_idle_between_requests_is_closed_after_its_answer(socket_path: str) -> None:
    answer = asyncio.run(answer_to(socket_path, GET, patience=HASTY))
    assert (status_of(answer), answer.count(b"HTTP/1.1")) == (200, 1)


def test_a_client_that_does_not_read_is_cut_off_and_does_not_hold_its_place(socket_path: str) -> None:
    async def scenario() -> None:
        container = SteeredContainer(*(service(f"web{number}") for number in range(200)))
        async with served(container, socket_path, patience=HASTY) as control:
            async with control.client() as client:
                await client.ask("GET", "/livez")
                client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # selector transports have it
                request = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
                client.send_raw(request * 100)
                await control.server.wait_closed()
            assert (await control.ask("GET", "/livez")).status == 200

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_one_connection_more_than_there_may_be_is_told_so_and_the_others_are_served(socket_path: str) -> None:
    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path) as control:
            clients = [control.client() for _ in range(MAX_CONNECTIONS)]
            for client in clients:
                await client.__aenter__()
                assert (await client.ask("GET", "/livez")).status == 200
                client.send_raw(WAIT)
            await until_watched(control.container, MAX_CONNECTIONS)
            reply = await control.ask("GET", "/livez")
            assert (reply.status, reply.error_code) == (503, "busy")
            control.container.begin()
            for client in clients:
                assert b"200 OK" in await client.reader.readline()
                await client.leave()

    asyncio.run(scenario())


def test_the_slowest_client_makes_room_for_the_next(socket_path: str) -> None:
    """Half a request, or an answer that is not taken, keeps nobody out; one that is being served keeps its place."""

    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path) as control:
            first, second, *others = clients = [control.client() for _ in range(MAX_CONNECTIONS)]
            for client in clients:
                await client.__aenter__()
                client.send_raw(WAIT if client is first else GET[:20])
                await asyncio.sleep(0)
            await until_watched(control.container, 1)
            for _ in range(3):
                assert (await control.ask("GET", "/livez")).status == 200
            assert await second.read_all() == b""
            control.container.begin()
            assert b"200 OK" in await first.reader.readline()
            others[-1].send_raw(GET[20:])
            assert b"200 OK" in await others[-1].reader.readline()
            for client in clients:
                await client.leave()

    asyncio.run(scenario())


async def until_watched(container: SteeredContainer, count: int) -> None:
    while container.watchers < count:
        await asyncio.sleep(0.001)


def test_requests_sent_ahead_are_answered_in_order(socket_path: str) -> None:
    lines = [b"GET /livez", b"GET /nowhere", b"HEAD /livez", b"GET /readyz"]
    data = b"".join(line + b" HTTP/1.1\r\nHost: x\r\n\r\n" for line in lines)
    answer = asyncio.run(answer_to(socket_path, data + b"GET /v1/version HTTP/1.0\r\n\r\n"))
    statuses = [int(part.split(b" ", 1)[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 404, 200, 503, 200]


def test_requests_sent_ahead_do_not_hold_up_the_loop(socket_path: str) -> None:
    """Reaping is a callback of the same loop: it must get its turn between any two answers."""

    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path) as control, control.client() as client:
            await client.ask("GET", "/livez")
            client.send_raw(GET * 50)
            turns = Turns()
            for _ in range(50):
                await client.reader.readuntil(b'"because":[]}\n')
            assert turns.count >= 50

    asyncio.run(scenario())


def test_a_continue_is_sent_to_a_client_that_waits_for_it(socket_path: str) -> None:
    head = b"POST /v1/programs/web/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"

    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path) as control, control.client() as client:
            client.send_raw(head)
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
            client.send_raw(b"{}")
            assert b"200" in await client.reader.readline()

    asyncio.run(scenario())


def test_a_head_request_is_answered_as_a_get_without_its_body(socket_path: str) -> None:
    data = b"HEAD /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head, _, body = asyncio.run(answer_to(socket_path, data)).partition(b"\r\n\r\n")
    assert (status_of(head), body) == (200, b"")
    assert b"Content-Length: 0" not in head


def test_a_connection_that_fails_itself_is_counted_and_logged_and_the_others_live_on(
    socket_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(connection: Connection) -> None:
        raise LookupError("a bug")

    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path) as control:
            with monkeypatch.context() as patch:
                patch.setattr(Connection, "serve", fail)
                _, writer = await control.client().connect()
                while not control.log:
                    await asyncio.sleep(0)
                writer.close()
            assert (control.faults, [line[:2] for line in control.log]) == (["control"], [("error", "control.failed")])
            assert (await control.ask("GET", "/livez")).status == 200

    asyncio.run(scenario())


def test_our_own_mistake_is_a_500_in_the_log_and_the_connection_lives_on(socket_path: str) -> None:
    async def scenario() -> None:
        container = SteeredContainer(service("web"))
        async with served(container, socket_path) as control, control.client() as client:
            snapshot = container.snapshot
            del container.snapshot
            reply = await client.ask("GET", "/v1/status")
            assert (reply.status, reply.error_code) == (500, "internal_error")
            assert [line[:2] for line in control.log] == [("error", "control.failed")]
            assert control.faults == ["control"]
            container.snapshot = snapshot
            assert (await client.ask("GET", "/v1/status")).status == 200

    asyncio.run(scenario())


def test_closing_cuts_every_connection_and_removes_the_socket(socket_path: str) -> None:
    async def scenario() -> None:
        container = SteeredContainer(service("web"))
        async with served(container, socket_path) as control, control.client() as idle, control.client() as waiting:
            await idle.ask("GET", "/livez")
            waiting.send_raw(b"GET /v1/wait?for=stopped HTTP/1.1\r\nHost: x\r\n\r\n")
            await container.watched.wait()
            control.server.close()
            assert (await idle.read_all(), await waiting.read_all()) == (b"", b"")
            with pytest.raises(FileNotFoundError):
                await control.client().__aenter__()

    asyncio.run(scenario())
