"""The table of endpoints, and who may use them. docs/openapi.yaml documents the same; a test compares the two."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from supervisor.control.access import Rights
from supervisor.control.http.message import Request, RequestError, Response
from supervisor.control.resources import (
    commands,
    context,
    events,
    logs,
    plan,
    probes,
    replacing,
    status,
    tree,
    updating,
    usage,
    why,
)
from supervisor.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from supervisor.control.console import Console

    Handler = Callable[..., Response | Awaitable[Response]]


class Route(Record):
    """One endpoint. {name} in `path` stands for a program's name, which the handler takes as its last argument."""

    method: str
    path: str
    handler: Handler
    control_only: bool = False
    """A GET that takes the right to control."""


def _metrics(console: Console, request: Request) -> Awaitable[Response]:
    from supervisor.control.metrics.scrape import scrape  # not before the first scrape

    return scrape(console, request)


ROUTES = (
    Route("GET", "/v1/status", status.status),
    Route("GET", "/v1/version", status.version),
    Route("GET", "/v1/why", why.why),
    Route("GET", "/v1/plan", plan.plan),
    Route("GET", "/v1/usage", usage.usage),
    Route("GET", "/v1/wait", probes.wait),
    Route("GET", "/v1/programs/{name}", status.program),
    Route("POST", "/v1/programs/{name}/start", commands.start),
    Route("POST", "/v1/programs/{name}/stop", commands.stop),
    Route("POST", "/v1/programs/{name}/restart", replacing.restart),
    Route("POST", "/v1/programs/{name}/scale", replacing.scale),
    Route("POST", "/v1/programs/{name}/signal", commands.signal),
    Route("POST", "/v1/programs/{name}/reload", commands.reload),
    Route("GET", "/v1/programs/{name}/context", context.context, control_only=True),
    Route("GET", "/v1/logs", logs.logs),
    Route("GET", "/v1/events", events.events),
    Route("GET", "/v1/tree", tree.tree),
    Route("POST", "/v1/update", updating.update),
    Route("POST", "/v1/shutdown", commands.shutdown),
    Route("GET", "/metrics", _metrics),
    Route("GET", "/livez", probes.livez),
    Route("GET", "/readyz", probes.readyz),
    Route("GET", "/healthz", probes.healthz),
)


PUBLIC = tuple(route for route in ROUTES if route.path in ("/metrics", "/livez", "/readyz", "/healthz"))
"""The endpoints for clients that are not known: they reveal no paths, and change nothing."""


def respond(console: Console, request: Request, rights: Rights) -> Response | Awaitable[Response]:
    """Carry out a request: return its answer, or an awaitable of it. Raises RequestError, as awaiting may."""
    if rights is Rights.PROBE:
        route, _ = find(request, PUBLIC)
        return route.handler(console, request)
    route, arguments = find(request)
    needed = Rights.CONTROL if route.control_only or route.method != "GET" else Rights.READ
    if rights is not Rights.CONTROL and rights is not needed:
        raise RequestError(403, "not_permitted", _not_permitted(request, needed))
    return route.handler(console, request, *arguments)


def find(request: Request, routes: tuple[Route, ...] = ROUTES) -> tuple[Route, tuple[str, ...]]:
    """Return the route of a request and the names in its path; HEAD counts as GET. Raises RequestError."""
    method = "GET" if request.method == "HEAD" else request.method
    allowed: list[str] = []
    for route in routes:
        arguments = _match(route.path, request.path)
        if arguments is None:
            continue
        if route.method == method:
            return route, arguments
        allowed += [route.method, "HEAD"] if route.method == "GET" else [route.method]
    if not allowed:
        raise RequestError(404, "not_found", f"cannot find {request.path}; docs/api.md lists the endpoints")
    allow = ", ".join(allowed)
    sentence = f"cannot {request.method} {request.path}; allowed: {allow}"
    raise RequestError(405, "method_not_allowed", sentence, (("Allow", allow),))


def _match(pattern: str, path: str) -> tuple[str, ...] | None:
    """Return what the path has in place of {name}, decoded; None if it does not match."""
    expected, actual = pattern.split("/"), path.split("/")
    if len(expected) != len(actual):
        return None
    names: list[str] = []
    for part, text in zip(expected, actual, strict=True):
        if part == "{name}" and text:
            names.append(unquote(text))
        elif part != text:
            return None
    return tuple(names)


def _not_permitted(request: Request, needed: Rights) -> str:
    way_out = "only root and the user that supinit runs as may"
    if needed is Rights.READ:
        way_out += ", and members of socket_group"
    return f"cannot {request.method} {request.path} as uid {request.peer.uid}: {way_out}"
