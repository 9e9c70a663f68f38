"""Signals to supinit, kept until somebody asks: handlers are in place before the first child, and nothing is lost.

A handler does nothing but note the signal and wake the loop through a pipe (signal.set_wakeup_fd). A signal that comes
twice before it is taken counts once, as in the kernel.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FAULTS = {signal.SIGSEGV, signal.SIGILL, signal.SIGFPE, signal.SIGBUS, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS}
"""Sent by the kernel for supinit's own mistakes: left to their default."""
JOB_CONTROL = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT, signal.SIGWINCH, signal.SIGURG}
"""Harmless or wanted by default, so only noted where the table names them."""
IGNORED = {signal.SIGPIPE, signal.SIGXFSZ}
"""Python turns them into exceptions; a child gets its default back."""
ALL = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}


class Inbox:
    """The signals that supinit has received and not yet acted on."""

    def __init__(self) -> None:
        self._pending: dict[int, None] = {}
        self._read_end, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def open(self, named: Iterable[int]) -> None:
        """Take every signal that would end supinit, SIGCHLD, and the `named` ones, and block none."""
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in ALL - FAULTS - IGNORED - (JOB_CONTROL - set(named)):
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # whoever started supinit may have blocked some

    def fileno(self) -> int:
        """Readable when there is something to take."""
        return self._read_end

    def take(self) -> tuple[int, ...]:
        """Return the pending signals in the order of their arrival and forget them."""
        try:
            while os.read(self._read_end, 4096):
                pass
        except BlockingIOError:
            pass
        pending, self._pending = self._pending, {}
        return tuple(pending)

    def _note(self, number: int, _frame: object) -> None:
        self._pending[number] = None
