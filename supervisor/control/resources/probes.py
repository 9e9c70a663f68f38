"""livez, readyz and healthz, which agree with the marker files, and wait: 200 or an error that names what is not up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.http.message import Request, RequestError, Response, json_response, text_response
from supervisor.control.resources.naming import label, resolve
from supervisor.control.resources.parameters import read_timeout
from supervisor.core.health import Health
from supervisor.core.life import Exited
from supervisor.core.snapshot import State
from supervisor.core.wording import printable, short_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.control.console import Console
    from supervisor.core.program import InstanceId
    from supervisor.core.snapshot import InstanceView


def livez(_console: Console, request: Request) -> Response:
    """Answer 200: the loop turns."""
    return _verdict(request, "alive", [])


def readyz(console: Console, request: Request) -> Response:
    """Answer 200 once everything essential has been up, until shutdown begins; otherwise 503."""
    return _verdict(request, "ready", _unless(console.container.snapshot.ready, not_ready(console, ())))


def healthz(console: Console, request: Request) -> Response:
    """Answer 200 while everything essential, or named, is healthy or has completed, until the first stop step.

    With `max_age`, the last passing check must be that young; a program without a health check always passes.
    """
    instances = resolve(console.container.plan, request.query.get("name", ()))
    if "name" in request.query and not instances:
        return _verdict(request, "healthy", [])  # scale: 0
    faults = not_healthy(console, instances)
    max_age = read_timeout(request.last("max_age"))
    if max_age is not None:
        faults += _too_old(console, instances, max_age)
    return _verdict(request, "healthy", faults)


async def wait(console: Console, request: Request) -> Response:
    """Answer 200 as soon as the goal is met, 504 if not within `timeout`, 409 if it cannot be met any more."""
    goal = request.last("for") or "healthy"
    faults_now = WAITS.get(goal)
    if faults_now is None:
        raise RequestError(400, "invalid_goal", f"cannot wait for {goal!r}; wait for {', '.join(WAITS)}")
    instances = resolve(console.container.plan, request.query.get("name", ()))
    timeout = read_timeout(request.last("timeout"))
    if "name" in request.query and not instances:
        return _verdict(request, goal, [])  # scale: 0

    def faults_left() -> list[str]:
        """Say what is in the way. What an update has removed has stopped, and will never be anything else."""
        gone = [i for i in instances if i not in console.container.snapshot.instances]
        there = tuple(i for i in instances if i not in gone)
        faults = faults_now(console, there) if there or not instances else []
        return faults if goal == "stopped" else [*faults, *(f"{name} was removed" for name, _ in gone)]

    def is_hopeless() -> bool:
        views = console.container.snapshot.instances
        is_gone = goal != "stopped" and any(instance not in views for instance in instances)
        return is_gone or _is_hopeless(console, goal, instances)

    await console.until(lambda: is_hopeless() or not faults_left(), timeout)
    faults = faults_left()
    if faults and is_hopeless():
        raise RequestError(409, "failed", f"cannot become {goal}: {', '.join(faults)}")
    if faults and timeout is not None:
        raise RequestError(504, "timeout", f"cannot wait longer than {short_time(timeout)}: {', '.join(faults)}")
    return _verdict(request, goal, faults)


def not_ready(console: Console, instances: tuple[InstanceId, ...]) -> list[str]:
    """Say which instances are not up; if none are named, which essential ones have never been."""
    snapshot = console.container.snapshot
    if snapshot.stopping:
        return ["the container is stopping"]
    if not instances:
        lives = snapshot.fleet.lives
        return [describe(console, i) for i in _essential(console) if not lives[i].was_up]
    up = (State.RUNNING, State.EXITED)
    views = [snapshot.instances[instance] for instance in instances]
    late = (view for view in views if view.state not in up and not _is_in_step(view))
    return [describe(console, (view.name, view.instance)) for view in late]


def not_healthy(console: Console, instances: tuple[InstanceId, ...]) -> list[str]:
    """Say which instances, by default the essential ones, are neither healthy nor completed.

    During `drain_delay` the programs still serve, so this does not change.
    """
    snapshot = console.container.snapshot
    if not snapshot.in_service:
        return ["the container is stopping"]
    lives = snapshot.fleet.lives
    among = instances or _essential(console)
    return [
        describe(console, i)
        for i in among
        if not (lives[i].is_up or isinstance(lives[i].phase, Exited) or _is_in_step(snapshot.instances[i]))
    ]


def _is_in_step(view: InstanceView) -> bool:
    """Return whether it follows its schedule. Nothing waits for the next run or for the end of a run."""
    return view.has_schedule and view.is_fine


def not_stopped(console: Console, instances: tuple[InstanceId, ...]) -> list[str]:
    """Say which instances still have a process; if none are named, that the container still runs."""
    if not instances:
        return ["the container is up"]
    lives = console.container.snapshot.fleet.lives
    return [describe(console, i) for i in instances if lives[i].is_alive]


WAITS: dict[str, Callable[[Console, tuple[InstanceId, ...]], list[str]]] = {
    "ready": not_ready,
    "healthy": not_healthy,
    "stopped": not_stopped,
}


def _is_hopeless(console: Console, goal: str, instances: tuple[InstanceId, ...]) -> bool:
    """Whether only an operator can change it: after a shutdown, or a program that has failed for good."""
    snapshot = console.container.snapshot
    among = instances or _essential(console)
    return goal != "stopped" and (
        snapshot.stopping or any(snapshot.instances[instance].state is State.FATAL for instance in among)
    )


def describe(console: Console, instance: InstanceId) -> str:
    """Return what is the matter: "web is FATAL (exited with code 7)"."""
    view = console.container.snapshot.instances[instance]
    state, detail = view.state.value, view.reason
    if view.health is Health.UNHEALTHY:
        state, detail = "unhealthy", view.probe_detail
    elif view.waiting_for:
        detail = f"waits for {', '.join(view.waiting_for)}"
    return f"{label(console.container.plan, instance)} is {state}" + (f" ({detail})" if detail else "")


def _too_old(console: Console, instances: tuple[InstanceId, ...], max_age: float) -> list[str]:
    now, plan, views = console.clock.now(), console.container.plan, console.container.snapshot.instances
    passes = ((i, views[i].last_pass_at) for i in instances or _essential(console))
    return [
        f"{label(plan, i)} passed its last check {short_time(now - at)} ago"
        for i, at in passes
        if at is not None and now - at > max_age
    ]


def _essential(console: Console) -> tuple[InstanceId, ...]:
    """Return the instances that the container's readiness and health depend on."""
    container = console.container
    programs, lives = container.plan.programs.values(), container.snapshot.fleet.lives
    return tuple(
        i for program in programs if program.holds_back_ready for i in program.instances if not lives[i].on_demand
    )


def _unless(holds: bool, faults: list[str]) -> list[str]:
    return [] if holds else faults


def _verdict(request: Request, adjective: str, faults: list[str]) -> Response:
    status = 503 if faults else 200
    if request.wants_text:
        text = f"not {adjective}: {', '.join(faults)}" if faults else adjective
        return text_response(printable(text), status)
    return json_response({adjective: not faults, "because": faults}, status)
