"""Single-command mode, as tini and dumb-init have it: forward signals, reap orphans, exit with the command.

Rule 1: every signal is blocked before the child exists, and taken one at a time (sigwait(3)). No signal is lost, and
none interrupts anything.
Rule 2: the command is signalled only until it is reaped, so its pid cannot have been recycled.
"""

from __future__ import annotations

import os

from supervisor.process.foreground import OF_PYTHON, RESET, Dispositions, start_in_group, start_in_session
from supervisor.process.terminal import Terminal, controlling, is_leader

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Collection, Mapping
else:
    import _signal as signal  # without the enums, which take as long to create as everything else here

ALL = frozenset(signal.valid_signals())
SUSPENDING = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


def run(command: tuple[str, ...], rewrites: Mapping[int, int], in_session: bool, remapped: Collection[int] = ()) -> int:
    """Run the command until it ends. Return its exit code, or 128 + its signal. Raises SpawnError.

    `rewrites` maps a received signal to the one that is forwarded; 0 drops it. `in_session`: the command leads its own
    session, and signals go to its whole process group. `remapped` are exit codes for which 0 is returned.
    """
    code = _run(command, rewrites, in_session)
    return 0 if code in remapped else code


def _run(command: tuple[str, ...], rewrites: Mapping[int, int], in_session: bool) -> int:
    ignored = frozenset(number for number in RESET if signal.getsignal(number) == signal.SIG_IGN) - OF_PYTHON
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where the parent ignores it, it would never arrive
    inherited = Dispositions(ignored, signal.pthread_sigmask(signal.SIG_SETMASK, ALL))
    if in_session:
        # the other three do not stop a session leader
        rewrites = {**dict.fromkeys(SUSPENDING, signal.SIGSTOP), **rewrites}
        return Single(start_in_session(command, inherited), rewrites, True, None).run()
    terminal = controlling()
    return Single(start_in_group(command, terminal, inherited), rewrites, False, terminal).run()


class Single:
    """The running command."""

    def __init__(self, pid: int, rewrites: Mapping[int, int], in_session: bool, terminal: Terminal | None) -> None:
        self._pid = pid
        self._rewrites = rewrites
        self._in_session = in_session
        self._terminal = terminal
        self._leads = is_leader()

    def run(self) -> int:
        """Forward signals and reap until the command has ended. Return its exit code."""
        while (code := self._reap()) is None:
            number = signal.sigwait(
                ALL
            )  # takes the lowest first, so reap after each: a flood of SIGHUP must not hide SIGCHLD
            if number != signal.SIGCHLD:
                self._forward(number)
        if self._in_session:
            _end_session(self._pid)
        os.waitpid(self._pid, 0)
        if self._terminal is not None:
            self._terminal.give_back()
        return code

    def _reap(self) -> int | None:
        """Reap every dead orphan. Return the exit code of the command if it has ended."""
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if dead.si_pid == self._pid:
                return dead.si_status + (0 if dead.si_code == os.CLD_EXITED else 128)
            os.waitpid(dead.si_pid, 0)
        if self._terminal is not None and not self._leads and has_been_stopped(self._pid):
            self._suspend(_stop_the_job)
        return None

    def _forward(self, number: int) -> None:
        sent = self._rewrites.get(number, number)
        # the terminal stopped the whole group, so continue the whole group
        to_group = self._in_session or (sent == signal.SIGCONT and self._terminal is not None)
        if sent and not (to_group and _send(-self._pid, sent)):
            _send(self._pid, sent)  # or the child has not created its group yet
        if number in SUSPENDING and sent in (*SUSPENDING, signal.SIGSTOP):
            self._suspend(_stop)

    def _suspend(self, stop: Callable[[], None]) -> None:
        """Stop supinit. The shell takes the terminal, and may continue supinit in the background."""
        stop()
        if self._terminal is not None:
            self._terminal.lend(self._pid)


def has_been_stopped(pid: int) -> bool:
    """Whether a child is stopped, as by Ctrl-Z, and no SIGCONT for it is pending.

    Stopping supinit would discard a SIGCONT that has arrived and is not taken yet (signal(7)).
    """
    try:
        stopped = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)
    except ChildProcessError:
        return False  # it has ended
    return stopped is not None and signal.SIGCONT not in signal.sigpending()


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)  # the kernel ignores it for PID 1


def _stop_the_job() -> None:
    """Stop what Ctrl-Z would have stopped if the command were in supinit's own process group.

    The kernel does not stop an orphaned process group, which no shell could continue.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTSTP,))
    os.kill(0, signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTSTP,))


def _end_session(leader: int) -> None:
    """Send SIGTERM to what a dead, unreaped leader has left in its session: its group and a shell's jobs."""
    _send(-leader, signal.SIGTERM)
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return  # /proc is not mounted
    for pid in pids:
        try:
            is_left = os.getsid(pid) == leader != os.getpgid(pid)
        except OSError:
            continue  # it has ended
        if is_left:
            _send(pid, signal.SIGTERM)


def _send(target: int, number: int) -> bool:
    """Signal a process or, given a negative number, a process group. False: it does not exist."""
    try:
        os.kill(target, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs as another user now
    return True
