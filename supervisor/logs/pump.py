"""Every child's output pipes in one epoll, read in fair turns and written to where the lines belong.

Rule 1: a turn ends after SLICE seconds, and within it each pipe gives CHUNK bytes before any gives more, so that a
flood starves nobody.
Rule 2: pipes of which a place is congested are not read until it flows again: the child waits, as it would for the
place itself. A program that drops is read all the same.
Rule 3: the end of a program never waits for the end of its pipes, which a surviving process may hold open.
Rule 4: where little is written, the pipes are left alone for a moment after each turn, so that lines come in batches.
"""

from __future__ import annotations

import os
import select
from time import monotonic

from supervisor.core.output import Output
from supervisor.core.program import LogMode
from supervisor.core.record import Record
from supervisor.logs.files import FileSink
from supervisor.logs.filters import JOIN_PATIENCE
from supervisor.logs.pipe import CHUNK, Pipe
from supervisor.logs.rate import Bucket
from supervisor.logs.sink import Sink, enlarge
from supervisor.logs.tails import Tails

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from supervisor.core.program import InstanceId, Program
    from supervisor.logs.losses import Losses

ROUND = 8
"""Pipes that are served before the clock is looked at."""
SLICE = 0.001
BUSY, QUIET = 16 * 1024, 4 * 1024
"""Bytes in one read that are many, and few."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.001, 0.04
"""Seconds that the pipes are left alone after a turn: the longer, the less comes in that time."""
KEPT = 4096
"""Bytes of an instance's last output that the verdict quotes from."""
FULL_PIPE = 1 << 20
"""What a pipe holds at most (pipe(7), F_SETPIPE_SZ): all that a process that is gone can have left in it."""
PIPE_MODE = 0o622
"""So that a program that gives up its privileges by itself can still open /dev/stdout, but not read from it."""
OVERFLOW = 16 << 20
"""Bytes that are kept for a place that stalls when processes end and their pipes are to be closed."""


class Outlet(Record):
    """The descriptors that a new process writes to, and those of them that are closed once it has them."""

    stdout: int
    stderr: int
    ours: tuple[int, ...] = ()


