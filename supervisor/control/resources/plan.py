"""plan: the programs of the table in its order, with their dependencies. Their states are in status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.http.message import Request, Response, json_response

if TYPE_CHECKING:
    from supervisor.control.console import Console
    from supervisor.core.program import Program


def plan(console: Console, _: Request) -> Response:
    """Always JSON."""
    programs = console.container.plan.programs
    return json_response({"programs": [_program(program) for program in programs.values()]})


def _program(program: Program) -> dict[str, object]:
    needs = [{"name": each.program, "condition": each.condition.value} for each in program.depends_on]
    return {
        "name": program.name,
        "type": program.kind.value,
        "scale": program.scale,
        "depends_on": needs,
        "essential": program.holds_back_ready,
        "scheduled": program.schedule is not None,
        "logs": not program.log.passes_by,
    }
