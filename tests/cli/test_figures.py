"""The figures of supctl top: sums over the processes of a program."""

from __future__ import annotations

import os
from pathlib import Path

from supervisor.cli.ctl.figures import Figures, Meter
from supervisor.client.answers import Branch, Process

OWN = Path("/proc/self/cmdline").read_text().split("\0")[0]


def branch(*processes: Process) -> Branch:
    return {"kind": "program", "program": "web", "instance": 1, "processes": list(processes)}


def process(pid: int, cpu_seconds: float = 0.0, command: str = OWN) -> Process:
    shared = {"ppid": 1, "state": "running", "memory_bytes": 4096}
    return {"pid": pid, "command": [command], "cpu_seconds": cpu_seconds, **shared}  # type: ignore[typeddict-item]


def measure(*processes: Process) -> Figures:
    return Meter().measure([branch(*processes)])["web", 1]


def test_the_details_are_those_of_the_process() -> None:
    figures = measure(process(os.getpid()))
    assert (figures.processes, figures.memory_bytes, figures.cpu_percent) == (1, 4096, 0.0)
    assert (figures.threads or 0) >= 1
    assert (figures.descriptors or 0) > 2
    assert figures.connections is not None
    assert figures.io_bytes_per_second == 0.0


def test_cpu_is_what_was_used_since_the_look_before() -> None:
    meter = Meter()
    meter.measure([branch(process(os.getpid(), 1.0), process(2**22 + 1, 1.0))])
    figures = meter.measure([branch(process(os.getpid(), 3.0), process(2**22 + 2, 9.0))])["web", 1]
    assert figures.cpu_percent > 100


def test_what_cannot_be_seen_or_is_another_process_here_has_no_details() -> None:
    for hidden in (process(2**22 + 1), process(os.getpid(), command="another")):
        figures = measure(process(os.getpid()), hidden)
        assert (figures.threads, figures.descriptors, figures.connections) == (None, None, None)
        assert (figures.processes, figures.memory_bytes) == (2, 8192)
