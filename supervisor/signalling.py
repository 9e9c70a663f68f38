"""Signals to programs, and the sweeping of what they leave behind, with what the log and the counters say about it."""

from __future__ import annotations

import os
from signal import SIGCONT, SIGHUP, SIGKILL, SIGTERM

from supervisor.core.container import Happened
from supervisor.core.events import DaemonMissed, LookFailed, MainChanged, SignalRefused, StartFailed, Swept
from supervisor.core.life import Starting
from supervisor.core.program import ProgramType
from supervisor.core.signals import signal_name
from supervisor.core.stop_sequence import leftovers_signal
from supervisor.launcher import chance, pid_file_of
from supervisor.process.children import Main
from supervisor.process.procfs import ignores, read_process
from supervisor.process.trees import Trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.core.actions import FindDaemon, SendSignal, Sweep
    from supervisor.core.container import Fleet
    from supervisor.core.counters import Counters
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program, Signal
    from supervisor.launcher import Launcher
    from supervisor.logs.journal import Journal
    from supervisor.process.children import Children

REFUSAL = "Operation not permitted: it runs as another user, and supinit has no CAP_KILL"
MAX_NAMES = 10
"""Names of commands that one event lists."""


class Signalling:
    """The signals and sweeps of one container."""

    def __init__(self, children: Children, launcher: Launcher, journal: Journal, counters: Counters) -> None:
        self._children = children
        self._launcher = launcher
        self._journal = journal
        self._counters = counters
        self._trees = Trees(children, launcher.marks_of)
        self._sweeps: dict[InstanceId, Sweep] = {}
        self._unseen: set[InstanceId] = set()
        """The instances whose last sweep could not see what is left."""
        self._born: dict[InstanceId, int | None] = {}
        """When the last command of a forking program was started, in the kernel's ticks."""

    def forget_scan(self) -> None:
        """Look again at the processes when a look is needed next."""
        self._trees.forget_scan()

    def close(self) -> None:
        """Give up the descriptor that is kept for looks at /proc."""
        self._trees.close()

    # ---- signals

    def begin_step(self, instance: InstanceId, fleet: Fleet) -> None:
        """Remember the tree of an instance, before a step of its stop sequence that is not a signal."""
        run = fleet.lives[instance].run
        if run is not None:
            self._trees.begin_step(instance, run.pid)

    def send(self, instance: InstanceId, action: SendSignal, fleet: Fleet) -> Iterator[Happened]:
        """Send a signal of a stop sequence."""
        pid, number = action.pid, action.signal
        if pid not in self._children.pids:
            return
        if number not in (SIGCONT, SIGKILL):
            self._trees.begin_step(instance, pid)
        was_permitted = self._trees.signal(instance, pid, number, action.scope)
        if number == SIGTERM and self._launcher.has_terminal(pid) and ignores(pid, SIGTERM):
            self._trees.signal(instance, pid, SIGHUP, action.scope)  # an interactive shell ends on SIGHUP only
        if not was_permitted and number != SIGCONT:
            self._log_refusal(instance, pid, number)
            yield Happened(instance, SignalRefused(fleet.lives[instance].generation))

    def send_to_main(self, instance: InstanceId, number: Signal, fleet: Fleet) -> str | None:
        """Send a signal that somebody has asked for. Return what prevented it, as a clause, or None."""
        run = fleet.lives[instance].run
        if run is None or run.pid not in self._children.pids:
            return "it has no process"
        try:
            os.kill(run.pid, number)
        except PermissionError:
            self._log_refusal(instance, run.pid, number)
            return REFUSAL
        return None

    def _log_refusal(self, instance: InstanceId, pid: int, number: Signal) -> None:
        name = signal_name(number)
        self._journal.write(
            "error", "program.signal_refused", program=instance[0], pid=pid, signal=name, reason=REFUSAL
        )

    # ---- what is left of a tree

    def meet_end(self, owner: Main, pid: int, plan: Plan, fleet: Fleet) -> None:
        """Take in that a main process is a zombie, before it is reaped."""
        life, program = fleet.lives.get(owner.instance), plan.find(owner.instance)
        number: Signal = SIGKILL
        if life is not None and program is not None and life.generation == owner.generation:
            number = leftovers_signal(program, life)
            if isinstance(life.phase, Starting) and program.kind is ProgramType.FORKING:
                command = read_process(pid)
                self._born[owner.instance] = command.started if command is not None else None
        self._trees.meet_end(owner, pid, number)

    def find_daemon(self, instance: InstanceId, action: FindDaemon, program: Program) -> Iterator[Happened]:
        """Make the daemon that a command has left behind the main process, or say why it is not known."""
        from supervisor.process.daemons import NoDaemon, find_daemon, is_daemon  # where a program forks only

        path, born = pid_file_of(program), self._born.get(instance)
        if not action.has_ended:
            if action.pid in self._children.pids and is_daemon(action.pid, path):
                yield Happened(instance, MainChanged(action.generation, action.pid))
            return
        try:
            left = self._trees.find_left(instance, action.pid)
            daemon = find_daemon(left, lambda: [] if born is None else self._trees.find_strays(born), path)
            if not self._children.adopt(Main(instance, action.generation), daemon):
                raise NoDaemon(f"process {daemon} has ended")
        except NoDaemon as error:
            event = StartFailed if error.is_final else DaemonMissed
            yield Happened(instance, event(action.generation, str(error)))
        except OSError as error:
            yield Happened(instance, DaemonMissed(action.generation, f"cannot read /proc: {error.strerror}"))
        else:
            yield Happened(instance, MainChanged(action.generation, daemon))

    def sweep(self, instance: InstanceId, action: Sweep) -> Iterator[Happened]:
        """Signal what is left of a tree. It is swept once a look finds nothing: more may be started meanwhile."""
        left = self._trees.sweep(instance, action.pid, action.signal)
        if left.signalled:
            name = signal_name(action.signal)
            self._tell("info", "program.leftovers_signalled", instance, left.signalled, signal=name)
        if left.killed:
            self._tell("warning", "program.leftovers", instance, left.killed)
            self._counters.of(instance).leftovers_killed += len(left.killed)
        was_unseen = instance in self._unseen
        if left.unknown:
            self._unseen.add(instance)
        if left.unknown or was_unseen:
            yield Happened(instance, LookFailed(action.generation, left.unknown))
        is_refused = action.signal == SIGKILL and 0 < left.refused == len(left.commands)
        is_hopeless = is_refused or left.is_lasting
        if (left.commands or left.unknown) and not action.final and not is_hopeless:
            self.postpone(instance, action)
            return
        if left.commands:
            reason = "supinit may not signal them" if is_refused else "SIGKILL has not ended them"
            self._tell("error", "program.left_behind", instance, left.commands, reason=reason)
        elif left.unknown:
            self._tell("error", "program.left_behind", instance, (), reason=f"unknown, {left.unknown}")
        self._sweeps.pop(instance, None)
        self._unseen.discard(instance)
        self._trees.forget(instance)
        yield Happened(instance, Swept(action.generation, chance()))

    def postpone(self, instance: InstanceId, action: Sweep) -> None:
        """Repeat a sweep when processes have been reaped."""
        self._sweeps[instance] = action

    @property
    def postponed(self) -> tuple[tuple[InstanceId, Sweep], ...]:
        return tuple(self._sweeps.items())

    def _tell(self, level: str, event: str, instance: InstanceId, names: tuple[str, ...], **values: object) -> None:
        """Log an event about processes, with their number and the names of their commands."""
        distinct = list(dict.fromkeys(names))
        listed = ",".join(distinct[:MAX_NAMES]) + (",…" if len(distinct) > MAX_NAMES else "")
        about = {"count": len(names), "names": listed} if names else {}
        self._journal.write(level, event, program=instance[0], **about, **values)
