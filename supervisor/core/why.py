"""Why a program is not up, in plain sentences: what it waits for, down the chain of dependencies to the cause.

Pure: decided from plan and snapshot, so that supctl, the API and everything else say the same.
"""

from __future__ import annotations

from math import isfinite

from supervisor.core.health import Health
from supervisor.core.healthcheck import ExecProbe, FileProbe, HttpProbe, TcpProbe, UnixProbe
from supervisor.core.life import Starting, Stopping
from supervisor.core.program import Condition
from supervisor.core.record import Record
from supervisor.core.restart_policy import exit_sentence
from supervisor.core.snapshot import State
from supervisor.core.wording import short_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from supervisor.core.healthcheck import Probe
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId
    from supervisor.core.snapshot import InstanceView, Snapshot

GOALS = {Condition.STARTED: "to start", Condition.HEALTHY: "to be healthy", Condition.COMPLETED: "to complete"}
MOST_LINES = 10
"""Last lines of output that are quoted."""


class Explanation(Record):
    """Why one instance is not up. The last of `causes` is where the chain ends; it may be the instance itself."""

    instance: InstanceId
    sentences: tuple[str, ...]
    causes: tuple[InstanceId, ...]
    """The instances that the sentences are about, in their order; the first is the instance itself."""
    last_lines: tuple[str, ...]
    """The end of the output of the cause, where it has failed; may be empty."""


