"""Little servers on loopback and on Unix sockets that answer exactly what a test gives them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Served:
    """What a server has seen. `address` is host and port, or a path."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.requests: list[bytes] = []
        self.connections = 0
        self.hung_up = asyncio.Event()
        """Whether a client has closed its connection."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def answering(served: Served, *parts: bytes, wait: float = 0.0) -> Handler:
    """Read a request's head, wait, write the parts, and close."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        try:
            served.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await asyncio.sleep(wait)
            for part in parts:
                writer.write(part)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            served.hung_up.set()
            writer.transport.abort()

    return handle


@asynccontextmanager
async def serving(
    *parts: bytes, wait: float = 0.0, path: str | None = None, handler: Callable[[Served], Handler] | None = None
) -> AsyncIterator[Served]:
    served = Served()
    handle = handler(served) if handler is not None else answering(served, *parts, wait=wait)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def run() -> None:
            await handle(reader, writer)

        task = asyncio.ensure_future(run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    if path is None:
        server = await asyncio.start_server(accept, served.host, 0)
        served.port = server.sockets[0].getsockname()[1]
    else:
        server = await asyncio.start_unix_server(accept, path)
    try:
        yield served
    finally:
        server.close()
        for _ in range(10):  # what was being accepted is handed over
            await asyncio.sleep(0)
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
