"""The subject `restart`: from SIGKILL of a child to the main of its replacement."""

from __future__ import annotations

import os
import signal
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic_ns, sleep

from benchmarks.contest import Failed, hold
from benchmarks.life.box import Box, box, build_stopwatch
from benchmarks.life.contender import Contender, reference, supinit
from benchmarks.life.peers import Peers
from benchmarks.report import AnyColumn, Column, Goal, Ratio, Report, Table, at_most
from benchmarks.subject import Settings

RUNS, QUICK_RUNS = 5, 1
YOUNG, OLD = 0.1, 1.5
"""Seconds that a child has run when it is killed: s6 and supervisord mind whether that was a second."""
KILLS = 3
COLUMNS: tuple[AnyColumn, ...] = (Column("gap", "ms", 2), Ratio("gap", ": supinit", "supinit"))
REMARKS = (
    "Medians (least-most) of runs with three kills each: from SIGKILL to the main of the replacement. supinit",
    "runs with restart_delay.initial: 0, which the others do not have: s6 and runit start no service twice",
    "within a second.",
)


def measure(settings: Settings) -> Report:
    peers = Peers(settings.peers)
    contenders = [supinit(program={"restart_delay": {"initial": 0}}), reference()]
    contenders += [peer for peer in peers.supervisors() if peer.name != "honcho"]  # it ends with a child
    with tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as folder:
        stopwatch = build_stopwatch(Path(folder))
        tables = []
        for age in (YOUNG, OLD):
            title = f"a child is killed {age:g} s after its start"
            once = partial(_once, stopwatch, age)
            tables.append(Table(title, COLUMNS, hold(title, contenders, settings.runs(RUNS, QUICK_RUNS), once)))
    return Report(subject="restart", tables=tuple(tables), goals=_goals(tables), remarks=REMARKS)


def _once(stopwatch: Path, age: float, contender: Contender) -> dict[str, float]:
    with box(stopwatch) as running:
        running.start(contender.prepare(running, running.children(1)))
        running.await_stamps("S", 1)
        running.rest()
        return {"gap": median(_kill(running, age, number) for number in range(KILLS)) / 1e6}


def _kill(running: Box, age: float, number: int) -> int:
    """Return the nanoseconds until the replacement runs."""
    started = running.at("S", number)
    sleep(max(0.0, age - (monotonic_ns() - started) / 1e9))
    children = [pid for pid, is_child in running.pids().items() if is_child and pid != running.init]
    if len(children) != 1:
        raise Failed(f"it has {len(children)} children")
    killed_at = monotonic_ns()
    os.kill(children[0], signal.SIGKILL)
    running.await_stamps("S", number + 2)
    return running.at("S", number + 1) - killed_at


def _goals(tables: list[Table]) -> tuple[Goal, ...]:
    young, old = tables
    return (
        *(at_most(f"{table.title}: the gap", table.median("supinit", "gap"), 1.5, "ms") for table in tables),
        *(
            Goal(
                text=f"at once: the gap of {peer} : supinit",
                measured=young.ratio(peer, "gap", "supinit"),
                limit=500,
                is_least=True,
                is_guarded=False,  # the peer waits for a second, whatever the machine does
            )
            for peer in ("supervisord", "s6")
        ),
        at_most(
            "later: the gap of supinit : asyncio reference",
            old.ratio("supinit", "gap", "asyncio reference"),
            2,
            guard=6,
        ),
    )
