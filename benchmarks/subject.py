"""What a subject of the benchmarks is: a function that measures, as the settings have it, and reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Report


@dataclass(frozen=True, slots=True)
class Settings:
    """`is_quick`: smaller amounts. `peers` is the folder of the commands from PyPI.

    `asked_runs`: of each contender; None: as many as the subject finds right.
    """

    is_quick: bool
    asked_runs: int | None
    peers: Path

    def runs(self, full: int, quick: int) -> int:
        return self.asked_runs or (quick if self.is_quick else full)


Subject = Callable[[Settings], Report]
