"""Say why a socket cannot be bound: the cause, who has the address, and the way out."""

from __future__ import annotations

import errno
import os

from supervisor.core.sockets import SocketType
from supervisor.process.connections import parse, read_lines, sockets_of
from supervisor.process.procfs import list_pids, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor.core.sockets import ListenSocket
    from supervisor.process.sockets import Failure, HeldSocket

FIRST_FREE = 1024
"""The first port that needs no privilege, unless net.ipv4.ip_unprivileged_port_start says otherwise."""
SETTING = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
LISTEN_STATE = 10


def explain(failure: Failure, held: Iterable[HeldSocket]) -> str:
    """Return the sentence for the operator. `held`: the sockets of this supinit."""
    return f"cannot listen on {failure.socket.listen}: {_reason(failure, held)}"


def _reason(failure: Failure, held: Iterable[HeldSocket]) -> str:
    spec, error = failure.socket, failure.error
    text = error.strerror or str(error)
    match error.errno:
        case errno.EADDRINUSE:
            return f"address in use{_holder(spec, held)}"
        case errno.EACCES if isinstance(spec.address, tuple) and spec.address[1] < _first_free_port():
            return (
                f"ports below {_first_free_port()} need CAP_NET_BIND_SERVICE (use a higher port, or add the capability"
                " NET_BIND_SERVICE to the container)"
            )
        case errno.EADDRNOTAVAIL:
            return "no network interface has this address (0.0.0.0 stands for all)"
        case errno.EAFNOSUPPORT:
            return "the kernel has no IPv6"
        case errno.ENOENT | errno.ENOTDIR:
            return f"{text}: its directory has to exist (runtime_directory makes it)"
        case errno.EEXIST:
            return f"{text}: remove it, or choose another path"
        case errno.EPERM:
            return f"cannot give it to its owner (uid {_owner_of(failure)}): this needs CAP_CHOWN"
        case _:
            return text


def _owner_of(failure: Failure) -> str:
    return "of the program" if failure.socket.uid is None else str(failure.socket.uid)


def _first_free_port() -> int:
    try:
        with open(SETTING, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return FIRST_FREE


def _holder(spec: ListenSocket, held: Iterable[HeldSocket]) -> str:
    """Return " by NAME (pid N)" for the process that has the address, or "" if none is found."""
    inodes = set(_inodes(spec))
    for other in held:
        if os.fstat(other.socket.fileno()).st_ino in inodes:
            own = f"programs.{other.program}.sockets.{other.spec.name} ({other.spec.listen})"
            return f" by supinit itself, for {own}: remove that first, or start a new container"
    own_pid = os.getpid()
    others = sorted(pid for pid in list_pids() if pid != own_pid) if inodes else ()
    holder = next((pid for pid in others if not inodes.isdisjoint(sockets_of(pid))), None)
    return "" if holder is None else f" by {name_of(holder)} (pid {holder})"


def _inodes(spec: ListenSocket) -> Iterator[int]:
    """Yield the inodes of the sockets that are bound to the path or the port."""
    try:
        if isinstance(spec.address, str):
            yield from _unix_inodes(spec.address)
        else:
            yield from _inet_inodes(spec.address[1], "udp" if spec.kind is SocketType.DATAGRAM else "tcp")
    except OSError:
        return


def _inet_inodes(port: int, protocol: str) -> Iterator[int]:
    for table in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
        if os.path.exists(table):
            entries = (parse(line) for line in read_lines(table) if line is not None)
            for entry in entries:
                if entry is not None and entry.local[1] == port and (protocol == "udp" or entry.state == LISTEN_STATE):
                    yield entry.inode


def _unix_inodes(path: str) -> Iterator[int]:
    for line in read_lines("/proc/net/unix"):
        fields = (line or b"").split(None, 7)
        if len(fields) == 8 and os.fsdecode(fields[7]) == path:
            yield int(fields[6])
