"""The figures of supctl top: sums over the processes of a program."""

from __future__ import annotations

import os

from supervisor.cli.ctl.figures import Meter
from supervisor.client.answers import Branch


def branch(*pids: int) -> Branch:
    processes = [
        {"pid": pid, "ppid": 1, "state": "running", "command": ["x"], "cpu_seconds": 0.0, "memory_bytes": 0}
        for pid in pids
    ]
    return {"kind": "program", "program": "web", "instance": 1, "processes": processes}  # type: ignore[typeddict-item]


def test_the_figures_of_a_program_are_those_of_its_processes() -> None:
    meter = Meter()
    meter.measure([branch(os.getpid())])
    sum(range(5_000_000))  # some 100 ms of CPU time, which is counted in ticks of 10 ms
    figures = meter.measure([branch(os.getpid(), 2**22 + 1)])["web", 1]
    assert (figures.processes, figures.cpu_percent > 0, figures.memory_bytes > 1_000_000) == (1, True, True)
    assert (figures.threads > 0, (figures.descriptors or 0) > 2, figures.connections is not None) == (True, True, True)


def test_a_program_whose_processes_have_ended_has_zeros() -> None:
    figures = Meter().measure([branch(2**22 + 1)])["web", 1]
    assert (figures.processes, figures.memory_bytes, figures.cpu_percent) == (0, 0, 0.0)
