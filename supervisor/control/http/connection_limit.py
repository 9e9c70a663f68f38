"""The connection limit: how many clients of one listening socket are served, and who gives way to the next.

Rule 1: each listening socket has a limit of its own, so a crowd on the TCP port keeps nobody from the control socket.
Rule 2: at the limit, a connection that keeps us waiting is closed for the next one: first those that have had an
answer, and of those the one that has waited longest. So idle and slow clients keep nobody out. Only if all are being
served is the next one refused.
"""

from __future__ import annotations

import asyncio

from supervisor.control.access import Peer, Rights
from supervisor.control.http.message import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from supervisor.control.console import Console
    from supervisor.control.http.connection import Connection
    from supervisor.control.http.service import Service

    Admit = Callable[[asyncio.trsock.TransportSocket], tuple[Peer, Rights]]

MAX_CONNECTIONS = 64
RESERVED = 8
"""Connections of the 64 that are kept for root and supinit's own user: readers cannot lock the operator out."""
HEAD = 16 * 1024
"""Bytes that are read ahead before a connection waits."""
PATIENCE = 10.0


class ConnectionLimit:
    """Serves every connection that `accept` is given. `admit` says who it is; its OSError refuses them.

    `find_service` returns the service for the clients and is called for the first of them. Default: the API.
    """

    def __init__(
        self, console: Console, admit: Admit, patience: float, find_service: Callable[[], Service] | None = None
    ) -> None:
        self._console = console
        self._admit = admit
        self._patience = patience
        self._find_service = find_service
        self._service: Service | None = None
        self.log = console.log
        self.at_end: Callable[[], None] = lambda: None
        """Called after each connection's end."""
        self._fair_share = asyncio.Lock()
        self._connections: set[asyncio.Task[None]] = set()
        self._serving: dict[Connection, asyncio.Task[None]] = {}

    def accept(self, accepted: socket.socket) -> None:
        """Serve a connection."""
        task = asyncio.create_task(self._open(accepted))
        self._connections.add(task)
        task.add_done_callback(self._note_end)

    def cut(self) -> None:
        """Close every connection. Works without a running loop."""
        for connection in self._serving:
            connection.end_stream()
        for task in self._connections:
            task.cancel()

    async def wait_closed(self) -> None:
        """Return when every connection is closed."""
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _open(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(HEAD, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted)
        except OSError:  # it has left already
            accepted.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from supervisor.control.http.connection import Connection  # h11 comes with it, so not before the first client
        from supervisor.control.http.service import api

        try:
            peer, rights = self._admit(writer.get_extra_info("socket"))
        except OSError:
            writer.close()
            return
        service = self._service = self._service or (self._find_service or api)()
        connection = Connection(self._console, service, peer, rights, reader, writer, self._fair_share, self._patience)
        limit = MAX_CONNECTIONS - RESERVED if rights in (Rights.READ, Rights.NOTHING) else MAX_CONNECTIONS
        if len(self._serving) < limit or self._make_room(rights):
            task = asyncio.current_task()
            assert task is not None
            self._serving[connection] = task
            try:
                await connection.serve()
            finally:
                self._serving.pop(connection, None)
        elif len(self._connections) <= 2 * MAX_CONNECTIONS:
            await connection.refuse(RequestError(503, "busy", f"cannot serve more than {limit} connections; try again"))
        else:  # so many that even a refusal would cost too much
            writer.close()

    def _make_room(self, rights: Rights) -> bool:
        """Apply rule 2. Only clients that may control take the place of one that may."""
        places = {
            (other.rights is Rights.CONTROL, not other.has_answered, other.waits_since): other
            for other in self._serving
            if other.waits_since is not None and (rights is Rights.CONTROL or other.rights is not Rights.CONTROL)
        }
        if not places:
            return False
        self._serving.pop(places[min(places)]).cancel()
        return True

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        self.at_end()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._console.log("error", "control.failed", reason=repr(error))
            self._console.fault("control", error)
