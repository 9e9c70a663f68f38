"""One turn of the fleet while it is worked out: the instances so far, and what the turn has led to."""

from __future__ import annotations

from supervisor.core import lifecycle
from supervisor.core.container import Change, ContainerReady, Fleet, Order, Turn
from supervisor.core.restart_policy import obstacle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.container import ShutdownBegun, SweepContainer
    from supervisor.core.events import Event
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId


class Settling:
    """The working copy of a fleet. Nothing of it is visible outside before `result`.

    The rules (dependencies.py, stop_order.py, shutdown.py, replacement.py) are functions that take it and change it.
    """

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
        """Programs that have changed since the rules were applied last."""

    def result(self) -> Turn:
        fleet = Fleet(self.lives, self.container_phase, self.ready_at, self.verdict, self.leaving)
        plan = self.plan if self.plan is not self.old_plan else None
        return Turn(fleet, tuple(self.orders), tuple(self.changes), plan)

    def apply(self, instance: InstanceId, event: Event) -> None:
        """Let an event reach one instance. An instance that does not exist is passed over."""
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

    def dependencies(self, name: str) -> tuple[str, ...]:
        return tuple(dependency.program for dependency in self.plan.programs[name].depends_on)

    def is_any_alive(self) -> bool:
        # from the end: they die in about the order in which they were told to, so the first look finds one
        return any(life.is_alive for life in reversed(self.lives.values()))

    def have_all_ended(self) -> bool:
        return all(life.has_ended for life in self.lives.values())

    # ---- the container's readiness

    def note_ready(self) -> None:
        """Note the moment at which every essential program has been up once."""
        if self.ready_at is None and not self.not_up():
            self.ready_at = self.now
            self.changes.append(ContainerReady())

    def not_up(self) -> list[str]:
        """Return the essential programs that have not been up yet."""
        lives = self.lives
        programs = (program for program in self.plan.programs.values() if program.is_essential)
        return [p.name for p in programs if not all(lives[instance].was_up for instance in p.instances)]

    def why_not_up(self, name: str) -> str:
        """Say why a program has not been up, as a predicate: "waits for db"."""
        late = next(life for i in self.plan.programs[name].instances if not (life := self.lives[i]).was_up)
        return obstacle(late)
