"""Who is at the other end, as the kernel says, and what they are allowed to do.

Rule 1: root and supinit's own user may do everything, members of socket_group may read, all others may do nothing.
Rule 2: the credentials are those at the time of connect(2) (unix(7)); what the client does later changes nothing.
"""

from __future__ import annotations

import struct
from enum import Enum
from socket import SO_PEERCRED, SOL_SOCKET

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket
    from socket import socket

SO_PEERGROUPS = 59
"""Linux 4.13; Python has no name for it."""
_UCRED = struct.Struct("iII")


class Rights(Enum):
    NOTHING = "nothing"
    PROBE = "probe"
    """Only metrics and probes exist: for every client on the TCP port."""
    READ = "read"
    CONTROL = "control"


class Peer(Record):
    """The process that connected. `groups`: the supplementary ones. `pid` is 0 if it is in another PID namespace.

    `address`: that of a browser; then the rest is unknown.
    """

    pid: int
    uid: int
    gid: int
    groups: frozenset[int] = frozenset()
    address: str = ""


def rights_of(peer: Peer, own_uid: int, reading_group: int | None) -> Rights:
    """Apply rule 1."""
    if peer.uid in (0, own_uid):
        return Rights.CONTROL
    if reading_group is not None and (peer.gid == reading_group or reading_group in peer.groups):
        return Rights.READ
    return Rights.NOTHING


def peer_of(connection: socket | TransportSocket) -> Peer:
    """Ask the kernel. Raises OSError if the socket is not a connected Unix socket."""
    pid, uid, gid = _UCRED.unpack(connection.getsockopt(SOL_SOCKET, SO_PEERCRED, _UCRED.size))
    return Peer(pid, uid, gid, _groups_of(connection, pid))


def _groups_of(connection: socket | TransportSocket, pid: int) -> frozenset[int]:
    try:
        raw = connection.getsockopt(SOL_SOCKET, SO_PEERGROUPS, 1024)
    except OSError:  # an old kernel, or more groups than fit into the buffer that Python allows
        return _groups_from_proc(pid)
    return frozenset(gid for (gid,) in struct.iter_unpack("I", raw))


def _groups_from_proc(pid: int) -> frozenset[int]:
    """Read /proc/PID/status. The pid may have been reused meanwhile, so this is the fallback only."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("Groups:"):
                    return frozenset(int(gid) for gid in line.split()[1:])
    except OSError:
        pass
    return frozenset()
