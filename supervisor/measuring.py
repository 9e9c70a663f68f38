"""Measure the memory of programs for the core, a few processes at a time, so that nothing waits for it.

Loaded with the first order to measure.
"""

from __future__ import annotations

import asyncio

from supervisor.core.container import MemoryMeasured
from supervisor.process.usage import read_in_slices, sum_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.core.program import InstanceId
    from supervisor.engine import Engine
    from supervisor.process.procfs import Process


async def measure_memory(engine: Engine, names: Iterable[str]) -> None:
    """Measure some programs, and tell the core in any case: it waits for the answers."""
    measured: dict[InstanceId, tuple[int, int]] = {}
    try:
        measured = await _measure(engine)
    except Exception as error:
        if not isinstance(error, OSError):
            engine.faults.note("measure", error)
    for name in names:
        engine.feed(
            MemoryMeasured(name, {instance: both for instance, both in measured.items() if instance[0] == name})
        )


async def _measure(engine: Engine) -> dict[InstanceId, tuple[int, int]]:
    """Return the generation of each process, and the bytes of its process tree. Raises OSError."""
    # the processes are known before the reading, so that what is started meanwhile gets no part of another's memory
    runs = {instance: (life.generation, life.run.pid) for instance, life in engine.fleet.lives.items() if life.run}
    processes: dict[int, Process] = {}
    for _ in read_in_slices(processes):
        await asyncio.sleep(0)
    usages = sum_up({instance: pid for instance, (_, pid) in runs.items()}, processes)
    return {instance: (runs[instance][0], usage.memory_bytes) for instance, usage in usages.items()}
