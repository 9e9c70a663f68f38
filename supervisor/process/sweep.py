"""Find and signal everything that belongs to a program, and nothing else.

Besides its main process, a program owns its process group and session (both have the main process's number), all
descendants, and processes that left both, were adopted by supinit and still carry the program's variables or pipes.
"""

from __future__ import annotations

import os
import signal

from supervisor.core.program import Scope
from supervisor.process.procfs import (
    Process,
    carries,
    descendants,
    own_children,
    read_process,
    read_processes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from supervisor.core.program import Signal


def send(leader: int, number: Signal, scope: Scope, marks: frozenset[bytes], started: Collection[int]) -> None:
    """Signal a program whose main process, `leader`, is not reaped yet.

    `marks` identify its processes (procfs.carries). `started` are the pids that supinit started itself.
    """
    if scope is Scope.TREE:
        for process in belongings(leader, marks, started):
            signal_process(process, number)
    # its group has received it one by one then; to many servers a second SIGTERM means "at once"
    reaches_group = scope is Scope.GROUP or number == signal.SIGKILL
    try:
        group = os.getpgid(leader)  # a successor (MAINPID=) may not lead its group
        if scope is not Scope.MAIN and reaches_group and group != os.getpgrp():
            os.killpg(group, number)
        else:
            os.kill(leader, number)
    except (ProcessLookupError, PermissionError):
        pass


def is_alone(started: Collection[int]) -> bool:
    """Whether no process can be left of a program whose main process is reaped.

    supinit adopts every survivor when its parent dies. So where supinit has no unknown child, there is no survivor, and
    reading one short file is enough.
    """
    return all(pid in started for pid in own_children())


def kill_stragglers(leader: int, marks: frozenset[bytes], started: Collection[int]) -> int:
    """Kill what is left of a program whose main process is reaped. Return the number of processes."""
    if is_alone(started):
        return 0
    processes = read_processes()
    # the kernel does not reuse the number of a group or session that exists, so a new holder is a stranger
    left = _belongings(processes, None if leader in processes else leader, marks, started)
    for process in left:
        signal_process(process, signal.SIGKILL)
    return len(left)


def belongings(leader: int, marks: frozenset[bytes], started: Collection[int]) -> list[Process]:
    """Return the living processes of a program except its main process, which is not reaped yet."""
    return _belongings(read_processes(), leader, marks, started)


def _belongings(
    processes: Mapping[int, Process], leader: int | None, marks: frozenset[bytes], started: Collection[int]
) -> list[Process]:
    own = os.getpid()
    roots = {pid for pid, process in processes.items() if leader in (process.group, process.session)}
    roots |= {
        pid
        for pid, process in processes.items()
        if process.parent == own and pid not in started and pid not in roots and carries(pid, marks)
    }
    found = roots | descendants(processes, roots if leader is None else roots | {leader})
    others = found - {leader, own}
    return [processes[pid] for pid in others if pid not in started and not processes[pid].is_zombie]


def is_of(pid: int, leader: int, marks: frozenset[bytes], started: Collection[int]) -> bool:
    """Whether a process is a program's main process, `leader`, or belongs to the program."""
    own = os.getpid()
    process = read_process(pid)
    while process is not None:
        if leader in (process.pid, process.group, process.session):
            return True
        if process.parent in (0, own):
            return process.pid not in started and carries(process.pid, marks)
        process = read_process(process.parent)
    return False


def kill_everything(is_init: bool) -> int:
    """Kill everything left in the container. Return how many processes are still visible; 0 at its end.

    PID 1 owns its namespace, so kill(2) with -1 reaches all of it. A subreaper owns its descendants.
    """
    if is_init:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return sum(1 for pid in own_children() if pid != os.getpid())
    processes = read_processes()
    left = descendants(processes, [os.getpid()])
    for pid in left:
        if not processes[pid].is_zombie:
            signal_process(processes[pid], signal.SIGKILL)
    return len(left)


def signal_process(process: Process, number: Signal) -> bool:
    """Signal a process only if it is still the one that was read. False: it is gone."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    except OSError:
        return _signal_by_number(process, number)
    try:
        now = read_process(process.pid)
        if now is None or now.started != process.started:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(descriptor)
    return True


def _signal_by_number(process: Process, number: Signal) -> bool:
    """Signal without a pidfd (old kernels, gVisor). The pid could be recycled between check and kill."""
    now = read_process(process.pid)
    if now is None or now.started != process.started:
        return False
    try:
        os.kill(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
