"""All lives together: the two ordering rules, the shutdown budget and the verdict.

Rule 1: a wanted program starts once everything that it depends on meets its condition.
Rule 2: a program that is to stop does so once nothing alive that is to stop, too, depends on it.
Both are applied to the neighbours of what has changed, until nothing changes any more.
"""

from __future__ import annotations

from math import inf

from supervisor.core import lifecycle
from supervisor.core.container import (
    Asked,
    Begun,
    Cause,
    Change,
    Closing,
    ContainerPhase,
    ContainerReady,
    ContainerSwept,
    Draining,
    Fault,
    Fleet,
    FleetEvent,
    Happened,
    Order,
    Over,
    Serving,
    ShutdownAsked,
    ShutdownBegun,
    ShuttingDown,
    SweepContainer,
    TimePassed,
    Turn,
    Updated,
    Verdict,
)
from supervisor.core.events import (
    DeadlinePassed,
    DependenciesChecked,
    DependencyFailed,
    Event,
    Hurried,
    Redefined,
    RestartRequested,
    StartRequested,
    StopAnnounced,
    StopRequested,
)
from supervisor.core.health import Health
from supervisor.core.life import Exited, Fatal, Goal, Life, Pending, Running, Starting
from supervisor.core.program import Condition, OnUnhealthy, ShutdownOn
from supervisor.core.record import assert_never, replace
from supervisor.core.restart_policy import obstacle
from supervisor.core.stop_sequence import stop_time_left
from supervisor.core.update import leave, merge, replace_entry
from supervisor.core.verdict import verdict_on, with_code_of_main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.update import Leaving

HURRY_AFTER = 1.0
"""Seconds after which a second request for a shutdown kills what is left: a doubled signal is not impatience."""
TOLERANCE = 1e-3
"""Seconds by which a stop under way may exceed its budget before it is cut: rounding is no reason."""
CLOSE_INTERVAL = 0.5
CLOSE_LIMIT = 5.0
"""Seconds between the last sweeps of the container, and in all, before what cannot be killed is left to the kernel."""


def new_fleet(plan: Plan) -> Fleet:
    """Return a fleet in which nothing is up and nothing is wanted yet."""
    return Fleet({instance: Life() for instance in plan.instances})


def advance(plan: Plan, fleet: Fleet, event: FleetEvent, now: float) -> Turn:
    """Return what `event` leads to. Never raises: what means nothing now changes nothing."""
    work = _Work(plan, fleet, now)
    match event:
        case Begun():
            work.begin()
        case Happened(instance, inner):
            work.apply(instance, inner)
        case Asked(instances, inner):
            work.ask(instances, inner)
        case ShutdownAsked(reason):
            work.ask_shutdown(reason)
        case Updated(new_plan):
            work.update(new_plan)
        case Fault(reason):
            work.fail(reason)
        case ContainerSwept():
            if isinstance(work.container_phase, Closing):
                work.container_phase = Over()
        case TimePassed():
            work.pass_time()
        case _:
            assert_never(event)
    work.settle()
    return work.result()


def next_deadline(fleet: Fleet) -> float | None:
    """Return the time at which TimePassed will change something, unless something else does before."""
    earliest = _container_deadline(fleet.container_phase, fleet.ready_at)
    for life in fleet.lives.values():
        deadline = lifecycle.next_deadline(life)
        if deadline is not None and deadline < earliest:
            earliest = deadline
    return earliest if earliest < inf else None


def _container_deadline(container_phase: ContainerPhase, ready_at: float | None) -> float:
    match container_phase:
        case Serving(deadline=deadline) if deadline is not None and ready_at is None:
            return deadline
        case Draining(until=until):
            return until
        case Closing(deadline=deadline):
            return deadline
        case _:
            return inf


def meets(condition: Condition, life: Life) -> bool:
    """Whether a life is what a dependant with this condition waits for."""
    match condition:
        case Condition.STARTED:
            is_kept_up = life.goal is Goal.UP and isinstance(life.phase, Starting | Running)
            return is_kept_up or isinstance(life.phase, Exited)
        case Condition.HEALTHY:
            return life.goal is Goal.UP and life.is_up
        case Condition.COMPLETED:
            return isinstance(life.phase, Exited)
        case _:
            assert_never(condition)


