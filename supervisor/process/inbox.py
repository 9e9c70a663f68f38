"""Signals to supinit, kept until the loop takes them. Handlers are installed before the first child starts.

A handler only records the signal and wakes the loop through a pipe (signal.set_wakeup_fd). A signal that arrives twice
before it is taken counts once, as in the kernel.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable
else:
    import _signal as signal  # what `signal` itself wraps in enums, for 3 ms; an opening cannot spare them (opening.py)

FAULTS = {signal.SIGSEGV, signal.SIGILL, signal.SIGFPE, signal.SIGBUS, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS}
"""The kernel sends these for faults of supinit itself. They keep their default action."""
JOB_CONTROL = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT, signal.SIGWINCH, signal.SIGURG}
"""Their default action is harmless or wanted, so they are caught only where the table names them."""
IGNORED = {signal.SIGPIPE, signal.SIGXFSZ}
"""Python turns these into exceptions. Children get the default action back."""
ALL = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}


class Inbox:
    """The signals that supinit has received and not yet handled."""

    def __init__(self) -> None:
        self._pending: dict[int, None] = {}
        self._read_end, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def open(self, named: Iterable[int]) -> None:
        """Catch every signal that would end supinit, SIGCHLD, and the `named` ones. Unblock all signals."""
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in ALL - FAULTS - IGNORED - (JOB_CONTROL - set(named)):
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the parent may have blocked some

    def fileno(self) -> int:
        """Return a descriptor that is readable while signals are pending."""
        return self._read_end

    def take(self) -> tuple[int, ...]:
        """Return the pending signals in order of arrival, and clear them."""
        try:
            while os.read(self._read_end, 4096):
                pass
        except BlockingIOError:
            pass
        pending, self._pending = self._pending, {}
        return tuple(pending)

    def _note(self, number: int, _frame: object) -> None:
        self._pending[number] = None
