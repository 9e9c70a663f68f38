"""One turn of the fleet while it is worked out: the instances so far, and what the turn has led to."""

from __future__ import annotations

from supervisor.core import lifecycle
from supervisor.core.container import Change, ContainerReady, Fleet, Order, RollChange, Serving, Turn
from supervisor.core.deadlines import all_due, next_deadline
from supervisor.core.events import DeadlinePassed, RestartRequested, StopAnnounced, StopRequested
from supervisor.core.holds import note_hold
from supervisor.core.life import Backoff, Goal, Sweeping
from supervisor.core.record import replace
from supervisor.core.restart_policy import obstacle
from supervisor.core.stop_sequence import has_come_to_kill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from supervisor.core.container import FleetChange, FleetOrder
    from supervisor.core.events import Event
    from supervisor.core.life import Life
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId
    from supervisor.core.roll import Roll


class Settling:
    """The working copy of a fleet. Nothing of it is visible outside before `result`.

    The rules (dependencies.py, stop_order.py, shutdown.py, replacement.py) are functions that take it and change it.
    """

    def __init__(self, plan: Plan, fleet: Fleet, now: float) -> None:
        self._first_plan = self.plan = plan
        self.old_plan: Plan
        """The plan before the event that is worked out."""
        self.now = now
        self.lives = dict(fleet.lives)
        self.due = dict(fleet.due)
        self.container_phase = fleet.container_phase
        self.ready_at = fleet.ready_at
        self.verdict = fleet.verdict
        self.leaving = fleet.leaving
        self.held = dict(fleet.held)
        self.steps_left = fleet.steps_left
        self.unsettled = fleet.unsettled
        self.left_over: list[str] = []
        """Programs for which this turn had no steps left."""
        self.continue_at = fleet.continue_at
        self.killed = fleet.killed
        self.idle = fleet.idle
        self.rolls: Mapping[str, Roll] = fleet.rolls
        self.schedules = dict(fleet.schedules)
        self.limits = dict(fleet.limits)
        self.orders: list[FleetOrder] = []
        self.changes: list[FleetChange] = []
        self.files = dict(fleet.files)
        self.seen: int
        """How many of the changes precede the event that is worked out."""
        self.judged: int
        """How many of the changes have been judged."""
        self.touched: list[str] = []
        """Programs that have changed since the rules were applied last."""
        self.freed: list[str] = []
        """Programs that nothing holds back any more since the rules were applied last."""
        self.replaces: bool
        """Whether this event may replace entries, of programs that have left (replacement.py)."""
        self.is_broken: bool
        """Whether settling after this event had to be broken off."""
        self.came_up: bool
        """Whether a program has come up for the first time since the container's readiness was looked at."""

    def result(self) -> Turn:
        fleet = Fleet(
            self.lives,
            self.container_phase,
            self.ready_at,
            self.verdict,
            self.leaving,
            self.held,
            self.steps_left,
            self._unsettled(),
            self.killed,
            self.continue_at,
            self.idle,
            self.files,
            self.rolls,
            self.schedules,
            self.limits,
            self.due,
        )
        plan = self.plan if self.plan is not self._first_plan else None
        return Turn(fleet, tuple(self.orders), tuple(self.changes), plan)

    def begin_event(self) -> None:
        """Work out another event in the same turn."""
        self.old_plan = self.plan
        self.seen = self.judged = len(self.changes)
        self.replaces = self.is_broken = self.came_up = False
        self.unsettled, self.left_over = self._unsettled(), []

    @property
    def fresh_changes(self) -> list[FleetChange]:
        """What has changed by the event that is worked out."""
        return self.changes[self.seen :]

    def _unsettled(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.unsettled, *self.left_over))) if self.left_over else self.unsettled

    def apply(self, instance: InstanceId, event: Event) -> None:
        """Let an event reach one instance. An instance that does not exist is passed over."""
        before = self.lives.get(instance)
        if before is None:
            return
        program = self.plan.program_of(instance)
        after, actions = lifecycle.advance(program, before, event, self.now)
        self.orders += [Order(instance, action) for action in actions]
        if after == before:
            return  # a new record with the same content would keep the rules going for ever
        self.lives[instance] = after
        self._note_due(instance, after)
        beside = self.plan.programs[instance[0]].beside
        is_beside = instance in beside
        self.changes.append(Change(instance, before, after, program, is_beside))
        self.touched.append(instance[0])
        self.came_up = self.came_up or (after.was_up and not before.was_up)
        if before.is_waited_for is not after.is_waited_for or before.goal is not after.goal:
            self.freed += note_hold(self.plan, self.lives, self.held, instance, before)
        if not isinstance(self.container_phase, Serving) and has_come_to_kill(program, before, after):
            self.killed += 1
        if instance[0] in self.leaving and not after.is_alive:
            self.continue_at = self.now
        if instance[0] in self.rolls and not after.is_alive:
            self._take_entry(instance)
        if isinstance(before.phase, Sweeping) and isinstance(after.phase, Backoff):
            self.apply(instance, DeadlinePassed())  # no delay: its replacement starts in this turn

    def _note_due(self, instance: InstanceId, life: Life) -> None:
        deadline = next_deadline(life)
        if deadline is not None:
            self.due[instance] = deadline
        else:
            self.due.pop(instance, None)

    def replace_lives(self, lives: dict[InstanceId, Life]) -> None:
        """Take other instances, or the same ones with other deadlines."""
        self.lives, self.due = lives, all_due(lives)

    def _take_entry(self, instance: InstanceId) -> None:
        from supervisor.core.rolling import take_entry

        take_entry(self, instance)

    def apply_all(self, event: Event) -> None:
        for instance in self.lives:
            self.apply(instance, event)

    def dependencies(self, name: str) -> tuple[str, ...]:
        return tuple(dependency.program for dependency in self.plan.programs[name].depends_on)

    def take_step(self, name: str) -> bool:
        """Whether one more program may be started or stopped now. If not, the rules for `name` have to wait."""
        if self.steps_left:
            self.steps_left -= 1
            return True
        self.left_over.append(name)
        self.continue_at = self.now
        return False

    def is_any_waited_for(self) -> bool:
        """Whether a shutdown has anything to wait for."""
        # from the end: they die in about the order in which they were told to, so the first look finds one
        return any(life.is_waited_for for life in reversed(self.lives.values()))

    def is_leaving(self, instance: InstanceId) -> bool:
        """Whether an update is about to replace or remove this instance."""
        going = self.leaving.get(instance[0])
        return going is not None and instance in going.instances

    def is_rolling(self, name: str) -> bool:
        """Whether instances of a program are being replaced a few at a time."""
        return name in self.rolls and self.rolls[name].is_active

    def pass_on(self, instance: InstanceId, event: Event) -> bool:
        """Take a request for an instance that is leaving as one for what follows it. True: something is to start."""
        going = self.leaving[instance[0]]
        follows = going.becomes is not None and instance in going.becomes.instances
        is_start = follows and not isinstance(event, StopRequested)
        runs = is_start and (isinstance(event, RestartRequested) or self.lives[instance].goal is Goal.DOWN)
        wanted = tuple(other for other in going.wanted if other != instance)
        run_next = tuple(other for other in going.run_next if other != instance)
        going = replace(
            going,
            wanted=(*wanted, instance) if is_start else wanted,
            run_next=(*run_next, instance) if runs else run_next,
        )
        self.leaving = {**self.leaving, instance[0]: going}
        if isinstance(event, StopRequested | RestartRequested):
            self.apply(instance, StopAnnounced())  # a scheduled run may be under way with its old entry
        return is_start

    def have_all_ended(self) -> bool:
        """Whether every program has ended for good. Those on demand do not count; if there are no others, never."""
        if not all(life.has_ended or life.on_demand for life in self.lives.values()):
            return False
        programs = self.plan.programs
        return any(not life.on_demand and programs[i[0]].starts_by_itself for i, life in self.lives.items())

    def changed_programs(self) -> set[str]:
        """Return the programs of which an instance or a roll has changed by the event that is worked out."""
        return {
            change.name if isinstance(change, RollChange) else change.instance[0]
            for change in self.fresh_changes
            if isinstance(change, Change | RollChange)
        }

    def keep_in_step(self) -> None:
        """Begin, adapt and end what the table asks supinit to look at, as far as it asks for anything."""
        if self.idle is not None or self.plan.settings.idle_shutdown is not None:
            from supervisor.core.idle_watch import keep_watch

            keep_watch(self)
        if self.schedules or self.plan.scheduled:
            from supervisor.core.scheduling import keep_schedules

            keep_schedules(self)
        if self.files or self.plan.watches:
            from supervisor.core.file_changes import keep_watches

            keep_watches(self)
        if self.limits or self.plan.limited:
            from supervisor.core.restart_due import keep_limits

            keep_limits(self)

    # ---- the container's readiness

    def note_ready(self) -> None:
        """Note the moment at which every essential program has been up once."""
        self.came_up = False
        if self.ready_at is None and next(self._not_up(), None) is None:
            self.ready_at = self.now
            self.changes.append(ContainerReady())

    def _not_up(self) -> Iterator[str]:
        # from the end: programs come up in about the table's order, so the first look finds one
        for program in reversed(list(self.plan.programs.values())):
            if program.holds_back_ready and any(map(self._is_late, program.instances)):
                yield program.name

    def _is_late(self, instance: InstanceId) -> bool:
        life = self.lives[instance]
        return not (life.was_up or life.on_demand)

    def not_up(self) -> list[str]:
        """Return the essential programs that have not been up yet, in the table's order."""
        return list(self._not_up())[::-1]

    def why_not_up(self, name: str) -> str:
        """Say why a program has not been up, as a predicate: "waits for db"."""
        return obstacle(self.lives[next(filter(self._is_late, self.plan.programs[name].instances))])
