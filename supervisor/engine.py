"""Turn kernel facts into events, carry out what the core decides, and keep everything visible in step with it.

Nothing in here waits, and nothing needs an event loop, so the first programs run before asyncio is loaded (boot.py).
The loop (loop.py) calls in when time has passed, a signal has come or a child has died.

Rule 1: the marker files follow a decision before its orders are carried out, so none outlives what it stands for.
Rule 2: an order's immediate result is an event of the same turn.
Rule 3: signals and starts do not wait for words: what is said in a turn is written at its end.
"""

from __future__ import annotations

import os
import time
from functools import partial
from signal import SIGHUP, SIGKILL, SIGTERM

from supervisor.core import fleet as core
from supervisor.core.actions import RunCommand, RunProbe, SendSignal, Spawn, Sweep, WriteFifo
from supervisor.core.container import (
    Asked,
    Begun,
    Closing,
    ContainerReady,
    ContainerSwept,
    Fault,
    FleetEvent,
    Happened,
    Order,
    Over,
    ShutdownAsked,
    ShutdownBegun,
    SweepContainer,
    TimePassed,
    Updated,
)
from supervisor.core.counters import Counters
from supervisor.core.events import BecameReady, Event, MainChanged, Notified, ProcessExited, StepFailed, Swept
from supervisor.core.life import Stopping
from supervisor.core.log_events import (
    LogEvent,
    describe_change,
    describe_container_phase,
    describe_ready,
    describe_shutdown,
    describe_update,
)
from supervisor.core.notice import parse_notice
from supervisor.core.program import InstanceId, Scope
from supervisor.core.record import assert_never
from supervisor.core.routing import Forward, Ignore, Shutdown, Update, route
from supervisor.core.signals import signal_name
from supervisor.core.snapshot import project
from supervisor.core.update import compare
from supervisor.errors import ConfigError
from supervisor.health.manager_socket import ManagerSocket
from supervisor.health.notices import Datagram, Notices, ReadinessNewline
from supervisor.launcher import Launcher, chance
from supervisor.process.children import Children, Death, Main
from supervisor.process.fifo import write_fifo
from supervisor.process.procfs import ignores, own_children
from supervisor.process.subreaper import is_init
from supervisor.process.successors import Successors
from supervisor.process.sweep import is_alone, is_of, kill_everything, kill_stragglers, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from supervisor.core.plan import Plan
    from supervisor.core.program import Signal
    from supervisor.core.update import Difference
    from supervisor.health.markers import Markers
    from supervisor.logs.journal import Journal
    from supervisor.logs.pump import Pump
    from supervisor.process.oom import OomKills

    PendingTask = tuple[InstanceId, RunCommand | RunProbe]


LAST_LINES = 10
"""Lines of the program that brings the container down that the verdict quotes."""


