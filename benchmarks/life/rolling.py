"""The subject `rolling`: from the request to the new process of the last of ten instances, one after the other."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic_ns

from benchmarks.contest import Failed, hold
from benchmarks.life.box import Box, Command, box, build_stopwatch
from benchmarks.life.contender import SUPCTL, Contender, supinit
from benchmarks.life.peers import Peers
from benchmarks.report import AnyColumn, Column, Ratio, Report, Table
from benchmarks.subject import Settings

RUNS, QUICK_RUNS = 5, 1
INSTANCES = 10
COLUMNS: tuple[AnyColumn, ...] = (Column("time", "ms", 1), Ratio("time", ": supinit", "supinit"))
REMARKS = (
    "Medians (least-most). supinit: supctl restart --rolling with min_uptime: 0 and monitor: 0. circus: circusctl",
    "reload, which starts new processes before it stops the old ones. Each child ends at once on SIGTERM. uWSGI's",
    "chain reload is not held beside them: its workers are forks of a process that has loaded the application already.",
)
Ask = Callable[[Box], Sequence[str]]
"""Returns the command that asks for new processes."""


def measure(settings: Settings) -> Report:
    peers = Peers(settings.peers)
    ours = {"scale": INSTANCES, "min_uptime": 0, "update_config": {"monitor": 0}}
    asks: dict[str, Ask] = {"supinit": _ask_supinit, "circus": partial(_ask_circus, peers.find("circusctl") or "")}
    contenders = [supinit(program=ours), _circus(peers)]
    with tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as folder:
        stopwatch = build_stopwatch(Path(folder))
        title = f"{INSTANCES} instances of one program"
        once = partial(_once, stopwatch, asks)
        tables = (Table(title, COLUMNS, hold(title, contenders, settings.runs(RUNS, QUICK_RUNS), once)),)
    return Report(subject="rolling", tables=tables, goals=(), remarks=REMARKS)


def _once(stopwatch: Path, asks: dict[str, Ask], contender: Contender) -> dict[str, float]:
    with box(stopwatch) as running:
        running.start(contender.prepare(running, running.children(1)))
        running.await_stamps("S", INSTANCES)
        running.rest()
        asked_at = monotonic_ns()
        command = [*asks[contender.name](running)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as asking:
            running.await_stamps("S", 2 * INSTANCES)
            _, told = asking.communicate(timeout=60)
        if asking.returncode:
            raise Failed(told.strip())
        return {"time": (running.at("S", 2 * INSTANCES - 1) - asked_at) / 1e6}


def _ask_supinit(running: Box) -> Sequence[str]:
    return [str(SUPCTL), "-s", f"{running.folder}/run/control.sock", "restart", "--rolling", "p0"]


def _ask_circus(path: str, running: Box) -> Sequence[str]:
    return [path, "--endpoint", f"ipc://{running.folder}/endpoint", "reload", "p0", "--waiting"]


def _circus(peers: Peers) -> Contender:
    path = peers.find("circusd")
    if path is None:
        return Contender("circus", _circus_table, "missing: --install-peers installs it")
    return Contender("circus", lambda box, children: [path, "--log-level", "ERROR", *_circus_table(box, children)])


def _circus_table(box: Box, children: Sequence[Command]) -> Sequence[str]:
    lines = ["[circus]", f"endpoint=ipc://{box.folder}/endpoint", f"pubsub_endpoint=ipc://{box.folder}/pubsub"]
    lines += ["statsd=false", "[watcher:p0]", f"cmd={shlex.join(children[0])}", f"numprocesses={INSTANCES}"]
    file = box.folder / "circus.ini"
    file.write_text("\n".join(lines) + "\n")
    return [str(file)]
