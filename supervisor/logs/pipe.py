"""One stream of one process: where it is read, and the stages that its lines go through."""

from __future__ import annotations

from functools import partial

from supervisor.core.output import STREAMS
from supervisor.core.program import LogMode, WhenFull
from supervisor.logs.delivery import Delivery, Fork
from supervisor.logs.filters import REDACT_MARGIN, Joiner, Redactor, Secrets
from supervisor.logs.formats import JsonFormat, PlainFormat, prefix_of
from supervisor.logs.lines import Lines
from supervisor.logs.rate import Limiter
from supervisor.logs.readiness import ReadinessPatterns
from supervisor.logs.sink import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from supervisor.core.output import Output
    from supervisor.core.program import InstanceId, Program
    from supervisor.logs.delivery import Destination
    from supervisor.logs.filters import MessageTaker
    from supervisor.logs.formats import Format
    from supervisor.logs.lines import Taker
    from supervisor.logs.rate import Bucket
    from supervisor.logs.tails import Tail

    Report = Callable[[bool, str], None]

CHUNK = 32 * 1024
LEAST_CHUNK = 4 * 1024
RAW_CHUNK = 64 * 1024
"""Where nothing is copied, more at once is cheaper; elsewhere it would not fit into the caches, and malloc(3) gives
memory back after each chunk."""


class Pipe:
    """One stream of one process."""

    __slots__ = (
        "bucket",
        "chunk",
        "descriptor",
        "drops",
        "instance",
        "is_large",
        "joiner",
        "keeps",
        "lines",
        "output",
        "patterns",
        "places",
        "stream",
        "tail",
    )  # fmt: skip

    def __init__(self, descriptor: int, instance: InstanceId, stream: int, output: Output, tail: Tail) -> None:
        self.descriptor = descriptor
        self.instance = instance
        self.stream = stream
        self.output = output
        self.tail = tail
        self.keeps = True
        """Whether the tail gets what is read as it is; else it gets what the lines become."""
        self.chunk = CHUNK
        self.is_large = False
        self.lines: Lines | None = None
        """None: nobody wants to see them."""
        self.places: tuple[Destination, ...] = ()
        self.drops = False
        self.bucket: Bucket | None = None
        self.joiner: Joiner | None = None
        self.patterns: ReadinessPatterns | None = None

    @property
    def is_held_up(self) -> bool:
        """Whether a place that it writes to is congested."""
        return any(place.is_congested for place in self.places)

    def connect(self, program: Program, places: Sequence[Destination], bucket: Bucket | None) -> None:
        """Put the stages together through which the lines go to the places."""
        log = program.log
        if not places:
            return
        self.places = tuple(places)
        self.drops = log.when_full is WhenFull.DROP
        self.chunk = RAW_CHUNK if log.mode in (LogMode.RAW, LogMode.NONE) else CHUNK
        sinks = [place for place in places if isinstance(place, Sink)]
        files = [place for place in places if not isinstance(place, Sink)]
        groups: list[tuple[Sequence[Destination], Format]]
        if log.mode is LogMode.PREFIX:  # a file of its own needs no prefix
            groups = [(sinks, self._prefixed(program, sinks)), (files, PlainFormat())]
        else:
            groups = [(places, self._json() if log.mode is LogMode.JSON else PlainFormat())]
        deliveries = [Delivery(group, format_, self.output, self.drops) for group, format_ in groups if group]
        last: MessageTaker = deliveries[0] if len(deliveries) == 1 else Fork(deliveries)
        taker: Taker = last
        if log.multiline is not None:
            taker = self.joiner = Joiner(log.multiline, log.max_line, last)
        if bucket is not None and self.drops:
            taker = Limiter(bucket, self.output, taker)
        elif bucket is not None:
            self.bucket = bucket
            self.chunk = min(self.chunk, max(bucket.rate, LEAST_CHUNK))
        if log.redact:
            secrets = Secrets(log.redact)
            redactor = Redactor(secrets, partial(self.tail.append, self.stream), taker)
            self.keeps = False
            self.lines = Lines(log.max_line, redactor, secrets.seam, REDACT_MARGIN)
        else:
            self.lines = Lines(log.max_line, taker)

    def reconnect(self, program: Program, places: Sequence[Destination], bucket: Bucket | None) -> None:
        """Put other stages in the place of these; a line that has begun goes through the new ones."""
        begun = b"" if self.lines is None else self.lines.take()
        if self.joiner is not None:
            self.joiner.flush()
        self.lines = self.joiner = self.bucket = None
        self.places, self.keeps, self.chunk = (), True, CHUNK
        self.connect(program, places, bucket)
        if self.lines is not None and begun:
            self.lines.feed(begun)

    def watch(self, program: Program, report: Report) -> None:
        """Have `report` told of the first line that says how the start went, without its secrets."""
        patterns = program.log.redact
        if patterns:
            redact, tell = Secrets(patterns).redact, report

            def report(is_good: bool, line: str) -> None:
                tell(is_good, redact(line.encode()).decode(errors="replace"))

        self.patterns = ReadinessPatterns(program.ready, report)

    def finish(self) -> None:
        """Let go what is held: the stream has ended."""
        if self.lines is not None:
            self.lines.finish()
        if self.joiner is not None:
            self.joiner.flush()
        if self.keeps:
            self.tail.end_line(self.stream)

    def _prefixed(self, program: Program, sinks: Sequence[Sink]) -> Format:
        name, number = self.instance
        label = name if program.scale == 1 else f"{name}:{number}"
        return PlainFormat(prefix_of(label, any(sink.is_colored for sink in sinks)))

    def _json(self) -> Format:
        def note_invalid(count: int) -> None:
            self.output.invalid += count

        return JsonFormat(*self.instance, STREAMS[self.stream], note_invalid)
