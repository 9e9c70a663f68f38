"""The container's stdout or stderr, written to without ever waiting for it.

Rule 1: the descriptor itself is never switched to non-blocking, since children may share its description. A pipe or a
terminal is opened again instead.
Rule 2: what cannot be written yet is kept. With BACKLOG bytes kept, the sink is congested: its sources wait, or drop
lines, until half of that is written.
Rule 3: what cannot be written at all (the reader has gone, the disk is full) is lost, counted, and reported once.
Rule 4: a line that was shown before it had ended (`write_part`) is ended before anything else is written.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections import deque

from supervisor.logs.formats import CUT
from supervisor.logs.losses import Losses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from supervisor.core.output import Output
    from supervisor.logs.formats import Buffers

    Write = Callable[[Buffers], int]

BACKLOG = 1 << 20
"""Bytes kept for a stalled reader before the sink is congested."""
PIECE = 4096
"""PIPE_BUF: a descriptor that poll(2) calls writable takes this many bytes without blocking (pipe(7))."""
NEWLINE = 10
LARGE_PIPE = 1 << 19
"""The size of a pipe that carries a lot: it holds what a fast program writes while the pump leaves it alone. A larger
one fits worse into the CPU caches."""


class Sink:
    """One of the container's own outputs. `name` is for operators; `identity` is its device and inode."""

    def __init__(self, descriptor: int, name: str = "stdout") -> None:
        self.name = name
        self.identity = _identity_of(descriptor)
        self.descriptor, self._write = _open(descriptor)
        self.losses = Losses(name)
        self.failure: str | None = None
        """Why nothing can be written, until something can."""
        self.open_for: object | None = None
        """Who has written the beginning of a line last and will write its rest; the sink itself: nobody will."""
        self.is_congested = False
        self.waiting = 0
        """Bytes kept."""
        self._queue: deque[tuple[Buffers, Output | None, int]] = deque()
        self._is_within_line = False
        """Whether the last write ended within a line."""
        self._is_torn = False
        """Whether the rest of that line is lost."""
        self._has_parts = False
        """Whether an unfinished line was ever written."""
        self.is_shared = False
        """Whether it is a terminal that another program writes to as well, and may have put in raw mode."""

    @property
    def is_colored(self) -> bool:
        """Whether it is a terminal with colours, and they are not turned off (no-color.org)."""
        return os.isatty(self.descriptor) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def share(self, is_shared: bool) -> None:
        """Note whether a main program uses the terminal, if the sink is one."""
        self.is_shared = is_shared and os.isatty(self.descriptor)

    def write(self, buffers: Buffers, source: Output | None = None, size: int = 0) -> None:
        """Write whole lines, as many now as possible, and keep the rest.

        `size` is the number of bytes of `source` in them, which are counted if they are lost.
        """
        if self.open_for is not None:
            self.open_for = None
            buffers = (b"\n", *buffers)
        if self.is_shared:
            buffers = _for_raw_terminal(buffers)
        self._put(buffers, source, size)

    def write_part(self, owner: object, text: bytes, source: Output, size: int) -> None:
        """Write the beginning of a line, or more of the line of the same `owner` that was written last."""
        if self.open_for is not owner and self.open_for is not None:
            text = b"\n" + text
        self.open_for = owner
        self._has_parts = True
        self._put((text,), source, size)

    def end_part(self, text: bytes, source: Output, size: int) -> None:
        """Write the rest of the line that was written last."""
        self.open_for = None
        self._put((text.replace(b"\n", b"\r\n") if self.is_shared else text,), source, size)

    def _put(self, buffers: Buffers, source: Output | None, size: int) -> None:
        if not self._queue:
            buffers, size = self._try(buffers, source, size)
        if buffers:
            self.waiting += _length(buffers)
            self._keep(buffers, source, size)
            if self.waiting >= BACKLOG:
                self.is_congested = True

    def flush(self) -> bool:
        """Write as much as possible of what was kept. Returns whether nothing is left."""
        while self._queue:
            buffers, source, size = self._queue[0]
            rest, size = self._try(buffers, source, size)
            self.waiting -= _length(buffers) - _length(rest)
            if rest:
                self._queue[0] = rest, source, size
                break
            self._queue.popleft()
        if self.waiting <= BACKLOG // 2:
            self.is_congested = False
        return not self._queue

    def _keep(self, buffers: Buffers, source: Output | None, size: int) -> None:
        """Queue lines. Short ones of the same program are joined, since an entry costs more than a short line."""
        if self._queue:
            last, of, before = self._queue[-1]
            if of is source and _length(last) + _length(buffers) < PIECE:
                self._queue[-1] = (b"".join((*last, *buffers)),), source, before + size
                return
        self._queue.append((buffers, source, size))

    def grow(self) -> None:
        """Make a pipe larger for a program that writes a lot: reader and writer then wake each other less often."""
        enlarge(self.descriptor)

    def _try(self, buffers: Buffers, source: Output | None, size: int) -> tuple[Buffers, int]:
        """Write once. Returns what is not written yet, and its share of `size`."""
        while True:
            try:
                written = self._write(buffers if not self._is_torn else (CUT + b"\n",))
            except BlockingIOError:
                return buffers, size
            except OSError as error:
                self.failure = error.strerror or str(error)
                self.losses.note(source, buffers, size)
                self._is_torn = self._is_torn or self._is_within_line
                self.open_for = None
                return (), 0
            self.failure = None
            if self._is_torn:  # the end of a line was lost, and the next line must not continue it
                self._is_torn = self._is_within_line = False
                continue
            rest = _rest(buffers, written)
            self._is_within_line = (bool(rest) or self._has_parts) and not _ends_line(buffers, written)
            if not rest:
                return (), 0
            size = round(size * _length(rest) / _length(buffers))
            buffers = rest


