"""What programs have written: the kept tails as lines in the order of their time, then what follows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from supervisor.control.message import NDJSON, TEXT, Answer, Refused, Request
from supervisor.control.naming import label, resolve
from supervisor.core.output import STREAMS, LogQuery
from supervisor.core.quantities import parse_duration, parse_integer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from supervisor.control.console import Console
    from supervisor.control.container import Container, Recall
    from supervisor.core.program import InstanceId


def logs(console: Console, request: Request) -> Answer:
    """Lines as NDJSON, in the shape of the JSON log, or as text, after their program's name where there are several."""
    query = _read_query(console, request)
    follows = _read_choice(request, "follow", ("0", "1")) == "1"
    stream = _LogStream(console.container, query, follows)
    return Answer(200, b"", NDJSON if query.as_json else TEXT, stream=stream)


class _LogStream:
    def __init__(self, container: Container, query: LogQuery, follows: bool) -> None:
        self._container = container
        self._query = query
        self._follows = follows
        self._recall: Recall | None = None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        woken = asyncio.Event()
        recall = self._container.recall(self._query, woken.set if self._follows else None)
        try:
            for piece in recall.history():
                yield piece
            self._recall = recall
            while self._follows:
                await woken.wait()
                woken.clear()
                yield recall.take()
                if recall.is_lost:
                    raise Refused(503, "too_slow", "lines came faster than they were taken; name fewer programs")
        finally:
            recall.close()

    def rest(self) -> bytes:
        return self._recall.take() if self._recall is not None else b""


def _read_query(console: Console, request: Request) -> LogQuery:
    names = request.query.get("name", ())
    instances = resolve(console.container.plan, names)
    plan = console.container.plan
    for name, _ in instances:
        if plan.programs[name].log.passes_by:
            mode = plan.programs[name].log.mode.value
            sentence = f"cannot show the output of {name}: with log.mode {mode} it does not come through supinit"
            raise Refused(409, "not_kept", sentence)
    stream = _read_choice(request, "stream", STREAMS)
    return LogQuery(
        labels={instance: label(plan, instance) for instance in instances or _kept(console)},
        streams=STREAMS if stream is None else (stream,),
        last=_read_count(request.last("n")),
        since=_read_since(console, request.last("since")),
        as_json=not request.wants_text,
        is_colored=_read_choice(request, "color", ("0", "1")) == "1",
    )


def _kept(console: Console) -> tuple[InstanceId, ...]:
    plan = console.container.plan
    return tuple(instance for instance in plan.instances if not plan.programs[instance[0]].log.passes_by)


def _read_choice(request: Request, name: str, words: tuple[str, ...]) -> str | None:
    word = request.last(name)
    if word is not None and word not in words:
        raise Refused(400, "invalid_query", f"cannot read {name}={word!r}; it is {' or '.join(words)}")
    return word


def _read_count(text: str | None) -> int | None:
    if text is None:
        return None
    count = parse_integer(text)
    if count is None or count < 0:
        raise Refused(400, "invalid_query", f"cannot read the number of lines {text!r}; write 100")
    return count


def _read_since(console: Console, text: str | None) -> float:
    """Read how long ago, or a date (RFC 3339; without a zone it is UTC)."""
    if text is None:
        return 0.0
    seconds = parse_duration(text)
    if seconds is not None:
        return console.clock.wall(console.clock.now()) - seconds
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        sentence = f"cannot read the time {text!r}; write how long ago, 5m, or a date, 2026-01-31T23:59:59Z"
        raise Refused(400, "invalid_query", sentence) from None
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
