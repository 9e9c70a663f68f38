"""The service of a listener: the API, or the API with the web page. The first client loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from supervisor.control.access import Rights
    from supervisor.control.console import Console
    from supervisor.control.http.message import Request, Response

    Respond = Callable[[Console, Request, Rights], Response | Awaitable[Response]]


class Service(Record):
    """`respond` answers, or raises RequestError; `headers` go with every answer, refusals included."""

    respond: Respond
    headers: tuple[tuple[str, str], ...] = ()


def api() -> Service:
    """Return the API as the control socket and the metrics port have it."""
    from supervisor.control.router import respond

    return Service(respond)
