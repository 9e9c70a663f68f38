"""The subject `control`: what it takes to ask how things are, and how long PID 1 keeps a caller waiting in a flood."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import monotonic, sleep

from benchmarks.contest import Failed, hold
from benchmarks.life.box import LIMIT, Box, box, build_stopwatch
from benchmarks.life.contender import PYTHON, SUPCTL, Contender, supinit
from benchmarks.life.peers import Peers
from benchmarks.report import AnyColumn, Column, Goal, Ratio, Report, Table, at_least, at_most
from benchmarks.subject import Settings

SIZES = (10, 500)
TIMES, QUICK_TIMES = 20, 5
PASS = 'python -I -c "pass"'
COLUMNS: tuple[AnyColumn, ...] = (Column("time", "ms", 1), Ratio("time", ": python", PASS))
FLOODS = 10
PINGS, QUICK_PINGS = 2000, 300
FLOOD_COLUMNS: tuple[AnyColumn, ...] = (
    Column("p50", "p50 ms", 2),
    Column("p99", "p99 ms", 2),
    Column("most", "max ms", 2),
)
REMARKS = (
    f"Medians (least-most) of whole commands, one after the other in turn: exec to end. In the flood, {FLOODS}",
    "children write as fast as they can, and somebody asks /livez every 2 ms on one connection.",
)
PING = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
FLOOD = ("sh", "-c", "exec yes 'a line of some length, as a busy server writes one for each request that it answers'")


@dataclass(frozen=True, slots=True)
class Asking:
    """A command that asks, and what to say if it cannot be run."""

    name: str
    command: Sequence[str]
    gap: str = ""


def measure(settings: Settings) -> Report:
    peers = Peers(settings.peers)
    times = settings.runs(TIMES, QUICK_TIMES)
    with tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as folder:
        stopwatch = build_stopwatch(Path(folder))
        tables = {size: _ask(stopwatch, peers, size, times) for size in SIZES}
        pings = QUICK_PINGS if settings.is_quick else PINGS
        title = f"{FLOODS} children flood the log"
        flood = Table(title, FLOOD_COLUMNS, hold(title, [supinit()], 1, partial(_ping, stopwatch, pings)))
    return Report(subject="control", tables=(*tables.values(), flood), goals=_goals(tables, flood), remarks=REMARKS)


def _ask(stopwatch: Path, peers: Peers, size: int, times: int) -> Table:
    """Time what asks a supinit, and what asks a supervisord, that both run beside each other."""
    with box(stopwatch) as ours, box(stopwatch) as theirs:
        _begin(ours, supinit(), size)
        rival = peers.supervisord()
        if not rival.gap:
            _begin(theirs, rival, size)
        title = f"{size} programs"
        asking = _askings(ours, theirs, peers, rival.gap)
        return Table(title, COLUMNS, hold(title, asking, times, _time))


def _begin(running: Box, contender: Contender, size: int) -> None:
    running.start(contender.prepare(running, running.children(size)))
    running.await_stamps("S", size)
    until = monotonic() + LIMIT
    while contender.name == "supinit" and not (running.folder / "run" / "ready").exists():
        if monotonic() > until:
            raise Failed("supinit did not become ready")
        sleep(0.01)
    running.rest()


def _askings(ours: Box, theirs: Box, peers: Peers, gap: str) -> list[Asking]:
    path = str(ours.folder / "run" / "control.sock")
    curl = shutil.which("curl")
    supervisorctl = peers.find("supervisorctl")
    settings = str(theirs.folder / "supervisord.conf")
    return [
        Asking(PASS, [*PYTHON, "-c", "pass"]),
        Asking("supctl healthcheck", [str(SUPCTL), "-s", path, "healthcheck"]),
        Asking("supctl status", [str(SUPCTL), "-s", path, "status"]),
        Asking(
            "curl /healthz",
            [curl or "", "-sf", "--unix-socket", path, "http://localhost/healthz"],
            "" if curl else "no curl",
        ),
        Asking("supervisorctl status", [supervisorctl or "", "-c", settings, "status"], gap),
    ]


def _time(asking: Asking) -> dict[str, float]:
    began = monotonic()
    answer = subprocess.run(asking.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    seconds = monotonic() - began
    if answer.returncode:
        raise Failed(answer.stderr.decode(errors="replace").strip() or f"exit code {answer.returncode}")
    return {"time": seconds * 1e3}


def _ping(stopwatch: Path, pings: int, contender: Contender) -> dict[str, float]:
    with box(stopwatch) as running:
        commands = [running.child(0), *(FLOOD for _ in range(FLOODS))]
        running.start(contender.prepare(running, commands))
        running.await_stamps("S", 1)
        path = running.folder / "run" / "control.sock"
        until = monotonic() + LIMIT
        while not path.exists() and monotonic() < until:
            sleep(0.01)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT)
            connection.connect(str(path))
            delays = [_one_ping(connection) for _ in range(pings)]
    hundredths = quantiles(delays, n=100)
    return {"p50": median(delays) * 1e3, "p99": hundredths[98] * 1e3, "most": max(delays) * 1e3}


def _one_ping(connection: socket.socket) -> float:
    sleep(0.002)
    began = monotonic()
    connection.sendall(PING)
    answer = connection.recv(65536)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise Failed(f"the answer was {answer[:40]!r}")
    return monotonic() - began


def _goals(tables: dict[int, Table], flood: Table) -> tuple[Goal, ...]:
    few, many = (tables[size] for size in SIZES)
    p99 = flood.median("supinit", "p99")
    return (
        at_most("healthcheck : bare Python", few.ratio("supctl healthcheck", "time", PASS), 1.5),
        at_most("status of 10 : bare Python", few.ratio("supctl status", "time", PASS), 2),
        at_most("status of 500 : bare Python", many.ratio("supctl status", "time", PASS), 3),
        *(
            at_least(
                f"{size}: supervisorctl : supctl status",
                table.ratio("supervisorctl status", "time", "supctl status"),
                3,
            )
            for size, table in tables.items()
        ),
        at_most("/livez in a flood, p99", p99, 5, "ms"),
    )
