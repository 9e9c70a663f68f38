"""One reading of /proc: every visible process, indexed by parent, process group and session."""

from __future__ import annotations

import errno
import os

from supervisor.process.procfs import NOT_MOUNTED, is_marked, list_pids, make_process, read_stat, signs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import TypeVar

    from supervisor.process.procfs import Process

    T = TypeVar("T")

OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


class Scan:
    """The processes at one moment, by pid. Everything may be stale when it is used."""

    def __init__(self, processes: Mapping[int, Process]) -> None:
        self.processes = processes
        self._carried: dict[int, frozenset[bytes]] = {}
        """The variables and outputs of those of which it was asked."""
        self._led: dict[int, set[int]] = {}
        self._children: dict[int, list[int]] = {}
        for pid, process in processes.items():
            for leader in {process.group, process.session}:
                if leader in self._led:
                    self._led[leader].add(pid)
                else:
                    self._led[leader] = {pid}
            if process.parent in self._children:
                self._children[process.parent].append(pid)
            else:
                self._children[process.parent] = [pid]

    def tree_of(
        self,
        leader: int,
        marks: frozenset[bytes],
        started: Collection[int],
        seen: Mapping[int, int] | None = None,
    ) -> list[Process]:
        """Return the living processes of a program whose main process is, or was, `leader`; that one is not in it.

        `marks` identify its processes (procfs.carries). `started` are the pids that supinit started itself. `seen` are
        pids of processes that have been in its tree before, with their start. Raises OSError.
        """
        own = os.getpid()
        is_there = leader not in self.processes or leader in started
        # a number that a group or session has is not given away, so another process with it is a stranger
        roots = set(self._led.get(leader, ())) if is_there else set()
        adopted = (pid for pid in self._children.get(own, ()) if pid not in started and pid not in roots)
        roots |= {pid for pid in adopted if is_marked(self._signs_of(pid), marks)}
        for pid, start in (seen or {}).items():
            if pid in self.processes and self.processes[pid].started == start:
                roots.add(pid)
        others = self._with_descendants(roots | {leader} if is_there else roots) - {leader, own}
        return [self.processes[pid] for pid in others if pid not in started and not self.processes[pid].is_zombie]

    def strays(self, started: Collection[int], born: int, others: Iterable[frozenset[bytes]]) -> list[Process]:
        """Return supinit's adopted children that started at `born` or later and carry none of the marks in `others`.

        Raises OSError.
        """
        children = [self.processes[pid] for pid in self._children.get(os.getpid(), ()) if pid not in started]
        young = [process for process in children if process.started >= born and not process.is_zombie]
        return [process for process in young if not any(is_marked(self._signs_of(process.pid), m) for m in others)]

    def _signs_of(self, pid: int) -> frozenset[bytes]:
        if pid not in self._carried:
            self._carried[pid] = signs_of(pid)
        return self._carried[pid]

    def _with_descendants(self, roots: set[int]) -> set[int]:
        found, pending = set(roots), list(roots)
        while pending:
            fresh = [pid for pid in self._children.get(pending.pop(), ()) if pid not in found]
            found.update(fresh)
            pending += fresh
        return found


def scan() -> Scan:
    """Read /proc. Raises OSError where that is not possible, so that nothing is taken for gone that is not."""
    processes: dict[int, Process] = {}
    for pid in list_pids():
        stat = read_stat(pid)
        if stat is not None:
            processes[pid] = make_process(pid, stat[1])
    if os.getpid() not in processes:
        raise OSError(errno.ENOENT, NOT_MOUNTED)
    return Scan(processes)


class Reserve:
    """One descriptor that is given up while /proc is read, where supinit has no other left."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._take()

    def close(self) -> None:
        """Give it up for good."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _take(self) -> None:
        try:
            self._descriptor = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = None

    def spend(self, look: Callable[[], T]) -> T:
        """Return what `look` returns; once more with one descriptor more, if it was out of them. Raises OSError."""
        try:
            return look()
        except OSError as error:
            if error.errno not in OUT_OF_DESCRIPTORS or self._descriptor is None:
                raise
        os.close(self._descriptor)
        self._descriptor = None
        try:
            return look()
        finally:
            self._take()
