"""The subject `logs`: how fast the lines of children go, what carrying them costs, and whether all of them arrive."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.contest import hold
from benchmarks.logs import goals as log_goals
from benchmarks.logs import supinit
from benchmarks.logs.contender import Contender
from benchmarks.logs.peers import Peers
from benchmarks.logs.runs import run_to_file, run_to_stdout
from benchmarks.logs.workload import LINE, Shape, Workload, Writer, build_writer
from benchmarks.report import AnyColumn, Column, Doubt, Figures, Ratio, Report, Row, Table
from benchmarks.subject import Settings

RUNS, QUICK_RUNS = 3, 1
KEEP_ALL = 1000
"""More files than are ever written."""
LOSSES = (Column("lost", "lost", is_worst=True), Doubt("torn", "whole"))
FLOOD_COLUMNS: tuple[AnyColumn, ...] = (
    Column("speed", "MB/s"),
    Column("cost", "CPU s/GB", 2),
    *(
        Ratio(key, f"{name} : {base}", base)
        for base in ("supervisord", "s6-log")
        for key, name in (("speed", "MB/s"), ("cost", "CPU"))
    ),
    *LOSSES,
)
STEADY_COLUMNS: tuple[AnyColumn, ...] = (
    Column("share", "% of a core", 2),
    Ratio("share", "share : supervisord", "supervisord"),
    *LOSSES,
)
REMARKS = (
    "Medians (least-most). MB/s: of the children's own bytes, however long their lines have become. CPU: of",
    "the supervisor and its loggers, without the children. lost: lines that did not arrive, in the worst run.",
    "whole: no line was torn in any run. The children's blocks end with a line, so who copies whole blocks",
    "tears none; with inherit they interrupt each other (pipe(7), PIPE_BUF). Files are rotated at 10 MB and 5",
    "are kept, but in one more run that keeps all of them, in which lines are counted. cat writes a single",
    "file.",
)


@dataclass(frozen=True, slots=True)
class Amounts:
    """Lines of a flood, of one with a write(2) for each line, and of each of ten children at 1,000 lines a second."""

    flood: int
    single: int
    steady: int


FULL, QUICK = Amounts(5_000_000, 1_000_000, 5_000), Amounts(1_000_000, 200_000, 2_000)


def measure(settings: Settings) -> Report:
    amounts = QUICK if settings.is_quick else FULL
    with tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as folder:
        contests = _Contests(settings, Peers(settings.peers), build_writer(Path(folder)))
        tables = log_goals.Tables(
            one=contests.flood(Workload(1, amounts.flood)),
            ten=contests.flood(Workload(10, amounts.flood // 10)),
            single=contests.flood(Workload(1, amounts.single, Shape.LINES)),
            files=contests.files(Workload(1, amounts.flood)),
            steady=contests.steady(Workload(10, amounts.steady, Shape.STEADY)),
        )
    return Report(subject="logs", tables=tables.all, goals=log_goals.goals(tables), remarks=REMARKS)


@dataclass(frozen=True, slots=True)
class _Contests:
    """One table each."""

    settings: Settings
    peers: Peers
    writer: Writer

    def flood(self, workload: Workload) -> Table:
        """Hold everybody who can write to stdout against each other."""
        contenders = [supinit.contender(mode) for mode in ("raw", "prefix", "json", "inherit")]
        contenders += [self.peers.supervisord(), self.peers.s6_log(), self.peers.circus(), self.peers.cat()]
        title = f"{self._title(workload)}, to stdout"
        return Table(title, FLOOD_COLUMNS, self._hold(title, contenders, partial(run_to_stdout, self.writer, workload)))

    def files(self, workload: Workload) -> Table:
        """Hold everybody who can write files against each other, and once more to count the lines."""
        contenders = [supinit.contender("file"), self.peers.supervisord(), self.peers.s6_log(), self.peers.svlogd()]
        contenders += [self.peers.circus(), self.peers.cat()]
        title = f"{self._title(workload)}, to a rotated file"
        run = partial(run_to_file, self.writer, workload)
        rows = self._hold(title, contenders, run)
        counted = hold(f"{title}, all kept", contenders, 1, partial(run, keep=KEEP_ALL))
        return Table(title, FLOOD_COLUMNS, tuple(map(_with_losses, rows, counted)))

    def steady(self, workload: Workload) -> Table:
        """See what children cost that write now and then."""
        contenders = [supinit.contender(mode) for mode in ("raw", "prefix", "json")]
        contenders += [self.peers.supervisord(), self.peers.s6_log(), self.peers.circus(), self.peers.cat()]
        title = f"{self._title(workload)}, to stdout"
        run = partial(run_to_stdout, self.writer, workload)
        return Table(title, STEADY_COLUMNS, self._hold(title, contenders, run))

    def _hold(
        self, title: str, contenders: Sequence[Contender], once: Callable[[Contender], Figures]
    ) -> tuple[Row, ...]:
        return hold(title, contenders, self.settings.runs(RUNS, QUICK_RUNS), once)

    def _title(self, workload: Workload) -> str:
        """Say who writes how much, how."""
        who = "1 child" if workload.children == 1 else f"{workload.children} children"
        if workload.shape is Shape.STEADY:
            return f"{who}, each 1,000 lines a second for {workload.lines_each / 1000:g} s ({self.writer.language})"
        how = "in 64 KiB writes" if workload.shape is Shape.BLOCKS else "with a write for each line"
        size = workload.lines * LINE / 1e6
        return f"{who}, {size:.0f} MB of {LINE}-byte lines {how} ({self.writer.language})"


def _with_losses(row: Row, counted: Row) -> Row:
    """Put the losses of the run in which lines were counted beside the other figures."""
    losses = {key: counted.figures[key] for key in ("lost", "torn") if key in counted.figures}
    return (
        replace(row, figures={**row.figures, **losses}) if losses else replace(row, remark=row.remark or counted.remark)
    )
