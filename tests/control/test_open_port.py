"""supervisor.metrics.listen: a TCP port that shows metrics and probes to everybody, and has nothing else."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from supervisor.control.console import Console
from supervisor.control.http.connection_limit import MAX_CONNECTIONS
from supervisor.control.http.server import serve_metrics
from supervisor.control.router import ROUTES

from .dialogue import Client, Reply, Served, served
from .steered import SteeredContainer, service

OPEN = ["/metrics", "/livez", "/readyz", "/healthz"]


class TcpClient(Client):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port}")
        self.address = host, port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)


class Opened(Served):
    """A container behind a port."""

    def __init__(self, container: SteeredContainer, host: str, port: int) -> None:
        super().__init__(container, "")
        self.host, self.port = host or "127.0.0.1", port

    def client(self) -> TcpClient:
        return TcpClient(self.host, self.port)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def opened(container: SteeredContainer, host: str = "127.0.0.1", patience: float = 10.0) -> AsyncIterator[Opened]:
    opened = Opened(container, host, free_port())
    console = Console(container, container.usage, opened.write, container.clock)
    opened.server = await serve_metrics(console, host, opened.port, patience)
    try:
        yield opened
    finally:
        opened.server.close()
        await opened.server.wait_closed()


def up() -> SteeredContainer:
    return SteeredContainer(service("web")).begin()


def ask(method: str, target: str, host: str = "127.0.0.1") -> Reply:
    async def scenario() -> Reply:
        async with opened(up(), host) as port:
            return await port.ask(method, target)

    return asyncio.run(scenario())


@pytest.mark.parametrize("target", [*OPEN, "/healthz?name=web"])
def test_metrics_and_probes_are_there(target: str) -> None:
    reply = ask("GET", target)
    assert reply.status == 200
    assert ("supinit_ready 1.0" in reply.text) is (target == "/metrics")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES} - set(OPEN)))
def test_everything_else_is_not(method: str, path: str) -> None:
    async def scenario() -> None:
        container = up()
        async with opened(container) as port:
            reply = await port.ask(method, path.format(name="web"), {})
            assert (reply.status, reply.error_code) == (404, "not_found")
        assert (container.events, container.signals, container.reloads) == ([], [], [])

    asyncio.run(scenario())


@pytest.mark.parametrize("path", OPEN)
def test_it_can_only_be_read(path: str) -> None:
    reply = ask("POST", path)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", ""])
def test_it_listens_where_it_was_told_to(host: str) -> None:
    if ":" in host and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    assert ask("GET", "/livez", host).status == 200


def test_every_address_is_both_families() -> None:
    async def scenario() -> None:
        async with opened(up(), "") as everywhere:
            for host in ("127.0.0.1", "::1"):
                async with TcpClient(host, everywhere.port) as client:
                    assert (await client.ask("GET", "/livez")).status == 200

    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    asyncio.run(scenario())


def test_an_address_in_use_is_an_error_in_plain_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        console = Console(up(), dict, print)
        for host in ("127.0.0.1", ""):
            with pytest.raises(OSError, match="address already in use") as error:
                asyncio.run(serve_metrics(console, host, port))
            assert (error.value.errno, error.value.strerror) == (errno.EADDRINUSE, "address already in use")


def test_a_crowd_there_keeps_nobody_from_the_control_socket(socket_path: str) -> None:
    async def scenario() -> None:
        container = up()
        async with served(container, socket_path) as control, opened(container) as port:
            crowd = [port.client() for _ in range(3 * MAX_CONNECTIONS)]
            for client in crowd:
                await client.__aenter__()
                client.send_raw(b"GET /livez")
            async with control.client() as operator:
                assert (await operator.ask("GET", "/livez")).status == 200
                assert (await port.ask("GET", "/livez")).status == 200
                assert (await operator.ask("POST", "/v1/programs/web/stop")).status == 200
            for client in crowd:
                await client.leave()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 17_000 + b"\r\n\r\n", 431, id="a huge head"),
        pytest.param(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413, id="a huge body"),
        pytest.param(b"GET /livez HTTP/1.1\r\n", 408, id="too slow"),
        pytest.param(b"\x16\x03\x01\x02\r\n\r\n", 400, id="tls"),
    ],
)
def test_the_limits_are_those_of_the_control_socket(data: bytes, status: int) -> None:
    async def scenario() -> bytes:
        async with opened(up(), patience=0.05) as port, port.client() as client:
            client.send_raw(data)
            return await client.read_all()

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 %d " % status)


def test_a_client_that_leaves_in_the_middle_of_a_request_is_no_error() -> None:
    """Its end has gone when the refusal arrives, so this connection cannot be shut down any more."""

    async def scenario() -> None:
        async with opened(SteeredContainer(service("web"))) as port:
            for _ in range(3):
                _, writer = await port.client().connect()
                writer.write(b"GET /livez HT")
                writer.close()
                await writer.wait_closed()
            async with port.client() as client:
                assert (await client.ask("GET", "/livez")).status == 200
            port.server.close()
            await port.server.wait_closed()
            assert port.log == []

    asyncio.run(scenario())
