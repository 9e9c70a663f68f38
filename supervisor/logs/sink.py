"""The container's stdout or stderr, written to without ever waiting for it.

Rule 1: the descriptor itself is never switched to non-blocking, since children may share its description; a pipe or a
terminal is opened anew instead.
Rule 2: what cannot be written is kept, up to BACKLOG; whoever feeds the sink stops reading when it is congested.
Rule 3: a reader that has gone away (EPIPE) is reported once, and what was meant for it is counted and dropped.
"""

from __future__ import annotations

import os
import stat
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG = 1 << 20
"""Bytes that are kept for a stalled reader before the sink is congested."""
PIECE = 4096
"""PIPE_BUF: what a descriptor that poll(2) calls writable takes without blocking (pipe(7))."""


class Sink:
    """One of the container's own output descriptors."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self._write = _open(descriptor)
        self._queue: deque[bytes] = deque()
        self.waiting = 0
        """Bytes kept."""
        self.dropped = 0
        """Bytes lost because nobody reads any more."""

    @property
    def is_congested(self) -> bool:
        return self.waiting >= BACKLOG

    @property
    def is_gone(self) -> bool:
        """Whether nobody reads any more."""
        return self.dropped > 0

    def write(self, data: bytes) -> None:
        """Write now what can be written now, keep the rest."""
        if not self._queue:
            written = self._try(data)
            if written == len(data):
                return
            data = data[written:]
        self._queue.append(data)
        self.waiting += len(data)

    def flush(self) -> bool:
        """Write what was kept, as far as that goes. True: nothing is left."""
        while self._queue:
            data = self._queue[0]
            written = self._try(data)
            self.waiting -= written
            if written < len(data):
                self._queue[0] = data[written:]
                return False
            self._queue.popleft()
        return True

    def _try(self, data: bytes) -> int:
        """Return how many bytes of `data` are off our hands."""
        done = 0
        while done < len(data):
            try:
                done += self._write(data[done:] if done else data)
            except BlockingIOError:
                break
            except OSError:
                self.dropped += len(data) - done
                return len(data)
        return done


def container_sinks() -> tuple[Sink, Sink]:
    """Return the sinks of stdout and stderr: one for both where they are the same file, so that no line is torn."""
    stdout = Sink(1)
    try:
        is_same = os.path.sameopenfile(1, 2)
    except OSError:
        is_same = False
    return stdout, stdout if is_same else Sink(2)


def _open(descriptor: int) -> tuple[int, Callable[[bytes], int]]:
    """Return a descriptor that can be polled, and a function that writes to it without blocking."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        descriptor = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)  # started with it closed
        return descriptor, lambda data: os.write(descriptor, data)
    if stat.S_ISSOCK(mode):
        return descriptor, _socket_writer(descriptor)
    if stat.S_ISFIFO(mode) or os.isatty(descriptor):
        try:
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
        except OSError:
            return descriptor, _polling_writer(descriptor)  # another user's pipe
        return own, lambda data: os.write(own, data)
    return descriptor, lambda data: os.write(descriptor, data)  # a file: it never says EAGAIN


def _socket_writer(descriptor: int) -> Callable[[bytes], int]:
    from _socket import MSG_DONTWAIT, MSG_NOSIGNAL, socket  # the module around it is not needed before the first child

    def write(data: bytes) -> int:
        borrowed = socket(fileno=descriptor)
        try:
            return borrowed.send(data, MSG_DONTWAIT | MSG_NOSIGNAL)
        finally:
            borrowed.detach()

    return write


def _polling_writer(descriptor: int) -> Callable[[bytes], int]:
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)

    def write(data: bytes) -> int:
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(descriptor, data[:PIECE])

    return write
