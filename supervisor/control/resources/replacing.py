"""Rolling restarts and the number of instances: the request, then the wait until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.http.message import Request, RequestError, Response
from supervisor.control.resources.commands import (
    is_settled,
    judge_all,
    note,
    refuse_during_roll,
    refuse_missed,
    restart_at_once,
)
from supervisor.control.resources.naming import resolve, serving
from supervisor.control.resources.outcome import Wish
from supervisor.control.resources.parameters import read_body, read_wait
from supervisor.control.resources.status import show_entries
from supervisor.control.resources.view import entries
from supervisor.core.container import RollAsked, ScaleAsked
from supervisor.core.roll import Outcome
from supervisor.core.wording import short_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervisor.control.api import Container
    from supervisor.control.console import Console
    from supervisor.control.resources.outcome import Outcome as Judgement
    from supervisor.core.program import InstanceId
    from supervisor.core.roll import Roll

LARGEST_SCALE = 1000


async def restart(console: Console, request: Request, name: str) -> Response:
    """Restart instances at once, or with `rolling` a few at a time."""
    body = read_body(request)
    is_rolling = body.get("rolling", False)
    if not isinstance(is_rolling, bool):
        raise RequestError(400, "invalid_body", f"cannot read rolling: {is_rolling!r} is not true or false")
    if not is_rolling:
        return await restart_at_once(console, request, name)
    container, wait = console.container, read_wait(body)
    instances = resolve(container.plan, name.split(","))
    names = tuple(dict.fromkeys(instance[0] for instance in instances))
    _refuse_now(console, "restart", name, instances)
    refuse_during_roll(console, "restart", names)
    note(console, request, "restart --rolling", name)
    container.ask(RollAsked(instances))
    rolls = rolls_begun(container, names)
    if not wait.wanted:
        return show_entries(console, request, instances, 202)
    await console.until(lambda: rolls_ended(container, rolls), wait.timeout)
    refuse_roll_missed(console, "restart", rolls, wait.timeout)
    return show_entries(console, request, serving(container.plan, instances), 200)


async def scale(console: Console, request: Request, name: str) -> Response:
    """Change the number of instances of one program, and wait until the new ones are up and the others are gone."""
    from supervisor.core.scaling import entry_to_scale, obstacle_to_scale

    container, body = console.container, read_body(request)
    wait, number = read_wait(body), _read_scale(body.get("instances"))
    resolve(container.plan, [name])
    if name not in container.plan.programs:
        raise RequestError(400, "invalid_name", f"cannot scale {name}: name one program, without an instance")
    if container.snapshot.stopping:
        raise RequestError(409, "stopping", f"cannot scale {name}: the container is stopping")
    entry = entry_to_scale(container.plan, container.snapshot.fleet.leaving, name)
    if entry is None:
        raise RequestError(409, "failed", f"cannot scale {name} to {number}: an update is about to remove it")
    if (obstacle := obstacle_to_scale(entry, number)) is not None:
        raise RequestError(409, "failed", f"cannot scale {name} to {number}: {obstacle}")
    refuse_during_roll(console, "scale", (name,))
    note(console, request, f"scale {number}", name)
    container.ask(ScaleAsked(name, number))

    def there() -> tuple[InstanceId, ...]:
        program = container.plan.programs.get(name)
        return () if program is None else program.instances[:number]

    def outcomes() -> Mapping[InstanceId, Judgement]:
        lives = container.snapshot.fleet.lives
        return judge_all(Wish.START, container, (i for i in there() if lives[i].is_wanted), {})

    def is_over() -> bool:
        is_leaving = name in container.snapshot.fleet.leaving and not container.snapshot.stopping
        return not is_leaving and is_settled(outcomes())

    if not wait.wanted:
        return show_entries(console, request, there(), 202)
    if not await console.until(is_over, wait.timeout) and name in container.snapshot.fleet.leaving:
        sentence = f"cannot scale {name} within {short_time(wait.timeout or 0.0)}: instances are still stopping"
        raise RequestError(504, "timeout", f"{sentence}; the change continues")
    refuse_missed(Wish.START, console, outcomes(), wait.timeout)
    return show_entries(console, request, there(), 200)


def _read_scale(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SCALE:
        raise RequestError(
            400, "invalid_body", f"cannot read instances: {value!r} is not a whole number from 0 to {LARGEST_SCALE}"
        )
    return value


def _refuse_now(console: Console, verb: str, name: str, instances: Iterable[InstanceId]) -> None:
    """Raise RequestError if nothing can be replaced now."""
    container = console.container
    if container.snapshot.stopping:
        raise RequestError(409, "stopping", f"cannot {verb} {name}: the container is stopping")
    if not instances:
        raise RequestError(409, "not_running", f"cannot {verb} {name}: it has no instance (scale: 0)")


# ---- the wait for rolls


def rolls_begun(container: Container, names: Iterable[str]) -> dict[str, int]:
    """Return the serial numbers of the rolls of these programs that are under way or have just ended."""
    rolls = container.snapshot.fleet.rolls
    return {name: rolls[name].serial for name in names if name in rolls}


def rolls_ended(container: Container, begun: Mapping[str, int]) -> bool:
    return not any(roll is not None and roll.is_active for roll in _rolls(container, begun).values())


def _rolls(container: Container, begun: Mapping[str, int]) -> dict[str, Roll | None]:
    """Return the rolls with these serial numbers; None for each that another roll has replaced."""
    rolls = container.snapshot.fleet.rolls
    there = {name: rolls.get(name) for name in begun}
    return {name: r if r is not None and r.serial == begun[name] else None for name, r in there.items()}


def refuse_roll_missed(console: Console, verb: str, begun: Mapping[str, int], timeout: float | None) -> None:
    """Raise RequestError if a roll has failed or has not ended within `timeout`."""
    from supervisor.core.roll_events import sentence_of

    container = console.container
    rolls = _rolls(container, begun)
    shown = [i for i in container.snapshot.instances if i[0] in begun]
    problems = []
    for name, roll in rolls.items():
        if roll is None:
            problems.append(f"another update of {name} has taken over")
        elif not roll.is_active and (roll.outcome is not Outcome.COMPLETED or roll.failed):
            problems.append(sentence_of(name, roll))
    if problems:
        more = {"programs": entries(console, shown)}
        raise RequestError(409, "failed", f"cannot {verb}: {'; '.join(problems)}", more=more)
    late = [f"{name}, {len(r.replaced)} of {r.total} replaced" for name, r in rolls.items() if r and r.is_active]
    if late and timeout is not None:
        sentence = f"cannot {verb} within {short_time(timeout)}: {'; '.join(late)}; the {verb} continues"
        raise RequestError(504, "timeout", sentence, more={"programs": entries(console, shown)})