class Pump:
    """All pipes. Readable (`fileno`) when one of them, or one of the places, has something for us."""

    def __init__(self, stdout: Sink, stderr: Sink) -> None:
        self.sinks = (stdout, stderr)
        self.tails = Tails()
        self.outputs: dict[InstanceId, Output] = {}
        self.report: Callable[..., None] = lambda *_, **__: None
        """Takes a level, an event and its values: what operators should know of the places."""
        self._epoll = select.epoll()
        self._pipes: dict[int, Pipe] = {}
        self._by_instance: dict[InstanceId, set[int]] = {}
        self._files: dict[str, FileSink] = {}
        self._buckets: dict[str, Bucket] = {}
        self._waiting: dict[int, Sink] = {}
        """Sinks that are waited for, by descriptor."""
        self._by_wake: dict[int, FileSink] = {}
        self._paused: dict[Pipe, None] = {}
        """Pipes that a place holds up; who was paused first is read first."""
        self._resting: dict[Pipe, float] = {}
        """Pipes of programs that are over their rate, and when they may be read again."""
        self._joining: dict[Pipe, float] = {}
        """Pipes of which lines are held, and when they are let go."""
        self._failures: dict[str, str] = {}
        """The failures that were told of, by place."""
        self._places: list[Sink | FileSink] = [stdout] if stdout is stderr else [stdout, stderr]
        self._pause = SHORTEST_PAUSE
        self._most = 0
        """Bytes of the largest read since the last pause."""
        self._watched: set[Pipe] = set()
        """Pipes in which a line is looked for, that is not to come late."""
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    @property
    def null(self) -> int:
        """/dev/null, for reading and writing."""
        return self._null

    def fileno(self) -> int:
        return self._epoll.fileno()

    def share_terminal(self, is_shared: bool) -> None:
        """Take in whether the main program has the terminal that the container's output may go to."""
        for sink in self.sinks:
            sink.share(is_shared)

    # ---- a process and its pipes

    def open(self, program: Program, instance: InstanceId, report: Callable[[bool, str], None] | None = None) -> Outlet:
        """Return what a new process of the program writes to. The caller closes `ours` once the process has them.

        `report` is told of the first line that says how the start went (logs/readiness.py). Raises OSError where there
        are no descriptors left; none is taken then.
        """
        is_watched = program.ready.log is not None or program.ready.fail_log is not None
        is_shared = program.log.redirect_stderr
        if program.log.mode is LogMode.INHERIT:
            return Outlet(1, 1 if is_shared else 2)
        if program.log.passes_by and not is_watched:
            return Outlet(self._null, self._null)
        watch = report if is_watched else None
        stdout = self._open_pipe(program, instance, 0, watch)
        if is_shared:
            return Outlet(stdout, stdout, (stdout,))
        try:
            stderr = self._open_pipe(program, instance, 1, watch)
        except OSError:
            os.close(stdout)
            raise
        return Outlet(stdout, stderr, (stdout, stderr))

    def is_clogged(self, instance: InstanceId) -> bool:
        """Whether nobody takes what an earlier process of an instance has said last, and no more of it can be kept.

        Each further process would leave its pipes behind.
        """
        pipes = (self._pipes[descriptor] for descriptor in self._by_instance.get(instance, ()))
        return any(place.waiting >= OVERFLOW for pipe in pipes for place in pipe.places)

    def marks_of(self, instance: InstanceId) -> frozenset[bytes]:
        """Return the pipes that an instance writes to, as they stand in /proc/PID/fd."""
        inodes = (os.fstat(descriptor).st_ino for descriptor in self._by_instance.get(instance, ()))
        return frozenset(b"pipe:[%d]" % inode for inode in inodes)

    def last_lines(self, instance: InstanceId) -> str:
        """Return the end of what an instance has written, whole lines of both its streams as they were read."""
        kept = self.tails.of(instance).end(KEPT)
        text = kept.decode(errors="replace")
        if len(kept) == KEPT:
            text = text.partition("\n")[2]
        return text.rstrip("\n")

    def _open_pipe(
        self, program: Program, instance: InstanceId, stream: int, report: Callable[[bool, str], None] | None
    ) -> int:
        places = self._places_of(program, stream)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            os.set_blocking(read_end, False)
            os.fchmod(write_end, PIPE_MODE)
            if program.credentials is not None and os.geteuid() == 0:
                os.fchown(write_end, program.credentials.uid, program.credentials.gid)
            self._epoll.register(read_end, select.EPOLLIN)
        except OSError:
            os.close(read_end)
            os.close(write_end)
            raise
        output = self.outputs.setdefault(instance, Output(instance))
        tail = self.tails.of(instance)
        tail.limit = program.log.tail
        pipe = Pipe(read_end, instance, stream, output, tail)
        pipe.connect(program, places, self._bucket_of(program))
        if report is not None:
            pipe.watch(program, report)
            self._watched.add(pipe)
        self._pipes[read_end] = pipe
        self._by_instance.setdefault(instance, set()).add(read_end)
        return write_end

    def _places_of(self, program: Program, stream: int) -> list[Sink | FileSink]:
        places: list[Sink | FileSink] = []
        if program.log.mode is not LogMode.NONE:
            places.append(self.sinks[stream])
        path = program.log.file
        if path is not None:
            file = self._files.get(path)
            if file is None:
                file = FileSink(path, program.log)
                self._epoll.register(file.descriptor, select.EPOLLIN)
                self._files[path] = self._by_wake[file.descriptor] = file
                self._places.append(file)
            file.rotate_by(program.log)
            places.append(file)
        return places

    def redefine(self, program: Program) -> None:
        """Do with the lines of a program what its new `log` says, those of running processes included."""
        self._buckets.pop(program.name, None)
        for instance in program.instances:
            for descriptor in self._by_instance.get(instance, ()):
                pipe = self._pipes[descriptor]
                if self._is_asleep(pipe):
                    self._paused.pop(pipe, None)
                    self._resting.pop(pipe, None)
                    self._wake_up(pipe)
                pipe.reconnect(program, self._places_of(program, pipe.stream), self._bucket_of(program))
                pipe.tail.limit = program.log.tail

    def forget(self, instance: InstanceId) -> None:
        """Drop the tail of an instance that an update has taken away."""
        self.tails.forget(instance)

    def _bucket_of(self, program: Program) -> Bucket | None:
        """Return what all instances of a program draw from."""
        rate = program.log.rate_limit
        return None if rate is None else self._buckets.setdefault(program.name, Bucket(rate))

    def _close(self, pipe: Pipe) -> None:
        del self._pipes[pipe.descriptor]
        self._by_instance[pipe.instance].discard(pipe.descriptor)
        if not self._is_asleep(pipe):
            self._epoll.unregister(pipe.descriptor)
        self._paused.pop(pipe, None)
        self._resting.pop(pipe, None)
        self._joining.pop(pipe, None)
        self._watched.discard(pipe)
        os.close(pipe.descriptor)
        pipe.finish()

    # ---- turns

    def turn(self) -> float:
        """Read what is there, for a moment. Returns for how many seconds the pipes may be left alone, 0.0 included."""
        limit = monotonic() + SLICE
        while True:
            most = 0
            ready = self._epoll.poll(0, ROUND)
            for descriptor, _ in ready:
                most = max(most, self._serve(descriptor))
            self._most = max(self._most, most)
            now = monotonic()
            if (most < BUSY and len(ready) < ROUND) or now >= limit:
                break
        self.settle(now)
        return 0.0 if most >= BUSY or self._waiting else self._next_pause()

    def _next_pause(self) -> float:
        most, self._most = self._most, 0
        if most >= BUSY:
            self._pause = max(self._pause / 2, SHORTEST_PAUSE)
        elif most < QUIET:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return SHORTEST_PAUSE if self._watched else self._pause

    def settle(self, now: float) -> None:
        """Do what is due by now, wait for the places that need it, and tell what there is to tell of them."""
        for pipe in [pipe for pipe, until in self._resting.items() if until <= now]:
            del self._resting[pipe]
            self._wake_up(pipe)
        for pipe in [pipe for pipe, until in self._joining.items() if until <= now]:
            del self._joining[pipe]
            if pipe.joiner is not None:
                pipe.joiner.flush()
        for sink in self.sinks:
            if sink.waiting and sink.descriptor not in self._waiting:
                self._waiting[sink.descriptor] = sink
                self._epoll.register(sink.descriptor, select.EPOLLOUT)
        self._tell(now)

    @property
    def deadline(self) -> float | None:
        """When `settle` has something to do, on the monotonic clock."""
        times = [*self._resting.values(), *self._joining.values()]
        times += [losses.due for losses in self._untold()]
        return min(times, default=None)

    def drain(self, instance: InstanceId | None = None) -> None:
        """Read what the pipes of an instance (None: all pipes) hold right now.

        A place that stalls keeps up to OVERFLOW of it, so that a program that comes and goes meanwhile takes no more
        and more descriptors; beyond that, the pipes stay as they are.
        """
        instances = list(self._by_instance) if instance is None else [instance]
        for descriptor in [fd for each in instances for fd in self._by_instance.get(each, ())]:
            pipe = self._pipes[descriptor]
            for _ in range(FULL_PIPE // CHUNK):
                if any(place.waiting >= OVERFLOW for place in pipe.places) or not self._read(pipe):
                    break

    def flush(self, seconds: float) -> None:
        """Write out everything that was written to the pipes, the last line without a newline too, or give up in time.

        A congested place holds back the pipes that are for it, so both are worked off in turn.
        """
        limit = monotonic() + seconds
        self.drain()
        while any(pipe.is_held_up for pipe in self._pipes.values()) and self._write_some(self._places, limit):
            self.drain()
        for pipe in list(self._pipes.values()):
            self._close(pipe)
        while self._by_wake:
            descriptor, file = self._by_wake.popitem()
            self._epoll.unregister(descriptor)
            file.close(max(0.0, limit - monotonic()))
        for place in (*self._places, *self._buckets.values()):
            place.losses.tell(limit, self.report)
        while self._write_some(self.sinks, limit):
            pass

    def _write_some(self, places: Iterable[Sink | FileSink], limit: float) -> bool:
        """Wait until some of what is kept was written. False: nothing is kept any more, or the time is over."""
        waiting = [place for place in places if not place.flush()]
        left = limit - monotonic()
        if not waiting or left <= 0:
            return False
        poll = select.poll()
        for place in waiting:
            poll.register(place.descriptor, select.POLLOUT if isinstance(place, Sink) else select.POLLIN)
        poll.poll(left * 1000)
        return True

    # ---- pipes

    def _serve(self, descriptor: int) -> int:
        """Return how many bytes a ready descriptor gave that were of use; as if many, where it makes pipes readable."""
        pipe = self._pipes.get(descriptor)
        if pipe is None:
            return BUSY if self._serve_place(descriptor) else 0
        is_held_up = pipe.is_held_up
        if is_held_up and not pipe.drops:
            self._put_to_sleep(pipe)
            self._paused[pipe] = None
            return 0
        if pipe.bucket is not None and (wait := pipe.bucket.wait):
            self._put_to_sleep(pipe)
            self._resting[pipe] = monotonic() + wait
            return 0
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
        size = len(data)
        pipe.output.read[pipe.stream] += size
        if pipe.keeps:
            pipe.tail.append(pipe.stream, data)
        if pipe.bucket is not None:
            pipe.bucket.take(size)
        if pipe.patterns is not None:
            pipe.patterns.feed(data)
            if pipe.patterns.is_done:
                pipe.patterns = None
                self._watched.discard(pipe)
        if pipe.lines is not None:
            pipe.lines.feed(data)
        if pipe.joiner is not None:
            self._joining.pop(pipe, None)
            if pipe.joiner.is_holding:
                self._joining[pipe] = monotonic() + JOIN_PATIENCE
        return size

    def _is_asleep(self, pipe: Pipe) -> bool:
        return pipe in self._paused or pipe in self._resting

    def _put_to_sleep(self, pipe: Pipe) -> None:
        self._epoll.unregister(pipe.descriptor)  # masking it would not do: EPOLLHUP cannot be masked

    def _wake_up(self, pipe: Pipe) -> None:
        self._epoll.register(pipe.descriptor, select.EPOLLIN)

    # ---- places

    def _serve_place(self, descriptor: int) -> bool:
        """Take in that a place takes more. True: pipes are read again for it."""
        sink = self._waiting.get(descriptor) or self._by_wake[descriptor]
        is_done = sink.flush()
        if is_done and isinstance(sink, Sink):
            del self._waiting[descriptor]
            self._epoll.unregister(descriptor)
        woken = [] if sink.is_congested else [pipe for pipe in self._paused if not pipe.is_held_up]
        for pipe in woken:
            self._paused.pop(pipe, None)
            self._wake_up(pipe)
        return bool(woken)

    def _untold(self) -> Iterable[Losses]:
        """What was lost on the way to places that flow again, or because of a rate."""
        for place in self._places:
            if place.losses and not place.is_congested and place.failure is None:
                yield place.losses
        for bucket in self._buckets.values():
            if bucket.losses:
                yield bucket.losses

    def _tell(self, now: float) -> None:
        for place in self._places:
            told = self._failures.get(place.name)
            if place.failure == told:
                continue
            if place.failure is None:
                del self._failures[place.name]
                self.report("info", "log.write_recovered", to=place.name)
            else:
                self._failures[place.name] = place.failure
                if told is None:
                    self.report("error", "log.write_failed", to=place.name, reason=place.failure)
        for losses in self._untold():
            if losses.due <= now:
                losses.tell(now, self.report)
