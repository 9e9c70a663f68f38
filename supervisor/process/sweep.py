"""Find and signal everything that belongs to a program, and nothing else.

Besides its main process, a program owns its process group and session (both have the main process's number), all
descendants, and processes that left both, were adopted by supinit and still carry the program's variables or pipes.
"""

from __future__ import annotations

import os
import signal

from supervisor.core.program import Scope
from supervisor.process.procfs import (
    EXHAUSTED,
    Process,
    carries,
    descendants,
    list_pids,
    own_children,
    read_process,
    read_processes,
)
from supervisor.process.scan import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from supervisor.core.program import Signal


def is_alone(started: Collection[int]) -> bool:
    """Whether no process can be left of a program whose main process is dead. Raises OSError.

    supinit adopts every survivor when its parent dies. So where supinit has no unknown child, there is no survivor, and
    reading one short file is enough.
    """
    return all(pid in started for pid in own_children())


def are_all_known(started: Collection[int]) -> bool:
    """Whether supinit and what it has started are all the processes that it can see. Raises OSError."""
    own, pids = os.getpid(), list_pids()
    return len(pids) == len(started) + 1 and all(pid in started or pid == own for pid in pids)


def kill_tree(leader: int, marks: frozenset[bytes], started: Collection[int]) -> None:
    """Kill everything of a tree, its main process included. Where /proc cannot be read, its process group."""
    try:
        others = [] if _is_dead(leader) and is_alone(started) else scan().tree_of(leader, marks, started)
    except OSError:
        others = []
    for process in others:
        try:
            signal_process(process, signal.SIGKILL)
        except OSError:
            pass
    signal_group(leader, signal.SIGKILL)


def send(leader: int, number: Signal, scope: Scope, marks: frozenset[bytes], started: Collection[int]) -> None:
    """Signal a program whose main process, `leader`, is not reaped yet. Raises OSError."""
    others = scan().tree_of(leader, marks, started) if scope is Scope.TREE else []
    for process in others:
        try:
            signal_process(process, number)
        except PermissionError:
            pass
    if scope is Scope.GROUP or (scope is Scope.TREE and number == signal.SIGKILL):
        signal_group(leader, number)
    else:
        os.kill(leader, number)


def _is_dead(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def signal_group(leader: int, number: Signal) -> None:
    """Signal the process group of a main process that is not reaped yet; itself, where it is in supinit's own group.

    Raises PermissionError where supinit may signal none of it.
    """
    try:
        group = os.getpgid(leader)  # a successor (MAINPID=) may not lead its group
        if group != os.getpgrp():
            os.killpg(group, number)
        else:
            os.kill(leader, number)
    except ProcessLookupError:
        pass


def is_of(pid: int, leader: int, marks: frozenset[bytes], started: Collection[int]) -> bool:
    """Whether a process is a program's main process, `leader`, or belongs to the program."""
    own = os.getpid()
    try:
        process = read_process(pid)
        while process is not None:
            if leader in (process.pid, process.group, process.session):
                return True
            if process.parent in (0, own):
                return process.pid not in started and carries(process.pid, marks)
            process = read_process(process.parent)
    except OSError:
        pass  # out of descriptors: what cannot be proven is not believed
    return False


def kill_everything(is_init: bool) -> int:
    """Kill everything left in the container. Return how many processes it reached; 0 where none is left to wait for.

    PID 1 owns its namespace, so kill(2) with -1 reaches all of it. A subreaper owns its descendants. What supinit may
    not signal is not waited for.
    """
    if is_init:
        try:
            os.kill(-1, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return 0
        return sum(1 for pid in _children_left() if may_be_signalled(pid))
    try:
        processes = read_processes()
    except OSError:
        return len(_children_left())
    reached = 0
    for pid in descendants(processes, [os.getpid()]):
        try:
            reached += processes[pid].is_zombie or signal_process(processes[pid], signal.SIGKILL)
        except OSError:
            pass
    return reached


def _children_left() -> list[int]:
    """Return the children of supinit; at least one that is there, where /proc cannot be read."""
    try:
        return own_children()
    except OSError:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return []
        return [os.getpid()]


def may_be_signalled(pid: int) -> bool:
    """Whether the kernel permits supinit to signal a process. True, too, where it is gone."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    return True


def signal_process(process: Process, number: Signal) -> bool:
    """Signal a process only if it is still the one that was read. False: it is gone.

    Raises PermissionError where supinit may not signal it, and OSError where no descriptor is left.
    """
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
    except ProcessLookupError:
        return False
    except OSError as error:
        if error.errno not in EXHAUSTED:
            raise
    else:
        return True
    finally:
        os.close(descriptor)
    return _signal_by_number(process, number)


def _signal_by_number(process: Process, number: Signal) -> bool:
    """Signal without a pidfd: old kernels, gVisor, no descriptor left. The pid could be recycled before the kill."""
    now = read_process(process.pid)
    if now is None or now.started != process.started:
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True
