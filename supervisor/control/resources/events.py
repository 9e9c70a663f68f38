"""Events: those that are kept, whatever the log's level, and then those that follow."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from supervisor.control.http.message import NDJSON, TEXT, Request, Response
from supervisor.control.http.stream import Stream
from supervisor.control.resources.naming import ALL, resolve
from supervisor.control.resources.parameters import read_count, read_flag
from supervisor.core.record import Record
from supervisor.core.wording import printable, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from supervisor.control.api import Journal
    from supervisor.control.console import Console
    from supervisor.core.log_events import LogEvent

TOO_SLOW = "events came faster than they were taken; ask again for those that are kept"
BATCH = 100
"""Events that are written between two turns of the loop."""


class _Query(Record):
    """Which events to show, and how. `names`: see `_concerns`; None: all events, the container's included."""

    names: frozenset[str] | None
    last: int | None
    as_json: bool


def events(console: Console, request: Request) -> Response:
    """Return events as NDJSON, or as text: the time, then the line of the plain log."""
    query = _Query(_read_names(console, request), read_count(request, "n"), not request.wants_text)
    begin = partial(_Retelling, console.container.journal, query)
    stream = Stream(begin, read_flag(request, "follow"), TOO_SLOW)
    return Response(200, b"", NDJSON if query.as_json else TEXT, stream=stream)


class _Retelling:
    """One reader. It keeps only its position: events that the journal drops before they are taken are lost."""

    def __init__(self, journal: Journal, query: _Query, wake: Callable[[], None] | None) -> None:
        self._journal = journal
        self._query = query
        self._wake = wake
        self._place = journal.count
        self.is_lost = False
        if wake is not None:
            journal.listeners += (wake,)

    def history(self) -> Iterator[bytes]:
        told = list(filter(self._is_wanted, self._journal.told))
        told = told if self._query.last is None else told[len(told) - min(self._query.last, len(told)) :]
        for start in range(0, len(told), BATCH):
            yield self._lay_out(told[start : start + BATCH])

    def take(self) -> bytes:
        told, new = self._journal.told, self._journal.count - self._place
        self._place = self._journal.count
        self.is_lost = self.is_lost or new > len(told)
        if self.is_lost:
            return b""
        return self._lay_out(filter(self._is_wanted, islice(told, len(told) - new, None)))

    def close(self) -> None:
        self._journal.listeners = tuple(wake for wake in self._journal.listeners if wake is not self._wake)

    def _is_wanted(self, entry: tuple[float, LogEvent]) -> bool:
        return self._query.names is None or not self._query.names.isdisjoint(_concerns(entry[1]))

    def _lay_out(self, told: Iterable[tuple[float, LogEvent]]) -> bytes:
        lay_out = _as_json if self._query.as_json else self._as_text
        return "".join(f"{lay_out(at, note)}\n" for at, note in told).encode("utf-8", "replace")

    def _as_text(self, at: float, note: LogEvent) -> str:
        return f"{rfc3339(at)} {printable(self._journal.word(note))}"


def _as_json(at: float, note: LogEvent) -> str:
    import json

    line = {"time": rfc3339(at), "level": note.level, "event": note.event, "program": None, **note.values}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str)


def _concerns(note: LogEvent) -> Iterable[str]:
    """Return the names that an event is about: an instance, a program, or what somebody has asked for."""
    program, instance = note.values.get("program"), note.values.get("instance")
    if program is None:
        return ()
    return str(program).split(",") if instance is None else (f"{program}:{instance}",)


def _read_names(console: Console, request: Request) -> frozenset[str] | None:
    """Return the names that the requested instances have in events; None: all."""
    instances = resolve(console.container.plan, request.query.get("name", ()))
    names = {name for program, number in instances for name in (program, f"{program}:{number}")}
    return frozenset({*names, ALL}) if instances else None
