"""The subject `idle`: how often PID 1 and its helpers wake up while ten children do nothing."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from time import sleep

from benchmarks.contest import hold
from benchmarks.life.box import box, build_stopwatch
from benchmarks.life.contender import Contender, reference, supinit
from benchmarks.life.peers import Peers
from benchmarks.report import AnyColumn, Column, Report, Table, at_most
from benchmarks.subject import Settings
from benchmarks.usage import cpu_seconds, switches

CHILDREN = 10
SPAN, QUICK_SPAN = 30, 5
SETTLED = 2.0
"""Seconds that everybody has for coming to rest: supinit's programs count as up after one."""
INTERVAL = 5
CHECKED = "supinit, health checks"
RUNS = 1
COLUMNS: tuple[AnyColumn, ...] = (Column("wakeups", "wake-ups"), Column("cpu", "CPU ms", 2))
REMARKS = (
    f"Context switches of PID 1 and every helper of its, and their CPU time. {CHECKED}: one of a file for each",
    f"child, every {INTERVAL} s.",
)


def measure(settings: Settings) -> Report:
    span = QUICK_SPAN if settings.is_quick else SPAN
    check = {"healthcheck": {"file": {"path": "/proc/self/stat"}, "interval": INTERVAL}}
    contenders = [supinit(), supinit(CHECKED, check), reference(), *Peers(settings.peers).supervisors()]
    title = f"{CHILDREN} idle children, {span} s"
    with tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as folder:
        once = partial(_once, build_stopwatch(Path(folder)), span)
        table = Table(title, COLUMNS, hold(title, contenders, settings.runs(RUNS, RUNS), once))
    checks = CHILDREN * (span // INTERVAL + 1)
    goals = (
        at_most("wake-ups", table.median("supinit", "wakeups"), 0, ""),
        at_most("with health checks", table.median(CHECKED, "wakeups"), checks, ""),
    )
    return Report(subject="idle", tables=(table,), goals=goals, remarks=REMARKS)


def _once(stopwatch: Path, span: int, contender: Contender) -> dict[str, float]:
    with box(stopwatch) as running:
        running.start(contender.prepare(running, running.children(CHILDREN)))
        running.await_stamps("S", CHILDREN)
        running.rest()
        sleep(SETTLED)
        pids = running.supervisors()
        wakeups, cpu = switches(pids), cpu_seconds(pids)
        sleep(span)  # what is measured is that nothing happens meanwhile
        return {"wakeups": switches(pids) - wakeups, "cpu": (cpu_seconds(pids) - cpu) * 1e3}
