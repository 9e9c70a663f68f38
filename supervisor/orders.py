"""Carry out what the core orders: start, signal, write, sweep. The immediate result of an order is a list of events.

An order never raises: what goes wrong with a start is a failed start, and everything else is tried again by the core's
own deadlines.
"""

from __future__ import annotations

from functools import partial

from supervisor.core.actions import (
    Claim,
    FindDaemon,
    Reload,
    RunCommand,
    RunHooks,
    RunProbe,
    SendSignal,
    Spawn,
    Sweep,
    TellStore,
    WriteFifo,
)
from supervisor.core.container import (
    ContainerSwept,
    ForgetFiles,
    Happened,
    LookAtConnections,
    LookAtFiles,
    MeasureMemory,
    Order,
    ReadClock,
)
from supervisor.core.events import Spawned, SpawnFailed, StepFailed, Swept
from supervisor.core.life import Goal, Starting
from supervisor.core.record import assert_never
from supervisor.launcher import Launcher, chance
from supervisor.process.children import Children, Main
from supervisor.process.subreaper import is_init

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from supervisor.core.container import Fleet, FleetEvent, FleetOrder
    from supervisor.core.counters import Counters
    from supervisor.core.events import Event
    from supervisor.core.program import InstanceId
    from supervisor.faults import Faults
    from supervisor.logs.journal import Journal
    from supervisor.logs.pump import Pump
    from supervisor.signalling import Signalling

    TaskAction = RunCommand | RunProbe | RunHooks | Reload | Claim | TellStore
    Hear = Callable[[InstanceId, Event], None]


class Orders:
    """Carries out orders for one container. `hear` is told what a program says in its output later on."""

    def __init__(
        self,
        children: Children,
        launcher: Launcher,
        pump: Pump,
        journal: Journal,
        faults: Faults,
        counters: Counters,
        hear: Hear,
    ) -> None:
        self._children = children
        self._launcher = launcher
        self._pump = pump
        self._journal = journal
        self._faults = faults
        self._counters = counters
        self._hear = hear
        self.pending_tasks: list[tuple[InstanceId, TaskAction]] = []
        """Probes, commands and what concerns stores: it waits for the loop."""
        self.pending_look: LookAtConnections | None = None
        self.pending_files: list[LookAtFiles | ForgetFiles] = []
        """Orders about watched files that wait for the loop."""
        self.pending_measurements: list[str] = []
        """The programs whose memory is to be measured."""
        self._signalling: Signalling | None = None

    @property
    def signalling(self) -> Signalling:
        """Loaded at the first look for dead processes, or for the first order that needs it."""
        if self._signalling is None:
            from supervisor.signalling import Signalling

            self._signalling = Signalling(self._children, self._launcher, self._journal, self._counters)
        return self._signalling

    def forget_scan(self) -> None:
        """Look again at the processes when a look is needed next."""
        if self._signalling is not None:
            self._signalling.forget_scan()

    def carry_out(self, order: FleetOrder, fleet: Fleet) -> Iterable[FleetEvent]:
        """Carry out one order and return what came of it."""
        if isinstance(order, LookAtConnections):
            self.pending_look = order
            return ()
        if isinstance(order, ReadClock):
            return self._faults.attempt("schedule", self._read_clock, order) or ()
        if isinstance(order, LookAtFiles | ForgetFiles):
            self.pending_files.append(order)
            return ()
        if isinstance(order, MeasureMemory):
            self.pending_measurements.append(order.name)
            return ()
        if not isinstance(order, Order):
            return self._faults.attempt("sweep", self._sweep_container) or ()
        try:
            return self._carry_out(order, fleet)
        except Exception as error:
            self._faults.note("order", error)
            return self._failed(order, error)

    def _carry_out(self, order: Order, fleet: Fleet) -> Iterable[FleetEvent]:
        instance, action = order.instance, order.action
        match action:
            case Spawn(generation=generation):
                life = fleet.lives.get(instance)
                if life is None or life.goal is Goal.DOWN:  # it was stopped while the order waited for its turn
                    return (Happened(instance, SpawnFailed(generation, "no longer wanted", None)),)
                return (Happened(instance, self._launcher.start(instance, generation, partial(self._hear, instance))),)
            case SendSignal():
                return tuple(self.signalling.send(instance, action, fleet))
            case WriteFifo(path=path, data=data):
                self.signalling.begin_step(instance, fleet)
                from supervisor.process.fifo import write_fifo

                problem = write_fifo(path, data)
                return () if problem is None else (self.fail_step(instance, action, problem),)
            case RunCommand() | RunProbe() | RunHooks() | Reload() | Claim() | TellStore():
                if isinstance(action, RunCommand):
                    self.signalling.begin_step(instance, fleet)
                self.pending_tasks.append((instance, action))
                return ()
            case FindDaemon(generation=generation):
                life, program = fleet.lives.get(instance), self._launcher.plan.find(instance)
                is_sought = life is not None and isinstance(life.phase, Starting) and life.generation == generation
                if program is None or not is_sought:
                    return ()  # it was stopped while the order waited for its turn
                return tuple(self.signalling.find_daemon(instance, action, program))
            case Sweep():
                return self._sweep(instance, action)
            case _:
                assert_never(action)

    def _read_clock(self, order: ReadClock) -> Iterable[FleetEvent]:
        from supervisor.wall_clock import read_clock

        return (read_clock(order),)

    def _failed(self, order: Order, error: Exception) -> Iterable[FleetEvent]:
        """Return what follows from an order that failed in an unexpected way."""
        instance, action = order.instance, order.action
        match action:
            case Spawn(generation=generation):
                pid = self._children.pid_of(Main(instance, generation))
                if pid is not None:
                    return (Happened(instance, Spawned(generation, pid)),)
                return (Happened(instance, SpawnFailed(generation, f"cannot be started: {error!r}", None, chance())),)
            case WriteFifo() | RunCommand():
                return (self.fail_step(instance, action, f"internal error: {error!r}"),)
            case Sweep(generation=generation, final=True):
                return (Happened(instance, Swept(generation, chance())),)
            case Sweep():
                self.signalling.postpone(instance, action)
                return ()
            case _:
                return ()

    def fail_step(self, instance: InstanceId, action: WriteFifo | RunCommand, reason: str) -> FleetEvent:
        """Log that a step of a stop sequence failed, and return the event that moves on to the next step."""
        self._journal.write("warning", "program.step_failed", program=instance[0], reason=reason)
        return Happened(instance, StepFailed(action.generation, action.step_index))

    # ---- sweeps

    def sweep_again(self, fleet: Fleet) -> Iterable[FleetEvent]:
        """Repeat the sweeps that still found processes."""
        for instance, sweep in self.signalling.postponed:
            yield from self.carry_out(Order(instance, sweep), fleet)

    def _sweep(self, instance: InstanceId, action: Sweep) -> Iterable[FleetEvent]:
        events = tuple(self.signalling.sweep(instance, action))
        if any(isinstance(event.event, Swept) for event in events):
            self._faults.attempt("output", self._pump.drain, instance)
        return events

    def _sweep_container(self) -> Iterable[FleetEvent]:
        from supervisor.process.sweep import kill_everything

        return () if kill_everything(is_init()) else (ContainerSwept(),)
