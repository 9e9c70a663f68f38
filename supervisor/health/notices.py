"""The notify socket (sd_notify(3)) or readiness descriptor (s6) of each instance.

Rule 1: the kernel tells the sender of a datagram (SCM_CREDENTIALS); the engine decides whether to accept it. So any
        user may send: a server that was started as root sends as another user later (uWSGI, mariadbd).
        A helper such as systemd-notify has often exited when its datagram is read, and the kernel no longer tells whose
        child it was. So each instance gets a private socket besides, with a random name that only its own processes
        know: they have it from $NOTIFY_SOCKET.
Rule 2: descriptors that are sent along are closed at once. For BARRIER that is the answer; FDSTORE is not supported.
"""

from __future__ import annotations

import errno
import os
import select
import sys
from _socket import (
    AF_UNIX,
    MSG_CMSG_CLOEXEC,
    MSG_DONTWAIT,
    MSG_TRUNC,
    SCM_CREDENTIALS,
    SCM_RIGHTS,
    SO_PASSCRED,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOL_SOCKET,
    socket,
)

from supervisor.core.lanes import in_second_lane
from supervisor.core.protocol import MAX_SOCKET_PATH
from supervisor.core.record import Record
from supervisor.file_identity import identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.core.program import Credentials, InstanceId

DATAGRAMS = 64
"""Datagrams read from one socket in one turn, so that a flood starves no other program."""
TOKEN_SIZE = 8
"""Bytes of the random name of a private socket."""
SO_PASSPIDFD, SCM_PIDFD = 76, 4
"""Not in Python's socket module (asm-generic/socket.h, linux/socket.h)."""
_CREDENTIALS_SIZE = 12
_MAX_DESCRIPTORS = 253
"""SCM_MAX_FD (unix(7))"""


class Datagram(Record):
    """A datagram from the process `pid`, at most MAX_DATAGRAM + 1 bytes of it."""

    instance: InstanceId
    pid: int
    datagram: bytes
    is_private: bool = False
    """Whether it came through the socket that only the instance's processes know."""
    is_gone: bool = False
    """Whether its sender had exited, and was reaped, when it was read: the pid may be another process's by now."""


class ReadinessNewline(Record):
    """A newline came through the descriptor of the process with this generation."""

    instance: InstanceId
    generation: int


