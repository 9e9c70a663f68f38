"""Measure the memory of programs for the core, a few processes at a time, without blocking the loop.

The first order to measure loads it.
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
    """Measure some programs. The core gets an answer in any case, because it waits for one."""
    measured: dict[str, dict[InstanceId, tuple[int, int]]] = {}
    try:
        for instance, both in (await _measure(engine)).items():
            measured.setdefault(instance[0], {})[instance] = both
    except Exception as error:
        if not isinstance(error, OSError):
            engine.faults.note("measure", error)
    for name in names:
        engine.feed(MemoryMeasured(name, measured.get(name, {})))
        await asyncio.sleep(0)  # a thousand answers at once would block the loop


async def _measure(engine: Engine) -> dict[InstanceId, tuple[int, int]]:
    """Return the generation of each process, and the bytes of its process tree. Raises OSError."""
    # note the processes before reading, so that one started meanwhile is not given the memory of another
    runs = {instance: (life.generation, life.run.pid) for instance, life in engine.fleet.lives.items() if life.run}
    processes: dict[int, Process] = {}
    for _ in read_in_slices(processes):
        await asyncio.sleep(0)
    usages = sum_up({instance: pid for instance, (_, pid) in runs.items()}, processes)
    return {instance: (runs[instance][0], usage.memory_bytes) for instance, usage in usages.items()}
