"""The control server: it accepts, knows who is there, and holds every connection so that it can be cut."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from supervisor.control.console import Console
from supervisor.control.listening import SocketFile
from supervisor.control.message import Refused
from supervisor.control.peer import Rights, peer_of, rights_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervisor.control.clock import Clock
    from supervisor.control.connection import Connection
    from supervisor.control.container import Container
    from supervisor.core.program import InstanceId
    from supervisor.core.usage import Usage

MAX_CONNECTIONS = 64
RESERVED = 8
"""Connections of the 64 that only root and supinit's own user may take: readers cannot lock the operator out."""
PATIENCE = 10.0


async def serve(
    container: Container,
    path: str,
    mode: int,
    group: int | None,
    usage: Callable[[], Mapping[InstanceId, Usage]],
    log: Callable[..., None],
    clock: Clock | None = None,
    patience: float = PATIENCE,
) -> Server:
    """Listen on a Unix socket at `path`, whose file gets `mode` and `group`; members of `group` may read.

    `log` takes a level, an event and its values; `patience` is how many seconds a client may take for a request.
    Raises OSError where the socket cannot be made; its `strerror` says why.
    """
    file = SocketFile(path, mode, group)
    server = Server(Console(container, usage, log, clock), file, group, patience)
    await server.listen()
    return server


class Server:
    """A listening control socket, until `close`."""

    def __init__(self, console: Console, file: SocketFile, reading_group: int | None, patience: float) -> None:
        self._console = console
        self._file = file
        self._reading_group = reading_group
        self._patience = patience
        self._own_uid = os.geteuid()
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._serving: set[Connection] = set()

    async def listen(self) -> None:
        self._listener = await asyncio.start_unix_server(self._accept, sock=self._file.socket, limit=16 * 1024)

    def close(self) -> None:
        """Stop listening, cut every connection and remove the socket file. Needs no running loop."""
        if self._listener is not None:
            self._listener.close()
        self._file.remove()
        for connection in self._serving:
            connection.end_stream()
        for task in self._connections:
            task.cancel()

    async def wait_closed(self) -> None:
        """Return when every connection is gone."""
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._note_end)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from supervisor.control.connection import Connection  # h11 comes with it, so not before the first client

        try:
            peer = peer_of(writer.get_extra_info("socket"))
        except OSError:
            writer.close()
            return
        rights = rights_of(peer, self._own_uid, self._reading_group)
        connection = Connection(self._console, peer, rights, reader, writer, self._patience)
        if len(self._connections) > 2 * MAX_CONNECTIONS:  # so many that even saying no would cost too much
            writer.close()
            return
        limit = MAX_CONNECTIONS if rights is Rights.CONTROL else MAX_CONNECTIONS - RESERVED
        if len(self._connections) > limit:
            await connection.refuse(Refused(503, "busy", f"cannot serve more than {limit} connections; try again"))
        else:
            self._serving.add(connection)
            try:
                await connection.serve()
            finally:
                self._serving.discard(connection)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._console.log("error", "control.failed", reason=repr(task.exception()))
