"""A whole container on the pure core, with made-up processes and hands on its clock."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from signal import SIGTERM

from supervisor.control.console import Clock
from supervisor.core import fleet as core
from supervisor.core.actions import SendSignal, Spawn, Sweep
from supervisor.core.container import (
    Asked,
    Begun,
    Change,
    FleetEvent,
    Happened,
    Order,
    RollAsked,
    RollChange,
    ScaleAsked,
    ShutdownAsked,
    TimePassed,
    Updated,
)
from supervisor.core.counters import Counters
from supervisor.core.events import Event, Notified, Probed, ProcessExited, Spawned, SpawnSkipped, Swept
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.log_events import describe_change
from supervisor.core.notice import Notice
from supervisor.core.output import STREAMS, LogQuery, Output
from supervisor.core.plan import Plan, make_plan
from supervisor.core.program import (
    InstanceId,
    OwnLog,
    Program,
    ProgramType,
    Restart,
    RestartWhen,
    Settings,
    Signal,
    Table,
)
from supervisor.core.roll_events import describe_roll
from supervisor.core.snapshot import Snapshot, project
from supervisor.core.sockets import Backlog
from supervisor.core.tree import Branch, Measurement, Usage
from supervisor.core.update import Difference, compare
from supervisor.core.wording import rfc3339
from supervisor.errors import ConfigError
from supervisor.logs.journal import Journal
from supervisor.logs.reader import LogReader
from supervisor.logs.tails import Tails
from supervisor.process.environment import make_environment
from supervisor.process.executable import DEFAULT_PATH

EPOCH = 1_800_000_000.0
"""The wall clock when the monotonic one was 0."""
CHECK = HealthCheck(TcpProbe("127.0.0.1", 80), retries=1)


def service(name: str, *, checked: bool = False, scale: int = 1, start_retries: int = 2) -> Program:
    check = CHECK if checked else None
    return Program(name, ("true",), scale=scale, healthcheck=check, start_retries=start_retries)


def oneshot(name: str) -> Program:
    return Program(name, ("true",), kind=ProgramType.ONESHOT, restart=Restart(RestartWhen.NEVER))


class SteeredClock(Clock):
    """Stands still unless somebody moves it."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def wall(self, at: float) -> float:
        return EPOCH + at


