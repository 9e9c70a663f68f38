"""why: for each instance that is not up, or whose last scheduled run failed, the reason in sentences (core/why.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.http.message import Request, Response, json_response, text_response
from supervisor.control.resources.naming import named_or_all
from supervisor.control.resources.view import rolling
from supervisor.core.protocol import FINE
from supervisor.core.record import replace
from supervisor.core.why import Why
from supervisor.core.wording import printable

if TYPE_CHECKING:
    from supervisor.control.console import Console
    from supervisor.control.resources.view import Json
    from supervisor.core.why import Explanation


def why(console: Console, request: Request) -> Response:
    """Explain each named instance (default: all) that is not up, and report the rolls of their programs."""
    container = console.container
    instances = named_or_all(container.plan, request.query.get("name", ()))
    reasons = Why(container.plan, container.snapshot, console.clock.now(), container.lines_of)
    found = [reason for instance in instances if (reason := reasons.explain(instance)) is not None]
    is_up = all(container.snapshot.instances[instance].is_fine for instance in instances)
    rolls = {name: roll for name in dict.fromkeys(i[0] for i in instances) if (roll := rolling(console, name))}
    if request.wants_text:
        more = [_paragraph(name, roll) for name, roll in rolls.items()]
        answer = text_response("\n\n".join((_text(found), *more)))
    else:
        answer = json_response(_body(console, found, is_up) | {"rolling": [{"name": n, **r} for n, r in rolls.items()]})
    return replace(answer, headers=((FINE, "yes" if is_up else "no"),))


def _paragraph(name: str, roll: Json) -> str:
    return printable(f"{roll['detail']}." if roll["state"] == "paused" else f"{name}: {roll['detail']}.")


def _body(console: Console, found: list[Explanation], is_up: bool) -> dict[str, object]:
    views = console.container.snapshot.instances
    programs = [
        {
            "name": reason.instance[0],
            "instance": reason.instance[1],
            "state": views[reason.instance].state.value,
            "health": views[reason.instance].health.value,
            "why": " ".join(reason.sentences),
            "causes": [{"name": name, "instance": number} for name, number in reason.causes],
            "last_lines": list(reason.last_lines),
        }
        for reason in found
    ]
    return {"up": is_up, "programs": programs}


def _text(found: list[Explanation]) -> str:
    """Return one paragraph for each. The last lines of a cause are quoted once, in its own paragraph if it has one."""
    if not found:
        return "everything is up"
    explained = {reason.instance for reason in found}
    paragraphs = []
    for reason in found:
        lines = [printable(" ".join(reason.sentences))]
        if reason.last_lines and (reason.causes[-1] == reason.instance or reason.causes[-1] not in explained):
            lines += ["Its last lines:", *(f"    {printable(line)}" for line in reason.last_lines)]
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)
