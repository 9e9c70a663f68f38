"""Small worlds for the core: one life by itself, or a fleet whose orders are carried out the moment they are given."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import floor
from signal import SIGCONT, SIGKILL, SIGTERM

from supervisor.core import fleet as fleet_rules
from supervisor.core import lifecycle
from supervisor.core.actions import Action, Claim, FindDaemon, Reload, RunProbe, SendSignal, Spawn, Sweep, TellStore
from supervisor.core.container import (
    STEPS,
    Asked,
    Begun,
    Change,
    ClockRead,
    ClockReading,
    ClockSet,
    ConnectionsSeen,
    ContainerSwept,
    FilesLooked,
    Fleet,
    FleetEvent,
    ForgetFiles,
    Happened,
    LookAtConnections,
    LookAtFiles,
    MeasureMemory,
    MemoryMeasured,
    Over,
    ReadClock,
    RestartDue,
    RollChange,
    RunsPassedOver,
    SweepContainer,
    TimePassed,
    Updated,
)
from supervisor.core.deadlines import all_due
from supervisor.core.events import (
    DependenciesChecked,
    Event,
    LeaseEnded,
    LeaseHeld,
    MainChanged,
    Probed,
    ProcessExited,
    Spawned,
    SpawnFailed,
    SpawnHeld,
    SpawnSkipped,
    StartRequested,
    StopRequested,
    Swept,
)
from supervisor.core.life import Life, Phase
from supervisor.core.log_events import LogEvent
from supervisor.core.plan import Plan, make_plan
from supervisor.core.program import Condition, Dependency, InstanceId, Program, Settings, Signal, Table
from supervisor.core.record import replace
from supervisor.core.roll_events import describe_roll
from supervisor.core.verdict import Verdict
from supervisor.core.watch import WatchKey

LEASE = 40.0
"""Seconds that a lease lasts here, unless it is renewed."""


def plan_of(*programs: Program, settings: Settings | None = None) -> Plan:
    return make_plan(Table(settings or Settings(), programs))


def program(name: str, *needs: str, condition: Condition = Condition.STARTED) -> Program:
    return Program(name, ("true",), depends_on=tuple(Dependency(need, condition) for need in needs))


class OneLife:
    """One program from its first start request on, with the hands of a clock. `actions`: what the last event led to."""

    def __init__(self, subject: Program) -> None:
        self.program = subject
        self.life = Life()
        self.now = 0.0
        self.actions: tuple[Action, ...] = ()

    @property
    def phase(self) -> Phase:
        return self.life.phase

    def tell(self, *events: Event, at: float | None = None) -> OneLife:
        self.now = self.now if at is None else at
        for event in events:
            self.life, self.actions = lifecycle.advance(self.program, self.life, event, self.now)
        return self

    def spawn(self, pid: int = 100, at: float | None = None) -> OneLife:
        """Bring it to its next process, from Idle or from where it waits."""
        self.tell(StartRequested(), DependenciesChecked(), at=at)
        return self.tell(Spawned(self.life.generation, pid))

    def end(self, code: int | None = 0, signal: Signal | None = None, at: float | None = None) -> OneLife:
        """End its process, and everything of its tree."""
        generation = self.life.generation
        return self.tell(ProcessExited(generation, code, signal), Swept(generation), at=at)

    def refuses(self, event: Event) -> bool:
        """Whether an event leaves everything as it is."""
        before = self.life
        self.tell(event)
        return self.life == before and self.actions == ()


class World:
    """A fleet with processes that do as they are told: `obeys` names the signals that end a program's process.

    SIGKILL ends every process. What is not named obeys SIGTERM. `unspawnable` gives the answer to Spawn of a program
    that cannot be started, `skipped` the reason why there is nothing to run, `held` the seconds for which another
    container holds it back. `deaths` are (time, instance); `spawned` lists the instances in order.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        obeys: Mapping[str, tuple[Signal, ...]] | None = None,
        unspawnable: Mapping[str, tuple[str, int | None]] | None = None,
        skipped: Mapping[str, str] | None = None,
        held: Mapping[str, float] | None = None,
        steps: int = STEPS,
    ) -> None:
        self.plan = plan
        self.fleet: Fleet = replace(fleet_rules.new_fleet(plan), steps_left=steps)
        self.now = 0.0
        self.obeys = obeys or {}
        self.unspawnable = unspawnable or {}
        self.skipped = skipped or {}
        self.held = held or {}
        self.pids: dict[InstanceId, int] = {}
        self.next_pid = 100
        self.probes: list[InstanceId] = []
        self.spawned: list[InstanceId] = []
        self.signals: list[tuple[float, InstanceId, Signal]] = []
        self.deaths: list[tuple[float, InstanceId]] = []
        self.changes: list[Change] = []
        self.was_updated = False
        self.looks: list[float] = []
        """When the connections were looked at."""
        self.is_connected = False
        self.clock_offset = 1_800_000_000.0
        self.clock_reads: list[float] = []
        self.passed_over: list[RunsPassedOver] = []
        self.roll_events: list[tuple[float, LogEvent]] = []
        """What is told about rolling restarts and updates, and when."""
        self.last_seen: float | None = None
        self.watched: dict[WatchKey, FilesLooked] = {}
        """The watches that have been looked at and not been forgotten, and the next answer to each."""
        self.file_looks: list[tuple[float, str]] = []
        """When files were looked at, and which path."""
        self.reloads: list[tuple[float, InstanceId]] = []
        self.memory: dict[InstanceId, int] = {}
        """The bytes of each instance that can be measured."""
        self.measurements: list[tuple[float, str]] = []
        self.restarts_due: list[tuple[float, InstanceId, str]] = []
        """When an instance had reached a limit, and which."""

    # ---- what happens

    def tell(self, event: FleetEvent, at: float | None = None) -> World:
        """Let something happen, and carry out everything that it leads to."""
        self.now = self.now if at is None else at
        events = deque([event])
        continuations = 0
        while events or (self.fleet.continue_at is not None and continuations < 100):
            continuations += not events
            next_event = events.popleft() if events else TimePassed()
            self.note_main(next_event)
            turn = fleet_rules.advance(self.plan, self.fleet, next_event, self.now)
            self.fleet = turn.fleet
            assert self.fleet.due == all_due(self.fleet.lives)  # kept from turn to turn, as if it were made anew
            if turn.plan is not None:
                self.plan, self.was_updated = turn.plan, True
            self.changes += [change for change in turn.changes if isinstance(change, Change)]
            self.restarts_due += [(self.now, c.instance, c.reason) for c in turn.changes if isinstance(c, RestartDue)]
            self.passed_over += [change for change in turn.changes if isinstance(change, RunsPassedOver)]
            for roll_change in (change for change in turn.changes if isinstance(change, RollChange)):
                self.roll_events += [(self.now, event) for event in describe_roll(roll_change)]
            for order in turn.orders:
                if isinstance(order, SweepContainer):
                    events.append(ContainerSwept())
                elif isinstance(order, LookAtConnections):
                    self.looks.append(self.now)
                    events.append(ConnectionsSeen(order.ports, self.now if self.is_connected else self.last_seen))
                elif isinstance(order, ReadClock):
                    self.clock_reads.append(self.now)
                    events.append(self.read_clock(order))
                elif isinstance(order, LookAtFiles):
                    events.append(self.look_at_files(order.key))
                elif isinstance(order, ForgetFiles):
                    self.watched.pop(order.key)
                elif isinstance(order, MeasureMemory):
                    events.append(self.measure(order.name))
                else:
                    answers = self.obey(order.instance, order.action)
                    events.extend(Happened(order.instance, answer) for answer in answers)
        return self

    @property
    def wall(self) -> float:
        """The time since the epoch."""
        return self.now + self.clock_offset

    def read_clock(self, order: ReadClock) -> ClockRead:
        """Read "60" as a cron expression for every full minute since the epoch, and so on. "never": it never comes."""
        readings = {}
        for name, (setting, since) in order.since.items():
            begin, wall = self.wall if since is None else since, self.wall
            count, last, following = 0, None, None
            if setting.cron != "never":
                period = float(setting.cron or 0)
                steps = floor(begin / period + 1e-9)
                count = max(0, floor(wall / period + 1e-9) - steps)
                last = (steps + count) * period if count else None
                following = (steps + count + 1) * period
            readings[name] = ClockReading(setting, since, wall, count, last, following)
        return ClockRead(readings)

    def set_clock(self, offset: float) -> World:
        """Set the wall clock forward, or back."""
        self.clock_offset += offset
        return self.tell(ClockSet())

    def note_main(self, event: FleetEvent) -> None:
        """Let the process with the new pid be the one that obeys."""
        match event:
            case Happened(instance, MainChanged(generation, pid)) if instance in self.pids:
                if generation == self.fleet.lives[instance].generation:
                    self.pids[instance] = pid

    def measure(self, name: str) -> MemoryMeasured:
        self.measurements.append((self.now, name))
        lives = self.fleet.lives
        measured = {i: (lives[i].generation, n) for i, n in self.memory.items() if i[0] == name and i in lives}
        return MemoryMeasured(name, measured)

    def look_at_files(self, key: WatchKey) -> FilesLooked:
        """Answer once with what has been put into `watched`, and then that nothing has changed."""
        self.file_looks.append((self.now, key[1].path))
        answer = self.watched.get(key, FilesLooked(key))
        self.watched[key] = FilesLooked(key)
        return answer

    def obey(self, instance: InstanceId, action: Action) -> list[Event]:
        match action:
            case Spawn(generation) if instance[0] in self.unspawnable:
                return [SpawnFailed(generation, *self.unspawnable[instance[0]])]
            case Spawn(generation) if instance[0] in self.skipped:
                return [SpawnSkipped(generation, self.skipped[instance[0]])]
            case Spawn(generation) if instance[0] in self.held:
                return [SpawnHeld(generation, self.now + self.held[instance[0]])]
            case Spawn(generation):
                self.next_pid += 1
                self.pids[instance] = self.next_pid
                self.spawned.append(instance)
                return [Spawned(generation, self.next_pid)]
            case SendSignal(pid, signal, _) if self.pids.get(instance) == pid:
                if signal != SIGCONT:
                    self.signals.append((self.now, instance, signal))
                if signal != SIGKILL and signal not in self.obeys.get(instance[0], (SIGTERM,)):
                    return []
                return [self.death(instance, None, signal)]
            case Claim(generation):
                return [LeaseHeld(generation, self.now + LEASE)]
            case TellStore(generation):
                return [LeaseEnded(generation)]
            case RunProbe():
                self.probes.append(instance)
                return []
            case Reload(generation):
                assert generation == self.fleet.lives[instance].generation
                self.reloads.append((self.now, instance))
                return []
            case FindDaemon(generation, _, True):
                self.next_pid += 1
                self.pids[instance] = self.next_pid
                return [MainChanged(generation, self.next_pid)]
            case Sweep(generation):
                return [Swept(generation)]
            case _:
                return []

    def death(self, instance: InstanceId, code: int | None, signal: Signal | None = None) -> ProcessExited:
        del self.pids[instance]
        self.deaths.append((self.now, instance))
        return ProcessExited(self.fleet.lives[instance].generation, code, signal)

    # ---- short forms

    def update(self, *programs: Program, settings: Settings | None = None) -> World:
        return self.tell(Updated(plan_of(*programs, settings=settings or self.plan.settings)))

    def begin(self) -> World:
        return self.tell(Begun())

    def exits(self, name: str, code: int | None = 0, signal: Signal | None = None, *, number: int = 1) -> World:
        return self.tell(Happened((name, number), self.death((name, number), code, signal)))

    def happens(self, name: str, event: Event, *, number: int = 1) -> World:
        return self.tell(Happened((name, number), event))

    def probed(self, name: str, passed: bool) -> World:
        return self.happens(name, Probed(self.fleet.lives[name, 1].generation, passed, "the probe's words"))

    def ask(self, event: Event, *names: str) -> World:
        return self.tell(Asked(tuple(i for name in names for i in self.plan.programs[name].instances), event))

    def stop(self, *names: str) -> World:
        return self.ask(StopRequested(), *names)

    def pass_to(self, time: float) -> World:
        """Let time pass, deadline by deadline, until `time`."""
        for _ in range(10_000):
            deadline = fleet_rules.next_deadline(self.fleet)
            if deadline is None or deadline > time:
                self.now = max(self.now, time)
                return self
            self.tell(TimePassed(), at=max(self.now, deadline))
        raise AssertionError(f"a deadline that passing does not move: {fleet_rules.next_deadline(self.fleet)}")

    def run_out(self) -> World:
        """Let time pass until the container is over."""
        for _ in range(10_000):
            deadline = fleet_rules.next_deadline(self.fleet)
            if deadline is None:
                break
            self.tell(TimePassed(), at=max(self.now, deadline))
        assert isinstance(self.fleet.container_phase, Over), self.fleet
        return self

    # ---- what is to be seen

    def life(self, name: str, number: int = 1) -> Life:
        return self.fleet.lives[name, number]

    def phase(self, name: str, number: int = 1) -> Phase:
        return self.fleet.lives[name, number].phase

    @property
    def alive(self) -> list[str]:
        """The programs that have a process, sorted."""
        return sorted({name for name, _ in self.pids})

    @property
    def stop_order(self) -> list[str]:
        return [name for _, (name, _) in self.deaths]

    @property
    def verdict(self) -> Verdict:
        assert self.fleet.verdict is not None
        return self.fleet.verdict


def ignoring_all_but_sigkill(plan: Plan) -> dict[str, tuple[Signal, ...]]:
    return dict.fromkeys(plan.programs, ())
