"""The kernel's view of who is whose child, read from /proc. Everything in here may be stale when it is returned.

Where /proc is not mounted, everything looks as if there were no process.
"""

from __future__ import annotations

import os

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Process(Record):
    """One line of /proc/PID/stat (proc(5)). `started` is in clock ticks since boot and tells a recycled pid apart.

    `cpu_ticks` are its own and those of the children that it has waited for; `resident` is in pages.
    """

    pid: int
    parent: int
    group: int
    session: int
    is_zombie: bool
    started: int
    cpu_ticks: int = 0
    resident: int = 0


def read_process(pid: int) -> Process | None:
    """Return the process, or None if there is none."""
    try:
        file = os.open(
            f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC
        )  # half of what open() takes, times all processes
    except OSError:
        return None
    try:
        line = os.read(file, 1024)
    except ProcessLookupError:
        return None
    finally:
        os.close(file)
    fields = line[line.rfind(b")") + 2 :].split()
    if len(fields) < 22:
        return None
    state, parent, group, session = fields[:4]
    ticks = sum(map(int, fields[11:15]))
    return Process(pid, int(parent), int(group), int(session), state in b"ZXx", int(fields[19]), ticks, int(fields[21]))


def read_processes() -> dict[int, Process]:
    """Return every process that can be seen, by pid."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return {}
    processes = ((pid, read_process(pid)) for pid in pids)
    return {pid: process for pid, process in processes if process is not None}


def own_children() -> list[int]:
    """Return the pids of supinit's own children, zombies and adopted orphans among them.

    The kernel's list is complete, because only supinit itself takes children off it (by waiting for them). Kernels
    without CONFIG_PROC_CHILDREN have no such list; all processes are read there.
    """
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return [process.pid for process in read_processes().values() if process.parent == own]


def descendants(processes: Mapping[int, Process], ancestors: Iterable[int]) -> set[int]:
    """Return the pids of everything below `ancestors`, which are not in it unless one is below another."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    pending = list(ancestors)
    while pending:
        fresh = [pid for pid in children.get(pending.pop(), ()) if pid not in found]
        found.update(fresh)
        pending += fresh
    return found


def carries(pid: int, marks: frozenset[bytes]) -> bool:
    """Whether a process has all of the variables, or one of the pipes as its stdout or stderr, that `marks` names.

    Variables are as in /proc/PID/environ, b"NAME=value"; pipes as in /proc/PID/fd, b"pipe:[inode]". A server that
    writes its title over its environment (nginx, PostgreSQL) is still known by its pipes.
    """
    pipes = frozenset(mark for mark in marks if mark.startswith(b"pipe:["))
    variables = marks - pipes
    return any(_link(pid, number) in pipes for number in (1, 2)) or (bool(variables) and _has_all(pid, variables))


def _link(pid: int, number: int) -> bytes:
    try:
        return os.readlink(b"/proc/%d/fd/%d" % (pid, number))
    except OSError:
        return b""


def _has_all(pid: int, variables: frozenset[bytes]) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return variables <= set(file.read().split(b"\0"))
    except OSError:
        return False
