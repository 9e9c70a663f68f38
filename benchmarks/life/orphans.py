"""The subject `orphans`: 5,000 of them end at once; until when is the last one reaped, and at what cost?"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.contest import hold
from benchmarks.life.box import box, build_stopwatch
from benchmarks.life.contender import Contender, loop_in_c, reference, supinit
from benchmarks.life.peers import Peers
from benchmarks.report import AnyColumn, Column, Ratio, Report, Table, at_most
from benchmarks.subject import Settings
from benchmarks.usage import cpu_seconds

COUNT, QUICK_COUNT = 5000, 1000
RUNS, QUICK_RUNS = 5, 3
COLUMNS: tuple[AnyColumn, ...] = (
    Column("gone", "none left after ms", 1),
    Ratio("gone", ": tini", "tini"),
    Column("cpu", "CPU ms", 1),
    Ratio("cpu", ": loop in C", "loop in C"),
)
REMARKS = (
    "Medians (least-most). From the moment they are told to end until none of them is left, not even as a",
    "zombie; CPU is that of PID 1 meanwhile.",
)


def measure(settings: Settings) -> Report:
    peers = Peers(settings.peers)
    count = QUICK_COUNT if settings.is_quick else COUNT
    contenders = [supinit(), reference(), loop_in_c(), *peers.single()]
    contenders += [peer for peer in peers.supervisors() if peer.name in ("s6", "runit", "supervisord")]
    with tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as folder:
        once = partial(_once, build_stopwatch(Path(folder)), count)
        title = f"{count} orphans end at once"
        table = Table(title, COLUMNS, hold(title, contenders, settings.runs(RUNS, QUICK_RUNS), once))
    goals = (
        at_most("until none is left : tini", table.ratio("supinit", "gone", "tini"), 1.3),
        at_most("CPU : loop in C", table.ratio("supinit", "cpu", "loop in C"), 2),
    )
    return Report(subject="orphans", tables=(table,), goals=goals, remarks=REMARKS)


def _once(stopwatch: Path, count: int, contender: Contender) -> dict[str, float]:
    with box(stopwatch) as running:
        gate = running.folder / "gate"
        os.mkfifo(gate)
        child = (*running.child(count, "orphans"), str(gate))
        running.start(contender.prepare(running, [child]))
        running.await_stamps("O", 1)
        running.rest()
        before = cpu_seconds([running.init])
        os.close(os.open(gate, os.O_WRONLY))
        running.await_stamps("N", 1)
        cpu = cpu_seconds([running.init]) - before
        return {"gone": (running.at("N") - running.at("E")) / 1e6, "cpu": cpu * 1e3}
