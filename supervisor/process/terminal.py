"""The terminal that supinit was started on, handed to a child and taken back.

Two ways. Where there may be a shell around supinit, a child gets a process group in the foreground of the same session
(`take`, `lend`, `give_back`), so that the shell above still sees one job. Where supinit leads the session, it can leave
the terminal to the session of a child (`leave` in supinit, `enter` in the child), as login(1) would.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without the enums, which take as long to make as all that is done here


class Terminal:
    """The controlling terminal of supinit's session. `original` is the process group that supinit is in.

    SIGTTOU has to be blocked or ignored, or whoever is not in the foreground is stopped by these (tcsetpgrp(3)).
    """

    __slots__ = ("descriptor", "is_lent", "original")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.original = os.getpgrp()
        self.is_lent = False

    @property
    def is_in_foreground(self) -> bool:
        """Whether it is supinit's turn: a shell has not put it, or what it has lent the terminal to, aside."""
        return _foreground(self.descriptor) == self.original

    def take(self) -> None:
        """Lead a group of its own, in the foreground if supinit is there. In the child, between fork and exec.

        The child does it, not supinit, so that it cannot read before its turn has come (SIGTTIN).
        """
        is_in_foreground = self.is_in_foreground
        os.setpgid(0, 0)
        if is_in_foreground:
            _put_in_foreground(self.descriptor, os.getpid())

    def lend(self, group: int) -> None:
        """Put a child's group in the foreground, unless supinit is in the background.

        Right after the fork, for `is_lent` alone: the child may have taken it already.
        """
        self.is_lent = _foreground(self.descriptor) in (self.original, group)
        if self.is_lent:
            _put_in_foreground(self.descriptor, group)

    def give_back(self) -> None:
        """Put supinit's own group in the foreground again, if a child was."""
        if self.is_lent:
            self.is_lent = False
            _put_in_foreground(self.descriptor, self.original)


def controlling(descriptor: int = 0) -> Terminal | None:
    """Return the terminal on `descriptor`; None: it is none, or not that of this session."""
    return None if _foreground(descriptor) is None else Terminal(descriptor)


def is_leader() -> bool:
    """Whether supinit leads its session, as PID 1 of an interactive container does: there is no shell around it."""
    return os.getsid(0) == os.getpid()


def leave(descriptor: int = 0) -> None:
    """Give the controlling terminal up, so that a child can enter it. Only for who leads the session.

    The kernel tells the foreground group of it with SIGHUP and SIGCONT (ioctl_tty(2), TIOCNOTTY), before the call
    returns: both are taken here, so that neither is mistaken for somebody's wish, and no later one is missed.
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
        pass  # there was none
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def enter(descriptor: int = 0) -> None:
    """Make the terminal the controlling one of this new session. In the child, between setsid and exec.

    It stays as it is where it is none, or that of another session, which then goes on to hear its Ctrl-C.
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
