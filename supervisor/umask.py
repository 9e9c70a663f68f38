"""supinit's own umask, which Linux before 4.7 shows only to a process that sets another one (umask(2))."""

from __future__ import annotations

import os


def own_umask() -> int:
    """Return the umask. Meanwhile it is one that lets nobody else in, should another thread create a file."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
