"""How many connections wait on a listening socket, as far as the kernel tells."""

from __future__ import annotations

import os
import struct
from _socket import (
    AF_NETLINK,
    IPPROTO_TCP,
    MSG_DONTWAIT,
    SOCK_CLOEXEC,
    SOCK_RAW,
    TCP_INFO,
    socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.sockets import ListenSocket

TCP_INFO_SIZE = 104
TCP_WAITING = 24
"""Offset of tcpi_unacked (linux/tcp.h), which is the length of the queue of a listening socket."""
NETLINK_SOCK_DIAG = 4
REQUEST = struct.Struct("=IHHII BBHIII II")
"""nlmsghdr and unix_diag_req (linux/unix_diag.h)."""
SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 20, 1
AF_UNIX_NUMBER, ALL_STATES, UDIAG_SHOW_RQLEN, NO_COOKIE = 1, 0xFFFFFFFF, 0x10, 0xFFFFFFFF
ANSWER_HEAD = 16 + 16
"""Bytes of nlmsghdr and unix_diag_msg."""
UNIX_DIAG_RQLEN = 4


def queue_of(listening: socket, spec: ListenSocket) -> int | None:
    """Return how many connections wait to be accepted, or None if the kernel does not tell."""
    try:
        return _unix_queue(listening) if isinstance(spec.address, str) else _tcp_queue(listening)
    except (OSError, struct.error):
        return None


def _tcp_queue(listening: socket) -> int:
    info = listening.getsockopt(IPPROTO_TCP, TCP_INFO, TCP_INFO_SIZE)
    (waiting,) = struct.unpack_from("=I", info, TCP_WAITING)
    return int(waiting)


def _unix_queue(listening: socket) -> int | None:
    """Ask for one socket by its inode (sock_diag(7)). The kernel answers before the request returns."""
    request = REQUEST.pack(
        *(REQUEST.size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0),
        *(AF_UNIX_NUMBER, 0, 0, ALL_STATES, os.fstat(listening.fileno()).st_ino, UDIAG_SHOW_RQLEN),
        *(NO_COOKIE, NO_COOKIE),
    )
    netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    try:
        netlink.send(request)
        answer = netlink.recv(4096, MSG_DONTWAIT)
    finally:
        netlink.close()
    if struct.unpack_from("=H", answer, 4) != (SOCK_DIAG_BY_FAMILY,):
        return None
    position = ANSWER_HEAD
    while position + 4 <= len(answer):
        size, kind = struct.unpack_from("=HH", answer, position)
        if kind == UNIX_DIAG_RQLEN:
            (waiting,) = struct.unpack_from("=I", answer, position + 4)
            return int(waiting)
        if size < 4:
            return None
        position += (size + 3) & ~3
    return None
