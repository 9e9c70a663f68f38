"""What a subject of the benchmarks is: a function that measures, as the settings have it, and reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Report


@dataclass(frozen=True, slots=True)
class Settings:
    """`is_quick`: smaller amounts. `runs` of each contender. `peers` is the folder of the commands from PyPI."""

    is_quick: bool
    runs: int
    peers: Path


Subject = Callable[[Settings], Report]
