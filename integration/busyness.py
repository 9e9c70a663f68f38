"""How busy the machine is, so that a limit in seconds means the same on a machine with other things to do."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from pathlib import Path

INTERVAL = 0.02
"""Seconds from one sample to the next."""
KEPT = 30_000
"""Samples: ten minutes."""


class Sampler(threading.Thread):
    """Notes how many processes want to run, and how late itself runs, 50 times a second."""

    def __init__(self) -> None:
        super().__init__(name="busyness", daemon=True)
        self._samples: deque[tuple[float, float]] = deque(maxlen=KEPT)

    def run(self) -> None:
        before = time.monotonic()
        while True:
            time.sleep(INTERVAL)
            now = time.monotonic()
            self._samples.append((now, max(1.0, _runnable() / _PROCESSORS) * (now - before) / INTERVAL))
            before = now

    def slowness(self, since: float) -> float:
        """Return how many times as long as on an idle machine something takes, on average since that moment."""
        factors = []
        for moment, factor in reversed(self._samples.copy()):
            if moment < since:
                break
            factors.append(factor)
        return max(1.0, sum(factors) / len(factors)) if factors else 1.0


_PROCESSORS = len(os.sched_getaffinity(0))
_SAMPLER = Sampler()


def _runnable() -> int:
    """Return how many threads run or wait for a processor, without the caller's (proc_loadavg(5))."""
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0]) - 1


def slowness(since: float) -> float:
    """Return the factor by which a limit grows that began at `since` (time.monotonic()): 1 on an idle machine."""
    if not _SAMPLER.is_alive():
        _SAMPLER.start()
    return _SAMPLER.slowness(since)
