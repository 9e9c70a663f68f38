"""Read the output pipes of all programs, in one epoll, and pass their lines on to their destinations.

Rule 1: a turn ends after SLICE seconds, and within it each pipe is read once (CHUNK bytes) before any is read again, so
that a flood starves no other program.
Rule 2: a pipe is not read while one of its destinations is congested: the program waits, as it would for the
destination itself. A program that drops lines (`when_full: drop`) is always read.
Rule 3: the end of a program never waits for the end of its pipes, which a surviving process may hold open.
Rule 4: while little is written, the pipes are left alone for a moment after each turn, so that lines come in batches.
"""

from __future__ import annotations

import os
import select
from time import monotonic

from supervisor.core.lanes import first_lane
from supervisor.core.output import Output
from supervisor.core.program import LogMode
from supervisor.logs.destinations import Destinations
from supervisor.logs.inserted import Inserted
from supervisor.logs.losses import SlowPatterns
from supervisor.logs.new_pipes import close_all, new_pipes
from supervisor.logs.pipe import CHUNK, Outlet, Pipe, give_to, has_unread
from supervisor.logs.sink import Sink, enlarge
from supervisor.logs.tails import Tails

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from supervisor.core.program import InstanceId, Program
    from supervisor.logs.losses import Losses
    from supervisor.logs.pipe import Report
    from supervisor.logs.rate import Bucket

