"""Adopting orphans: PID 1 does it by default, any other process as a child subreaper (prctl(2))."""

from __future__ import annotations

import os

PR_SET_CHILD_SUBREAPER = 36


def is_init() -> bool:
    """Whether supinit is PID 1 and owns its whole PID namespace."""
    return os.getpid() == 1


def become_subreaper() -> bool:
    """Adopt the orphans below this process from now on. False: the kernel refuses."""
    import ctypes  # 3 ms, and PID 1 never gets here

    return bool(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def keep_descriptors() -> None:
    """Set close-on-exec on every inherited descriptor above 2.

    Closed ones of 0 to 2 are opened on /dev/null first: otherwise a pipe could take such a number and be overwritten
    in the child.
    """
    spare = os.open("/dev/null", os.O_RDWR)
    while spare <= 2:
        os.set_inheritable(spare, True)
        spare = os.open("/dev/null", os.O_RDWR)
    os.close(spare)
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                pass  # the descriptor that listed the folder
