"""A served container, and the clients that speak to it over the real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import h11

from supervisor.control.console import Console
from supervisor.control.http.server import Server, serve
from supervisor.core.record import Record

from .steered import SteeredContainer


class Reply(Record):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def error_code(self) -> str:
        code = self.json["error"]["code"]
        assert isinstance(code, str)
        return code


class Client:
    """One connection. Leaving it closes it."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await self.connect()
        self.http = h11.Connection(h11.CLIENT)
        return self

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass

    def send_raw(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_all(self) -> bytes:
        """Everything until the server closes."""
        return await self.reader.read()

    async def ask(
        self, method: str, target: str, body: object = None, accept: str | None = None, *, raw: bytes | None = None
    ) -> Reply:
        """Send one request and read its answer, on the connection as it is."""
        payload = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        headers = [("Host", "supinit"), ("Content-Length", str(len(payload)))]
        if accept is not None:
            headers.append(("Accept", accept))
        request = h11.Request(method=method, target=target, headers=headers)
        for event in (request, h11.Data(data=payload), h11.EndOfMessage()):
            self.writer.write(self.http.send(event) or b"")
        return await self.read_reply()

    async def read_reply(self) -> Reply:
        head: h11.Response | None = None
        body = b""
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                self.http.receive_data(await self.reader.read(65536))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
        assert head is not None
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        return Reply(head.status_code, {name.decode(): value.decode() for name, value in head.headers}, body)


class Turns:
    """Counts the turns of the running loop from now on: a death is reaped between any two."""

    def __init__(self) -> None:
        self.count = 0
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self.count += 1
        self._loop.call_soon(self._turn)


class Served:
    """A container behind a listening socket. `log` has what the server wrote: (level, event, values)."""

    def __init__(self, container: SteeredContainer, path: str) -> None:
        self.container = container
        self.path = path
        self.log: list[tuple[str, str, dict[str, object]]] = []
        self.faults: list[str] = []
        self.server: Server

    def write(self, level: str, event: str, **values: object) -> None:
        self.log.append((level, event, values))

    def client(self) -> Client:
        return Client(self.path)

    async def ask(self, method: str, target: str, body: object = None, accept: str | None = None) -> Reply:
        """Ask on a connection of its own."""
        async with self.client() as client:
            return await client.ask(method, target, body, accept)


@asynccontextmanager
async def served(
    container: SteeredContainer, path: str, *, mode: int = 0o600, group: int | None = None, patience: float = 10.0
) -> AsyncIterator[Served]:
    served = Served(container, path)
    console = Console(
        container, container.usage, served.write, container.clock, lambda where, _: served.faults.append(where)
    )
    served.server = await serve(console, path, mode, group, patience)
    try:
        yield served
    finally:
        served.server.close()
        await served.server.wait_closed()