class SteeredContainer:
    """Its processes start at once, do nothing by themselves, and end on SIGTERM only if they are `obedient`.

    `skipped`: the programs that there is nothing to run of, and why.
    """

    def __init__(
        self,
        *programs: Program,
        settings: Settings | None = None,
        obedient: bool = True,
        skipped: Mapping[str, str] | None = None,
    ) -> None:
        self.plan: Plan = make_plan(Table(settings or Settings(), programs))
        self.fleet = core.new_fleet(self.plan)
        self.snapshot: Snapshot = project(self.plan, self.fleet)
        self.counters = Counters()
        self.oom_kills: int | None = 0
        self.started_at = EPOCH
        self.last_lines = ""
        self.clock = SteeredClock()
        self.obedient = obedient
        self.skipped = skipped or {}
        self.events: list[FleetEvent] = []
        """What was asked for from outside."""
        self.signals: list[tuple[InstanceId, Signal]] = []
        self.reloads: list[InstanceId] = []
        self.reload_problem: str | None = None
        self.usages: dict[InstanceId, Usage] = {}
        self.backlogs: tuple[Backlog, ...] = ()
        self.outputs: dict[InstanceId, Output] = {}
        self.tails = Tails()
        self.journal = Journal(OwnLog(level="error"), None)  # type: ignore[arg-type]  # never opened, so nothing is written
        self.new_plan: Plan | None = None
        """What the table says when it is read again. None: it is invalid."""
        self.measured = 0
        self.read_processes = 3
        """How many processes a measurement reads."""
        self.branches: tuple[Branch, ...] = ()
        self.asked = asyncio.Event()
        """Set whenever somebody has asked for something."""
        self.watched = asyncio.Event()
        """Set whenever somebody waits for a change."""
        self._watchers: list[asyncio.Future[None]] = []
        self._next_pid = 100
        self.signal_problem: str | None = None
        """What prevents signals."""

    # ---- what the control plane needs

    def ask(self, event: Asked | RollAsked | ScaleAsked | ShutdownAsked) -> None:
        self.events.append(event)
        self.take(event)
        self.asked.set()

    def send_signal(self, instance: InstanceId, signal: Signal) -> str | None:
        self.signals.append((instance, signal))
        return self.signal_problem

    async def reload(self, instance: InstanceId) -> str | None:
        self.reloads.append(instance)
        return self.reload_problem

    async def update(self, dry_run: bool) -> Difference:
        if self.new_plan is None:
            raise ConfigError(("f:1:1: programs: cannot be read", "f:2:1: programs: cannot be read either"))
        difference = compare(self.plan, self.fleet.leaving, self.new_plan)
        if not dry_run:
            self.take(Updated(self.new_plan))
        self.asked.set()
        return difference

    async def changed(self) -> None:
        watcher = asyncio.get_running_loop().create_future()
        self._watchers.append(watcher)
        self.watched.set()
        await watcher

    @property
    def watchers(self) -> int:
        """How many wait for a change."""
        return sum(not watcher.done() for watcher in self._watchers)

    def usage(self) -> dict[InstanceId, Usage]:
        self.measured += 1
        return self.usages

    async def measure(self) -> Measurement:
        self.measured += 1
        return Measurement(self.usages, self.read_processes)

    def environment(self, instance: InstanceId) -> dict[str, str]:
        environment = make_environment(self.plan.programs[instance[0]], instance, "own", {"PATH": DEFAULT_PATH})
        del environment["SUPINIT_ID"]
        return environment

    async def tree(self) -> tuple[Branch, ...]:
        return self.branches

    def lines_of(self, instance: InstanceId) -> str:
        return self.tails.of(instance).end(4096).decode().rstrip("\n")

    def read_logs(self, query: LogQuery, wake: Callable[[], None] | None) -> LogReader:
        return LogReader(query, self.tails, wake)

    # ---- what a test does to it

    def write(self, name: str, text: str, stream: str = "stdout", instance: int = 1) -> SteeredContainer:
        """Let a process write something."""
        tail = self.tails.of((name, instance))
        tail.limit = 64 * 1024
        tail.append(STREAMS.index(stream), text.encode())
        return self

    def begin(self) -> SteeredContainer:
        """Bring everything up, as far as time alone does."""
        self.take(Begun())
        return self.wait(2.0)

    def wait(self, seconds: float) -> SteeredContainer:
        """Let time pass."""
        self.clock.time += seconds
        return self.take(TimePassed())

    def end(self, name: str, code: int | None, signal: Signal | None = None, instance: int = 1) -> SteeredContainer:
        """End a process."""
        return self.happen((name, instance), ProcessExited(self.generation((name, instance)), code, signal))

    def probe(self, name: str, passed: bool, detail: str = "") -> SteeredContainer:
        """Let a health check come back."""
        return self.happen((name, 1), Probed(self.generation((name, 1)), passed, detail))

    def say(self, name: str, status: str) -> SteeredContainer:
        """Let a process say something of itself."""
        return self.happen((name, 1), Notified(self.generation((name, 1)), Notice(status=status)))

    def generation(self, instance: InstanceId) -> int:
        return self.fleet.lives[instance].generation

    def happen(self, instance: InstanceId, event: Event) -> SteeredContainer:
        return self.take(Happened(instance, event))

    def take(self, event: FleetEvent) -> SteeredContainer:
        events = deque([event])
        while events or self.fleet.continue_at is not None:
            next_event = events.popleft() if events else TimePassed()
            turn = core.advance(self.plan, self.fleet, next_event, self.clock.time)
            self.fleet = turn.fleet
            self.plan = turn.plan or self.plan
            for change in turn.changes:
                if isinstance(change, Change) and change.program is not None:
                    self.counters.note(change.program, change)
                    for note in describe_change(change.program, change):
                        self.journal.put(note)
                elif isinstance(change, RollChange):
                    for note in describe_roll(change):
                        self.journal.put(note)
            for order in turn.orders:
                if isinstance(order, Order):
                    events += self._obey(order)
        self.snapshot = project(self.plan, self.fleet, self.snapshot)
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)
        return self

    def _obey(self, order: Order) -> list[FleetEvent]:
        instance = order.instance
        match order.action:
            case Spawn(generation) if instance[0] in self.skipped:
                return [Happened(instance, SpawnSkipped(generation, self.skipped[instance[0]]))]
            case Spawn(generation):
                self._next_pid += 1
                return [Happened(instance, Spawned(generation, self._next_pid))]
            case Sweep(generation):
                return [Happened(instance, Swept(generation))]
            case SendSignal(signal=signal) if signal == SIGTERM and self.obedient:
                return [Happened(instance, ProcessExited(self.generation(instance), 0))]
            case _:
                return []


def date(at: float) -> str:
    """Return the date of a time on the container's clock."""
    return rfc3339(EPOCH + at)
