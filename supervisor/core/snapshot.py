"""The read-only view of the container from which status, metrics, marker files and log lines are derived.

Times are seconds on the monotonic clock; the edges turn them into dates.
"""

from __future__ import annotations

from enum import Enum

from supervisor.core.container import Draining, Serving
from supervisor.core.health import Health
from supervisor.core.life import (
    Backoff,
    Claiming,
    Exited,
    Fatal,
    Pending,
    Preparing,
    Running,
    Scheduled,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.record import Record, assert_never
from supervisor.core.restart_policy import unknown_sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervisor.core.container import Fleet
    from supervisor.core.life import Exit, Life
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId
    from supervisor.core.verdict import Verdict


class State(Enum):
    """The public states: supervisord's words, where it has them."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    EXITED = "EXITED"
    FATAL = "FATAL"


class InstanceView(Record):
    """One instance as its operator sees it. A field is None where the thing does not exist."""

    name: str
    instance: int
    state: State
    health: Health
    pid: int | None
    since: float
    """When it entered this phase."""
    started_at: float | None
    """When its process was spawned."""
    generation: int
    restarts: int
    last_exit: Exit | None
    reason: str | None
    waiting_for: tuple[str, ...]
    starts_again_at: float | None
    last_pass_at: float | None
    """When its health check passed last."""
    probe_failures: int
    """Failed health checks in a row."""
    probe_detail: str
    status_text: str
    """The process's own STATUS= (sd_notify(3))."""
    on_demand: bool = False
    """Whether it does not start by itself, and nobody has asked for a start yet."""
    has_schedule: bool = False
    awaits_run: bool = False
    """Whether it waits for the next run of its schedule."""

    @property
    def is_fine(self) -> bool:
        """Whether it needs no attention: RUNNING and not unhealthy, EXITED, on demand, or in step with its schedule."""
        if self.state is State.RUNNING or (self.has_schedule and self.state is State.STARTING):
            return self.health is not Health.UNHEALTHY
        return self.state is State.EXITED or self.on_demand or self.awaits_run


class Snapshot(Record):
    """The container at one moment. `instances` is in the table's order."""

    fleet: Fleet
    instances: Mapping[InstanceId, InstanceView]
    healthy_programs: Mapping[str, float | None]
    """The programs of which every instance is healthy, each with the oldest of its instances' last passing checks."""
    ready: bool
    healthy: bool
    stopping: bool
    not_healthy: Mapping[str, None] = {}
    """The essential programs that are neither healthy nor completed. Empty once programs are being stopped."""
    plan: Plan | None = None

    @property
    def in_service(self) -> bool:
        """Whether the programs are kept up: until the first stop step, `drain_delay` included."""
        return isinstance(self.fleet.container_phase, Serving | Draining)

    @property
    def verdict(self) -> Verdict | None:
        return self.fleet.verdict


def project(plan: Plan, fleet: Fleet, before: Snapshot | None = None) -> Snapshot:
    """Return the view of a fleet. Parts that have not changed since `before` are reused, down to the same objects."""
    if before is not None and before.fleet is fleet and before.plan is plan:
        return before
    instances, changed = _views(plan, fleet, before)
    serving = isinstance(fleet.container_phase, Serving)
    in_service = isinstance(fleet.container_phase, Serving | Draining)
    healthy_programs: Mapping[str, float | None] = {}
    not_healthy: Mapping[str, None] = {}
    if in_service:
        healthy_programs, not_healthy = _health(plan, fleet, before, changed)
    return Snapshot(
        fleet=fleet,
        instances=instances,
        healthy_programs=healthy_programs,
        ready=serving and fleet.ready_at is not None,
        healthy=in_service and not not_healthy,
        stopping=not serving,
        not_healthy=not_healthy,
        plan=plan,
    )


def _views(
    plan: Plan, fleet: Fleet, before: Snapshot | None
) -> tuple[Mapping[InstanceId, InstanceView], Iterable[str]]:
    """Return the views of all instances, and the programs that are not what they were."""
    lives = fleet.lives
    if before is None or before.plan is None or before.instances.keys() != lives.keys():
        return {instance: _view(plan, instance, life) for instance, life in lives.items()}, plan.programs
    old_lives, old_programs = before.fleet.lives, before.plan.programs
    others = set[str]()
    if before.plan is not plan:
        others = {name for name, program in plan.programs.items() if old_programs.get(name) is not program}
    changed = [i for i, life in lives.items() if old_lives[i] is not life or i[0] in others]
    instances = {**before.instances, **{instance: _view(plan, instance, lives[instance]) for instance in changed}}
    names = dict.fromkeys(name for name, _ in changed)
    if others:
        names |= dict.fromkeys(name for name in plan.programs if name in others)
    return instances, names


def _health(
    plan: Plan, fleet: Fleet, before: Snapshot | None, changed: Iterable[str]
) -> tuple[Mapping[str, float | None], Mapping[str, None]]:
    """Return the healthy programs, and the essential programs that are neither healthy nor completed."""
    is_known = before is not None and before.plan is not None and before.plan.programs.keys() == plan.programs.keys()
    healthy = dict(before.healthy_programs) if before is not None and is_known else {}
    not_healthy = dict(before.not_healthy) if before is not None and is_known else {}
    for name in changed if is_known else plan.programs:
        healthy.pop(name, None)
        not_healthy.pop(name, None)
        program = plan.programs[name]
        lives = [fleet.lives[instance] for instance in program.instances]
        if lives and all(life.is_up for life in lives):
            passes = [life.health_state.last_pass_at for life in lives if life.health_state is not None]
            healthy[name] = min((at for at in passes if at is not None), default=None)
        elif program.holds_back_ready and not all(
            life.is_up or life.on_demand or isinstance(life.phase, Exited) for life in lives
        ):
            not_healthy[name] = None
    if before is not None and healthy == before.healthy_programs:
        return before.healthy_programs, not_healthy
    return healthy, not_healthy


def _view(plan: Plan, instance: InstanceId, life: Life) -> InstanceView:
    phase, run, health_state = life.phase, life.run, life.health_state
    return InstanceView(
        name=instance[0],
        instance=instance[1],
        state=state_of(life),
        health=life.health,
        pid=run.pid if run is not None else None,
        since=life.since,
        started_at=run.since if run is not None else None,
        generation=life.generation,
        restarts=life.restarts,
        last_exit=life.last_exit,
        reason=_reason(life),
        waiting_for=phase.on if isinstance(phase, Pending) else (),
        starts_again_at=phase.until if isinstance(phase, Backoff) else None,
        last_pass_at=health_state.last_pass_at if health_state is not None else None,
        probe_failures=health_state.failures if health_state is not None else 0,
        probe_detail=health_state.detail if health_state is not None else "",
        status_text=life.status_text if run is not None else "",
        on_demand=life.on_demand,
        has_schedule=plan.programs[instance[0]].schedule is not None,
        awaits_run=isinstance(phase, Scheduled),
    )


def state_of(life: Life) -> State:
    """Return the public state of an instance."""
    match life.phase:
        case Stopped():
            return State.STOPPED
        case Pending() | Claiming() | Scheduled():
            return State.PENDING
        case Preparing() | Spawning() | Starting():
            return State.STARTING
        case Running():
            return State.RUNNING
        case Stopping() | Sweeping():
            return State.STOPPING
        case Backoff():
            return State.BACKOFF
        case Exited():
            return State.EXITED
        case Fatal():
            return State.FATAL
        case _:
            assert_never(life.phase)


def _reason(life: Life) -> str | None:
    match life.phase:
        case Fatal(reason=reason) | Backoff(reason=reason):
            return reason
        case Exited(reason=reason) | Scheduled(reason=reason):
            return reason
        case Pending(held_until=held_until, held_by=held_by) if held_until is not None:
            return held_by
        case Claiming(reason=reason):
            return reason
        case Sweeping(tells_store=True):
            return "tells the store how the run has ended"
        case Sweeping(unknown=unknown) if unknown:
            return unknown_sentence(unknown)
        case Preparing(hook=hook) | Stopping(hook=hook) | Sweeping(hook=hook) if hook:
            return hook
        case Stopping(blame=blame) | Sweeping(blame=blame) if blame is not None:
            return blame.sentence
        case _:
            return None
