"""Turn what happens into events, let the core decide on them, carry out its orders, and keep what is visible in step.

Nothing here waits and nothing needs an event loop, so the first programs run before asyncio is loaded (boot.py). The
loop (loop.py) calls in when time has passed, a signal has come or a child has died.

Rule 1: the marker files follow a decision before its orders are carried out, so none outlives what it stands for.
Rule 2: an event leaves the queue, and a decision takes effect, before anything that can fail is done about it.
Rule 3: signals and starts never wait for the log: the events of a turn are described and written at its end.
Rule 4: a turn ends when its time is up; the orders that are left wait for `go_on`.
"""

from __future__ import annotations

import os
import time
from collections import deque
from functools import cached_property
from itertools import islice
from math import inf

from supervisor.change_log import ChangeLog
from supervisor.core import fleet as core
from supervisor.core.actions import SendSignal, Spawn
from supervisor.core.container import (
    Asked,
    Batch,
    Begun,
    Closing,
    ContainerSwept,
    Fault,
    Happened,
    Order,
    Over,
    Resumed,
    RollAsked,
    ScaleAsked,
    ShutdownAsked,
    TimePassed,
    Updated,
)
from supervisor.core.counters import Counters
from supervisor.core.life import Starting
from supervisor.core.log_events import describe_pause, describe_update
from supervisor.core.routing import Forward, Ignore, Shutdown, Update, route
from supervisor.core.signals import signal_name
from supervisor.core.snapshot import project
from supervisor.faults import Faults
from supervisor.health.notices import Notices
from supervisor.launcher import Launcher, pid_file_of
from supervisor.logs.tails import LAST_LINES
from supervisor.orders import Orders
from supervisor.process.children import Children
from supervisor.run_dir import RunDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from supervisor.core.container import FleetEvent, FleetOrder, Turn
    from supervisor.core.events import Event
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program, Signal
    from supervisor.core.update import Difference, Reading
    from supervisor.health.manager_socket import ManagerSocket
    from supervisor.health.markers import Markers
    from supervisor.logs.journal import Journal
    from supervisor.logs.pump import Pump
    from supervisor.logs.syslog import Syslog
    from supervisor.process.children import Main
    from supervisor.reports import Reports

BATCH = 32
"""Events that are decided together: a shutdown signal that has arrived meanwhile does not wait long for them."""
LONG_PAUSE = 1.0
"""Seconds from which a pause is logged."""