class Why:
    """`last_lines` returns the end of an instance's output. `now` is on the monotonic clock."""

    def __init__(self, plan: Plan, snapshot: Snapshot, now: float, last_lines: Callable[[InstanceId], str]) -> None:
        self._plan = plan
        self._snapshot = snapshot
        self._now = now
        self._last_lines = last_lines

    def explain(self, instance: InstanceId) -> Explanation | None:
        """Return why an instance is not up, or why the last run of its schedule failed; None if there is nothing."""
        view = self._snapshot.instances[instance]
        if view.is_fine and not (view.awaits_run and view.reason is not None):
            return None
        chain = self._chain(instance)
        return Explanation(
            instance=instance,
            sentences=tuple(sentence for link in chain for sentence in self._sentences(link)),
            causes=tuple(chain),
            last_lines=self._lines_of(chain[-1]),
        )

    def _chain(self, instance: InstanceId) -> list[InstanceId]:
        """Follow what holds an instance back, each program once; of several, first the one that has failed."""
        chain, pending = [instance], [instance]
        while pending:
            for cause in self._holding_back(pending.pop()):
                if cause not in chain:
                    chain.append(cause)
                    pending.append(cause)
        return chain

    def _holding_back(self, instance: InstanceId) -> Iterator[InstanceId]:
        """Yield one instance of each program that this one waits for: the one that is worst off."""
        views = self._snapshot.instances
        conditions = self._conditions(instance[0])
        for name in views[instance].waiting_for:
            program = self._plan.programs.get(name)
            instances = program.instances if program is not None else ()  # an update may just have removed it
            missing = [views[i] for i in instances if not _is_enough(views[i], conditions.get(name))]
            if missing:
                worst = min(missing, key=lambda view: (view.state is not State.FATAL, view.instance))
                yield worst.name, worst.instance

    def _sentences(self, instance: InstanceId) -> Iterator[str]:
        """Yield what is wrong with one instance, whatever the others do."""
        view, name = self._snapshot.instances[instance], self._label(instance)
        match view.state:
            case State.PENDING if view.awaits_run:
                yield from self._scheduled(view, name)
                return
            case State.PENDING:
                yield f"{name} is PENDING: {self._awaited(view)}."
            case State.STARTING | State.RUNNING:
                yield f"{name} {self._not_up(view)}."
            case State.BACKOFF:
                yield f"{name} is in BACKOFF: {view.reason}; {self._next_try(instance, view)}."
            case State.FATAL:
                yield f"{name} is FATAL: {view.reason}. It is not tried again."
            case State.STOPPED:
                yield f"{name} is STOPPED: {self._stopped()}."
            case State.STOPPING:
                yield f"{name} is STOPPING: {self._stop_step(instance, view)}."
            case State.EXITED:
                yield f"{name} is EXITED{f': {view.reason}' if view.reason else ''}."
        if view.last_exit is not None and view.state in (State.PENDING, State.STARTING, State.RUNNING):
            ago = short_time(self._now - view.last_exit.at)
            yield f"The last run of {name} {exit_sentence(view.last_exit)} {ago} ago."

    def _scheduled(self, view: InstanceView, name: str) -> Iterator[str]:
        state = self._snapshot.fleet.schedules.get(view.name)
        due = None if state is None else state.next_run
        when = f" in {short_time(max(0.0, due - self._now))}" if due is not None else ""
        yield f"{name} waits for its next run{when}."
        if view.reason is not None:
            yield f"Its last run failed {short_time(self._now - view.since)} ago: {view.reason}."
        elif state is not None and state.last_run is None:
            yield "It has not run yet."

    def _awaited(self, view: InstanceView) -> str:
        conditions = self._conditions(view.name)
        goals = [f"{name} {GOALS[conditions.get(name, Condition.STARTED)]}" for name in view.waiting_for]
        return f"it waits for {' and '.join(goals)}" if goals else view.reason or "it waits to be started"

    def _conditions(self, name: str) -> dict[str, Condition]:
        return {need.program: need.condition for need in self._plan.programs[name].depends_on}

    def _not_up(self, view: InstanceView) -> str:
        """Say why an instance with a process is not up, as a predicate."""
        check = self._plan.programs[view.name].healthcheck
        detail = view.probe_detail or "the first health check has not come back"
        target = _target(check.probe) if check is not None and view.probe_detail else ""
        detail += f" from {target}" if target not in detail else ""
        detail += f", {view.probe_failures} times in a row" if view.probe_failures > 1 else ""
        if view.health is Health.UNHEALTHY:
            at = view.last_pass_at
            passed = "has never passed" if at is None else f"passed last {short_time(self._now - at)} ago"
            return f"is unhealthy: {detail}; its health check {passed}"
        phase = self._snapshot.fleet.lives[view.name, view.instance].phase
        running = short_time(self._now - (view.started_at if view.started_at is not None else view.since))
        left = ""
        if isinstance(phase, Starting) and isfinite(phase.deadline) and not phase.is_ready:
            left = f"; it must be ready within {short_time(phase.deadline - self._now)}"
        if view.health is Health.STARTING:
            return f"has been starting for {running}: {detail}{left}"
        if isinstance(phase, Starting) and phase.search is not None:
            problem = phase.search.problem or "its command has not exited"
            return f"has been starting for {running} and has no daemon yet: {problem}{left}"
        status = f": it says {view.status_text!r}" if view.status_text else ""
        return f"has been starting for {running} and is not ready yet{status}{left}"

    def _next_try(self, instance: InstanceId, view: InstanceView) -> str:
        life, retries = self._snapshot.fleet.lives[instance], self._plan.programs[instance[0]].start_retries
        count = f" ({life.failures} of {retries})" if retries is not None and life.failures else ""
        at = self._now if view.starts_again_at is None else view.starts_again_at
        return f"tries again in {short_time(at - self._now)}{count}"

    def _stopped(self) -> str:
        verdict = self._snapshot.verdict
        return "nobody has started it, or somebody stopped it" if verdict is None else "the container is stopping"

    def _stop_step(self, instance: InstanceId, view: InstanceView) -> str:
        phase, steps = self._snapshot.fleet.lives[instance].phase, self._plan.programs[instance[0]].stop
        reason = view.reason or "it was asked to stop"
        if not isinstance(phase, Stopping):
            return f"{reason}; its main process has ended, others are being stopped"
        if phase.step_index >= len(steps):
            return f"{reason}; it was sent SIGKILL"
        left = short_time(phase.deadline - self._now)
        return f"{reason}; step {phase.step_index + 1} of {len(steps)} is under way, {left} left"

    def _lines_of(self, instance: InstanceId) -> tuple[str, ...]:
        view = self._snapshot.instances[instance]
        if view.pid is None and view.last_exit is not None and view.last_exit.last_lines:
            return view.last_exit.last_lines
        has_failed = view.last_exit is not None or view.health is Health.UNHEALTHY or view.state is State.FATAL
        return tuple(self._last_lines(instance).splitlines()[-MOST_LINES:]) if has_failed else ()

    def _label(self, instance: InstanceId) -> str:
        return f"{instance[0]}:{instance[1]}" if self._plan.programs[instance[0]].scale > 1 else instance[0]


def _is_enough(view: InstanceView, condition: Condition | None) -> bool:
    """Whether an instance holds nobody back: it is up, or has completed where that is enough."""
    if view.state is State.EXITED:
        return condition is not Condition.HEALTHY
    return view.state is State.RUNNING and view.health in (Health.NONE, Health.HEALTHY)


def _target(probe: Probe) -> str:
    match probe:
        case HttpProbe(url=url):
            return url
        case TcpProbe(host=host, port=port):
            return f"{host}:{port}"
        case UnixProbe(path=path) | FileProbe(path=path):
            return path
        case ExecProbe(command=command):
            return f"`{' '.join(command)}`"
        case _:
            return probe.address
