"""One stream of one process: the pipe it is read from, and the stages that its lines pass through."""

from __future__ import annotations

import os
import select
from functools import partial
from time import monotonic

from supervisor.core.output import STREAMS
from supervisor.core.program import LogMode, WhenFull
from supervisor.core.record import Record
from supervisor.logs.delivery import Delivery, Fork, SinkDelivery
from supervisor.logs.formats import JsonFormat, PlainFormat, prefix_of
from supervisor.logs.lines import Lines
from supervisor.logs.sink import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from supervisor.core.output import Output
    from supervisor.core.program import Credentials, InstanceId, LogSettings, Program
    from supervisor.logs.delivery import Destination
    from supervisor.logs.filters import Joiner, MessageTaker
    from supervisor.logs.formats import Format
    from supervisor.logs.lines import Taker
    from supervisor.logs.patterns import Budget
    from supervisor.logs.rate import Bucket
    from supervisor.logs.readiness import ReadinessPatterns
    from supervisor.logs.tails import Tail

    Report = Callable[[bool, str], None]

CHUNK = 32 * 1024
LEAST_CHUNK = 4 * 1024
RAW_CHUNK = 64 * 1024
"""Where nothing is copied, a larger chunk is cheaper. Elsewhere it would not fit into the CPU caches, and malloc(3)
would return its memory to the kernel after each chunk."""
BLOCK = 4096
"""The size of a writer's buffer, or a fraction of it: a write of full blocks may end anywhere within a line."""


class Outlet(Record):
    """The descriptors that a new process writes to, and those of them that are closed once it has them."""

    stdout: int
    stderr: int
    ours: tuple[int, ...] = ()


