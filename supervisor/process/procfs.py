"""Processes and their parents, read from /proc. Every result may be stale as soon as it is returned."""

from __future__ import annotations

import errno
import os
from signal import SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors after which it is unknown whether a process exists."""


MANY_THREADS = 64
"""Threads from which it is cheaper to assume that a process has children than to ask each of them."""
HARMLESS = (SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH)
"""Signals that do not end a process that does nothing about them (signal(7))."""
NOT_MOUNTED = "it is not mounted for this PID namespace"


class Process(Record):
    """One line of /proc/PID/stat (proc(5)). `started` is in clock ticks since boot and detects a recycled pid.

    `cpu_ticks` include the children that it has waited for. `resident` is in pages.
    """

    pid: int
    parent: int
    group: int
    session: int
    is_zombie: bool
    started: int
    cpu_ticks: int = 0
    resident: int = 0

    @property
    def cpu_seconds(self) -> float:
        return self.cpu_ticks / os.sysconf("SC_CLK_TCK")

    @property
    def memory_bytes(self) -> int:
        return max(0, self.resident) * os.sysconf("SC_PAGE_SIZE")


def read_stat(pid: int) -> tuple[bytes, list[bytes]] | None:
    """Return a process's name and the fields after it, starting with its state. None: there is no such process.

    Raises OSError where no descriptor or no memory is left.
    """
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)  # takes half as long as open()
        try:
            line = os.read(file, 1024)
        finally:
            os.close(file)
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return None
    end = line.rfind(b")")
    fields = line[end + 2 :].split()
    return (line[line.find(b"(") + 1 : end], fields) if len(fields) >= 22 else None


def make_process(pid: int, fields: Sequence[bytes]) -> Process:
    state, parent, group, session = fields[:4]
    ticks = sum(map(int, fields[11:15]))
    return Process(pid, int(parent), int(group), int(session), state in b"ZXx", int(fields[19]), ticks, int(fields[21]))


def name_of(pid: int) -> str:
    """Return the name of a process's command, of at most 15 bytes. "?": it is gone."""
    try:
        return os.fsdecode(_read(f"/proc/{pid}/comm").removesuffix(b"\n"))
    except OSError:
        return "?"


def read_process(pid: int) -> Process | None:
    """Return the process. None: it does not exist. Raises OSError where no descriptor or no memory is left."""
    stat = read_stat(pid)
    return None if stat is None else make_process(pid, stat[1])


def ignores(pid: int, number: int) -> bool:
    """Whether a process ignores a signal, as an interactive shell ignores SIGTERM."""
    return b"SigIgn" in (_mentions(pid, number) or ())


def would_end(pid: int, number: int) -> bool:
    """Whether a signal is known to end a process because it is not handled, blocked, ignored or waited for."""
    return number not in HARMLESS and _mentions(pid, number) == frozenset() and not _may_wait_for_signals(pid)


def _may_wait_for_signals(pid: int) -> bool:
    """Whether the main thread may be in sigwait(3), as tini is. The kernel shows those signals as not blocked then."""
    try:
        where = _read(f"/proc/{pid}/wchan")
    except OSError:
        return True
    return where in (b"", b"0") or b"sigtimedwait" in where


def _mentions(pid: int, number: int) -> frozenset[bytes] | None:
    """Return which sets of signals a process has the signal in: SigBlk, SigIgn, SigCgt. None if it is gone."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            fields = [line.split() for line in file if line.startswith((b"SigBlk:", b"SigIgn:", b"SigCgt:"))]
    except OSError:
        return None
    return frozenset(field[0][:-1] for field in fields if int(field[1], 16) >> (number - 1) & 1)


def list_pids() -> list[int]:
    """Return the pids of all visible processes. Raises OSError."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def read_processes() -> dict[int, Process]:
    """Return every visible process, by pid. Raises OSError."""
    processes = ((pid, read_process(pid)) for pid in list_pids())
    return {pid: process for pid, process in processes if process is not None}


def own_children() -> list[int]:
    """Return the pids of supinit's children, including zombies and adopted orphans.

    The kernel's list is complete, because only supinit removes children from it, by waiting for them. Kernels without
    CONFIG_PROC_CHILDREN have no such list; all processes are read there. Raises OSError.
    """
    own = os.getpid()
    try:
        return [int(pid) for pid in _read(f"/proc/self/task/{own}/children").split()]
    except FileNotFoundError:
        processes = read_processes()
    if own not in processes:
        raise OSError(errno.ENOENT, NOT_MOUNTED)
    return [process.pid for process in processes.values() if process.parent == own]


def has_children(pid: int) -> bool:
    """Whether a process may have children: False only if each of its threads says that it has none."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        if len(threads) > MANY_THREADS:
            return True
        return any(_read(f"/proc/{pid}/task/{thread}/children") for thread in threads)
    except OSError:
        return True


def _read(path: str) -> bytes:
    """Return the content of a file, in half the time that open() takes."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while chunk := os.read(file, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(file)


def descendants(processes: Mapping[int, Process], ancestors: Iterable[int]) -> set[int]:
    """Return the pids of all descendants of `ancestors`, without the ancestors unless one descends from another."""
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
    """Whether a process has all of the variables in `marks`, or one of the pipes as its stdout or stderr.

    Variables are written as in /proc/PID/environ, b"NAME=value", and pipes as in /proc/PID/fd, b"pipe:[inode]". A
    server that writes its title over its environment (nginx, PostgreSQL) is still identified by its pipes. Raises
    OSError where no descriptor or no memory is left.
    """
    return is_marked(signs_of(pid), marks)


def is_marked(signs: frozenset[bytes], marks: frozenset[bytes]) -> bool:
    """Whether a process with these variables and outputs carries the marks."""
    pipes = pipes_among(marks)
    wanted = marks - pipes
    return not pipes.isdisjoint(signs) or (bool(wanted) and wanted <= signs)


def signs_of(pid: int) -> frozenset[bytes]:
    """Return the variables of a process and the files behind its stdout and stderr. Raises OSError as above."""
    return frozenset(outputs_of(pid) | variables_of(pid))


def pipes_among(marks: frozenset[bytes]) -> frozenset[bytes]:
    return frozenset(mark for mark in marks if mark.startswith(b"pipe:["))


def outputs_of(pid: int) -> set[bytes]:
    """Return the files behind a process's stdout and stderr, as far as they are visible."""
    found = set()
    for number in (1, 2):
        try:
            found.add(os.readlink(b"/proc/%d/fd/%d" % (pid, number)))
        except OSError:
            pass
    return found


def variables_of(pid: int) -> set[bytes]:
    """Return a process's environment, as far as it is visible. Raises OSError as above."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return set(file.read().split(b"\0"))
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return set()