class Engine:
    """One container. `fleet` and `snapshot` are replaced as a whole, never changed."""

    def __init__(
        self,
        plan: Plan,
        pump: Pump,
        markers: Markers,
        journal: Journal,
        own: Mapping[str, str],
        identity: str,
        read_plan: Callable[[], Plan] | None = None,
    ) -> None:
        self.plan = self._adopted = plan
        self._read_plan = read_plan
        self.pump = pump
        self.markers = markers
        self.journal = journal
        pump.report = journal.write
        self.notices = Notices(plan.settings.run_dir)
        self.run_dir = RunDir(plan.settings.run_dir, markers, self.notices)
        self.started_at = time.time()
        self.children = Children()
        self.counters = Counters()
        self.faults = Faults(journal, self.counters)
        pump.fault = self.faults.note
        self.launcher = Launcher(plan, self.children, pump, self.notices, own, identity)
        self.orders = Orders(self.children, self.launcher, pump, journal, self.faults, self.counters, self._hear)
        self.children.meet_end = self._meet_end
        self._manager = _manager_at(own.get("NOTIFY_SOCKET"))
        self._changes = ChangeLog(self.launcher, journal, self.counters, self.faults, lambda: self.last_lines)
        self.fleet = core.new_fleet(plan)
        self.snapshot = project(plan, self.fleet)
        self.syslog: Syslog | None = None
        """Set before the first programs start, where the table has one."""
        self.listeners: list[Callable[[], None]] = []
        """Called after each turn that changed something."""
        self.turn_limit = inf
        """Seconds that the orders of one turn may take."""
        self.is_update_wanted = False
        """Whether a signal has asked for an update that the loop has not begun yet."""
        self._events: deque[FleetEvent] = deque()
        """Events that are not decided yet."""
        self._ordered: deque[FleetOrder] = deque()
        """Orders of the core that are not carried out yet."""
        self._is_turning = False

    @cached_property
    def reports(self) -> Reports:
        """Loaded by the loop, after the first programs have started: nobody reads a report before."""
        from supervisor.reports import Reports

        return Reports(self.children, self.launcher, self.notices, self.pump, self.journal, self.faults)

    @property
    def is_over(self) -> bool:
        return isinstance(self.fleet.container_phase, Over)

    @property
    def next_deadline(self) -> float | None:
        return core.next_deadline(self.fleet)

    @property
    def last_lines(self) -> str:
        """The end of the output of the program that ended the container. Empty: none did."""
        verdict = self.fleet.verdict
        if verdict is None or verdict.instance is None:
            return ""
        return "\n".join(self.pump.last_lines(verdict.instance).splitlines()[-LAST_LINES:])

    # ---- what happens

    def begin(self) -> None:
        revision, count = self.plan.settings.revision, len(self.plan.programs)
        self.journal.write("info", "container.started", pid=os.getpid(), revision=revision, programs=count)
        self.feed(Begun())
        while self.fleet.continue_at is not None:  # no start has to wait until the loop is loaded
            if not self.launcher.opened:  # they would be taken for orphans
                self.reap()
            self.pass_time()
        self.launcher.end_opened()

    def ask(self, event: Asked | RollAsked | ScaleAsked | ShutdownAsked | Fault) -> None:
        """Decide on a request, before anything else that waits for a decision."""
        self._events.appendleft(event)
        self.feed()

    def read_table(self) -> Reading:
        """Read the table and the files that it names again, and compare it with the current plan. Raises ConfigError.

        It takes long and changes nothing, so it runs in a thread.
        """
        from supervisor.core.update import Reading, compare

        plan = self._read_plan() if self._read_plan is not None else self.plan
        stale = self.launcher.stale_files(plan)
        old, leaving = self.plan, self.fleet.leaving
        return Reading(plan, stale, old, compare(old, leaving, plan, stale, self.fleet.rolls))

    def update(self, new: Reading, dry_run: bool = False) -> Difference:
        """Apply what was read, unless this is a `dry_run`; return the difference."""
        self.faults.attempt("repair", self.repair)
        difference = new.difference_from(self.plan, self.fleet.leaving, self.fleet.rolls)
        if not dry_run:
            self.journal.put(describe_update(difference))
            if difference.programs or difference.settings:
                self.feed(Updated(new.plan, new.stale))
        return difference

    def pass_time(self) -> None:
        self.feed(TimePassed())

    def resume(self, paused_for: float) -> None:
        """Note that supinit itself could not run for that many seconds. Call it before anything that is due."""
        if paused_for >= LONG_PAUSE:
            self.journal.put(describe_pause(paused_for))
        self.feed(Resumed(paused_for))

    def happen(self, instance: InstanceId, event: Event) -> None:
        """Decide on an event of one instance."""
        self.feed(Happened(instance, event))

    def receive(self, signal: Signal) -> None:
        """Act on a signal to the container."""
        name = signal_name(signal)
        match route(self.plan, signal):
            case Shutdown():
                self.journal.is_held = True  # so that it is written with the events that it leads to
                self.journal.write("info", "signal.received", signal=name, does="shutdown")
                self.ask(ShutdownAsked(f"{name} was received"))
            case Update():
                self.journal.write("info", "signal.received", signal=name, does="update")
                self.faults.attempt("repair", self.repair)
                self.is_update_wanted = True
            case Forward(targets=targets):
                for program, target in targets:
                    sent = signal_name(target)
                    self.journal.write("info", "signal.forwarded", signal=name, program=program, sent=sent)
                    for instance in self.plan.programs[program].instances:
                        self.send_signal(instance, target)
            case Ignore():
                self.journal.write("debug", "signal.ignored", signal=name)

    def find_program(self, pid: int) -> tuple[Program, InstanceId] | None:
        """Return the program and the instance that a process belongs to. None: it is gone, or belongs to none."""
        from supervisor.process.senders import find_instance, named_daemons

        mains = {life.run.pid: instance for instance, life in self.fleet.lives.items() if life.run is not None}
        instance = find_instance(pid, mains, self.launcher.identity)
        if instance is None:  # perhaps a daemon that has its pid file already, and whose command has not exited yet
            instance = find_instance(pid, named_daemons(self._daemons_to_come()), self.launcher.identity)
        program = None if instance is None else self.plan.find(instance)
        return None if program is None or instance is None else (program, instance)

    def _daemons_to_come(self) -> Iterator[tuple[InstanceId, str]]:
        """Yield each instance whose daemon is not its main process yet, with its pid file."""
        for instance, life in self.fleet.lives.items():
            if isinstance(life.phase, Starting) and life.phase.search is not None:
                program = self.plan.find(instance)
                if program is not None and (path := pid_file_of(program)) is not None:
                    yield instance, path

    def send_signal(self, instance: InstanceId, signal: Signal) -> str | None:
        """Signal the main process of an instance. Return what prevented it, as a clause, or None."""
        self.reports.disclaim(signal)
        return self.orders.signalling.send_to_main(instance, signal, self.fleet)

    def _meet_end(self, owner: Main, pid: int) -> None:
        if self.faults.attempt("reap", self.reports.note_successor, owner, pid, self.plan, self.fleet):
            return  # the others of its tree go on
        self.faults.attempt("sweep", self.orders.signalling.meet_end, owner, pid, self.plan, self.fleet)

    def listen(self) -> None:
        """Decide on what programs have reported through their notify sockets and in their output."""
        self.faults.attempt("notify", self._take_notices)
        self.go_on()

    def _take_notices(self) -> None:
        self._events.extend(self.reports.take_notices(self.fleet))

    def reap(self) -> bool:
        """Reap dead processes and decide on their ends, after their last reports. True: more may be dead."""
        self.faults.attempt("notify", self._take_notices)
        self.faults.attempt("terminal", self.launcher.share_stop)
        self.orders.forget_scan()
        more = self.reports.reap()
        self.orders.forget_scan()
        self.counters.orphans_reaped = self.children.orphans_reaped
        self._events.extend(self.reports.take_deaths(self.fleet))
        self._events.extend(self.orders.sweep_again(self.fleet))
        self.go_on()
        if isinstance(self.fleet.container_phase, Closing) and self.children.is_childless:
            self.feed(ContainerSwept())
        return more

    # ---- a turn

    def go_on(self) -> None:
        """Continue with the events and orders that are left, if there are any."""
        if self.has_more:
            self.feed()

    @property
    def has_more(self) -> bool:
        """Whether events or orders are left."""
        return bool(self._events or self._ordered)

    def feed(self, *events: FleetEvent) -> None:
        """Let the core decide on `events` and on what its orders lead to, until nothing more happens or time is up."""
        self._events.extend(events)
        if self._is_turning:
            return  # the turn that is under way takes them in
        self._is_turning = True
        self.journal.is_held = True
        try:
            self._turn(time.monotonic() + self.turn_limit)
        finally:
            self._is_turning = False
            self.faults.attempt("log", self.journal.release)
        for listener in self.listeners:
            listener()

    def _turn(self, end: float) -> None:
        """Decide and carry out until nothing is left, or until `end`. At least one event and one order are done."""
        while self._events or self._ordered:
            # the rest of many signals uses the look at /proc that the first of them took: each would fill a turn
            is_fresh = not (self._ordered and _is_signal(self._ordered[0]))
            if is_fresh:
                self.orders.forget_scan()
            while self._events:
                self._decide()
                if time.monotonic() > end:
                    break
            if self.plan is not self._adopted:
                self.faults.attempt("update", self._adopt)
            self.faults.attempt("publish", self._publish)
            if any(isinstance(order, Order) and isinstance(order.action, Spawn) for order in self._ordered):
                self.faults.attempt("repair", self.repair)  # what is started needs its notify socket
            while self._ordered:
                order = self._ordered.popleft()
                if not is_fresh and not _is_signal(order):
                    self.orders.forget_scan()
                    is_fresh = True
                self._events.extend(self.orders.carry_out(order, self.fleet))
                if time.monotonic() > end:
                    return
            if time.monotonic() > end:
                return

    def _decide(self) -> None:
        """Let the core decide on the events at the head of the queue, and put its decision into effect."""
        events = tuple(islice(self._events, BATCH))
        event = events[0] if len(events) == 1 else Batch(events)
        try:
            turn = core.advance(self.plan, self.fleet, event, time.monotonic())
        except Exception as error:
            self.faults.note("core", error)
            self._events.popleft()  # if it fails by itself, too, only this one is dropped
            turn = core.advance(self.plan, self.fleet, events[0], time.monotonic())
        else:
            for _ in events:
                self._events.popleft()
        self._put_into_effect(turn)

    def _put_into_effect(self, turn: Turn) -> None:
        before, self.fleet = self.fleet, turn.fleet
        self._ordered.extend(turn.orders)
        if turn.plan is not None:
            self.plan = turn.plan
        self._changes.note(turn.changes)
        self._changes.note_phase(before, self.fleet)

    def _adopt(self) -> None:
        """Pass the plan on to everything that holds one."""
        old, self._adopted = self._adopted, self.plan
        self.launcher.plan = self.plan
        self.faults.attempt("log", self.journal.configure, self.plan.settings.log)
        for name, before in old.programs.items():
            program = self.plan.programs.get(name)
            if program is not before:
                self.faults.attempt("output", self._adopt_output, before, program)

    def _adopt_output(self, before: Program, program: Program | None) -> None:
        if program is not None and program.log != before.log:
            self.pump.redefine(program)
        for number in range(1 if program is None else program.scale + 1, before.scale + 1):
            self.pump.forget((before.name, number))

    def renew_markers(self) -> None:
        self.journal.put_all(self.markers.renew())

    def repair(self) -> None:
        """Create the files in run_dir again if they, or run_dir itself, were removed or replaced."""
        self.journal.put_all(self.run_dir.repair(self.snapshot))

    def _publish(self) -> None:
        self.snapshot = project(self.plan, self.fleet, self.snapshot)
        self.faults.attempt("marker", lambda: self.journal.put_all(self.run_dir.follow(self.snapshot)))
        if self._manager is not None:
            self.faults.attempt("notify", self._manager.tell, self.snapshot)
        if self.launcher.sockets is not None:
            self.faults.attempt("socket", self.launcher.sockets.follow, self.plan, self.fleet)

    def _hear(self, instance: InstanceId, event: Event) -> None:
        self._events.append(Happened(instance, event))


def _manager_at(address: str | None) -> ManagerSocket | None:
    """Return the socket of the manager that started supinit. None: it does not want notifications."""
    if address is None:
        return None
    from supervisor.health.manager_socket import ManagerSocket

    return ManagerSocket(address)


def _is_signal(order: FleetOrder) -> bool:
    return isinstance(order, Order) and isinstance(order.action, SendSignal)
