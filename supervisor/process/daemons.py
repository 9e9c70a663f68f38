"""Which of the processes that a command has left behind is the daemon (`type: forking`).

Rule 1: only a child of supinit can be: its exit code is known, and its pid cannot be given to another process before
        supinit has reaped it.
Rule 2: with a pid file, it is the process that the file names, if that belongs to the program.
Rule 3: without one, it is the only process left, or the parent of all that are left.
"""

from __future__ import annotations

import os

from supervisor.core.forking import NOTHING_LEFT
from supervisor.process.pid_files import read_pid
from supervisor.process.procfs import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from supervisor.process.procfs import Process

MAX_NAMES = 5
"""Processes that one sentence lists."""


class NoDaemon(Exception):
    """The daemon is not known, and why. `is_final`: another look would not find it either."""

    def __init__(self, reason: str, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


def find_daemon(left: Collection[Process], find_strays: Callable[[], list[Process]], pid_file: str | None) -> int:
    """Return the pid of the daemon among the processes that are left. Raises NoDaemon or OSError.

    `find_strays` returns the children of supinit that may belong to anybody. One of them is the daemon where the pid
    file names it, or where it is the only one and nothing else is left.
    """
    own = os.getpid()
    candidates = [process.pid for process in left if process.parent == own]
    if pid_file is not None:
        return _named(pid_file, {process.pid for process in left}, candidates, find_strays)
    if not left:
        candidates = [process.pid for process in find_strays()]
        if not candidates:
            raise NoDaemon(NOTHING_LEFT, is_final=True)
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        names = _names(process.pid for process in left)
        raise NoDaemon(f"what is left, {names}, has a parent that is still there")
    names = _names(candidates)
    raise NoDaemon(f"{len(candidates)} processes are left, {names}: set pid_file to tell which one is the daemon")


def _names(pids: Iterable[int]) -> str:
    return ", ".join(f"{name_of(pid)} ({pid})" for pid in sorted(pids)[:MAX_NAMES])


def is_daemon(pid: int, pid_file: str | None) -> bool:
    """Whether the pid file names a command that still runs."""
    try:
        return pid_file is not None and read_pid(pid_file) == pid
    except OSError:
        return False


def _named(
    path: str, left: Collection[int], candidates: Collection[int], find_strays: Callable[[], list[Process]]
) -> int:
    strays = [] if candidates else [process.pid for process in find_strays()]
    if not left and not strays:
        raise NoDaemon(NOTHING_LEFT, is_final=True)
    try:
        pid = read_pid(path)
    except OSError as error:
        raise NoDaemon(f"cannot read a pid from {path} (pid_file): {error.strerror}") from None
    if pid in candidates or pid in (strays or [process.pid for process in find_strays()]):
        return pid
    if pid in left:
        raise NoDaemon(f"{path} (pid_file) names process {pid}, which has a parent that is still there")
    raise NoDaemon(f"{path} (pid_file) names process {pid}, which is not one that the command has left behind")
