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


class Views:
    """The views of all instances, made when they are asked for: nobody looks at most snapshots.

    Views of a life that has not changed since the last ones were made are reused.
    """

    def __init__(self, plan: Plan, lives: Mapping[InstanceId, Life], before: Views | None) -> None:
        self._plan = plan
        self._lives = lives
        self._made: Mapping[InstanceId, InstanceView] | None = None
        self._last: Views | None = before if before is None or before._made is not None else before._last

    @property
    def all(self) -> Mapping[InstanceId, InstanceView]:
        if self._made is None:
            self._made = self._make(self._last)
            self._last = None
        return self._made

    def _make(self, last: Views | None) -> Mapping[InstanceId, InstanceView]:
        made, lives = ({}, {}) if last is None or last._plan is not self._plan else (last.all, last._lives)
        return {
            instance: made[instance] if lives.get(instance) is life else _view(self._plan, instance, life)
            for instance, life in self._lives.items()
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Views) and self.all == other.all

    __hash__ = None  # type: ignore[assignment]  # they are compared by what they show


class Snapshot(Record):
    """The container at one moment."""

    fleet: Fleet
    healthy_programs: Mapping[str, float | None]
    """The programs of which every instance is healthy, each with the oldest of its instances' last passing checks."""
    ready: bool
    healthy: bool
    stopping: bool
    plan: Plan
    views: Views
    not_healthy: Mapping[str, None] = {}
    """The essential programs that are neither healthy nor completed. Empty once programs are being stopped."""

    @property
    def instances(self) -> Mapping[InstanceId, InstanceView]:
        """The view of each instance, in the table's order."""
        return self.views.all

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
    serving = isinstance(fleet.container_phase, Serving)
    in_service = isinstance(fleet.container_phase, Serving | Draining)
    healthy_programs: Mapping[str, float | None] = {}
    not_healthy: Mapping[str, None] = {}
    if in_service:
        healthy_programs, not_healthy = _health(plan, fleet, before)
    return Snapshot(
        fleet=fleet,
        healthy_programs=healthy_programs,
        ready=serving and fleet.ready_at is not None,
        healthy=in_service and not not_healthy,
        stopping=not serving,
        not_healthy=not_healthy,
        plan=plan,
        views=Views(plan, fleet.lives, None if before is None else before.views),
    )


def _changed(plan: Plan, fleet: Fleet, before: Snapshot) -> Iterable[str]:
    """Return the programs that are not what they were. Both plans have the same names."""
    old_lives, old_programs = before.fleet.lives, before.plan.programs
    changed = dict.fromkeys(i[0] for i, life in fleet.lives.items() if old_lives.get(i) is not life)
    if before.plan is not plan:
        changed |= dict.fromkeys(name for name, program in plan.programs.items() if old_programs[name] is not program)
    return changed


def _health(plan: Plan, fleet: Fleet, before: Snapshot | None) -> tuple[Mapping[str, float | None], Mapping[str, None]]:
    """Return the healthy programs, and the essential programs that are neither healthy nor completed."""
    if before is not None and before.plan.programs.keys() != plan.programs.keys():
        before = None
    healthy = {} if before is None else dict(before.healthy_programs)
    not_healthy = {} if before is None else dict(before.not_healthy)
    for name in plan.programs if before is None else _changed(plan, fleet, before):
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
