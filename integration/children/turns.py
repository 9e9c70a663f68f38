"""Run supinit, and keep the CPU time of its longest turn, in seconds, in a file. Arguments: FILE, supinit's own.

CPU time, so that what else the machine does is not counted. Removing the file begins a new measurement.
"""

from __future__ import annotations

import os
import sys
import time

from supervisor import loop
from supervisor.cli.supinit import main
from supervisor.pauses import PauseSelector

PATH = sys.argv[1]


class Watching(PauseSelector):
    awake_since: float | None = None
    longest = 0.0

    def select(self, timeout=None):  # type: ignore[no-untyped-def]  # as that of the class above
        if self.awake_since is not None:
            if not os.path.exists(PATH):
                self.longest = 0.0
            if (turn := time.thread_time() - self.awake_since) > self.longest:
                self.longest = turn
                with open(f"{PATH}.new", "w") as file:
                    file.write(f"{turn:.4f}")
                os.replace(f"{PATH}.new", PATH)
        events = super().select(timeout)
        self.awake_since = time.thread_time()
        return events


loop.PauseSelector = Watching  # type: ignore[attr-defined]  # the loop makes its selector by this name
del sys.argv[:2]
main()
