"""Events: those that are kept, whatever the log's level, and then those that follow."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from supervisor.control.http.message import NDJSON, TEXT, Request, RequestError, Response
from supervisor.control.http.stream import Stream
from supervisor.control.resources.naming import ALL, resolve
from supervisor.control.resources.parameters import read_count, read_flag, read_since
from supervisor.core.quantities import parse_integer
from supervisor.core.record import Record
from supervisor.core.wording import printable, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from supervisor.control.api import Journal
    from supervisor.control.console import Console
    from supervisor.core.log_events import LogEvent

    _Entry = tuple[int, float, LogEvent]
    """The id of an event, its time (seconds since the epoch), and the event."""

TOO_SLOW = "events came faster than they were taken; ask again for those that are kept"
BATCH = 100
"""Events that are written between two turns of the loop."""


class _Query(Record):
    """Which events to show, and how. `names`: see `_concerns`; None: all events, the container's included."""

    names: frozenset[str] | None
    last: int | None
    since: float
    """Seconds since the epoch."""
    after: int | None
    """The id of the last event that the client has."""
    as_json: bool


def events(console: Console, request: Request) -> Response:
    """Return events as NDJSON, or as text: the time, then the line of the plain log."""
    query = _read_query(console, request)
    begin = partial(_Retelling, console.container.journal, query)
    stream = Stream(begin, read_flag(request, "follow"), TOO_SLOW)
    return Response(200, b"", NDJSON if query.as_json else TEXT, stream=stream)


class _Retelling:
    """One reader. It keeps only its position: events that the journal drops before they are taken are lost."""

    def __init__(self, journal: Journal, query: _Query, wake: Callable[[], None] | None) -> None:
        self._journal = journal
        self._query = query
        self._wake = wake
        self._place = journal.last_id
        self.is_lost = False
        if wake is not None:
            journal.listeners += (wake,)

    def history(self) -> Iterator[bytes]:
        told = list(filter(self._is_wanted, self._kept(self._query.after or 0)))
        told = told if self._query.last is None else told[len(told) - min(self._query.last, len(told)) :]
        for start in range(0, len(told), BATCH):
            yield self._lay_out(told[start : start + BATCH])

    def take(self) -> bytes:
        place, self._place = self._place, self._journal.last_id
        self.is_lost = self.is_lost or self._place - place > len(self._journal.told)
        return b"" if self.is_lost else self._lay_out(filter(self._is_wanted, self._kept(place)))

    def _kept(self, after: int) -> Iterator[_Entry]:
        """Yield the kept events whose ids are greater."""
        told, first = self._journal.told, self._journal.last_id - len(self._journal.told) + 1
        skipped = max(0, after + 1 - first)
        for number, (at, note) in enumerate(islice(told, skipped, None), first + skipped):
            yield number, at, note

    def close(self) -> None:
        self._journal.listeners = tuple(wake for wake in self._journal.listeners if wake is not self._wake)

    def _is_wanted(self, entry: _Entry) -> bool:
        _, at, note = entry
        names = self._query.names
        return at >= self._query.since and (names is None or not names.isdisjoint(_concerns(note)))

    def _lay_out(self, told: Iterable[_Entry]) -> bytes:
        lay_out = _as_json if self._query.as_json else self._as_text
        return "".join(f"{lay_out(*entry)}\n" for entry in told).encode("utf-8", "replace")

    def _as_text(self, _: int, at: float, note: LogEvent) -> str:
        return f"{rfc3339(at)} {printable(self._journal.word(note))}"


def _as_json(number: int, at: float, note: LogEvent) -> str:
    import json

    line = {"id": number, "time": rfc3339(at), "level": note.level, "event": note.event, "program": None, **note.values}
    if note.state is not None:
        line |= {"state": note.state, "health": note.health}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str)


def _concerns(note: LogEvent) -> Iterable[str]:
    """Return the names that an event is about: an instance, a program, or what somebody has asked for."""
    program, instance = note.values.get("program"), note.values.get("instance")
    if program is None:
        return ()
    return str(program).split(",") if instance is None else (f"{program}:{instance}",)


def _read_query(console: Console, request: Request) -> _Query:
    since = request.last("since")
    after = parse_integer(since) if since is not None else None
    if after is not None:
        _refuse_gap(console.container.journal, after)
    return _Query(
        names=_read_names(console, request),
        last=read_count(request, "n"),
        since=read_since(console, since) if after is None else 0.0,
        after=after,
        as_json=not request.wants_text,
    )


def _refuse_gap(journal: Journal, after: int) -> None:
    """Raise RequestError where events after this id are no longer kept, or the id is of another supinit.

    0 stands for the first event of all.
    """
    after = after or journal.first_id - 1
    if not journal.last_id - len(journal.told) <= after <= journal.last_id:
        sentence = f"cannot continue after event {after}: later events are no longer kept"
        if not journal.first_id - 1 <= after <= journal.last_id:
            sentence = f"cannot continue after event {after}: it is not an event of this container"
        raise RequestError(410, "gone", f"{sentence}; read /v1/status, and continue after its last_event_id")


def _read_names(console: Console, request: Request) -> frozenset[str] | None:
    """Return the names that the requested instances have in events; None: all."""
    instances = resolve(console.container.plan, request.query.get("name", ()))
    names = {name for program, number in instances for name in (program, f"{program}:{number}")}
    return frozenset({*names, ALL}) if instances else None
