"""What becomes of the lines in one run of a contender.

The figures of a run: `speed` (MB of the children's own bytes a second), `cost` (CPU seconds per GB of them), `cpu` (CPU
seconds), `share` (% of a core), `lost` and `torn` (lines).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from benchmarks.contest import Failed
from benchmarks.logs.contender import KEEP, Contender, Scene
from benchmarks.logs.measuring import LONGEST, await_line, count_lines, discard, read_lines
from benchmarks.logs.workload import LINE, Gate, Workload, Writer
from benchmarks.processes import Processes
from benchmarks.report import Figures
from benchmarks.usage import await_rest, cpu_seconds

START_LIMIT = 10.0
"""Seconds until all children have to be there."""


def run_to_stdout(writer: Writer, workload: Workload, contender: Contender) -> Figures:
    """Run it once, its stdout a pipe that is read as fast as can be; timed from the first byte to the last."""
    with (
        tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as name,
        Processes(Path(name).resolve()) as processes,
    ):
        gate = Gate(processes.folder)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            children = writer.commands(workload, gate)
            pids = _start(contender, Scene(processes=processes, children=children, stdout=write_end), gate)
            os.close(write_end)
            write_end = -1
            discard(read_end)
            cpu = cpu_seconds(pids)
            gate.open(workload.children)
            arrival = read_lines(read_end, workload.lines, pids)
        finally:
            gate.close()
            os.close(read_end)
            if write_end >= 0:
                os.close(write_end)
        seconds = arrival.last_at - arrival.first_at
        figures = _figures(arrival.lines, seconds, arrival.cpu_at_end - cpu)
        return figures | {"lost": workload.lines - arrival.lines, "torn": arrival.torn}


def run_to_file(writer: Writer, workload: Workload, contender: Contender, keep: int = KEEP) -> Figures:
    """Run it once, its lines in rotated files; timed from the writers' start to the last line in a file.

    Lines that are lost can be told from those that were removed only where `keep` is so large that none are.
    """
    with (
        tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as name,
        Processes(Path(name).resolve()) as processes,
    ):
        gate = Gate(processes.folder)
        log = processes.folder / "log" / "current"
        log.parent.mkdir()
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            children = writer.commands(workload, gate)
            scene = Scene(processes=processes, children=children, stdout=null, log=log, keep=keep)
            pids = _start(contender, scene, gate)
            cpu = cpu_seconds(pids)
            began_at = monotonic()
            gate.open(workload.children)
            if not gate.await_end(workload.children, LONGEST):
                raise Failed("its children could not write everything in time")
            ended_at = await_line(log.parent, workload.last_line, LINE)
            figures = _figures(workload.lines, ended_at - began_at, cpu_seconds(pids) - cpu)
        finally:
            gate.close()
            os.close(null)
        if keep == KEEP:
            return figures
        found, torn = count_lines(log.parent, LINE)
        return figures | {"lost": workload.lines - found, "torn": torn}


def _start(contender: Contender, scene: Scene, gate: Gate) -> Sequence[int]:
    """Start a contender, and return its processes once it is at rest and all writers are there."""
    assert contender.start is not None
    pids = contender.start(scene)
    if not gate.await_writers(len(scene.children), START_LIMIT):
        raise Failed(scene.processes.last_error or "its children did not start")
    await_rest(pids)
    return pids


def _figures(lines: int, seconds: float, cpu: float) -> dict[str, float]:
    size = lines * LINE
    if not size or seconds <= 0:
        raise Failed("no line arrived")
    return {"speed": size / seconds / 1e6, "cost": cpu / size * 1e9, "cpu": cpu, "share": cpu / seconds * 100}
