"""The terminal on stdin: the main program holds it while it runs, supinit before and after.

Where supinit leads its session, the main program gets the terminal in its own session, as from login(1): job control
works, and Ctrl-C reaches only the main program. Below a shell, it gets the foreground of the shell's session.
"""

from __future__ import annotations

import os
import signal

from supervisor.process.terminal import Terminal, controlling, enter, is_leader, leave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Handover:
    """One terminal. `holder` is the main program that has it. `terminal` is None where supinit leads the session."""

    def __init__(self, descriptor: int, terminal: Terminal | None) -> None:
        self._descriptor = descriptor
        self._terminal = terminal
        self._modes = _modes_of(descriptor) if self._is_in_foreground else None
        self.holder: int | None = None
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # or writing from the background would stop supinit

    @property
    def _is_in_foreground(self) -> bool:
        """Whether supinit is in the foreground, so that the terminal's modes are not those of a shell's prompt."""
        return self._terminal is None or self._terminal.is_in_foreground

    def offer(self) -> None:
        """Release the terminal, before the fork."""
        if self._terminal is None:
            leave(self._descriptor)

    def take(self) -> None:
        """Take the terminal. Called in the child, with every signal blocked."""
        if self._terminal is None:
            os.setsid()
            enter(self._descriptor)
        else:
            self._terminal.take()

    def note(self, pid: int) -> None:
        """Remember which process has it now."""
        self.holder = pid
        if self._terminal is not None:
            self._terminal.lend(pid)

    def take_back(self) -> None:
        """Take the terminal back, and restore the modes that a killed program may have changed."""
        self.holder = None
        if self._terminal is None:
            enter(self._descriptor)
        else:
            self._terminal.give_back()
        if self._modes is not None and self._is_in_foreground:
            _set_modes(self._descriptor, self._modes)

    def share_stop(self) -> None:
        """Stop supinit where Ctrl-Z stopped the main program, because the shell above waits for both.

        Not where the shell has just put supinit in the foreground: the main program is only continued then.
        """
        if self._terminal is None or self.holder is None or not _is_stopped(self.holder):
            return  # the kernel does not stop a session leader's group that no parent could continue
        if not self._is_in_foreground:
            self._terminal.give_back()
            os.kill(0, signal.SIGTSTP)
        self._terminal.lend(self.holder)
        os.killpg(self.holder, signal.SIGCONT)


def find_terminal(descriptor: int = 0) -> Handover | None:
    """Return the terminal to hand over. None: there is none, or it belongs to another session."""
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
    """Set the modes now: waiting for output to drain could block on a terminal that nobody reads."""
    import termios

    try:
        if termios.tcgetattr(descriptor) != modes:
            termios.tcsetattr(descriptor, termios.TCSANOW, modes)
    except termios.error:
        pass  # the terminal is gone
