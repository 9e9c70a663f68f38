"""Every child's output pipes in one epoll, read in fair turns and written to the container's stdout and stderr.

Rule 1: a turn reads at most CHUNK bytes from each of at most TURN pipes, so that a flood starves nobody.
Rule 2: pipes whose sink is congested are not read until it flows again: the child waits, as it would for the sink.
Rule 3: the end of a program never waits for the end of its pipes, which a surviving process may hold open.
"""

from __future__ import annotations

import os
import select
from time import monotonic

from supervisor.core.program import LogMode
from supervisor.core.record import Record
from supervisor.logs.lines import Lines
from supervisor.logs.spotter import Spotter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.program import InstanceId, Program
    from supervisor.logs.sink import Sink

CHUNK = 32 * 1024
TURN = 16
KEPT = 4096
"""Bytes of an instance's last output that are kept for the verdict."""
FULL_PIPE = 1 << 20
"""What a pipe holds at most (pipe(7), F_SETPIPE_SZ): all that a process that is gone can have left in it."""


class Outlet(Record):
    """The descriptors that a new process writes to, and those of them that are closed once it has them."""

    stdout: int
    stderr: int
    ours: tuple[int, ...] = ()


class _Pipe:
    """One stream of one process."""

    def __init__(self, instance: InstanceId, lines: Lines | None, sink: Sink, spotter: Spotter | None) -> None:
        self.instance = instance
        self.lines = lines
        """None: nobody wants to see them."""
        self.sink = sink
        self.spotter = spotter


class Pump:
    """All pipes. Readable (`fileno`) when one of them is."""

    def __init__(self, stdout: Sink, stderr: Sink) -> None:
        self.sinks = (stdout, stderr)
        self._epoll = select.epoll()
        self._pipes: dict[int, _Pipe] = {}
        self._by_instance: dict[InstanceId, set[int]] = {}
        self._ends: dict[InstanceId, bytes] = {}
        self._paused: set[int] = set()
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    @property
    def null(self) -> int:
        """/dev/null, for reading and writing."""
        return self._null

    def fileno(self) -> int:
        return self._epoll.fileno()

    def open(self, program: Program, instance: InstanceId, report: Callable[[bool, str], None] | None = None) -> Outlet:
        """Return what a new process of the program writes to. The caller closes `ours` once the process has them.

        `report` is told of the first line that says how the start went (logs/spotter.py). Raises OSError where there
        are no descriptors left; none is taken then.
        """
        is_watched = program.ready.log is not None or program.ready.fail_log is not None
        match program.log.mode:
            case LogMode.INHERIT:
                return Outlet(1, 2)
            case LogMode.NONE if not is_watched:
                return Outlet(self._null, self._null)
            case _:
                watch = report if is_watched else None
                stdout = self._open_pipe(program, instance, "stdout", watch)
                try:
                    stderr = self._open_pipe(program, instance, "stderr", watch)
                except OSError:
                    os.close(stdout)
                    raise
                return Outlet(stdout, stderr, (stdout, stderr))

    def marks_of(self, instance: InstanceId) -> frozenset[bytes]:
        """Return the pipes that an instance writes to, as they stand in /proc/PID/fd."""
        inodes = (os.fstat(descriptor).st_ino for descriptor in self._by_instance.get(instance, ()))
        return frozenset(b"pipe:[%d]" % inode for inode in inodes)

    def last_lines(self, instance: InstanceId) -> str:
        """Return the end of what an instance has written, whole lines of both its streams as they were read."""
        kept = self._ends.get(instance, b"")
        text = kept.decode(errors="replace")
        if len(kept) == KEPT:
            text = text.partition("\n")[2]
        return text.rstrip("\n")

    def _open_pipe(
        self, program: Program, instance: InstanceId, stream: str, report: Callable[[bool, str], None] | None
    ) -> int:
        sink = self.sinks[stream == "stderr"]
        name, number = instance
        label = name if program.scale == 1 else f"{name}:{number}"
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_end, False)
        if program.credentials is not None and os.geteuid() == 0:
            os.fchown(write_end, program.credentials.uid, program.credentials.gid)  # so that it may open /dev/stdout
        lines = None if program.log.mode is LogMode.NONE else Lines(program.log, name, number, label, stream)
        spotter = None if report is None else Spotter(program.ready, report)
        self._pipes[read_end] = _Pipe(instance, lines, sink, spotter)
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
        """Write out everything that was written to the pipes, the last line without a newline too, or give up in time.

        A congested sink holds back the pipes that it is for, so both are worked off in turn.
        """
        limit = monotonic() + seconds
        self.drain()
        while any(sink.is_congested for sink in self.sinks) and monotonic() < limit:
            self._wait_for_sinks(limit)
            self.drain()
        for descriptor in list(self._pipes):
            self._close(descriptor)
        while self._wait_for_sinks(limit):
            pass

    def _wait_for_sinks(self, limit: float) -> bool:
        """Write some of what is kept. False: nothing is kept any more, or the time is over."""
        waiting = [sink for sink in self.sinks if not sink.flush()]
        left = limit - monotonic()
        if not waiting or left <= 0:
            return False
        poll = select.poll()
        for sink in waiting:
            poll.register(sink.descriptor, select.POLLOUT)
        poll.poll(left * 1000)
        return True

    def resume(self) -> None:
        """Read again from the pipes whose sinks flow again."""
        for descriptor in [fd for fd in self._paused if not self._pipes[fd].sink.is_congested]:
            self._paused.discard(descriptor)
            self._epoll.register(descriptor, select.EPOLLIN)

    def _pause_congested(self) -> None:
        for sink in self.sinks:
            if not sink.is_congested:
                continue
            for descriptor, pipe in self._pipes.items():
                if pipe.sink is sink and descriptor not in self._paused:
                    self._paused.add(descriptor)
                    self._epoll.unregister(descriptor)  # masking it would not do: EPOLLHUP cannot be masked

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
        self._ends[pipe.instance] = (self._ends.get(pipe.instance, b"") + data)[-KEPT:]
        if pipe.spotter is not None:
            pipe.spotter.feed(data)
            if pipe.spotter.is_done:
                pipe.spotter = None
        if pipe.lines is not None and (lines := pipe.lines.feed(data)):
            pipe.sink.write(lines)
        return True

    def _close(self, descriptor: int) -> None:
        pipe = self._pipes.pop(descriptor)
        self._by_instance[pipe.instance].discard(descriptor)
        if descriptor in self._paused:
            self._paused.discard(descriptor)
        else:
            self._epoll.unregister(descriptor)
        os.close(descriptor)
        if pipe.lines is not None and (last := pipe.lines.finish()):
            pipe.sink.write(last)
