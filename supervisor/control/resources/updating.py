"""update: read the table again and apply it, or only say what that would change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.http.message import (
    Request,
    RequestError,
    Response,
    error_response,
    json_response,
    text_response,
)
from supervisor.control.resources.commands import is_settled, judge_all, note, refuse_missed
from supervisor.control.resources.outcome import Wish
from supervisor.control.resources.parameters import read_body, read_wait
from supervisor.control.resources.replacing import refuse_roll_missed, rolls_begun, rolls_ended
from supervisor.core.update import UpdateAction, keeps_runs
from supervisor.core.wording import printable
from supervisor.errors import ConfigError

if TYPE_CHECKING:
    from supervisor.control.api import Container
    from supervisor.control.console import Console
    from supervisor.control.resources.outcome import Outcome
    from supervisor.core.program import InstanceId
    from supervisor.core.update import Difference, ProgramChange

MARKS = {UpdateAction.ADD: "+", UpdateAction.REMOVE: "-", UpdateAction.RESTART: "~", UpdateAction.CHANGE: "="}
WORDS = {
    UpdateAction.ADD: "added",
    UpdateAction.REMOVE: "removed",
    UpdateAction.RESTART: "restart because of",
    UpdateAction.CHANGE: "in place",
}


async def update(console: Console, request: Request) -> Response:
    """Answer with what changed once it is done; at once for a dry run, or without waiting."""
    container = console.container
    body = read_body(request)
    wait = read_wait(body)
    dry_run = body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise RequestError(400, "invalid_body", f"cannot read dry_run: {dry_run!r} is not true or false")
    if container.snapshot.stopping:
        raise RequestError(409, "stopping", "cannot update: the container is stopping")
    known = container.snapshot.instances
    if not dry_run:
        note(console, request, "update", "")
    try:
        difference = await container.update(dry_run)
    except ConfigError as error:
        return _refusal(request, error)
    if dry_run or not wait.wanted:
        return _answer(request, difference, applied=not dry_run, status=200 if dry_run else 202)
    restarted = difference.names(UpdateAction.ADD, UpdateAction.RESTART)
    rolls = rolls_begun(container, restarted)

    def outcomes() -> dict[InstanceId, Outcome]:
        """Judge the instances that are started or restarted. Scheduled runs are not waited for."""
        lives, scheduled = container.snapshot.fleet.lives, container.plan.scheduled
        new = (i for i in lives if i not in known or i[0] in restarted)
        return judge_all(Wish.START, container, (i for i in new if lives[i].is_wanted and i[0] not in scheduled), {})

    def is_over() -> bool:
        is_settling = bool(_leaving(container)) or not rolls_ended(container, rolls)
        return container.snapshot.stopping or (not is_settling and is_settled(outcomes()))

    await console.until(is_over, wait.timeout)
    if (verdict := container.snapshot.verdict) is not None:
        raise RequestError(409, "stopping", f"cannot finish the update: the container is stopping, {verdict.reason}")
    if names := _leaving(container):
        raise RequestError(
            504, "timeout", f"cannot update in time: {', '.join(names)} is still stopping; the update continues"
        )
    refuse_roll_missed(console, "update", rolls, wait.timeout)
    refuse_missed(Wish.START, console, outcomes(), wait.timeout)
    return _answer(request, difference, applied=True, status=200)


def _leaving(container: Container) -> tuple[str, ...]:
    """Return the programs that are being stopped. A scheduled run is not stopped and may take long."""
    return tuple(
        name
        for name, going in container.snapshot.fleet.leaving.items()
        if not keeps_runs(container.plan.programs[name], going.becomes)
    )


def _answer(request: Request, difference: Difference, applied: bool, status: int) -> Response:
    if request.wants_text:
        return text_response("\n".join(_lines(difference, applied)), status)
    changes = [
        {"program": change.name, "action": change.action.value, "because": list(change.because)}
        for change in difference.programs
    ]
    settings = {"changed": list(difference.settings), "needs_new_container": list(difference.later)}
    body = {"applied": applied, "programs": changes, "settings": settings, "unchanged": difference.unchanged}
    return json_response(body, status)


def _lines(difference: Difference, applied: bool) -> list[str]:
    width = max((len(change.name) for change in difference.programs), default=0)
    lines = [_line(change, width) for change in difference.programs]
    if difference.settings:
        lines.append(f"= supervisor: {', '.join(difference.settings)}")
    if difference.later:
        lines.append(f"! supervisor: {', '.join(difference.later)} changed, which needs a new container")
    count = difference.unchanged
    unchanged = f"{count} program{'' if count == 1 else 's'} unchanged"
    if applied:
        lines.append(unchanged if lines else "nothing has changed")
    else:
        lines.append(f"{unchanged}; dry run, nothing applied" if lines else "nothing would change")
    return [printable(line) for line in lines]


def _line(change: ProgramChange, width: int) -> str:
    because = f": {', '.join(change.because)}" if change.because else ""
    return f"{MARKS[change.action]} {change.name.ljust(width)}  {WORDS[change.action]}{because}"


def _refusal(request: Request, error: ConfigError) -> Response:
    """Return every problem, a line each; nothing has changed."""
    if request.wants_text:
        return text_response("\n".join(map(printable, error.problems)), 422)
    first, *others = map(printable, error.problems)
    more = f" (and {len(others)} more)" if others else ""
    sentence = f"cannot update: {first}{more}; nothing has changed"
    refused = RequestError(422, "invalid_configuration", sentence, more={"problems": list(error.problems)})
    return error_response(refused, as_text=False)
