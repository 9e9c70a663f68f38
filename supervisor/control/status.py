"""The endpoints that only show: status, as JSON or as the table that supctl prints, and the version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.columns import read_width
from supervisor.control.message import Answer, Request, json_answer, text_answer
from supervisor.control.naming import resolve
from supervisor.control.table import lay_out
from supervisor.control.view import entries, status_body, version_body

if TYPE_CHECKING:
    from supervisor.control.console import Console

FINE = "Supinit-Fine"
"""The header that tells a client that reads no JSON whether all that is shown is up: yes or no."""


def status(console: Console, request: Request) -> Answer:
    container = console.container
    instances = resolve(container.plan, request.query.get("name", ())) or container.plan.instances
    is_fine = all(container.snapshot.instances[instance].is_fine for instance in instances)
    header = (FINE, "yes" if is_fine else "no")
    if request.wants_text:
        text = lay_out(console, instances, read_width(request), request.last("color") == "1")
        return text_answer(text, 200, (header,))
    answer = json_answer(status_body(console, instances))
    return Answer(answer.status, answer.body, answer.content_type, (header,))


def program(console: Console, _request: Request, name: str) -> Answer:
    instances = resolve(console.container.plan, name.split(","))
    return json_answer({"programs": entries(console, instances)})


def version(console: Console, request: Request) -> Answer:
    body = version_body(console)
    if request.wants_text:
        revision = f", revision {body['revision']}" if body["revision"] else ""
        return text_answer(f"supinit {body['version']}{revision}")
    return json_answer(body)
