"""Every child's output pipes in one epoll, read in fair turns and written to the container's stdout and stderr.

Rule 1: a turn reads at most CHUNK bytes from each of at most TURN pipes, so that a flood starves nobody.
Rule 2: pipes whose sink is congested are not read until it flows again: the child waits, as it would for the sink.
Rule 3: the end of a program never waits for the end of its pipes, which a surviving process may hold open.
"""

from __future__ import annotations

import os
import select

from supervisor.core.program import LogMode
from supervisor.core.record import Record
from supervisor.logs.lines import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import InstanceId, Program
    from supervisor.logs.sink import Sink

CHUNK = 32 * 1024
TURN = 16
FULL_PIPE = 1 << 20
"""What a pipe holds at most (pipe(7), F_SETPIPE_SZ): all that a process that is gone can have left in it."""


class Outlet(Record):
    """The descriptors that a new process writes to, and those of them that are closed once it has them."""

    stdout: int
    stderr: int
    ours: tuple[int, ...] = ()


class _Pipe:
    """One stream of one process."""

    def __init__(self, instance: InstanceId, lines: Lines, sink: Sink) -> None:
        self.instance = instance
        self.lines = lines
        self.sink = sink


class Pump:
    """All pipes. Readable (`fileno`) when one of them is."""

    def __init__(self, stdout: Sink, stderr: Sink) -> None:
        self.sinks = (stdout, stderr)
        self._epoll = select.epoll()
        self._pipes: dict[int, _Pipe] = {}
        self._by_instance: dict[InstanceId, set[int]] = {}
        self._paused: set[int] = set()
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    @property
    def null(self) -> int:
        """/dev/null, for reading and writing."""
        return self._null

    def fileno(self) -> int:
        return self._epoll.fileno()

    def open(self, program: Program, instance: InstanceId) -> Outlet:
        """Return what a new process of the program writes to. The caller closes `ours` once the process has them."""
        match program.log.mode:
            case LogMode.INHERIT:
                return Outlet(1, 2)
            case LogMode.NONE:
                return Outlet(self._null, self._null)
            case _:
                stdout, stderr = (
                    self._open_pipe(program, instance, stream, sink)
                    for stream, sink in zip(("stdout", "stderr"), self.sinks, strict=True)
                )
                return Outlet(stdout, stderr, (stdout, stderr))

    def _open_pipe(self, program: Program, instance: InstanceId, stream: str, sink: Sink) -> int:
        name, number = instance
        label = name if program.scale == 1 else f"{name}:{number}"
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_end, False)
        self._pipes[read_end] = _Pipe(instance, Lines(program.log, name, number, label, stream), sink)
        self._by_instance.setdefault(instance, set()).add(read_end)
        self._epoll.register(read_end, select.EPOLLIN)
        return write_end

    def turn(self) -> None:
        """Read what is there, once around."""
        for descriptor, _ in self._epoll.poll(0, TURN):
            self._read(descriptor)
        self._pause_congested()

    def drain(self, instance: InstanceId | None = None) -> None:
        """Read what the pipes of an instance (None: all pipes) hold right now, as far as the sinks take it."""
        instances = list(self._by_instance) if instance is None else [instance]
        for descriptor in [fd for each in instances for fd in self._by_instance.get(each, ())]:
            sink = self._pipes[descriptor].sink
            for _ in range(FULL_PIPE // CHUNK):
                if sink.is_congested or not self._read(descriptor):
                    break

    def flush(self, seconds: float) -> None:
        """Write out everything that was read, the last line without a newline too, within a bounded time."""
        from time import monotonic

        limit = monotonic() + seconds
        self.drain()
        for descriptor in list(self._pipes):
            self._close(descriptor)
        for sink in self.sinks:
            while not sink.flush() and monotonic() < limit:
                poll = select.poll()
                poll.register(sink.descriptor, select.POLLOUT)
                poll.poll(max(0.0, limit - monotonic()) * 1000)

    def resume(self) -> None:
        """Read again from the pipes whose sinks flow again."""
        for descriptor in [fd for fd in self._paused if not self._pipes[fd].sink.is_congested]:
            self._paused.discard(descriptor)
            self._epoll.modify(descriptor, select.EPOLLIN)

    def _pause_congested(self) -> None:
        for sink in self.sinks:
            if not sink.is_congested:
                continue
            for descriptor, pipe in self._pipes.items():
                if pipe.sink is sink and descriptor not in self._paused:
                    self._paused.add(descriptor)
                    self._epoll.modify(descriptor, 0)

    def _read(self, descriptor: int) -> bool:
        """Read one chunk. False: there is nothing to read for now, or ever."""
        pipe = self._pipes.get(descriptor)
        if pipe is None:
            return False
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._close(descriptor)
            return False
        lines = pipe.lines.feed(data)
        if lines:
            pipe.sink.write(lines)
        return True

    def _close(self, descriptor: int) -> None:
        pipe = self._pipes.pop(descriptor)
        self._by_instance[pipe.instance].discard(descriptor)
        self._paused.discard(descriptor)
        self._epoll.unregister(descriptor)
        os.close(descriptor)
        last = pipe.lines.finish()
        if last:
            pipe.sink.write(last)