ROUND = 8
"""Pipes that are read before the clock is looked at."""
SLICE = 0.001
BUSY, QUIET = 16 * 1024, 4 * 1024
"""A read of at least BUSY bytes is a large one, of less than QUIET bytes a small one."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.001, 0.04
"""Seconds that the pipes are left alone after a turn; the less is written, the longer."""
FULL_PIPE = 1 << 20
"""The largest size of a pipe (pipe(7), F_SETPIPE_SZ), and so the most that a dead process can have left in it."""
LONGEST_TURN = 0.02
"""Seconds after which a turn ends before every pipe that is ready was read: patterns take their time."""
LOOK_AGAIN = 0.1
"""Seconds after which a pipe that was not empty when its last line was due is looked at again."""
OVERFLOW = 16 << 20
"""Bytes kept for a destination that stalls when processes end and their pipes are to be closed."""


class Pump:
    """All pipes. Readable (`fileno`) when a pipe or a destination needs attention."""

    def __init__(self, stdout: Sink, stderr: Sink, epoll: select.epoll | None = None) -> None:
        """`epoll`: where an opening has registered pipes already (groundwork.py)."""
        self.sinks = (stdout, stderr)
        self.tails = Tails()
        self.outputs: dict[InstanceId, Output] = {}
        self.report: Callable[..., None] = lambda *_, **__: None
        """Takes a level, an event and its values: what operators should know about the destinations."""
        self.fault: Callable[[str, BaseException], None] = lambda *_: None
        """Takes an error that nobody expected, which concerns one pipe."""
        self._epoll = epoll or select.epoll()
        self._destinations = Destinations(stdout, stderr, self._epoll, self._note_error)
        self._pipes: dict[int, Pipe] = {}
        self._by_instance: dict[InstanceId, tuple[int, ...]] = {}
        self._buckets: dict[str, Bucket] = {}
        self._paused: dict[Pipe, None] = {}
        """Pipes that wait for a destination, the longest waiting first."""
        self._resting: dict[Pipe, float] = {}
        """Pipes of programs that are over their rate, and when they may be read again."""
        self._holding: dict[Pipe, float] = {}
        """Pipes of which lines or an unfinished line are held, and when they are passed on."""
        self._pause = SHORTEST_PAUSE
        self._largest_read = 0
        """Bytes, since the last pause."""
        self._watched: set[Pipe] = set()
        """Pipes with a readiness pattern, which are not left alone for long."""
        self._slow = SlowPatterns()
        self._inserted = Inserted(self.tails, self.outputs, self._destinations, self._bucket_of, self._note_slow)
        self._left: list[int] = []
        """Descriptors that were ready when a turn was over."""
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def share_terminal(self, is_shared: bool) -> None:
        """Note whether the main program uses the terminal that the container's output may go to."""
        for sink in self.sinks:
            sink.share(is_shared)

    # ---- a process and its pipes

    def open(self, program: Program, instance: InstanceId, report: Report | None = None) -> Outlet:
        """Return what a new process of the program writes to. The caller closes `ours` once the process has them.

        `report`: as in `connect`. Raises OSError, after closing what it has opened, when descriptors run out.
        """
        if program.log.mode is LogMode.INHERIT:
            return Outlet(1, 1 if program.log.redirect_stderr else 2)
        if program.log.passes_by and not program.ready.is_in_output:
            return Outlet(self.null, self.null)
        ours, theirs = new_pipes(program.log.pipes, self._epoll)
        try:
            self.connect(program, instance, ours, report)
            if program.credentials is not None and os.geteuid() == 0:
                for write_end in theirs:
                    give_to(write_end, program.credentials)
        except OSError:
            close_all(theirs)
            raise
        return Outlet(theirs[0], theirs[-1], tuple(theirs))

    def connect(
        self, program: Program, instance: InstanceId, read_ends: Sequence[int], report: Report | None = None
    ) -> None:
        """Read the pipes (new_pipes.py) of a new process, stdout first. Raises OSError; all of them are closed then.

        `report` gets the first line that a readiness pattern matches (logs/readiness.py).
        """
        try:
            destinations = [self._destinations.of(program, stream) for stream, _ in enumerate(read_ends)]
        except OSError:
            close_all(read_ends)
            raise
        first = first_lane(instance)
        output = self.outputs.setdefault(first, Output(first))
        tail = self.tails.of(instance)
        tail.limit = program.log.tail
        for stream, read_end in enumerate(read_ends):
            pipe = Pipe(read_end, instance, stream, output, tail, self._note_slow)
            pipe.connect(program, destinations[stream], self._bucket_of(program))
            if report is not None and program.ready.is_in_output:
                pipe.watch(program, report)
                self._watched.add(pipe)
            self._pipes[read_end] = pipe
            self._by_instance[instance] = (*self._by_instance.get(instance, ()), read_end)

    def is_clogged(self, instance: InstanceId) -> bool:
        """Return whether a destination stalls and no more of an earlier process's last output can be kept for it.

        Each further process would leave its pipes behind.
        """
        pipes = (self._pipes[descriptor] for descriptor in self._by_instance.get(instance, ()))
        return any(destination.waiting >= OVERFLOW for pipe in pipes for destination in pipe.destinations)

    def marks_of(self, instance: InstanceId) -> frozenset[bytes]:
        """Return the pipes that an instance writes to, in the form that /proc/PID/fd shows."""
        inodes = (os.fstat(descriptor).st_ino for descriptor in self._by_instance.get(instance, ()))
        return frozenset(b"pipe:[%d]" % inode for inode in inodes)

    def last_lines(self, instance: InstanceId, since: float = 0.0) -> str:
        """Return the end of an instance's output: whole lines of both streams, in the order they were read.

        `since`: leave out what was read before, in seconds since the epoch.
        """
        return self.tails.of(instance).last_lines(since)

    def insert(self, program: Program, instance: InstanceId, stream: int, severity: str, data: bytes) -> None:
        """Pass on whole lines that a program did not write to its pipes but sent to syslog."""
        pipe = self._inserted.pipe_of(program, instance, stream, severity)
        pipe.renew_budget()
        pipe.take(data)
        if pipe.holds:
            self._hold(pipe)

    def _end_inserted(self, *instances: InstanceId) -> None:
        """Pass on what is held of the lines of some instances (none given: of all)."""
        for pipe in self._inserted.remove(*instances):
            self._holding.pop(pipe, None)
            pipe.finish()

    def redefine(self, program: Program) -> None:
        """Apply a program's new `log` settings to its running processes, too."""
        self._buckets.pop(program.name, None)
        self._end_inserted(*program.everyone)
        for instance in program.everyone:
            for descriptor in self._by_instance.get(instance, ()):
                pipe = self._pipes[descriptor]
                if self._is_asleep(pipe):
                    self._paused.pop(pipe, None)
                    self._resting.pop(pipe, None)
                    self._wake_up(pipe)
                pipe.reconnect(program, self._destinations.of(program, pipe.stream), self._bucket_of(program))
                pipe.tail.limit = program.log.tail

    def forget(self, instance: InstanceId) -> None:
        """Drop the tail of an instance that an update has removed."""
        self._end_inserted(instance)
        self.tails.forget(instance)

    def _bucket_of(self, program: Program) -> Bucket | None:
        """Return the bucket that all instances of a program share."""
        rate = program.log.rate_limit
        if rate is None:
            return None
        from supervisor.logs.rate import Bucket  # loaded with the first limit

        return self._buckets.setdefault(program.name, Bucket(rate))

    def _close(self, pipe: Pipe) -> None:
        del self._pipes[pipe.descriptor]
        mine = self._by_instance[pipe.instance]
        self._by_instance[pipe.instance] = tuple(other for other in mine if other != pipe.descriptor)
        if not self._is_asleep(pipe):
            self._epoll.unregister(pipe.descriptor)
        self._paused.pop(pipe, None)
        self._resting.pop(pipe, None)
        self._holding.pop(pipe, None)
        self._watched.discard(pipe)
        os.close(pipe.descriptor)
        pipe.finish()

    # ---- turns

    def turn(self) -> float:
        """Read for a moment. Returns the number of seconds that the pipes can be left alone, 0.0 included."""
        limit = monotonic() + SLICE
        while True:
            largest = 0
            ready = self._left or [descriptor for descriptor, _ in self._epoll.poll(0, ROUND)]
            self._left = []
            for number, descriptor in enumerate(ready, 1):
                largest = max(largest, self._serve(descriptor))
                if monotonic() > limit + LONGEST_TURN:
                    self._left = ready[number:]
                    break
            self._largest_read = max(self._largest_read, largest)
            now = monotonic()
            if (largest < BUSY and len(ready) < ROUND) or now >= limit:
                break
        self.settle(now)
        if largest >= BUSY or self._left or self._destinations.are_awaited:
            return 0.0
        return self._next_pause()

    def _next_pause(self) -> float:
        largest, self._largest_read = self._largest_read, 0
        if largest >= BUSY:
            self._pause = max(self._pause / 2, SHORTEST_PAUSE)
        elif largest < QUIET:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return SHORTEST_PAUSE if self._watched else self._pause

    def settle(self, now: float) -> None:
        """Do what is due, wait for the destinations that need it, and report on them."""
        for pipe in [pipe for pipe, until in self._resting.items() if until <= now]:
            del self._resting[pipe]
            self._wake_up(pipe)
        for pipe in [pipe for pipe, until in self._holding.items() if until <= now]:
            if has_unread(pipe.descriptor):  # the rest of the line may be there: only supinit has not read it yet
                self._holding[pipe] = now + LOOK_AGAIN
            else:
                pipe.pass_on(now)
                self._hold(pipe)
        self._destinations.await_readers()
        self._destinations.report_failures(self.report)
        for losses in self._unreported():
            if losses.due <= now:
                losses.report(now, self.report)

    @property
    def deadline(self) -> float | None:
        """When `settle` has something to do, on the monotonic clock."""
        times = [*self._resting.values(), *self._holding.values()]
        times += [losses.due for losses in self._unreported()]
        return min(times, default=None)

    def drain(self, instance: InstanceId | None = None) -> None:
        """Read what the pipes of an instance (None: all pipes) hold right now.

        Up to OVERFLOW bytes of it are kept for a destination that stalls, so that a program that is started again and
        again does not use up descriptors. What is beyond that stays in the pipes.
        """
        instances = list(self._by_instance) if instance is None else [instance]
        for descriptor in [fd for each in instances for fd in self._by_instance.get(each, ())]:
            pipe = self._pipes[descriptor]
            pipe.renew_budget()
            for _ in range(FULL_PIPE // CHUNK):
                if any(each.waiting >= OVERFLOW for each in pipe.destinations) or not self._read(pipe):
                    break

    def flush(self, seconds: float, write_last: Callable[[], None] = lambda: None) -> None:
        """Write out everything that is in the pipes, or give up in time. A last line gets its newline.

        A congested destination holds back the pipes that write to it, so both are emptied in turn. `write_last` is
        called when everything has been reported.
        """
        limit = monotonic() + seconds
        self.drain()
        while any(pipe.is_held_up for pipe in self._pipes.values()) and self._destinations.flush(limit):
            self.drain()
        for pipe in list(self._pipes.values()):
            self._close(pipe)
        self._end_inserted()
        self._destinations.close(limit)
        for losses in (*self._destinations.losses(), *(bucket.losses for bucket in self._buckets.values())):
            losses.report(limit, self.report)
        self._destinations.report_failures(self.report)
        write_last()
        self._destinations.flush_sinks(limit)

    # ---- pipes

    def _serve(self, descriptor: int) -> int:
        """Return how many useful bytes a ready descriptor gave. A destination that pipes waited for counts as BUSY."""
        pipe = self._pipes.get(descriptor)
        if pipe is None:
            return BUSY if self._serve_destination(descriptor) else 0
        is_held_up = pipe.is_held_up
        if is_held_up and not pipe.drops:
            self._put_to_sleep(pipe)
            self._paused[pipe] = None
            return 0
        if pipe.bucket is not None and (wait := pipe.bucket.wait):
            self._put_to_sleep(pipe)
            self._resting[pipe] = monotonic() + wait
            return 0
        pipe.renew_budget()
        size = self._read(pipe)
        if size >= BUSY and not pipe.is_large:
            pipe.is_large = True
            enlarge(descriptor)
            for sink in self.sinks:
                sink.grow()
        return 0 if is_held_up else size

    def _read(self, pipe: Pipe) -> int:
        """Read one chunk and return its size. 0: there is nothing to read for now, or ever."""
        try:
            data = os.read(pipe.descriptor, pipe.chunk)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self._close(pipe)
            return 0
        try:
            pipe.take(data)
        except Exception as error:
            pipe.output.dropped += len(data)
            self._note_error(error)
        if pipe.patterns is None:
            self._watched.discard(pipe)
        if pipe.holds:
            self._hold(pipe)
        return len(data)

    def _hold(self, pipe: Pipe) -> None:
        """Note when the lines that a pipe holds are due."""
        if (until := pipe.deadline) is None:
            self._holding.pop(pipe, None)
        else:
            self._holding[pipe] = until

    def _note_error(self, error: BaseException) -> None:
        self.fault("output", error)

    def _note_slow(self, program: str, lines: int) -> None:
        self._slow.note(program, lines, self.report)

    def _is_asleep(self, pipe: Pipe) -> bool:
        return pipe in self._paused or pipe in self._resting

    def _put_to_sleep(self, pipe: Pipe) -> None:
        self._epoll.unregister(pipe.descriptor)  # EPOLLHUP cannot be masked

    def _wake_up(self, pipe: Pipe) -> None:
        self._epoll.register(pipe.descriptor, select.EPOLLIN)

    # ---- destinations

    def _serve_destination(self, descriptor: int) -> bool:
        """Continue with a destination. Returns whether pipes are read again because of it."""
        if not self._destinations.serve(descriptor):
            return False
        woken = [pipe for pipe in self._paused if not pipe.is_held_up]
        for pipe in woken:
            self._paused.pop(pipe, None)
            self._wake_up(pipe)
        return bool(woken)

    def _unreported(self) -> Iterator[Losses]:
        """Yield the losses that can be reported now: of destinations that work, and because of a rate."""
        yield from self._destinations.unreported()
        for bucket in self._buckets.values():
            if bucket.losses:
                yield bucket.losses
