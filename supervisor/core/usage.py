"""What the whole process tree of one instance uses."""

from __future__ import annotations

from supervisor.core.record import Record


class Usage(Record):
    """`cpu_seconds` counts the tree's processes and the children that they have waited for, since the main's start."""

    cpu_seconds: float
    memory_bytes: int
    """Resident memory, summed: what processes share counts once for each."""
    processes: int
