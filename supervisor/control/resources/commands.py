"""Start, stop, restart, reload, signal and shutdown: one request for all that are named, then the wait for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from supervisor.control.http.message import Request, RequestError, Response, json_response, text_response
from supervisor.control.resources.naming import label, resolve, resolve_one, serving
from supervisor.control.resources.outcome import InProgress, Missed, Wish, judge
from supervisor.control.resources.parameters import read_body, read_wait
from supervisor.control.resources.status import show_entries
from supervisor.control.resources.view import entries
from supervisor.core.container import Asked, ShutdownAsked
from supervisor.core.events import RestartRequested, StartRequested, StopRequested
from supervisor.core.lanes import first_lane
from supervisor.core.signals import parse_signal, signal_name
from supervisor.core.why import MOST_LINES
from supervisor.core.wording import short_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervisor.control.api import Container
    from supervisor.control.console import Console
    from supervisor.control.resources.outcome import Outcome
    from supervisor.core.events import Event
    from supervisor.core.program import InstanceId, Signal

EVENTS: dict[Wish, Event] = {Wish.START: StartRequested(), Wish.STOP: StopRequested(), Wish.RESTART: RestartRequested()}


async def start(console: Console, request: Request, name: str) -> Response:
    return await _carry_out(Wish.START, console, request, name)


async def stop(console: Console, request: Request, name: str) -> Response:
    return await _carry_out(Wish.STOP, console, request, name)


async def restart_at_once(console: Console, request: Request, name: str) -> Response:
    return await _carry_out(Wish.RESTART, console, request, name)


def signal(console: Console, request: Request, name: str) -> Response:
    """Send a signal to the main processes of the named instances; each name needs at least one process."""
    body = read_body(request)
    number = _read_signal(body.get("signal"))
    names = [_with_instance(part, body.get("instance")) for part in name.split(",")]
    targets = _with_process(console, "signal", names)
    note(console, request, f"signal {signal_name(number)}", name)
    sent = [console.container.send_signal(instance, number) for instance in targets]
    if problems := [problem for problem in sent if problem is not None]:
        sentence = f"cannot signal {name}: {', '.join(problems)}"
        raise RequestError(409, "failed", sentence, more={"programs": entries(console, targets)})
    return show_entries(console, request, targets, 200)


async def reload(console: Console, request: Request, name: str) -> Response:
    """Make running instances read their configuration again; each name needs at least one process."""
    wait = read_wait(read_body(request))
    targets = _with_process(console, "reload", name.split(","))
    note(console, request, "reload", name)
    reloads = [console.container.reload(instance) for instance in targets]
    if not wait.wanted:
        return show_entries(console, request, targets, 202)
    try:
        async with asyncio.timeout(wait.timeout):
            problems = [problem for reload in reloads if (problem := await reload) is not None]
    except TimeoutError:
        sentence = f"cannot reload {name} within {short_time(wait.timeout or 0.0)}; the reload continues"
        raise RequestError(504, "timeout", sentence, more={"programs": entries(console, targets)}) from None
    if problems:
        sentence = f"cannot reload: {', '.join(problems)}"
        raise RequestError(409, "failed", sentence, more={"programs": entries(console, targets)})
    return show_entries(console, request, targets, 200)


def shutdown(console: Console, request: Request) -> Response:
    note(console, request, "shutdown", "")
    console.container.ask(ShutdownAsked("asked for on the control socket"))
    if request.wants_text:
        return text_response("the container is stopping", 202)
    return json_response({"stopping": True}, 202)


def _with_process(console: Console, verb: str, names: Iterable[str]) -> tuple[InstanceId, ...]:
    """Return the instances that have a process. Raises RequestError for a name without one."""
    snapshot, plan = console.container.snapshot, console.container.plan
    targets: dict[InstanceId, None] = {}
    for name in names:
        alive = [i for i in resolve_one(plan, name) if snapshot.instances[i].pid is not None]
        if not alive:
            raise RequestError(409, "not_running", f"cannot {verb} {name}: it has no process; start it first")
        targets.update(dict.fromkeys(alive))
    return tuple(targets)


async def _carry_out(wish: Wish, console: Console, request: Request, name: str) -> Response:
    container = console.container
    instances = resolve(container.plan, name.split(","))
    wait = read_wait(read_body(request))
    if container.snapshot.stopping and wish is not Wish.STOP:
        raise RequestError(409, "stopping", f"cannot {wish.value} {name}: the container is stopping")
    if not instances and wish is not Wish.STOP:
        raise RequestError(409, "not_running", f"cannot {wish.value} {name}: it has no instance (scale: 0)")
    if wish is Wish.RESTART:
        refuse_during_roll(console, wish.value, (instance[0] for instance in instances))
    note(console, request, wish.value, name)
    asked_at = {first_lane(i): container.snapshot.fleet.lives[i].generation for i in instances}
    container.ask(Asked(instances, EVENTS[wish]))
    if not wait.wanted:
        return show_entries(console, request, instances, 202)

    def there() -> tuple[InstanceId, ...]:
        return serving(container.plan, instances)

    def outcomes() -> dict[InstanceId, Outcome]:
        return judge_all(wish, container, there(), asked_at)

    await console.until(lambda: is_settled(outcomes()), wait.timeout)
    refuse_missed(wish, console, outcomes(), wait.timeout)
    return show_entries(console, request, there(), 200)


def refuse_during_roll(console: Console, verb: str, names: Iterable[str]) -> None:
    """Raise RequestError if the instances of a program are being replaced one after the other."""
    rolls = console.container.snapshot.fleet.rolls
    for name in names:
        roll = rolls.get(name)
        if roll is not None and roll.is_active:
            count = f"{len(roll.replaced)} of {roll.total} replaced"
            raise RequestError(
                409,
                "in_progress",
                f"cannot {verb} {name}: a rolling {roll.what} is under way, {count};"
                f" wait for it (supctl events -f {name}), or end it with supctl stop {name}",
            )


def judge_all(
    wish: Wish, container: Container, instances: Iterable[InstanceId], asked_at: Mapping[InstanceId, int]
) -> dict[InstanceId, Outcome]:
    """Judge each instance. `asked_at`: the generations at the time of asking, by first lane; a new one has none."""
    plan, snapshot = container.plan, container.snapshot
    lives = snapshot.fleet.lives
    return {i: judge(wish, plan.programs[i[0]], snapshot, lives[i], asked_at.get(first_lane(i), 0)) for i in instances}


def is_settled(outcomes: Mapping[InstanceId, Outcome]) -> bool:
    return not any(isinstance(outcome, InProgress) for outcome in outcomes.values())


def refuse_missed(wish: Wish, console: Console, outcomes: Mapping[InstanceId, Outcome], timeout: float | None) -> None:
    """Raise RequestError if something failed, or was not done within `timeout`; failures first, they are final."""
    plan, snapshot = console.container.plan, console.container.snapshot
    missed = [f"{label(plan, i)} {outcome.reason}" for i, outcome in outcomes.items() if isinstance(outcome, Missed)]
    late = [i for i, outcome in outcomes.items() if isinstance(outcome, InProgress)]
    if missed:
        failed = next(i for i, outcome in outcomes.items() if isinstance(outcome, Missed))
        lines = () if wish is Wish.STOP else _lines_of(console, failed)
        more = {"programs": entries(console, outcomes), "last_lines": list(lines)}
        sentence = f"cannot {wish.value}: {', '.join(missed)}"
        raise RequestError(409, "failed", sentence, more=more, lines=lines)
    if late and timeout is not None:
        states = ", ".join(f"{label(plan, i)} is {snapshot.instances[i].state.value}" for i in late)
        sentence = f"cannot {wish.value} within {short_time(timeout)}: {states}; the {wish.value} continues"
        raise RequestError(504, "timeout", sentence, more={"programs": entries(console, outcomes)})


def _read_signal(value: object) -> Signal:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    number = parse_signal(text) if text else None
    if number is None:
        raise RequestError(400, "invalid_signal", f"cannot send the signal {value!r}; write SIGUSR1, HUP or 10")
    return number


def _with_instance(name: str, instance: object) -> str:
    if instance is None:
        return name
    if not isinstance(instance, int) or isinstance(instance, bool):
        raise RequestError(400, "invalid_body", f"cannot read instance: {instance!r} is not a whole number")
    return f"{name}:{instance}"


def _lines_of(console: Console, instance: InstanceId) -> tuple[str, ...]:
    """Return the last lines of the run that failed, or of the output as a whole where the process is still there."""
    view = console.container.snapshot.instances[instance]
    if view.pid is None and view.last_exit is not None and view.last_exit.last_lines:
        return view.last_exit.last_lines
    return tuple(console.container.lines_of(instance).splitlines()[-MOST_LINES:])


def note(console: Console, request: Request, action: str, name: str) -> None:
    """Log who asked for what."""
    peer = request.peer
    if peer.address:
        console.log("info", "control.asked", action=action, program=name or None, peer=peer.address)
    else:
        console.log("info", "control.asked", action=action, program=name or None, peer_pid=peer.pid, peer_uid=peer.uid)
