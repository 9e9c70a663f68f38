"""A socket for programs that only know syslog(3), such as cron, sshd and sudo (`supervisor.syslog`).

Rule 1: the socket is always read, whatever stalls: a sender would wait for ever in its send(2). Lines that a congested
destination does not take, and what is over the rate, are lost and counted.
Rule 2: each line is the sender's own: it takes the stages of the program that sent it. The kernel tells the sender
(SCM_CREDENTIALS). One that cannot be found any more is `syslog`.
"""

from __future__ import annotations

import array
import os
import stat
from _socket import (
    AF_UNIX,
    MSG_DONTWAIT,
    SCM_CREDENTIALS,
    SO_PASSCRED,
    SO_RCVBUF,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOL_SOCKET,
    socket,
)

from supervisor.core.program import Program
from supervisor.core.protocol import MAX_SOCKET_PATH
from supervisor.errors import StartError
from supervisor.file_identity import identity_of
from supervisor.logs.syslog_message import parse_message
from supervisor.umask import bind_with_mode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.program import InstanceId
    from supervisor.logs.pump import Pump

UNKNOWN = Program("syslog", ("syslog",))
"""Stands for senders that have exited, and for those that belong to no program."""
DATAGRAMS = 64
"""Datagrams read in one turn, so that a flood starves no program."""
MAX_DATAGRAM = 64 * 1024
RECEIVE_BUFFER = 1 << 20
ERROR = frozenset(("emerg", "alert", "crit", "err"))
"""Severities of messages that go to stderr."""
_CREDENTIALS_SIZE = 12


class Syslog:
    """The socket. `find` returns the program and instance of a process, None if it belongs to none."""

    def __init__(self, path: str, pump: Pump, find: Callable[[int], tuple[Program, InstanceId] | None]) -> None:
        self._path = path
        self._pump = pump
        self._find = find
        self._socket = _listen(path)
        self._identity = identity_of(path)

    @property
    def is_lost(self) -> bool:
        """Whether the socket's file was removed or replaced, so that nobody can connect any more."""
        return identity_of(self._path) != self._identity

    def restore(self) -> None:
        """Make the socket again. Raises StartError, for example if another process listens there now."""
        new = _listen(self._path)
        self._socket.close()
        self._socket, self._identity = new, identity_of(self._path)

    def fileno(self) -> int:
        return self._socket.fileno()

    def take(self) -> None:
        """Write what has arrived."""
        for _ in range(DATAGRAMS):
            try:
                data, ancillary, _, _ = self._socket.recvmsg(MAX_DATAGRAM, 64 + _CREDENTIALS_SIZE, MSG_DONTWAIT)
            except OSError:
                return
            pid = 0
            for level, kind, content in ancillary:
                if level == SOL_SOCKET and kind == SCM_CREDENTIALS and len(content) == _CREDENTIALS_SIZE:
                    pid = array.array("i", content)[0]
            message = parse_message(data)
            program, instance = (self._find(pid) if pid else None) or (UNKNOWN, (UNKNOWN.name, 1))
            stream = int(message.severity in ERROR)
            self._pump.insert(program, instance, stream, message.severity, message.text + b"\n")

    def close(self) -> None:
        """Close the socket, and remove its file unless another one has taken its place."""
        self._socket.close()
        try:
            if not self.is_lost:
                os.unlink(self._path)
        except OSError:
            pass


def _listen(path: str) -> socket:
    """Make the socket. Raises StartError."""
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise StartError(
            f"cannot listen on {path} (supervisor.syslog): the path is longer than {MAX_SOCKET_PATH} bytes"
        )
    listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
    try:
        _remove_stale(path)
        listener.setsockopt(SOL_SOCKET, SO_PASSCRED, 1)
        listener.setsockopt(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)
        bind_with_mode(listener, path, 0o666)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {path} (supervisor.syslog): {error.strerror or error}") from None
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Remove a socket that nothing listens on, or a link to nothing. Raises StartError for one that is in use."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISSOCK(mode):
        probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        try:
            probe.connect(path)
        except OSError:
            os.unlink(path)
        else:
            raise StartError(f"cannot listen on {path} (supervisor.syslog): another process listens on it")
        finally:
            probe.close()
    elif stat.S_ISLNK(mode) and not os.path.exists(path):
        os.unlink(path)
