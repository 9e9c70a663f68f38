"""Status, as JSON or as the table that supctl prints; the entries of programs; the version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.http.message import Request, Response, json_response, text_response
from supervisor.control.resources.naming import label, named_or_all, resolve
from supervisor.control.resources.parameters import read_choice, read_width
from supervisor.control.resources.status_table import lay_out
from supervisor.control.resources.view import entries, status_body, version_body
from supervisor.core.protocol import FINE
from supervisor.core.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.control.console import Console
    from supervisor.core.program import InstanceId


def status(console: Console, request: Request) -> Response:
    container = console.container
    instances = named_or_all(container.plan, request.query.get("name", ()))
    is_fine = all(container.snapshot.instances[instance].is_fine for instance in instances)
    header = (FINE, "yes" if is_fine else "no")
    if request.wants_text:
        text = lay_out(console, instances, read_width(request), request.last("color") == "1")
        return text_response(text, 200, (header,))
    answer = json_response(status_body(console, instances, _is_measured(request)))
    return Response(answer.status, answer.body, answer.content_type, (header,))


def program(console: Console, request: Request, name: str) -> Response:
    return show_entries(console, request, resolve(console.container.plan, name.split(",")), 200)


def show_entries(console: Console, request: Request, instances: Iterable[InstanceId], code: int) -> Response:
    """Answer with the entries of instances, or with one line each that says its state.

    An instance that is gone by now, such as after another client's scale, has no entry.
    """
    instances = [instance for instance in instances if instance in console.container.snapshot.instances]
    if not request.wants_text:
        return json_response({"programs": entries(console, instances, _is_measured(request))}, code)
    plan, views = console.container.plan, console.container.snapshot.instances
    lines = []
    for instance in instances:
        view = views[instance]
        pid = f", pid {view.pid}" if view.pid is not None else ""
        lines.append(printable(f"{label(plan, instance)} is {view.state.value}{pid}"))
    return text_response("\n".join(lines) or "no instances", code)


def _is_measured(request: Request) -> bool:
    """Return whether the client wants resource usage, which requires reading all processes."""
    return read_choice(request, "usage", ("0", "1")) != "0"


def version(console: Console, request: Request) -> Response:
    body = version_body(console)
    if request.wants_text:
        revision = f", revision {body['revision']}" if body["revision"] else ""
        return text_response(f"supinit {body['version']}{revision}")
    return json_response(body)
