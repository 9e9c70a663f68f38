"""The figures of `supctl top`: what psutil sees of each program's processes, read in supctl's own process."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import psutil

from supervisor.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from supervisor.client.answers import Branch

Instance = tuple[str, int]


class Figures(Record):
    """The processes of one instance together. None where the kernel does not let us look."""

    cpu_percent: float
    """Of one core, since the last look."""
    memory_bytes: int
    processes: int
    threads: int
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
                pids = [process["pid"] for process in branch["processes"]]
                found[branch["program"], branch["instance"] or 1] = self._sum(pids, cpu, io, seconds)
        self._cpu, self._io = cpu, io
        return found

    def _sum(self, pids: Sequence[int], cpu: dict[int, float], io: dict[int, int], seconds: float) -> Figures:
        used, moved, memory, threads, count = 0.0, 0, 0, 0, 0
        descriptors: int | None = 0
        connections: int | None = 0
        has_io = True
        for pid in pids:
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    times = process.cpu_times()
                    cpu[pid] = times.user + times.system
                    memory += process.memory_info().rss
                    threads += process.num_threads()
                    count += 1
                used += max(0.0, cpu[pid] - self._cpu.get(pid, cpu[pid]))
            except psutil.Error:  # it has ended meanwhile
                continue
            try:
                counters = process.io_counters()
                io[pid] = counters.read_bytes + counters.write_bytes
                moved += max(0, io[pid] - self._io.get(pid, io[pid]))
                descriptors = None if descriptors is None else descriptors + process.num_fds()
                connections = None if connections is None else connections + len(_connections(process))
            except (psutil.Error, OSError):
                has_io, descriptors, connections = False, None, None
        rate = moved / seconds if has_io else None
        return Figures(100 * used / seconds, memory, count, threads, descriptors, rate, connections)


def _connections(process: psutil.Process) -> Sequence[object]:
    """Return the Internet sockets; psutil 6 has renamed the method."""
    look = getattr(process, "net_connections", None) or process.connections
    connections: Sequence[object] = look(kind="inet")
    return connections
