"""posix_spawn(3) with a working directory, a umask and a descriptor limit, which the call itself cannot set.

supinit's own are changed for the moment of the call. No other thread of supinit uses them.
"""

from __future__ import annotations

import errno
import os

from supervisor.errors import SpawnError
from supervisor.process.descriptors import InheritedLimit
from supervisor.process.inbox import ALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def posix_spawn(
    path: str,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    descriptors: Iterable[tuple[int, int]],
    working_dir: str | None,
    umask: int | None,
    nofile: int | None,
) -> int:
    """Start a process in its own session, with default dispositions and an empty mask; return its pid.

    `descriptors`: each with its number in the process. Raises OSError, or SpawnError for the working directory. With
    EPERM, fork(2) may succeed.
    """
    home = _enter(working_dir) if working_dir is not None else None
    before = os.umask(umask) if umask is not None else None
    try:
        with InheritedLimit(nofile):
            return os.posix_spawn(
                path,
                command,
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, own, number) for own, number in descriptors],
                setsid=True,
                setsigmask=(),
                setsigdef=ALL,
            )
    finally:
        if before is not None:
            os.umask(before)
        if home is not None:
            os.fchdir(home)
            os.close(home)


def _enter(working_dir: str) -> int:
    """Change the working directory. Return a descriptor of the previous one."""
    try:
        home = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # supinit may not enter its own working directory, so it could not come back
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM)) from None
    try:
        os.chdir(working_dir)
    except OSError as error:
        os.close(home)
        raise SpawnError(f"cannot change to {working_dir}: {error.strerror}", None) from None
    return home
