"""The two listeners: the control socket, and the optional TCP port, which has only metrics and probes."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from supervisor.control.access import Peer, Rights, peer_of, rights_of
from supervisor.control.http.connection_limit import AT_ONCE, PATIENCE, QUEUE, ConnectionLimit
from supervisor.control.http.socket_file import SocketFile

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

    from supervisor.control.console import Console

STRANGER = Peer(0, -1, -1)
"""The peer on a TCP connection, of which the kernel says nothing."""
_HEAD = 16 * 1024


async def serve(console: Console, path: str, mode: int, group: int | None, patience: float = PATIENCE) -> Server:
    """Listen on a Unix socket at `path`, whose file gets `mode` and `group`; members of `group` may read.

    `patience` is how many seconds a client may take for a request. Raises OSError with the reason in `strerror`.
    """
    own_uid = os.geteuid()

    def admit(connection: TransportSocket) -> tuple[Peer, Rights]:
        peer = peer_of(connection)
        return peer, rights_of(peer, own_uid, group)

    file = SocketFile(path, mode, group)
    limit = ConnectionLimit(console, admit, patience)
    listener = await asyncio.start_unix_server(limit.accept, sock=file.socket, limit=_HEAD, backlog=AT_ONCE)
    return Server(limit, listener, file)


async def serve_metrics(console: Console, host: str, port: int, patience: float = PATIENCE) -> Server:
    """Listen on a TCP address, "" for all of them. Everybody who can connect gets metrics and probes.

    Raises OSError with the reason in `strerror`.
    """
    limit = ConnectionLimit(console, lambda _: (STRANGER, Rights.PROBE), patience)
    try:
        if host:
            listener = await asyncio.start_server(limit.accept, host, port, limit=_HEAD, backlog=AT_ONCE)
        else:
            everywhere = _on_every_address(port)
            listener = await asyncio.start_server(limit.accept, sock=everywhere, limit=_HEAD, backlog=AT_ONCE)
        return Server(limit, listener)
    except OSError as error:
        if error.errno is None or error.errno < 0:  # the resolver's own numbers
            raise
        raise OSError(error.errno, os.strerror(error.errno).lower()) from None


def _on_every_address(port: int) -> socket.socket:
    """Make one socket for both families: asyncio would make two, and resolve the address in a thread."""
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    return socket.create_server(("", port), family=family, dualstack_ipv6=dual)


class Server:
    """A listener and its connections, until `close`."""

    def __init__(self, limit: ConnectionLimit, listener: asyncio.Server, file: SocketFile | None = None) -> None:
        self._limit = limit
        self._listener = listener
        self._file = file
        for transport in listener.sockets:  # asyncio has one number for the queue and for what is taken from it at once
            with socket.socket(fileno=os.dup(transport.fileno())) as shared:
                shared.listen(QUEUE)

    def close(self) -> None:
        """Stop listening, close every connection and remove the socket file. Works without a running loop."""
        self._listener.close()
        if self._file is not None:
            self._file.remove()
        self._limit.cut()

    async def wait_closed(self) -> None:
        """Return when every connection is closed."""
        await self._limit.wait_closed()