def _identity_of(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _for_raw_terminal(buffers: Buffers) -> Buffers:
    """Begin and end each line at the left edge: a terminal in raw mode adds no carriage return of its own.

    A prompt that stands in the line is overwritten.
    """
    return (b"\r" + b"".join(buffers).replace(b"\n", b"\r\n"),)


def _length(buffers: Buffers) -> int:
    return sum(map(len, buffers))


def _ends_line(buffers: Buffers, written: int) -> bool:
    """Return whether the first `written` bytes of the buffers end with a newline."""
    for buffer in buffers:
        if 0 < written <= len(buffer):
            return buffer[written - 1] == NEWLINE
        written -= len(buffer)
    return True


def _rest(buffers: Buffers, written: int) -> Buffers:
    """Return what is left of the buffers after `written` bytes."""
    for number, buffer in enumerate(buffers):
        if written < len(buffer):
            return memoryview(buffer)[written:], *buffers[number + 1 :]
        written -= len(buffer)
    return ()


def enlarge(pipe: int) -> None:
    """Make a pipe larger, up to LARGE_PIPE. Anything that is not a pipe stays as it is."""
    try:
        if fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) < LARGE_PIPE:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, LARGE_PIPE)
    except OSError:
        pass


def container_sinks() -> tuple[Sink, Sink]:
    """Return the sinks of stdout and stderr; the same one twice if they are the same file, so that no line is torn."""
    stdout = Sink(1, "stdout")
    try:
        is_same = os.path.sameopenfile(1, 2)
    except OSError:
        is_same = False
    return stdout, stdout if is_same else Sink(2, "stderr")


def _open(descriptor: int) -> tuple[int, Write]:
    """Return a descriptor that can be polled, and a function that writes to it without blocking."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        descriptor = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)  # started with it closed
        return descriptor, _writer(descriptor)
    if stat.S_ISSOCK(mode):
        return descriptor, _socket_writer(descriptor)
    if stat.S_ISFIFO(mode) or os.isatty(descriptor):
        try:
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
        except OSError:
            return descriptor, _polling_writer(descriptor)  # another user's pipe
        return own, _writer(own)
    return descriptor, _writer(descriptor)  # a file never answers EAGAIN


def _writer(descriptor: int) -> Write:
    return lambda buffers: os.writev(descriptor, buffers)


def _socket_writer(descriptor: int) -> Write:
    from _socket import MSG_DONTWAIT, MSG_NOSIGNAL, socket  # the module around it is not needed before the first child

    def write(buffers: Sequence[bytes | memoryview]) -> int:
        borrowed = socket(fileno=descriptor)
        try:
            return borrowed.sendmsg(buffers, (), MSG_DONTWAIT | MSG_NOSIGNAL)
        finally:
            borrowed.detach()

    return write


def _polling_writer(descriptor: int) -> Write:
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)

    def write(buffers: Sequence[bytes | memoryview]) -> int:
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(descriptor, next(memoryview(buffer) for buffer in buffers if buffer)[:PIECE])

    return write
