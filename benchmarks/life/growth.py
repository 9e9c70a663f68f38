"""The subject `growth`: what 1 to 2,000 programs cost, which has to be linear or better."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.contest import hold
from benchmarks.life.box import box, build_stopwatch
from benchmarks.life.contender import Contender, compiled, loop_in_c, reference, supinit
from benchmarks.report import AnyColumn, Column, Figures, Goal, Report, Row, Table, at_most, quotient
from benchmarks.subject import Settings
from benchmarks.usage import cpu_seconds, memory_kib

SIZES, QUICK_SIZES = (1, 10, 100, 500, 2000), (1, 100, 500)
RUNS, QUICK_RUNS = 3, 1
ALL_UP = 1.2
"""Seconds. After one second, supinit takes a program to be up, which costs CPU time, too."""
CURVES = (("last", "last child ms"), ("stop", "stop ms"), ("cpu", "CPU ms to rest"), ("rss", "RSS KiB"))
COLUMNS: tuple[AnyColumn, ...] = tuple(Column(key, heading, 1) for key, heading in CURVES)
REMARKS = (
    "Medians (least-most). Linear or better: what a program of the greatest number costs, over what one of",
    "the second greatest costs, both beyond what one alone does.",
)


def measure(settings: Settings) -> Report:
    sizes = QUICK_SIZES if settings.is_quick else SIZES
    runs = settings.runs(RUNS, QUICK_RUNS)
    rows: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as folder:
        stopwatch = build_stopwatch(Path(folder))
        for size in sizes:
            contenders = [supinit(), compiled(), reference(), loop_in_c()]
            for row in hold(f"{size} programs", contenders, runs, partial(_once, stopwatch, size)):
                rows.setdefault(row.name, []).append(Row(str(size), row.figures, row.remark))
    tables = tuple(Table(name, COLUMNS, tuple(of_size)) for name, of_size in rows.items())
    return Report(subject="growth", tables=tables, goals=tuple(_goals(tables, sizes)), remarks=REMARKS)


def _once(stopwatch: Path, size: int, contender: Contender) -> Figures:
    with box(stopwatch) as running:
        running.start(contender.prepare(running, running.children(size)))
        running.await_stamps("S", size)
        running.rest(ALL_UP)
        cpu, (resident, _) = cpu_seconds([running.init]), memory_kib([running.init])
        stop = running.stop()
        last = (running.stamps("S")[-1].at - running.at("X")) / 1e6
        return {"last": last, "stop": stop * 1e3, "cpu": cpu * 1e3, "rss": resident}


def _goals(tables: Sequence[Table], sizes: tuple[int, ...]) -> Iterator[Goal]:
    one, many, most = sizes[0], sizes[-2], sizes[-1]
    for table in tables[:2]:
        for key, heading in CURVES:
            base, middle, end = (table.median(str(size), key) for size in (one, many, most))
            if base is not None and middle is not None and end is not None:
                growth = quotient((end - base) / (most - one), (middle - base) / (many - one))
                yield at_most(f"{table.title}, {heading}: a program of {most} : one of {many}", growth, 1.05)
