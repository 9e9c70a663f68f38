"""The wall clock for cron expressions: find due times, and notice when the clock is set.

The kernel reports a clock that was set, or a machine that was suspended, by cancelling a timer (timerfd_create(2),
TFD_TIMER_CANCEL_ON_SET). Without such a timer, the clock is only read when a run is due: a clock that was set back is
noticed then, and a clock that was set forward makes the run late.
"""

from __future__ import annotations

import os
import time

from supervisor.core.container import ClockRead, ClockReading
from supervisor.cron import count_times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.container import ReadClock

TOLERANCE = 0.001
"""Seconds by which a due time may be ahead, because the timer uses another clock and both are rounded."""
TFD_TIMER_ABSTIME = 1
TFD_TIMER_CANCEL_ON_SET = 2
FAR_AHEAD = 1 << 33
"""Seconds since the epoch, in the year 2242: the timer is never to expire."""


def read_clock(order: ReadClock) -> ClockRead:
    """Read the wall clock, and find the due times of cron expressions."""
    wall = time.time()
    readings = {}
    for name, (setting, since) in order.since.items():
        assert setting.cron is not None
        begin = wall if since is None else since
        count, last, following = count_times(setting.cron, setting.timezone, begin, max(begin, wall + TOLERANCE))
        readings[name] = ClockReading(setting, since, wall, count, last, following)
    return ClockRead(readings)


class ClockWatch:
    """A descriptor that is readable when the wall clock was set. Raises OSError where the kernel has no such timer."""

    def __init__(self) -> None:
        import ctypes  # no module of Python 3.11 has timerfd

        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = (ctypes.c_long * 4)(0, 0, FAR_AHEAD if ctypes.sizeof(ctypes.c_long) == 8 else 0x7FFFFFFF, 0)
        self._errno = ctypes.get_errno
        self._descriptor = self._libc.timerfd_create(time.CLOCK_REALTIME, os.O_CLOEXEC | os.O_NONBLOCK)
        if self._descriptor < 0:
            raise OSError(self._errno(), os.strerror(self._errno()))
        self._arm()

    def fileno(self) -> int:
        return int(self._descriptor)

    def take(self) -> None:
        """Note that the clock was set, and watch for the next time."""
        try:
            os.read(self._descriptor, 8)
        except OSError:
            pass  # ECANCELED means that the clock was set
        self._arm()

    def _arm(self) -> None:
        flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET
        if self._libc.timerfd_settime(self._descriptor, flags, self._timer, None) < 0:
            raise OSError(self._errno(), os.strerror(self._errno()))
