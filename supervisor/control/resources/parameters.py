"""Read what a request gives in its query and its body. Each function raises RequestError with a sentence that helps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from supervisor.control.http.message import RequestError
from supervisor.core.quantities import parse_duration, parse_integer
from supervisor.core.record import Record

if TYPE_CHECKING:
    from supervisor.control.console import Console
    from supervisor.control.http.message import Request

DEPTH = 32
"""Levels of nesting that no body of the API has. Thousands of them would cost json its stack."""
UNLIMITED = 10_000
"""The width for a reader that is not a terminal."""


class Wait(Record):
    """How long the client waits. `timeout` in seconds; None: until it is done or has failed."""

    wanted: bool
    timeout: float | None


def read_choice(request: Request, name: str, words: tuple[str, ...]) -> str | None:
    """Return one of the words; None if it is left out."""
    word = request.last(name)
    if word is not None and word not in words:
        raise RequestError(400, "invalid_query", f"cannot read {name}={word!r}; it is {' or '.join(words)}")
    return word


def read_flag(request: Request, name: str) -> bool:
    """Return whether it is 1; left out means 0."""
    return read_choice(request, name, ("0", "1")) == "1"


def read_count(request: Request, name: str) -> int | None:
    """Return a number of lines; None if it is left out."""
    text = request.last(name)
    if text is None:
        return None
    count = parse_integer(text)
    if count is None or count < 0:
        raise RequestError(400, "invalid_query", f"cannot read the number of lines {text!r}; write 100")
    return count


def read_width(request: Request) -> int:
    """Return the width that the client asked for; 0 or none means unlimited."""
    columns = request.last("columns") or ""
    return (int(columns[:6]) if columns.isascii() and columns.isdecimal() else 0) or UNLIMITED


def read_timeout(value: object) -> float | None:
    """Read a duration in seconds from JSON or a query; None: no limit."""
    if value is None:
        return None
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    seconds = parse_duration(text.strip())
    if seconds is None:
        raise RequestError(
            400, "invalid_duration", f"cannot read the duration {value!r}; write 30, 1.5, 500ms or 1m30s"
        )
    return seconds


def read_since(console: Console, text: str | None) -> float:
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
        raise RequestError(400, "invalid_query", sentence) from None
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()


def read_body(request: Request) -> dict[str, object]:
    """Read a JSON object; no body is an empty one."""
    if not request.body.strip():
        return {}
    import json

    try:
        if request.body.count(b"[") + request.body.count(b"{") > DEPTH:
            raise ValueError("it is nested too deeply")
        body = json.loads(request.body)
    except ValueError as error:
        raise RequestError(400, "invalid_body", f"cannot read the body as JSON: {error}") from None
    if not isinstance(body, dict):
        raise RequestError(400, "invalid_body", "cannot read the body: it is not a JSON object")
    return body


def read_wait(body: dict[str, object]) -> Wait:
    wanted = body.get("wait", True)
    if not isinstance(wanted, bool):
        raise RequestError(400, "invalid_body", f"cannot read wait: {wanted!r} is not true or false")
    return Wait(wanted, read_timeout(body.get("timeout")))