class _Work:
    """One turn while it is worked out; nothing of it is seen outside before `result`."""

    def __init__(self, plan: Plan, fleet: Fleet, now: float) -> None:
        self.old_plan = self.plan = plan
        self.now = now
        self.lives = dict(fleet.lives)
        self.container_phase = fleet.container_phase
        self.ready_at = fleet.ready_at
        self.verdict = fleet.verdict
        self.leaving = fleet.leaving
        self.orders: list[Order | SweepContainer] = []
        self.changes: list[Change | ContainerReady | ShutdownBegun] = []
        self.judged = 0
        """How many of the changes have been judged."""
        self.touched: list[str] = []

    def result(self) -> Turn:
        fleet = Fleet(self.lives, self.container_phase, self.ready_at, self.verdict, self.leaving)
        plan = self.plan if self.plan is not self.old_plan else None
        return Turn(fleet, tuple(self.orders), tuple(self.changes), plan)

    # ---- one life

    def apply(self, instance: InstanceId, event: Event) -> None:
        before = self.lives.get(instance)
        if before is None:
            return
        program = self.plan.programs[instance[0]]
        after, actions = lifecycle.advance(program, before, event, self.now)
        self.orders += [Order(instance, action) for action in actions]
        if after is before:
            return
        self.lives[instance] = after
        self.changes.append(Change(instance, before, after))
        self.touched.append(instance[0])
        if after.was_up and not before.was_up:
            self.note_ready()

    def apply_all(self, event: Event) -> None:
        for instance in self.lives:
            self.apply(instance, event)

    # ---- what somebody asked for

    def begin(self) -> None:
        timeout = self.plan.settings.start_timeout
        self.container_phase = Serving(None if timeout is None else self.now + timeout)
        self.apply_all(StartRequested())
        self.note_ready()

    def ask(self, instances: Iterable[InstanceId], event: Event) -> None:
        if not isinstance(self.container_phase, Serving):
            return
        for instance in instances:
            if self.is_leaving(instance):
                continue
            if isinstance(event, StartRequested | RestartRequested):
                self.start_dependencies(instance[0])
            if isinstance(event, StopRequested) or self.is_to_be_replaced(instance, event):
                self.apply(instance, StopAnnounced(again=isinstance(event, RestartRequested)))
            else:
                self.apply(instance, event)

    def is_to_be_replaced(self, instance: InstanceId, event: Event) -> bool:
        """Whether a restart has to wait for its turn to stop, as a stop would."""
        return isinstance(event, RestartRequested) and isinstance(self.lives[instance].phase, Starting | Running)

    def start_dependencies(self, name: str) -> None:
        names = [name]
        for dependant in names:  # grows: what it depends on may itself be held back by what is down
            for dependency in self.dependencies(dependant):
                for instance in self.plan.programs[dependency].instances:
                    life = self.lives[instance]
                    if isinstance(life.phase, Exited) or self.is_leaving(instance):
                        continue
                    stays_down = life.goal is Goal.DOWN and not life.again
                    if (stays_down or not life.is_alive) and dependency not in names:
                        names.append(dependency)
                    if stays_down or isinstance(life.phase, Fatal):
                        self.apply(instance, StartRequested())

    # ---- another table

    def update(self, new: Plan) -> None:
        """Go over to a new table: at once, but for what has to leave first."""
        if not isinstance(self.container_phase, Serving):
            return
        old, known = self.plan, self.lives
        leaving = leave(old, known, self.leaving, new)
        self.adopt(merge(old, leaving, new), leaving)
        for going in leaving.values():
            for instance in going.instances:
                self.apply(instance, StopAnnounced())
        for name, program in self.plan.programs.items():
            if name not in leaving:
                self.redefine(old.programs.get(name), program, known)
        self.touched += self.plan.programs

    def adopt(self, plan: Plan, leaving: Mapping[str, Leaving]) -> None:
        self.plan = plan
        self.leaving = leaving
        self.lives = {instance: self.lives.get(instance) or Life() for instance in plan.instances}

    def redefine(self, before: Program | None, program: Program, known: Collection[InstanceId]) -> None:
        """Tell the instances that are there of their new entry, and start those that are new."""
        if before == program:
            return
        for instance in program.instances:
            if instance not in known:
                self.apply(instance, StartRequested())
            elif before is not None:
                self.apply(instance, Redefined(before.healthcheck != program.healthcheck))

    def is_leaving(self, instance: InstanceId) -> bool:
        going = self.leaving.get(instance[0])
        return going is not None and instance in going.instances

    def replace_gone(self) -> bool:
        """Let one program that has left become what it is to be. False: there is none."""
        for name, going in self.leaving.items():
            if any(self.lives[instance].is_alive for instance in going.instances):
                continue
            dependants, before, known = self.plan.dependants[name], self.plan.programs[name], self.lives
            others = {other: its for other, its in self.leaving.items() if other != name}
            self.adopt(replace_entry(self.plan, name, going.becomes, others), others)
            if going.becomes is not None:
                is_new = {i for i in going.becomes.instances if i not in known} if going.wanted else set()
                for instance in going.becomes.instances:
                    if instance in going.wanted or instance in is_new:
                        self.apply(instance, StartRequested())
                    elif instance not in going.instances:
                        self.apply(instance, Redefined(before.healthcheck != going.becomes.healthcheck))
                self.touched.append(name)
            self.touched += [dependant for dependant in dependants if dependant in self.plan.programs]
            self.note_ready()
            return True
        return False

    def ask_shutdown(self, reason: str) -> None:
        match self.container_phase:
            case Serving():
                self.end(Verdict(Cause.ASKED, 0, reason), asked_at=self.now)
            case Draining(asked_at=None) | ShuttingDown(asked_at=None):
                self.container_phase = replace(self.container_phase, asked_at=self.now)
            case Draining(asked_at=asked_at) | ShuttingDown(asked_at=asked_at):
                if asked_at is not None and self.now - asked_at >= HURRY_AFTER:
                    self.container_phase = ShuttingDown(self.now, self.now, asked_at)
                    self.apply_all(Hurried())
            case _:
                pass

    # ---- the way down

    def end(self, verdict: Verdict, asked_at: float | None = None) -> None:
        """Begin the shutdown, unless it has begun."""
        if not isinstance(self.container_phase, Serving):
            return
        self.verdict = verdict
        self.changes.append(ShutdownBegun(verdict))
        settings = self.plan.settings
        drain = settings.drain_delay if self.ready_at is not None else 0.0
        if settings.shutdown_timeout is not None:
            drain = min(drain, settings.shutdown_timeout)
        self.container_phase = Draining(self.now, self.now + drain, asked_at)
        if drain == 0.0:
            self.stop_all(self.container_phase)

    def fail(self, reason: str) -> None:
        """Let an internal error be the verdict, unless a program has earned one of its own."""
        verdict = Verdict(Cause.INTERNAL, 70, reason)
        if self.verdict is not None and self.verdict.code == 0 and not isinstance(self.container_phase, Over):
            self.verdict = verdict
        self.end(verdict)

    def stop_all(self, draining: Draining) -> None:
        timeout = self.plan.settings.shutdown_timeout
        deadline = None if timeout is None else draining.since + timeout
        self.container_phase = ShuttingDown(self.now, deadline, draining.asked_at)
        self.apply_all(StopAnnounced())
        self.touched += self.plan.programs

    def may_stop(self, name: str) -> bool:
        """Whether nothing alive that is to be stopped, too, depends on it."""
        return not any(
            self.lives[instance].is_alive and self.lives[instance].goal is Goal.DOWN
            for dependant in self.plan.dependants[name]
            for instance in self.plan.programs[dependant].instances
        )

    def budget(self, name: str) -> float | None:
        """The seconds that a stop may take, so that the chain under it has its time, too; None: no limit.

        Where there is not enough for all of them, each gets the same part of what it needs.
        """
        if not isinstance(self.container_phase, ShuttingDown) or self.container_phase.deadline is None:
            return None
        left = max(0.0, self.container_phase.deadline - self.now)
        own, below = self.plan.programs[name].stop_time, self.plan.stop_time_below[name]
        return max(own, left - below) if own + below <= left else left * own / (own + below)

    # ---- the rules

    def settle(self) -> None:
        self.apply_rules()
        while isinstance(self.container_phase, Serving) and self.replace_gone():
            self.apply_rules()
            if self.lives and all(life.has_ended for life in self.lives.values()):
                self.finish()
        if isinstance(self.container_phase, Draining) and not self.is_any_alive():
            self.stop_all(self.container_phase)  # there is nothing left that could serve
            self.apply_rules()
        if isinstance(self.container_phase, ShuttingDown) and not self.is_any_alive():
            self.verdict = with_code_of_main(self.plan, self.lives, self.verdict)
            self.container_phase = Closing(self.now + CLOSE_INTERVAL, self.now + CLOSE_LIMIT)
            self.orders.append(SweepContainer())

    def is_any_alive(self) -> bool:
        # from the end, for they die in about the order in which they were told to: the first look finds one
        return any(life.is_alive for life in reversed(self.lives.values()))

    def apply_rules(self) -> None:
        while self.touched:
            judged, self.judged = self.judged, len(self.changes)
            for change in self.changes[judged:]:
                if isinstance(change, Change):
                    self.judge(change)
            names, self.touched = dict.fromkeys(self.touched), []
            if isinstance(self.container_phase, Serving | Draining):
                near = {near: None for name in names for near in (name, *self.plan.dependants[name])}
                for name in near:
                    self.start_if_met(name)
            near = {near: None for name in names for near in (name, *self.dependencies(name))}
            for name in near:
                self.stop_if_free(name)

    def dependencies(self, name: str) -> tuple[str, ...]:
        return tuple(dependency.program for dependency in self.plan.programs[name].depends_on)

    def start_if_met(self, name: str) -> None:
        program = self.plan.programs[name]
        waiting = [i for i in program.instances if isinstance(self.lives[i].phase, Pending)]
        if not waiting:
            return
        missing: list[str] = []
        for dependency in program.depends_on:
            lives = [self.lives[instance] for instance in self.plan.programs[dependency.program].instances]
            for life in lives:
                if isinstance(life.phase, Fatal):
                    event = DependencyFailed(f"depends on {dependency.program}, which {life.phase.reason}")
                    for instance in waiting:
                        self.apply(instance, event)
                    return
            if not all(meets(dependency.condition, life) for life in lives):
                missing.append(dependency.program)
        for instance in waiting:
            phase = self.lives[instance].phase
            if not missing or (isinstance(phase, Pending) and phase.on != tuple(missing)):
                self.apply(instance, DependenciesChecked(tuple(missing)))

    def stop_if_free(self, name: str) -> None:
        program = self.plan.programs[name]
        announced = [instance for instance in program.instances if self.lives[instance].goal is Goal.DOWN]
        if not announced or not self.may_stop(name):
            return
        budget = self.budget(name)
        for instance in announced:
            life = self.lives[instance]
            too_long = budget is not None and stop_time_left(program, life, self.now) > budget + TOLERANCE
            if too_long or isinstance(life.phase, Starting | Running):
                self.apply(instance, StopRequested(budget))

    # ---- the verdict

    def judge(self, change: Change) -> None:
        """End the container where the end, or the health, of a program says so."""
        instance, before, after = change.instance, change.before, change.after
        program = self.plan.programs[instance[0]]
        check = program.healthcheck
        matters = check is not None and check.on_unhealthy is OnUnhealthy.SHUTDOWN
        if matters and after.health_state is not None and _turned_unhealthy(before, after):
            reason = f"{program.name} is unhealthy: {after.health_state.detail}"
            self.end(Verdict(Cause.UNHEALTHY, 1, reason, instance))
        if not after.has_ended or before.has_ended:
            return
        failed = isinstance(after.phase, Fatal)
        if program.shutdown_on is ShutdownOn.EXIT or (failed and program.is_essential):
            self.end(verdict_on(self.plan, instance, after))
        elif all(life.has_ended for life in self.lives.values()):
            self.finish()

    def finish(self) -> None:
        for instance, life in self.lives.items():
            if isinstance(life.phase, Fatal):
                self.end(verdict_on(self.plan, instance, life))
        self.end(Verdict(Cause.FINISHED, 0, "every program has ended well"))

    def note_ready(self) -> None:
        if self.ready_at is None and not self.not_up():
            self.ready_at = self.now
            self.changes.append(ContainerReady())

    def not_up(self) -> list[str]:
        """The essential programs that have not been up yet."""
        lives = self.lives
        programs = (program for program in self.plan.programs.values() if program.is_essential)
        return [p.name for p in programs if not all(lives[instance].was_up for instance in p.instances)]

    def why_not_up(self, name: str) -> str:
        """Say what keeps a program from having been up: "waits for db"."""
        late = next(life for i in self.plan.programs[name].instances if not (life := self.lives[i]).was_up)
        return obstacle(late)

    # ---- time

    def pass_time(self) -> None:
        for instance, life in self.lives.items():
            deadline = lifecycle.next_deadline(life)
            if deadline is not None and self.now >= deadline:
                self.apply(instance, DeadlinePassed())
        if self.now < _container_deadline(self.container_phase, self.ready_at):
            return
        match self.container_phase:
            case Serving():
                late = ", ".join(f"{name} {self.why_not_up(name)}" for name in self.not_up())
                reason = f"not ready within start_timeout: {late}"
                self.end(Verdict(Cause.START_TIMEOUT, 75, reason))
            case Draining():
                self.stop_all(self.container_phase)
            case Closing(give_up=give_up) if self.now >= give_up:
                self.container_phase = Over()
            case Closing():
                self.container_phase = replace(self.container_phase, deadline=self.now + CLOSE_INTERVAL)
                self.orders.append(SweepContainer())
            case _:
                pass


def _turned_unhealthy(before: Life, after: Life) -> bool:
    return after.health is Health.UNHEALTHY and before.health is not Health.UNHEALTHY
