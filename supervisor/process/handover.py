"""The terminal on stdin, which the main program has while it runs, and supinit itself before and after.

Where supinit leads the session, the main program gets a session of its own with it, as from login(1): jobs work, and
Ctrl-C reaches nobody else. Where a shell is around supinit, it gets the foreground of that shell's session.
"""

from __future__ import annotations

import os
import signal

from supervisor.process.terminal import Terminal, controlling, enter, is_leader, leave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Handover:
    """One terminal. `holder` is the main program that has it, `terminal` is None where supinit leads the session."""

    def __init__(self, descriptor: int, terminal: Terminal | None) -> None:
        self._descriptor = descriptor
        self._terminal = terminal
        self._modes = _modes_of(descriptor) if self._is_in_foreground else None
        self.holder: int | None = None
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # what supinit says from the background would stop it

    @property
    def _is_in_foreground(self) -> bool:
        """Whether it is not some shell's turn, and the terminal in the modes that the shell needs to edit a line."""
        return self._terminal is None or self._terminal.is_in_foreground

    def offer(self) -> None:
        """Make way, before the fork."""
        if self._terminal is None:
            leave(self._descriptor)

    def take(self) -> None:
        """Become the one that has it. In the child, with every signal blocked."""
        if self._terminal is None:
            os.setsid()
            enter(self._descriptor)
        else:
            self._terminal.take()

    def note(self, pid: int) -> None:
        """Note who has it now."""
        self.holder = pid
        if self._terminal is not None:
            self._terminal.lend(pid)

    def take_back(self) -> None:
        """Be the one that Ctrl-C reaches again, and undo what a killed program has done to the terminal."""
        self.holder = None
        if self._terminal is None:
            enter(self._descriptor)
        else:
            self._terminal.give_back()
        if self._modes is not None and self._is_in_foreground:
            _set_modes(self._descriptor, self._modes)

    def share_stop(self) -> None:
        """Stop as well where the main program was stopped and a shell around supinit waits for both (Ctrl-Z).

        Not where the shell has just put supinit in the foreground, which the main program could not know.
        """
        if self._terminal is None or self.holder is None or not _is_stopped(self.holder):
            return  # in a session of its own nobody could let it go on, so the kernel does not stop it
        if not self._is_in_foreground:
            self._terminal.give_back()
            os.kill(0, signal.SIGTSTP)
        self._terminal.lend(self.holder)
        os.killpg(self.holder, signal.SIGCONT)


def find_terminal(descriptor: int = 0) -> Handover | None:
    """Return the terminal that there is to hand over; None: there is none, or it is that of another session."""
    if is_leader():
        return Handover(descriptor, None) if os.isatty(descriptor) else None
    terminal = controlling(descriptor)
    return None if terminal is None else Handover(descriptor, terminal)


def _is_stopped(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None
    except ChildProcessError:
        return False


def _modes_of(descriptor: int) -> list[Any]:
    import termios

    return termios.tcgetattr(descriptor)


def _set_modes(descriptor: int, modes: list[Any]) -> None:
    """At once: the rest of what was written may be stuck in a terminal that nobody reads."""
    import termios

    try:
        if termios.tcgetattr(descriptor) != modes:
            termios.tcsetattr(descriptor, termios.TCSANOW, modes)
    except termios.error:
        pass  # it is gone