class Pipe:
    """One stream of one process."""

    __slots__ = (
        "_budget",
        "_in_row",
        "_joined_at",
        "_note_slow",
        "_shown_at",
        "bucket",
        "chunk",
        "descriptor",
        "destinations",
        "drops",
        "flush_after",
        "instance",
        "is_large",
        "joiner",
        "keeps",
        "lines",
        "output",
        "patterns",
        "severity",
        "stream",
        "tail",
    )  # fmt: skip

    def __init__(
        self,
        descriptor: int,
        instance: InstanceId,
        stream: int,
        output: Output,
        tail: Tail,
        note_slow: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        self.descriptor = descriptor
        self.instance = instance
        self.stream = stream
        self.output = output
        self.tail = tail
        self.keeps = True
        """Whether the tail gets the data as it was read; otherwise it gets the lines after redaction."""
        self.chunk = CHUNK
        self.is_large = False
        self.lines: Lines | None = None
        """None: the lines have no destination."""
        self.destinations: tuple[Destination, ...] = ()
        self.drops = False
        self.flush_after: float | None = None
        """Seconds until a line is shown that has not ended; None: it never is."""
        self.bucket: Bucket | None = None
        self.joiner: Joiner | None = None
        self.patterns: ReadinessPatterns | None = None
        self.severity: str | None = None
        """Of lines that came through syslog."""
        self._budget: Budget | None = None
        self._note_slow = note_slow
        """Gets the program and the number of lines that its patterns could not search in time."""
        self._in_row = 0
        """Bytes read since the pipe was last empty."""
        self._joined_at: float | None = None
        self._shown_at: float | None = None
        """When the lines that are held are passed on, and when an unfinished line is shown (monotonic clock)."""

    @property
    def is_held_up(self) -> bool:
        """Whether one of its destinations is congested."""
        return any(destination.is_congested for destination in self.destinations)

    @property
    def holds(self) -> bool:
        """Whether it may hold lines until a deadline."""
        return self.flush_after is not None or self.joiner is not None

    @property
    def deadline(self) -> float | None:
        """When something that is held is passed on, on the monotonic clock."""
        if self._joined_at is None or self._shown_at is None:
            return self._shown_at if self._joined_at is None else self._joined_at
        return min(self._joined_at, self._shown_at)

    def connect(self, program: Program, destinations: Sequence[Destination], bucket: Bucket | None) -> None:
        """Build the stages through which the lines reach their destinations."""
        log = program.log
        if not destinations:
            return
        self.destinations = tuple(destinations)
        self.drops = log.when_full is WhenFull.DROP
        self.chunk = RAW_CHUNK if log.mode in (LogMode.RAW, LogMode.NONE) else CHUNK
        deliveries = list(self._deliveries(program))
        last: MessageTaker = deliveries[0] if len(deliveries) == 1 else Fork(deliveries)
        taker: Taker = last
        if log.multiline is not None:
            from supervisor.logs.filters import Joiner

            taker = self.joiner = Joiner(log.multiline, log.max_line, last, self._make_budget())
        if bucket is not None and self.drops:
            from supervisor.logs.rate import Limiter

            taker = Limiter(bucket, self.output, taker)
        elif bucket is not None:
            self.bucket = bucket
            self.chunk = min(self.chunk, max(bucket.rate, LEAST_CHUNK))
        if log.redact:
            from supervisor.logs.filters import REDACT_MARGIN, Redactor, Secrets

            secrets = Secrets(log.redact, self._make_budget())
            redactor = Redactor(secrets, partial(self.tail.append, self.stream), taker)
            self.keeps = False
            self.lines = Lines(log.max_line, redactor, secrets.seam, REDACT_MARGIN)
        else:
            self.lines = Lines(log.max_line, taker, take_part=taker.part)
        self.flush_after = self._flush_after(log)

    def reconnect(self, program: Program, destinations: Sequence[Destination], bucket: Bucket | None) -> None:
        """Replace the stages. A line that has begun passes through the new ones, unless it was shown already."""
        begun = b""
        if self.lines is not None and self.lines.shown:
            self.lines.finish()
        elif self.lines is not None:
            begun = self.lines.take()
        if self.joiner is not None:
            self.joiner.flush()
        self.lines = self.joiner = self.bucket = self.flush_after = self._joined_at = self._shown_at = None
        self.destinations, self.keeps, self.chunk = (), True, CHUNK
        self.connect(program, destinations, bucket)
        if self.lines is not None and begun:
            self.lines.feed(begun)

    def watch(self, program: Program, report: Report) -> None:
        """Have `report` get the first line that a readiness pattern matches, without its secrets."""
        from supervisor.logs.filters import Secrets
        from supervisor.logs.readiness import ReadinessPatterns

        patterns = program.log.redact
        budget = self._make_budget()
        if patterns:
            redact, tell = Secrets(patterns, budget).redact, report

            def report(is_good: bool, line: str) -> None:
                tell(is_good, redact(line.encode()).decode(errors="replace"))

        self.patterns = ReadinessPatterns(program.ready, report, budget)

    def _make_budget(self) -> Budget:
        """Return the budget of all patterns, with the module that is only loaded if there are some."""
        from supervisor.logs.patterns import Budget

        if self._budget is None:
            self._budget = Budget(partial(self._note_slow, self.instance[0]))
        return self._budget

    def renew_budget(self) -> None:
        """Give the patterns their time for what is read next."""
        if self._budget is not None:
            self._budget.renew()

    def take(self, data: bytes) -> None:
        """Pass on what was read."""
        size = len(data)
        self.output.read[self.stream] += size
        if self.keeps:
            self.tail.append(self.stream, data)
        if self.bucket is not None:
            self.bucket.take(size)
        if self.patterns is not None:
            self.patterns.feed(data)
            if self.patterns.is_done:
                self.patterns = None
        if self.lines is not None:
            self.lines.feed(data)
            if self.joiner is not None:
                self._joined_at = monotonic() + self.joiner.patience if self.joiner.is_holding else None
            if self.flush_after is not None:
                self._await_rest(self.lines.held, size, self.flush_after)

    def _await_rest(self, held: int, size: int, flush_after: float) -> None:
        """Set the time at which the last line is shown, after a read of `size` bytes; it has `held` bytes so far."""
        self._in_row += size
        is_full_block = self._in_row % BLOCK == 0
        if size < self.chunk:
            self._in_row = 0
        if not held or is_full_block:
            self._shown_at = None
        elif held < size or self._shown_at is None:  # the line is a new one, or nothing of it was awaited
            self._shown_at = monotonic() + flush_after

    def pass_on(self, now: float) -> None:
        """Pass on what is held and due."""
        if self._joined_at is not None and self._joined_at <= now:
            self._joined_at = None
            if self.joiner is not None:
                self.joiner.flush()
        if self._shown_at is not None and self._shown_at <= now:
            self._shown_at = None
            if self.lines is not None and not any(sink.is_shared for sink in self._sinks):
                self.lines.show()

    def finish(self) -> None:
        """Pass on what is held: the stream has ended."""
        if self.lines is not None:
            self.lines.finish()
        if self.joiner is not None:
            self.joiner.flush()
        if self.keeps:
            self.tail.end_line(self.stream)

    def _deliveries(self, program: Program) -> Iterator[Delivery | SinkDelivery]:
        """Yield one for each format: a file needs no prefix."""
        mode = program.log.mode
        if mode is LogMode.JSON:
            yield Delivery(self.destinations, self._json(), self.output, self.drops)
            return
        for sink in self._sinks:
            format_ = self._prefixed(program, sink) if mode is LogMode.PREFIX else PlainFormat()
            yield SinkDelivery(sink, format_, self.output, self.drops)
        if files := [destination for destination in self.destinations if not isinstance(destination, Sink)]:
            yield Delivery(files, PlainFormat(), self.output, self.drops)

    @property
    def _sinks(self) -> list[Sink]:
        return [destination for destination in self.destinations if isinstance(destination, Sink)]

    def _flush_after(self, log: LogSettings) -> float | None:
        """Return how long an unfinished line is held. JSON needs the whole line, and so does redaction."""
        if log.mode is LogMode.JSON or log.redact or not self._sinks:
            return None
        return log.flush_after

    def _prefixed(self, program: Program, sink: Sink) -> Format:
        name, number = self.instance
        label = name if program.scale == 1 else f"{name}:{number}"
        return PlainFormat(prefix_of(label, sink.is_colored))

    def _json(self) -> Format:
        def note_invalid(count: int) -> None:
            self.output.invalid += count

        return JsonFormat(*self.instance, STREAMS[self.stream], note_invalid, severity=self.severity)


def has_unread(descriptor: int) -> bool:
    """Whether a pipe holds something that nobody has read yet."""
    look = select.poll()
    look.register(descriptor, select.POLLIN)
    return bool(look.poll(0))


def give_to(descriptor: int, credentials: Credentials) -> None:
    """Make the user the pipe's owner, where that is permitted. Its mode lets every user write."""
    try:
        os.fchown(descriptor, credentials.uid, credentials.gid)
    except PermissionError:
        pass  # without CAP_CHOWN
