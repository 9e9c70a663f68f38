"""Stop every program in order without the core, the event loop or the log: what remains when supinit itself has failed.

Each program still goes through its own stop sequence: signals are sent and FIFOs written at the configured times, and
SIGKILL follows. A command step, which needs the event loop, is replaced by SIGTERM. A shutdown signal meanwhile kills
what is left at once.
"""

from __future__ import annotations

import os
import select
import time
from signal import SIGCONT, SIGKILL, SIGTERM

from supervisor.core.hook import HookStep
from supervisor.core.plan import stop_waves
from supervisor.core.program import Scope, SignalStep, WriteStep
from supervisor.process.children import Main
from supervisor.process.fifo import write_fifo
from supervisor.process.subreaper import is_init
from supervisor.process.sweep import kill_everything, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.core.plan import Plan
    from supervisor.core.program import Program, Signal, Step
    from supervisor.process.children import Children
    from supervisor.process.inbox import Inbox

KILL_LIMIT = 2.0
"""Seconds that a program may take to end after SIGKILL."""
END_LIMIT = 5.0
"""Seconds in which everything that is left must have ended after SIGKILL."""
INTERVAL = 0.05
"""Seconds between two looks at what has ended: SIGCHLD may have been lost with the rest."""
_NO_MARKS = frozenset((b"\0",))


def stop_everything(plan: Plan, children: Children, inbox: Inbox, at_once: bool = False) -> None:
    """Stop the programs in stop order, unless `at_once`, then kill what is left of the container. Never raises."""
    try:
        stop = _Stop(plan, children, inbox)
        for wave in () if at_once else stop_waves(plan):
            stop.stop_wave(wave)
    except Exception:
        pass  # what is left is killed below
    _end_at_once()


def _end_at_once() -> None:
    """Kill what is left of the container. What cannot be killed is left to the kernel, which ends it with PID 1."""
    end = time.monotonic() + END_LIMIT
    while time.monotonic() < end:
        try:
            if kill_everything(is_init()) == 0:
                return
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        except OSError:
            pass  # such as EPERM, or no descriptors to read /proc with
        time.sleep(INTERVAL)


class _Stop:
    """One stop of everything. `is_hurried`: a shutdown signal has come meanwhile."""

    def __init__(self, plan: Plan, children: Children, inbox: Inbox) -> None:
        self._plan = plan
        self._inbox = inbox
        self._shutdown_signals = set(plan.settings.shutdown_signals)
        self._mains = {pid: owner.instance[0] for pid, owner in children.owners.items() if isinstance(owner, Main)}
        self._left = set(children.pids)
        """Registered processes that are not reaped yet."""
        self._is_hurried = False

    def stop_wave(self, names: tuple[str, ...]) -> None:
        """Take the main processes of these programs through their stop sequences."""
        begin = time.monotonic()
        due = [
            (begin + at, pid, step)
            for pid, name in self._mains.items()
            if name in names and name in self._plan.programs
            for at, step in _times_of(self._plan.programs[name])
        ]
        due.sort(key=lambda entry: entry[0])
        for at, pid, step in due:
            self._wait(at, {pid for _, pid, _ in due})
            if pid in self._left:
                self._take(pid, step)
        self._wait(time.monotonic() + KILL_LIMIT, {pid for _, pid, _ in due}, is_last=True)

    def _take(self, pid: int, step: Step | None) -> None:
        match step:
            case None:
                self._send(pid, SIGKILL, Scope.TREE)
            case SignalStep(signal=signal, scope=scope):
                self._send(pid, signal, scope)
            case WriteStep(path=path, data=data) if write_fifo(path, data) is None:
                pass
            case _:
                self._send(pid, SIGTERM, Scope.MAIN)

    def _send(self, pid: int, signal: Signal, scope: Scope) -> None:
        try:
            send(pid, signal, scope, _NO_MARKS, self._left)
            send(pid, SIGCONT, Scope.MAIN, _NO_MARKS, self._left)
        except OSError:
            self._send_to_main(pid, signal)  # the tree cannot be read

    def _send_to_main(self, pid: int, signal: Signal) -> None:
        try:
            os.kill(pid, signal)
        except OSError:
            pass  # EPERM, or it is gone

    def _wait(self, until: float, pids: set[int], is_last: bool = False) -> None:
        """Reap until a time has come, a signal has asked for haste, or none of the processes is left."""
        while pids & self._left:
            self._reap()
            now = time.monotonic()
            if now >= until or (self._is_hurried and not is_last):
                return
            select.select([self._inbox.fileno()], [], [], min(until - now, INTERVAL))
            if not self._shutdown_signals.isdisjoint(self._inbox.take()):
                self._is_hurried = True

    def _reap(self) -> None:
        try:
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                self._left.discard(pid)
        except ChildProcessError:
            self._left.clear()


def _times_of(program: Program) -> Iterator[tuple[float, Step | None]]:
    """Yield the steps of a stop sequence with their times from its start, without hooks; None is SIGKILL."""
    at = 0.0
    for step in program.stop:
        if isinstance(step, HookStep):
            continue
        yield at, step
        at += step.wait
    yield at, None
