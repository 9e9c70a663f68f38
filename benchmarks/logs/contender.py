"""Who takes part in the log benchmarks, and what a contender is started with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.logs.workload import Command
from benchmarks.processes import Processes

MAX_SIZE = 10_000_000
"""Bytes of a log file before it is rotated."""
KEEP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The children that a contender runs, and where their lines go."""

    processes: Processes
    children: tuple[Command, ...]
    stdout: int
    log: Path | None = None
    """A file that is rotated, in a folder of its own; None: to stdout."""
    keep: int = KEEP

    @property
    def folder(self) -> Path:
        return self.processes.folder


@dataclass(frozen=True, slots=True)
class Contender:
    """`start` returns the processes whose CPU time counts. Without it, `gap` says why it does not take part."""

    name: str
    start: Callable[[Scene], Sequence[int]] | None
    gap: str = ""