class Engine:
    """One container. `fleet` and `snapshot` are replaced as a whole, never changed."""

    def __init__(
        self,
        plan: Plan,
        pump: Pump,
        markers: Markers,
        journal: Journal,
        own: Mapping[str, str],
        read_plan: Callable[[], Plan] | None = None,
    ) -> None:
        self.plan = plan
        self._read_plan = read_plan
        self.pump = pump
        self.markers = markers
        self.journal = journal
        pump.report = journal.write
        self.notices = Notices(plan.settings.run_dir)
        self.started_at = time.time()
        self.children = Children()
        self._successors = Successors(self.children)
        self.launcher = Launcher(plan, self.children, pump, self.notices, own)
        self._manager = ManagerSocket(own.get("NOTIFY_SOCKET"))
        self.oom_kills: OomKills | None = None
        """Set by the loop, after the first programs have been started."""
        self.counters = Counters()
        self.fleet = core.new_fleet(plan)
        self.snapshot = project(plan, self.fleet)
        self.pending_tasks: list[PendingTask] = []
        """Probes and commands that wait for the loop."""
        self.listeners: list[Callable[[], None]] = []
        """Called after each turn that changed something."""
        self._sweeps: dict[InstanceId, Sweep] = {}
        self._is_alone: bool | None = None
        """Whether there are none but the processes that were started here, while the dead of one moment are noted."""
        self._heard: list[FleetEvent] = []
        """What programs have said in their output, until the next turn."""

    @property
    def is_over(self) -> bool:
        return isinstance(self.fleet.container_phase, Over)

    @property
    def next_deadline(self) -> float | None:
        return core.next_deadline(self.fleet)

    @property
    def last_lines(self) -> str:
        """The end of the output of the program that brings the container down, if one does."""
        verdict = self.fleet.verdict
        if verdict is None or verdict.instance is None:
            return ""
        return "\n".join(self.pump.last_lines(verdict.instance).splitlines()[-LAST_LINES:])

    # ---- what happens

    def begin(self) -> None:
        revision = self.plan.settings.revision
        self.journal.write(
            "info", "container.started", pid=os.getpid(), revision=revision, programs=len(self.plan.programs)
        )
        self.feed(Begun())

    def ask(self, event: Asked | ShutdownAsked | Fault) -> None:
        """Take in what somebody wants of the container."""
        self.feed(event)

    def update(self, dry_run: bool = False) -> Difference:
        """Read the table again and go over to it; return what that changes. Raises ConfigError: nothing has changed."""
        new = self._read_plan() if self._read_plan is not None else self.plan
        difference = compare(self.plan, self.fleet.leaving, new)
        if not dry_run and (difference.programs or difference.settings):
            self._tell(describe_update(difference))
            self.feed(Updated(new))
        return difference

    def pass_time(self) -> None:
        self.feed(TimePassed())

    def happen(self, instance: InstanceId, event: Event) -> None:
        """Take in what has happened to one instance."""
        self.feed(Happened(instance, event))

    def receive(self, signal: Signal) -> None:
        """Act on a signal to the container."""
        name = signal_name(signal)
        match route(self.plan, signal):
            case Shutdown():
                self.journal.write("info", "signal.received", signal=name, does="shutdown")
                self.feed(ShutdownAsked(f"{name} was received"))
            case Update():
                self.journal.write("info", "signal.received", signal=name, does="update")
                self._update_by_signal()
            case Forward(targets=targets):
                for program, target in targets:
                    self.journal.write(
                        "info", "signal.forwarded", signal=name, program=program, sent=signal_name(target)
                    )
                    for instance in self.plan.programs[program].instances:
                        self.send_signal(instance, target)
            case Ignore():
                self.journal.write("debug", "signal.ignored", signal=name)

    def _update_by_signal(self) -> None:
        try:
            self.update()
        except ConfigError as error:
            for problem in error.problems:
                self.journal.write("error", "container.update_refused", reason=problem)

    def send_signal(self, instance: InstanceId, signal: Signal) -> bool:
        """Signal the main process of an instance. False: it has none."""
        run = self.fleet.lives[instance].run
        if run is None or run.pid not in self.children.pids:
            return False
        if signal == SIGKILL and self.oom_kills is not None:
            self.oom_kills.disclaim(time.monotonic())
        send(run.pid, signal, Scope.MAIN, frozenset(), ())
        return True

    def listen(self) -> None:
        """Take in what programs have said of themselves, by their notify sockets and in their output."""
        for said in self.notices.take():
            if isinstance(said, ReadinessNewline):
                self._heard.append(Happened(said.instance, BecameReady(said.generation)))
            else:
                self._note_datagram(said)
        self.note_output()

    def note_output(self) -> None:
        """Take in what programs have said in lines that were read meanwhile."""
        if self._heard:
            self.feed()

    def _note_datagram(self, said: Datagram) -> None:
        """Believe a datagram only if it comes from a process of the program that it was sent for."""
        life = self.fleet.lives.get(said.instance)
        notice = parse_notice(said.datagram)
        if notice is None or life is None:
            return
        if life.run is None or not self._is_of(said.instance, said.pid, life.run.pid):
            self.journal.write("debug", "program.notice_refused", program=said.instance[0], sender=said.pid)
            return
        successor = notice.main_pid
        if successor is not None and successor != life.run.pid and self._is_of(said.instance, successor, life.run.pid):
            self._successors.add(said.instance, life.run.pid, successor)
        self._heard.append(Happened(said.instance, Notified(life.generation, notice)))

    def _is_of(self, instance: InstanceId, pid: int, main_pid: int) -> bool:
        return is_of(pid, main_pid, self.launcher.marks_of(instance), self.children.pids)

    def reap(self) -> bool:
        """Reap the dead and take in what that means, after what they have said last. True: more may be dead."""
        self.listen()
        self.launcher.share_stop()
        deaths, more = self.children.reap()
        self.counters.orphans_reaped = self.children.orphans_reaped
        self._is_alone = is_alone(self.children.pids) if deaths else None
        self.feed(*(event for death in deaths for event in self._note_death(death)))
        for instance, sweep in tuple(self._sweeps.items()):
            self.feed(*self._sweep(instance, sweep))
        self._is_alone = None
        deadline = self.next_deadline
        if deaths and deadline is not None and deadline <= time.monotonic():
            self.pass_time()  # a program that is to be restarted at once is, a turn of the loop sooner
        if isinstance(self.fleet.container_phase, Closing) and not own_children():
            self.feed(ContainerSwept())
        return more

    def _note_death(self, death: Death) -> Iterable[FleetEvent]:
        match death.owner:
            case Main(instance=instance, generation=generation) as owner:
                successor = self._hand_over(owner)
                if successor is not None:
                    yield Happened(instance, MainChanged(generation, successor))
                    return
                self.pump.drain(instance)
                if self.launcher.has_terminal(death.pid):
                    self.launcher.take_terminal_back()
                yield Happened(
                    instance, ProcessExited(generation, death.code, death.signal, self._was_memory_short(death))
                )
            case helper:
                helper.finish(death)

    def _was_memory_short(self, death: Death) -> bool:
        return death.signal == SIGKILL and self.oom_kills is not None and self.oom_kills.claim(time.monotonic())

    def _hand_over(self, owner: Main) -> int | None:
        """Return the pid of the process that takes over from a main process that has ended. None: there is none.

        In a stop nobody takes over: the successor was never asked to end, so it would stay.
        """
        if isinstance(self.fleet.lives[owner.instance].phase, Stopping):
            self._successors.forget(owner.instance)
            return None
        return self._successors.take_over(owner)

    # ---- a turn

    def feed(self, *events: FleetEvent) -> None:
        """Let the core decide on `events` and on what their orders lead to, until nothing more happens."""
        pending: Sequence[FleetEvent] = (*self._heard, *events)
        self._heard.clear()
        is_idle = not pending
        self.journal.is_held = True
        try:
            while pending:
                orders: list[Order | SweepContainer] = []
                for event in pending:
                    orders += self._decide(event)
                self._publish()
                pending = [result for order in orders for result in self._carry_out(order)]
        finally:
            self.journal.release()
        if not is_idle:
            for listener in self.listeners:
                listener()

    def _decide(self, event: FleetEvent) -> Sequence[Order | SweepContainer]:
        turn = core.advance(self.plan, self.fleet, event, time.monotonic())
        # in the turn of an update, some of the changes are of programs that are only in the one table or the other
        programs = self.plan.programs if turn.plan is None else {**turn.plan.programs, **self.plan.programs}
        for change in turn.changes:
            if isinstance(change, ContainerReady):
                self._tell(describe_ready())
            elif isinstance(change, ShutdownBegun):
                self._tell(describe_shutdown(change.verdict))
            else:
                program = programs[change.instance[0]]
                self.counters.note(programs, change)
                if (problem := self.launcher.note(change, program.once)) is not None:
                    self.journal.write("error", "program.record_failed", program=program.name, reason=problem)
                self._tell(*describe_change(program, change))
        self._tell(*describe_container_phase(self.fleet, turn.fleet, self.last_lines))
        self.fleet = turn.fleet
        if turn.plan is not None:
            self._adopt(turn.plan)
        return turn.orders

    def _adopt(self, plan: Plan) -> None:
        """Let everything that holds on to the table hold on to this one."""
        old, self.plan = self.plan, plan
        self.launcher.plan = plan
        self.journal.configure(plan.settings.log)
        for name, program in plan.programs.items():
            before = old.programs.get(name)
            if before is not None and before.log != program.log:
                self.pump.redefine(program)
        for instance in set(old.instances) - set(plan.instances):
            self.pump.forget(instance)

    def renew_markers(self) -> None:
        for problem in self.markers.renew():
            self.journal.write("error", "marker.failed", reason=problem)

    def _tell(self, *notes: LogEvent) -> None:
        for note in notes:
            self.journal.write(note.level, note.event, **note.values)

    def _publish(self) -> None:
        self.snapshot = project(self.plan, self.fleet, self.snapshot)
        for problem in self.markers.apply(self.snapshot):
            self.journal.write("error", "marker.failed", reason=problem)
        self._manager.tell(self.snapshot)

    def _carry_out(self, order: Order | SweepContainer) -> Iterable[FleetEvent]:
        if isinstance(order, SweepContainer):
            return [] if kill_everything(is_init()) else [ContainerSwept()]
        instance, action = order.instance, order.action
        match action:
            case Spawn(generation=generation):
                hear = partial(self._hear, instance)
                return [Happened(instance, self.launcher.start(instance, generation, hear))]
            case SendSignal(pid=pid, signal=signal, scope=scope):
                if pid in self.children.pids:
                    marks = self.launcher.marks_of(instance) if scope is Scope.TREE else frozenset[bytes]()
                    send(pid, signal, scope, marks, self.children.pids)
                    if signal == SIGTERM and self.launcher.has_terminal(pid) and ignores(pid, SIGTERM):
                        send(pid, SIGHUP, scope, marks, self.children.pids)  # what a shell takes for the end
                return []
            case WriteFifo(path=path, data=data):
                problem = write_fifo(path, data)
                return [] if problem is None else [self.fail_step(instance, action, problem)]
            case RunCommand() | RunProbe():
                self.pending_tasks.append((instance, action))
                return []
            case Sweep():
                return self._sweep(instance, action)
            case _:
                assert_never(action)

    def _hear(self, instance: InstanceId, event: Event) -> None:
        self._heard.append(Happened(instance, event))

    def fail_step(self, instance: InstanceId, action: WriteFifo | RunCommand, reason: str) -> FleetEvent:
        """Say that a step of a stop sequence did not work, and return the event that goes on to the next."""
        self.journal.write("warning", "program.step_failed", program=instance[0], reason=reason)
        return Happened(instance, StepFailed(action.generation, action.step_index))

    def _sweep(self, instance: InstanceId, action: Sweep) -> Iterable[FleetEvent]:
        """Kill what is left of a tree; done when a look finds nothing, so that what was born meanwhile goes, too."""
        left = 0
        if not self._is_alone:
            left = kill_stragglers(action.pid, self.launcher.marks_of(instance), self.children.pids)
        if left and not action.final:
            self._sweeps[instance] = action
            return []
        if left:
            self.journal.write("error", "program.left_behind", program=instance[0], processes=left)
        self._sweeps.pop(instance, None)
        self.pump.drain(instance)
        return [Happened(instance, Swept(action.generation, chance()))]
