"""What processes use: CPU time, memory, turns on a processor; and whether they have come to rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from time import monotonic, sleep

REST, REST_LIMIT = 0.1, 10.0
"""Seconds over which a contender that is at rest uses next to no CPU time, and in which it has to come to rest."""
AT_REST = 0.02
"""CPU seconds within one second of rest."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time that the processes have used, all threads that live, in nanoseconds' resolution (proc(5)).

    A process that has ended but was not reaped still has its time.
    """
    nanoseconds = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def await_rest(pids: Sequence[int], quiet: float = REST) -> None:
    """Wait until the processes have started up, as far as their CPU time tells over `quiet` seconds."""
    limit = monotonic() + REST_LIMIT
    before = cpu_seconds(pids)
    while monotonic() < limit:
        sleep(quiet)
        now = cpu_seconds(pids)
        if now - before < AT_REST * quiet:
            return
        before = now


def memory_kib(pids: Iterable[int]) -> tuple[int, int]:
    """Return what processes have in memory, and their share of it where they share pages (RSS, PSS; proc(5))."""
    resident = share = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("Rss", "Pss"):
                size = int(value.split()[0])
                resident, share = (resident + size, share) if name == "Rss" else (resident, share + size)
    return resident, share


def switches(pids: Iterable[int]) -> int:
    """Return how often processes have given up a processor, in all of their threads: each wake-up ends so."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            lines = (task / "status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return total
