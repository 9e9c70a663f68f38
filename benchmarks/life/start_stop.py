"""The subject `lifecycle`: from exec of PID 1 to the main of its first and last child, its memory, and its end.

All figures come from the same container: it is started, left alone until it is at rest, and told to stop.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.contest import hold
from benchmarks.life import start_stop_goals
from benchmarks.life.box import box, build_stopwatch
from benchmarks.life.contender import (
    Contender,
    bare,
    compiled,
    loop_in_c,
    reference,
    run_through,
    sized,
    supinit,
    without_pyc,
)
from benchmarks.life.peers import Peers
from benchmarks.report import AnyColumn, Column, Doubt, Figures, Ratio, Report, Table
from benchmarks.subject import Settings
from benchmarks.usage import memory_kib

SIZES, QUICK_SIZES = (1, 10, 20, 100, 500), (1, 10, 100)
RUNS, QUICK_RUNS = 5, 3
COLUMNS: tuple[AnyColumn, ...] = (
    Column("first", "first ms", 1),
    Ratio("first", ": supinit", "supinit"),
    Column("last", "last ms", 1),
    Ratio("last", ": supinit", "supinit"),
    Column("stop", "stop ms", 1),
    Ratio("stop", ": supinit", "supinit"),
    Column("rss", "RSS KiB"),
    Column("pss", "PSS KiB"),
    Doubt("untold", "all told"),
)
PYC_COLUMNS: tuple[AnyColumn, ...] = (Column("first", "first ms", 1), Ratio("first", ": supinit", "supinit"))
REMARKS = (
    "Medians (least-most). first, last: from exec of PID 1 to the main of its first and its last child. stop:",
    "from the signal to PID 1 until it is gone (SIGTERM; SIGHUP for runit, which leaves services alone on",
    "SIGTERM). RSS, PSS: of PID 1 and every helper of its, at rest, without the children. all told: each",
    "child was sent SIGTERM and lived to say so (pm2 sends SIGINT). Of an interpreter, first is its whole",
    "run. Who is slow is not run with many programs.",
)


def measure(settings: Settings) -> Report:
    peers = Peers(settings.peers)
    runs = settings.runs(RUNS, QUICK_RUNS)
    sizes = QUICK_SIZES if settings.is_quick else SIZES
    with tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as folder:
        stopwatch = build_stopwatch(Path(folder))
        tables = {}
        for size in sizes:
            title = "1 program" if size == 1 else f"{size} programs"
            contenders = _contenders(peers, size)
            tables[size] = Table(title, COLUMNS, hold(title, contenders, runs, partial(_once, stopwatch, size)))
        title = "1 program, with and without .pyc files"
        contenders = [supinit(), peers.supervisord()]
        contenders += [without_pyc(contender) for contender in contenders]
        pyc = Table(title, PYC_COLUMNS, hold(title, contenders, runs, partial(_once, stopwatch, 1)))
    goals = start_stop_goals.goals(tables)
    return Report(subject="lifecycle", tables=(*tables.values(), pyc), goals=goals, remarks=REMARKS)


def _contenders(peers: Peers, size: int) -> Sequence[Contender]:
    others = peers.supervisors() + (peers.single() if size == 1 else [])
    init = [supinit(), compiled(), reference(), loop_in_c(), *(sized(other, size) for other in others)]
    return [bare("pass"), bare("pass", "-S"), bare("import asyncio, yaml"), *init]


def _once(stopwatch: Path, size: int, contender: Contender) -> Figures:
    if contender.code is not None:
        return _run_bare(stopwatch, contender)
    with box(stopwatch) as running:
        running.start(contender.prepare(running, running.children(size)))
        running.await_stamps("S", size)
        running.rest()
        resident, share = memory_kib(running.supervisors())
        stop = running.stop(contender.stop)
        began, starts = running.at("X"), running.stamps("S")
        return {
            "first": (starts[0].at - began) / 1e6,
            "last": (starts[-1].at - began) / 1e6,
            "stop": stop * 1e3,
            "rss": resident,
            "pss": share,
            "untold": size - len(running.stamps("T")),
        }


def _run_bare(stopwatch: Path, contender: Contender) -> Figures:
    """Time the whole run of an interpreter, and see what it has in memory if it does not end."""
    whole = run_through(stopwatch, contender)
    with box(stopwatch) as running:
        running.start(bare(f"{contender.code}; import time; time.sleep(600)").prepare(running, []))
        running.rest()
        resident, share = memory_kib([running.init])
    return {"first": whole, "rss": resident, "pss": share}
