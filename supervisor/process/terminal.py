"""The terminal that supinit was started on, handed to a child and taken back.

There are two ways. Below a shell, a child gets a foreground process group in the same session (`take`, `lend`,
`give_back`), so that the shell still sees one job. Where supinit leads the session, it releases the terminal to the
session of a child (`leave` in supinit, `enter` in the child), as login(1) does.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without the enums, which take as long to create as everything else here


class Terminal:
    """The controlling terminal of supinit's session. `original` is the process group that supinit is in.

    SIGTTOU must be blocked or ignored, or these calls stop a process in the background (tcsetpgrp(3)).
    """

    __slots__ = ("descriptor", "is_lent", "original")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.original = os.getpgrp()
        self.is_lent = False

    @property
    def is_in_foreground(self) -> bool:
        """Whether supinit's own group is in the foreground."""
        return _foreground(self.descriptor) == self.original

    def take(self) -> None:
        """Lead a new process group, in the foreground if supinit is. Called in the child, between fork and exec.

        The child does it, so that it cannot read from the terminal too early and be stopped (SIGTTIN).
        """
        is_in_foreground = self.is_in_foreground
        os.setpgid(0, 0)
        if is_in_foreground:
            _put_in_foreground(self.descriptor, os.getpid())

    def lend(self, group: int) -> None:
        """Put a child's group in the foreground, unless supinit is in the background.

        Called right after the fork to set `is_lent`: the child may have taken it already.
        """
        self.is_lent = _foreground(self.descriptor) in (self.original, group)
        if self.is_lent:
            _put_in_foreground(self.descriptor, group)

    def give_back(self) -> None:
        """Put supinit's own group back in the foreground, if a child had it."""
        if self.is_lent:
            self.is_lent = False
            _put_in_foreground(self.descriptor, self.original)


def controlling(descriptor: int = 0) -> Terminal | None:
    """Return the terminal on `descriptor`. None: it is not a terminal, or not this session's."""
    return None if _foreground(descriptor) is None else Terminal(descriptor)


def is_leader() -> bool:
    """Whether supinit leads its session, as PID 1 of an interactive container does: no shell is above it."""
    return os.getsid(0) == os.getpid()


def leave(descriptor: int = 0) -> None:
    """Release the controlling terminal so that a child can enter it. Only the session leader may call it.

    The kernel sends SIGHUP and SIGCONT to the foreground group before the call returns (ioctl_tty(2), TIOCNOTTY). Both
    are taken here, so that neither is mistaken for a request and no later one is missed.
    """
    from fcntl import ioctl
    from termios import TIOCNOTTY

    told = (signal.SIGHUP, signal.SIGCONT)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, told)
    try:
        ioctl(descriptor, TIOCNOTTY)
        while signal.sigtimedwait(told, 0):
            pass
    except OSError:
        pass  # there was no terminal
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def enter(descriptor: int = 0) -> None:
    """Make the terminal the controlling one of this new session. Called in the child, between setsid and exec.

    Nothing changes where it is not a terminal or belongs to another session, which keeps receiving Ctrl-C.
    """
    from fcntl import ioctl
    from termios import TIOCSCTTY

    try:
        ioctl(descriptor, TIOCSCTTY, 0)
    except OSError:
        pass


def _foreground(descriptor: int) -> int | None:
    try:
        return os.tcgetpgrp(descriptor)
    except OSError:
        return None


def _put_in_foreground(descriptor: int, group: int) -> None:
    try:
        os.tcsetpgrp(descriptor, group)
    except OSError:
        pass  # the group or the terminal is gone, or the group is outside of this PID namespace
