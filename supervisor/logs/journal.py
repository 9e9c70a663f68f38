"""supinit's own log: one line for each event, on the container's stderr, in the format of the programs' lines.

Lines wait until the first children have started. The last events are kept in memory, too, whatever the level of the
log is, for `supctl events`.
"""

from __future__ import annotations

from collections import deque
from time import time

from supervisor.core.log_events import LogEvent
from supervisor.core.output import Output
from supervisor.core.record import replace
from supervisor.core.wording import rfc3339
from supervisor.logs.sink import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from supervisor.core.program import OwnLog
    from supervisor.logs.sink import Sink

    Render = Callable[[float, LogEvent], str]

LEVELS = ("debug", "info", "warning", "error")
MOST_WAITING = 16 << 20
"""Bytes that may wait for a reader that stalls. Lines beyond that are dropped and counted."""
MOST_TOLD = 1000
"""Events that are kept: at some 400 bytes each, about half a megabyte."""
LAST = "container.ended"
"""The event that is written last: what is reported while the output is flushed comes before it."""
LONGEST = 4096
"""Characters of a value that are kept: a reason may quote a program's line."""


class Journal:
    """The log and the kept events. Every event is a constant, "noun.past_participle"; values are keywords."""

    def __init__(self, settings: OwnLog, sink: Sink) -> None:
        self._settings = settings
        self._sink = sink
        self._output = Output(("supinit", 1))
        self._kept: list[tuple[float, LogEvent]] = []
        self._last: list[tuple[float, LogEvent]] = []
        self._held: list[tuple[float, Callable[[], Iterable[LogEvent]]]] = []
        self._render: Render | None = None
        self.told: deque[tuple[float, LogEvent]] = deque(maxlen=MOST_TOLD)
        """The last events of level info and above, each with its time (wall clock)."""
        self.is_held = False
        """Whether events are held until `release`, so that signals and starts do not wait for the log."""
        self.first_id = int(time() * 1000) + 1
        """The id of the first event; ids rise by 1. It is the time in milliseconds, so that ids of an earlier
        container are not mistaken for ours."""
        self.last_id = self.first_id - 1
        """The id of the last event."""
        self.listeners: tuple[Callable[[], None], ...] = ()

    def configure(self, settings: OwnLog) -> None:
        """Use other settings from now on."""
        if settings != self._settings:
            self._settings = settings
            if self._render is not None:
                self._render = None
                self.open()

    def write(self, level: str, event: str, **values: object) -> None:
        """Write one line, unless its level is below the configured one. A value that is None is left out."""
        self.put(LogEvent(level, event, values))

    def put_all(self, notes: Iterable[LogEvent]) -> None:
        for note in notes:
            self.put(note)

    def put(self, note: LogEvent) -> None:
        """Write one event, as `write` does."""
        self.put_later(lambda: (note,))

    def put_later(self, describe: Callable[[], Iterable[LogEvent]]) -> None:
        """Write the events that `describe` returns. While events are held, it is not called yet."""
        self._held.append((time(), describe))
        if not self.is_held:
            self._write_held()

    def _keep(self, at: float, note: LogEvent) -> None:
        rank = LEVELS.index(note.level)
        if None in note.values.values():
            note = replace(note, values={key: value for key, value in note.values.items() if value is not None})
        if rank > 0:
            self._tell(at, note)
        if rank < LEVELS.index(self._settings.level):
            return
        if note.event == LAST:
            self._last.append((at, note))
            return
        self._kept.append((at, note))

    def close(self) -> None:
        """Write the line that comes last, whatever else was reported after it."""
        self._write_held()
        self._kept += self._last
        self._last.clear()
        self._write_kept()

    def release(self) -> None:
        """Write the events that were held."""
        self.is_held = False
        self._write_held()

    def _write_held(self) -> None:
        held, self._held = self._held, []
        for at, describe in held:
            for note in describe():
                self._keep(at, note)
        self._write_kept()

    def word(self, note: LogEvent) -> str:
        """Return an event as a plain line of the log, without "supinit |"."""
        return _wording(note)

    def _tell(self, at: float, note: LogEvent) -> None:
        if any(isinstance(value, str) and len(value) > LONGEST for value in note.values.values()):
            cut = {key: value[:LONGEST] if isinstance(value, str) else value for key, value in note.values.items()}
            note = replace(note, values=cut)
        self.told.append((at, note))
        self.last_id += 1
        for wake in self.listeners:
            wake()

    def open(self) -> None:
        """Write what was kept, and from now on every event at once."""
        if self._render is None:
            self._render = _json() if self._settings.format == "json" else _plain
        self._write_kept()

    def _write_kept(self) -> None:
        """Write the lines that are kept, in blocks of whole lines that no other writer can break up."""
        if self._render is None:
            return
        kept, self._kept = self._kept, []
        block: list[bytes] = []
        size = 0
        for at, note in kept:
            line = self._render(at, note).encode(errors="backslashreplace") + b"\n"
            if block and size + len(line) > PIECE:
                self._put(block)
                block, size = [], 0
            block.append(line)
            size += len(line)
        if block:
            self._put(block)

    def _put(self, lines: Sequence[bytes]) -> None:
        block = b"".join(lines)
        if self._sink.waiting >= MOST_WAITING:
            self._sink.losses.count(self._output, len(lines), len(block))
        else:
            self._sink.write((block,), self._output, len(block))


def _plain(_: float, note: LogEvent) -> str:
    """`supinit | program.started program=web pid=7`"""
    return f"supinit | {_wording(note)}"


def _wording(note: LogEvent) -> str:
    """`warning: program.exited program=web pid=7`: events first, values as logfmt, warnings and errors marked."""
    mark = "" if note.level in ("debug", "info") else f"{note.level}: "
    words = [f"{mark}{note.event}"]
    for key, value in note.values.items():
        if note.event == "program.exited" and key == "last_lines":
            continue  # the program's own output stands above
        words.append(_pair(key, "\n".join(value) if isinstance(value, list) else value))
    return _escaped(" ".join(words))


def _pair(key: str, value: object) -> str:
    """Return a key and its value as logfmt (https://brandur.org/logfmt). True is the key alone."""
    if value is True:
        return key
    text = "false" if value is False else str(value)
    if " " in text or "=" in text or '"' in text:
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{key}={text}".replace("\n", "\\n")


def _escaped(line: str) -> str:
    """Escape what a terminal would act on, such as ESC or CR: a value may quote a line or a probe's answer."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


def _json() -> Render:
    import json

    def write(at: float, note: LogEvent) -> str:
        line: dict[str, object] = {"time": rfc3339(at), "program": "supinit", "instance": None, "stream": "stderr"}
        line |= {"level": note.level, "event": note.event}
        line |= {"name" if key == "program" else key: value for key, value in note.values.items()}
        if note.level == "info" and note.event == "program.exited":
            line.pop("last_lines", None)  # the program's own output stands above, and its end needs no explanation
        return json.dumps(line, default=repr)

    return write
