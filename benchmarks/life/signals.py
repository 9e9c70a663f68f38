"""The subject `signals`: from a signal to PID 1 to the handler of its child, with a table and without."""

from __future__ import annotations

import os
import signal
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic_ns

from benchmarks.contest import hold
from benchmarks.life.box import Box, box, build_stopwatch
from benchmarks.life.contender import Contender, bare, loop_in_c, reference, run_through, supinit, supinit_alone
from benchmarks.life.peers import Peers
from benchmarks.report import AnyColumn, Column, Ratio, Report, Table, at_most
from benchmarks.subject import Settings
from benchmarks.usage import memory_kib

PASS = bare("pass")
TIMES, QUICK_TIMES = 50, 10
RUNS, QUICK_RUNS = 5, 3
TITLES = "SIGTERM, with a table", "a single command, SIGUSR1"
TABLE_COLUMNS: tuple[AnyColumn, ...] = (Column("delay", "ms", 3), Ratio("delay", ": asyncio", "asyncio reference"))
SINGLE_COLUMNS: tuple[AnyColumn, ...] = (
    Column("delay", "ms", 3),
    Ratio("delay", ": tini", "tini"),
    Column("start", "exec to its main, ms", 1),
    Ratio("start", ": python", PASS.name),
    Column("end", "its end to PID 1's, ms", 2),
    Column("rss", "RSS KiB"),
)
REMARKS = ("Medians (least-most). From kill(2) to the child's own handler; of many, one after the other, the median.",)


def measure(settings: Settings) -> Report:
    peers = Peers(settings.peers)
    runs = settings.runs(RUNS, QUICK_RUNS)
    with tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as folder:
        stopwatch = build_stopwatch(Path(folder))
        contenders = [supinit(), reference(), loop_in_c(), *peers.supervisors()]
        contenders = [peer for peer in contenders if peer.name not in ("runit", "pm2")]  # they send nobody SIGTERM
        table = Table(TITLES[0], TABLE_COLUMNS, hold(TITLES[0], contenders, runs, partial(_terminate, stopwatch)))
        times = QUICK_TIMES if settings.is_quick else TIMES
        contenders = [PASS, supinit_alone(), loop_in_c(), *peers.single()]
        single = Table(
            TITLES[1], SINGLE_COLUMNS, hold(TITLES[1], contenders, runs, partial(_pass_on, stopwatch, times))
        )
    goals = (
        at_most(
            "with a table: delay : asyncio reference",
            table.ratio("supinit", "delay", "asyncio reference"),
            1.5,
            guard=6,
        ),
        at_most(
            "a single command: exec to its main : bare Python", single.ratio("supinit COMMAND", "start", PASS.name), 1.3
        ),
        at_most("a single command: delay : tini", single.ratio("supinit COMMAND", "delay", "tini"), 4),
    )
    return Report(subject="signals", tables=(table, single), goals=goals, remarks=REMARKS)


def _terminate(stopwatch: Path, contender: Contender) -> dict[str, float]:
    with box(stopwatch) as running:
        running.start(contender.prepare(running, running.children(1)))
        running.await_stamps("S", 1)
        running.rest()
        return {"delay": _delay(running, signal.SIGTERM, "T", 0) / 1e6}


def _pass_on(stopwatch: Path, times: int, contender: Contender) -> dict[str, float]:
    if contender.code is not None:
        return {"start": run_through(stopwatch, contender)}
    with box(stopwatch) as running:
        running.start(contender.prepare(running, running.children(1)))
        running.await_stamps("S", 1)
        running.rest()
        start, rss = running.at("S") - running.at("X"), memory_kib([running.init])[0]
        delay = median(_delay(running, signal.SIGUSR1, "U", number) for number in range(times))
    with box(stopwatch) as running:
        running.start(contender.prepare(running, [running.child(0, "leave")]))
        running.await_stamps("G", 1)
        end = running.at("G") - running.at("L")
    return {"start": start / 1e6, "delay": delay / 1e6, "end": end / 1e6, "rss": rss}


def _delay(running: Box, number: signal.Signals, kind: str, index: int) -> int:
    sent_at = monotonic_ns()
    os.kill(running.init, number)
    running.await_stamps(kind, index + 1)
    return running.at(kind, index) - sent_at
