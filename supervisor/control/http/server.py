"""The listeners: the control socket, and the optional TCP ports for metrics and probes and for the web page."""

from __future__ import annotations

import asyncio
import os
import socket

from supervisor.control.access import Peer, Rights, peer_of, rights_of
from supervisor.control.http.connection_limit import PATIENCE, ConnectionLimit
from supervisor.control.http.listener import Listener
from supervisor.control.http.socket_file import SocketFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket
    from collections.abc import Iterable

    from supervisor.control.console import Console
    from supervisor.control.http.service import Service
    from supervisor.core.web_page import WebPage

STRANGER = Peer(0, -1, -1)
"""The peer on a TCP connection, of which the kernel says nothing."""
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3))
"""The kernel ends the stream of a vanished browser after two minutes (tcp(7)), without waking supinit."""


async def serve(console: Console, path: str, mode: int, group: int | None, patience: float = PATIENCE) -> Server:
    """Listen on a Unix socket at `path`, whose file gets `mode` and `group`; members of `group` may read.

    `patience` is how many seconds a client may take for a request. Raises OSError with the reason in `strerror`.
    """
    own_uid = os.geteuid()

    def admit(connection: TransportSocket) -> tuple[Peer, Rights]:
        peer = peer_of(connection)
        return peer, rights_of(peer, own_uid, group)

    file = SocketFile(path, mode, group)
    return Server(ConnectionLimit(console, admit, patience), [file.socket], file)


async def serve_metrics(console: Console, host: str, port: int, patience: float = PATIENCE) -> Server:
    """Listen on a TCP address, "" for all of them. Everybody who can connect gets metrics and probes.

    Raises OSError with the reason in `strerror`.
    """
    return await _serve_tcp(ConnectionLimit(console, lambda _: (STRANGER, Rights.PROBE), patience), host, port)


async def serve_web(console: Console, web: WebPage, patience: float = PATIENCE) -> Server:
    """Listen on a TCP address for browsers. Raises OSError with the reason in `strerror`."""
    from supervisor.control.web.token import check_token

    def admit(connection: TransportSocket) -> tuple[Peer, Rights]:
        for option, value in KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return Peer(0, -1, -1, address=connection.getpeername()[0]), Rights.READ

    def find_service() -> Service:
        from supervisor.control.http.service import Service
        from supervisor.control.web.site import HEADERS, Site

        return Service(Site(web).respond, HEADERS)

    server = await _serve_tcp(ConnectionLimit(console, admit, patience, find_service), *web.listen)
    if (problem := check_token(web)) is not None:
        console.log("error", "control.failed", reason=f"{problem}; nobody can control programs with the web page")
    return server


async def _serve_tcp(limit: ConnectionLimit, host: str, port: int) -> Server:
    try:
        return Server(limit, await _bind(host, port))
    except OSError as error:
        if error.errno is None or error.errno < 0:  # the resolver's own numbers
            raise
        raise OSError(error.errno, os.strerror(error.errno).lower()) from None


async def _bind(host: str, port: int) -> list[socket.socket]:
    """Return sockets that are bound to every address of a host.

    For all addresses, one socket serves both families: asyncio would make two, and resolve the address in a thread.
    """
    if not host:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        return [socket.create_server(("", port), family=family, dualstack_ipv6=dual)]
    server = await asyncio.start_server(lambda *_: None, host, port, start_serving=False)
    bound = [socket.socket(fileno=os.dup(transport.fileno())) for transport in server.sockets]
    server.close()
    return bound


class Server:
    """Bound sockets that listen, and their connections, until `close`."""

    def __init__(self, limit: ConnectionLimit, bound: Iterable[socket.socket], file: SocketFile | None = None) -> None:
        self._limit = limit
        self._file = file
        self._listeners = [Listener(each, limit.accept, limit.log) for each in bound]
        limit.at_end = self._note_end

    @property
    def is_lost(self) -> bool:
        """Whether the socket's file was removed or replaced, so that nobody can connect any more."""
        return self._file is not None and self._file.is_lost

    def stop_listening(self) -> None:
        """Take no more connections; those that are open stay."""
        for listener in self._listeners:
            listener.close()

    def close(self) -> None:
        """Stop listening, close every connection and remove the socket file. Works without a running loop."""
        self.stop_listening()
        if self._file is not None:
            self._file.remove()
        self._limit.cut()

    async def wait_closed(self) -> None:
        """Return when every connection is closed."""
        await self._limit.wait_closed()

    def _note_end(self) -> None:
        for listener in self._listeners:
            listener.note_end()
