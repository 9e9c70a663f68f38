"""The figures of `supctl top`: CPU and memory as supinit has them, details as psutil sees them in this process."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import psutil

from supervisor.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from supervisor.client.answers import Branch, Process

Instance = tuple[str, int]


class Figures(Record):
    """The processes of one instance together. None where the kernel does not let us look."""

    cpu_percent: float
    """Of one core, since the last look."""
    memory_bytes: int
    processes: int
    threads: int | None
    descriptors: int | None
    io_bytes_per_second: float | None
    connections: int | None


class Meter:
    """Measures again and again; rates are those since the measurement before."""

    def __init__(self) -> None:
        self._cpu: dict[int, float] = {}
        self._io: dict[int, int] = {}
        self._at = monotonic()

    def measure(self, branches: Sequence[Branch]) -> Mapping[Instance, Figures]:
        """Return the figures of every instance that has processes."""
        now = monotonic()
        seconds, self._at = max(1e-3, now - self._at), now
        cpu, io, found = dict[int, float](), dict[int, int](), dict[Instance, Figures]()
        for branch in branches:
            if branch["kind"] == "program" and branch["program"] is not None:
                found[branch["program"], branch["instance"] or 1] = self._sum(branch["processes"], cpu, io, seconds)
        self._cpu, self._io = cpu, io
        return found

    def _sum(self, processes: Sequence[Process], cpu: dict[int, float], io: dict[int, int], seconds: float) -> Figures:
        used = 0.0
        details: list[_Details] = []
        for process in processes:
            pid = process["pid"]
            cpu[pid] = process["cpu_seconds"]
            used += max(0.0, cpu[pid] - self._cpu.get(pid, cpu[pid]))
            if (seen := _look(process)) is not None:
                details.append(seen)
                io[pid] = seen.io_bytes
        is_complete = len(details) == len(processes)
        moved = sum(max(0, io[pid] - self._io.get(pid, io[pid])) for pid in (p["pid"] for p in processes) if pid in io)
        return Figures(
            cpu_percent=100 * used / seconds,
            memory_bytes=sum(process["memory_bytes"] for process in processes),
            processes=len(processes),
            threads=sum(seen.threads for seen in details) if is_complete else None,
            descriptors=sum(seen.descriptors for seen in details) if is_complete else None,
            io_bytes_per_second=moved / seconds if is_complete else None,
            connections=sum(seen.connections for seen in details) if is_complete else None,
        )


class _Details(Record):
    threads: int
    descriptors: int
    io_bytes: int
    connections: int


def _look(expected: Process) -> _Details | None:
    """Return what psutil sees of a process; None if it has ended, is not ours to see, or has another pid here.

    supctl may run outside of the container's PID namespace, where the same number is another process.
    """
    try:
        process = psutil.Process(expected["pid"])
        with process.oneshot():
            if process.cmdline()[:1] != expected["command"][:1]:
                return None
            counters = process.io_counters()
            moved = counters.read_bytes + counters.write_bytes
            return _Details(process.num_threads(), process.num_fds(), moved, len(_connections(process)))
    except (psutil.Error, OSError):
        return None


def _connections(process: psutil.Process) -> Sequence[object]:
    """Return the Internet sockets; psutil 6 has renamed the method."""
    look = getattr(process, "net_connections", None) or process.connections
    connections: Sequence[object] = look(kind="inet")
    return connections