class Notices:
    """All sockets and descriptors. Readable (`fileno`) when one of them is."""

    def __init__(self, run_dir: str) -> None:
        self._folder = os.path.join(run_dir, "notify")
        self._epoll = select.epoll()
        self._private = os.path.join(self._folder, "private")
        self._sockets: dict[str, socket] = {}
        self._private_paths: dict[InstanceId, str] = {}
        self._by_descriptor: dict[int, tuple[InstanceId, socket]] = {}
        self._pipes: dict[int, tuple[InstanceId, int]] = {}
        self._files: dict[str, tuple[tuple[int, int], InstanceId, Credentials | None]] = {}
        """The device and inode of each socket's file, and for whom it was made."""

    def fileno(self) -> int:
        return self._epoll.fileno()

    def open_socket(self, instance: InstanceId, credentials: Credentials | None) -> str:
        """Return the path of the instance's socket, which is made at the first call. Raises OSError."""
        lane = ".2" if in_second_lane(instance) else ""
        path = os.path.join(self._folder, f"{instance[0]}.{instance[1]}{lane}")
        self._open(path, instance, credentials)
        return path

    def open_private_socket(self, instance: InstanceId, credentials: Credentials | None) -> str:
        """Return the path of the socket that only the instance's processes know. Raises OSError.

        Where its path would be too long, this is the path of the other one.
        """
        public = self.open_socket(instance, credentials)
        path = self._private_paths.get(instance)
        if path is None:
            path = os.path.join(self._private, os.urandom(TOKEN_SIZE).hex())
            if len(os.fsencode(path)) > MAX_SOCKET_PATH:
                return public
            if not self._private_paths:
                self._clear_private()
            self._private_paths[instance] = path
        self._open(path, instance, credentials)
        return path

    def repair(self) -> bool:
        """Make the sockets again whose files are no longer there. Returns whether there were any. Raises OSError."""
        lost = [path for path, (identity, _, _) in self._files.items() if identity_of(path) != identity]
        for path in lost:
            listener = self._sockets.pop(path)
            del self._by_descriptor[listener.fileno()]
            self._epoll.unregister(listener.fileno())
            listener.close()
            self._open(path, *self._files[path][1:])
        return bool(lost)

    def _clear_private(self) -> None:
        """Remove the private sockets of an earlier supinit."""
        try:
            for name in os.listdir(self._private):
                os.unlink(os.path.join(self._private, name))
        except FileNotFoundError:
            pass

    def _open(self, path: str, instance: InstanceId, credentials: Credentials | None) -> None:
        if path not in self._sockets:
            listener = self._listen(path, credentials)
            self._sockets[path] = listener
            self._files[path] = identity_of(path), instance, credentials
            self._by_descriptor[listener.fileno()] = instance, listener
            self._epoll.register(listener.fileno(), select.EPOLLIN)

    def _listen(self, path: str, credentials: Credentials | None) -> socket:
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            sentence = f"the path of its notify socket, {path}, is longer than {MAX_SOCKET_PATH} bytes"
            raise OSError(errno.ENAMETOOLONG, f"{sentence} (choose a shorter supervisor.run_dir)", path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.chmod(self._folder, 0o755)  # whatever umask supinit was started with
        if path.startswith(self._private):
            os.chmod(self._private, 0o711)  # only root can list it
        if os.path.lexists(path):
            os.unlink(path)
        listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        try:
            listener.setsockopt(SOL_SOCKET, SO_PASSCRED, 1)
            _ask_for_pidfds(listener)
            listener.bind(path)
            os.chmod(path, 0o666)
            if credentials is not None and credentials.uid != os.geteuid():
                try:
                    os.chown(path, credentials.uid, credentials.gid)
                except PermissionError:
                    pass  # without CAP_CHOWN; its mode lets every user write
        except BaseException:
            listener.close()
            raise
        return listener

    def open_pipe(self, instance: InstanceId, generation: int) -> int:
        """Return the descriptor that the process of that generation writes its newline to; the caller closes it."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_end, False)
        self._pipes[read_end] = instance, generation
        self._epoll.register(read_end, select.EPOLLIN)
        return write_end

    def take(self) -> Iterator[Datagram | ReadinessNewline]:
        """Yield what has arrived since the last call, in order for each instance."""
        for descriptor, _ in self._epoll.poll(0):
            if descriptor in self._pipes:
                yield from self._read_pipe(descriptor)
            else:
                yield from self._read_socket(*self._by_descriptor[descriptor])

    def _read_pipe(self, descriptor: int) -> Iterator[ReadinessNewline]:
        try:
            data = os.read(descriptor, 4096)
        except BlockingIOError:
            return
        if data and b"\n" not in data:
            return
        self._epoll.unregister(descriptor)
        os.close(descriptor)
        instance, generation = self._pipes.pop(descriptor)
        if data:
            yield ReadinessNewline(instance, generation)

    def _read_socket(self, instance: InstanceId, listener: socket) -> Iterator[Datagram]:
        from supervisor.core.notice import MAX_DATAGRAM

        is_private = listener is self._sockets.get(self._private_paths.get(instance, ""))
        space = 96 + _CREDENTIALS_SIZE + 4 * _MAX_DESCRIPTORS
        for _ in range(DATAGRAMS):
            try:
                data, ancillary, flags, _ = listener.recvmsg(MAX_DATAGRAM + 1, space, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
            except OSError:
                return
            pid, pidfd = 0, -1
            for level, kind, content in ancillary:
                if level == SOL_SOCKET and kind == SCM_RIGHTS:
                    _close_all(content)
                elif level == SOL_SOCKET and kind == SCM_CREDENTIALS and len(content) == _CREDENTIALS_SIZE:
                    pid = _numbers(content)[0]
                elif level == SOL_SOCKET and kind == SCM_PIDFD:
                    pidfd = _numbers(content)[0]
            is_gone = _is_gone(pid, pidfd)
            if pid and not flags & MSG_TRUNC:
                yield Datagram(instance, pid, data, is_private, is_gone)


def _ask_for_pidfds(listener: socket) -> None:
    try:
        listener.setsockopt(SOL_SOCKET, SO_PASSPIDFD, 1)
    except OSError:
        pass  # before Linux 6.5


def _is_gone(pid: int, pidfd: int) -> bool:
    """Return whether a sender is gone, by its pidfd if there is one; closes that."""
    if pidfd < 0:
        return pid > 0 and not os.path.exists(f"/proc/{pid}")
    try:
        with open(f"/proc/self/fdinfo/{pidfd}", "rb") as file:
            return f"Pid:\t{pid}\n".encode() not in file.read()
    finally:
        os.close(pidfd)


def _numbers(content: bytes) -> list[int]:
    """Return the C integers in the data of a control message."""
    return [int.from_bytes(content[at : at + 4], sys.byteorder, signed=True) for at in range(0, len(content) - 3, 4)]


def _close_all(content: bytes) -> None:
    for descriptor in _numbers(content):
        os.close(descriptor)
