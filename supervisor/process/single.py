"""One command in place of a table, the job of tini and dumb-init: forward every signal, reap every orphan, end with it.

Rule 1: every signal is blocked before there is a child, and taken one at a time (sigwait(3)). None is lost, and none
comes at a wrong moment.
Rule 2: the command is signalled only while it is not reaped, so that its number cannot be a stranger's.
"""

from __future__ import annotations

import os

from supervisor.process.foreground import start_in_group, start_in_session
from supervisor.process.terminal import Terminal, controlling, is_leader

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping
else:
    import _signal as signal  # without the enums, which take as long to make as all that is done here

ALL = frozenset(signal.valid_signals())
SUSPENDING = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


def run(command: tuple[str, ...], rewrites: Mapping[int, int], in_session: bool) -> int:
    """Run the command to its end; return its exit code, or 128 and its signal. Raises SpawnError.

    `rewrites` tells which signal is forwarded in place of another, or 0. `in_session`: the command leads a session of
    its own, and signals go to its whole group.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored by whoever started supinit, it would never come
    signal.pthread_sigmask(signal.SIG_SETMASK, ALL)
    if in_session:
        # the kernel spares whoever leads a session the other three
        rewrites = {**dict.fromkeys(SUSPENDING, signal.SIGSTOP), **rewrites}
        return Single(start_in_session(command), rewrites, True, None).outlive()
    terminal = controlling()
    return Single(start_in_group(command, terminal), rewrites, False, terminal).outlive()


class Single:
    """The command while it runs."""

    def __init__(self, pid: int, rewrites: Mapping[int, int], in_session: bool, terminal: Terminal | None) -> None:
        self._pid = pid
        self._rewrites = rewrites
        self._in_session = in_session
        self._terminal = terminal
        self._leads = is_leader()

    def outlive(self) -> int:
        """Forward and reap until the command has ended; return its exit code."""
        while (code := self._reap()) is None:
            number = signal.sigwait(ALL)  # the lowest first: it reaps after each, lest a flood of SIGHUP hide the end
            if number != signal.SIGCHLD:
                self._forward(number)
        if self._in_session:
            _end_session(self._pid)
        os.waitpid(self._pid, 0)
        if self._terminal is not None:
            self._terminal.give_back()
        return code

    def _reap(self) -> int | None:
        """Reap every orphan that is dead; return the code of the command if it is."""
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if dead.si_pid == self._pid:
                return dead.si_status + (0 if dead.si_code == os.CLD_EXITED else 128)
            os.waitpid(dead.si_pid, 0)
        if self._terminal is not None and not self._leads and has_been_stopped(self._pid):
            self._suspend(_stop_the_job)
        return None

    def _forward(self, number: int) -> None:
        sent = self._rewrites.get(number, number)
        # the terminal has stopped the whole group, so the whole group goes on
        to_group = self._in_session or (sent == signal.SIGCONT and self._terminal is not None)
        if sent and not (to_group and _send(-self._pid, sent)):
            _send(self._pid, sent)  # also where the child has not made its group yet
        if number in SUSPENDING and sent in (*SUSPENDING, signal.SIGSTOP):
            self._suspend(_stop)

    def _suspend(self, stop: Callable[[], None]) -> None:
        """Stop supinit. The shell takes the terminal then, and may let it go on in the background."""
        stop()
        if self._terminal is not None:
            self._terminal.lend(self._pid)


def has_been_stopped(pid: int) -> bool:
    """Whether a child is stopped, as by Ctrl-Z, and nobody is about to let it go on.

    A stop would cancel a SIGCONT that has come and is not taken yet (signal(7)).
    """
    try:
        stopped = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)
    except ChildProcessError:
        return False  # it has ended meanwhile
    return stopped is not None and signal.SIGCONT not in signal.sigpending()


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)  # ignored by the kernel where it is PID 1


def _stop_the_job() -> None:
    """Stop everything that Ctrl-Z would have stopped, had the command been in supinit's own group.

    Where there is no shell above that could let it go on (an orphaned process group), the kernel spares it.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTSTP,))
    os.kill(0, signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTSTP,))


def _end_session(leader: int) -> None:
    """End what a dead leader, not reaped yet, has left in its session: its group, and the jobs of a shell."""
    _send(-leader, signal.SIGTERM)
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return  # /proc is not mounted
    for pid in pids:
        try:
            is_left = os.getsid(pid) == leader != os.getpgid(pid)
        except OSError:
            continue  # it has ended meanwhile
        if is_left:
            _send(pid, signal.SIGTERM)


def _send(target: int, number: int) -> bool:
    """Signal a process or, given as its negative, a group. False: nobody is there."""
    try:
        os.kill(target, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it has become another user's
    return True
