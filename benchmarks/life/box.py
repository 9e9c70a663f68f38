"""One contender as PID 1 of a PID namespace of its own, and when things happened in there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, monotonic_ns, sleep

from benchmarks.contest import Failed
from benchmarks.processes import Processes
from benchmarks.usage import REST, await_rest

SOURCE = Path(__file__).with_name("stopwatch.c")
LIMIT = 60.0
"""Seconds in which whatever a contender is asked for has to happen."""
POLL = 0.002

Command = tuple[str, ...]


def build_stopwatch(folder: Path) -> Path:
    """Compile the stopwatch into `folder`. Raises Failed: nothing can be measured without it."""
    program = folder / "stopwatch"
    compiler = shutil.which("cc")
    if compiler is None:
        raise Failed("cannot build stopwatch.c: there is no cc (Debian's packages gcc and libc6-dev)")
    build = subprocess.run(
        [compiler, "-O2", "-static", "-o", str(program), str(SOURCE)], capture_output=True, text=True, timeout=60
    )
    if build.returncode:
        raise Failed(f"cannot build stopwatch.c: {build.stderr.strip()}")
    if os.geteuid():
        raise Failed("cannot make PID namespaces: only root can")
    return program


@dataclass(frozen=True, slots=True)
class Stamp:
    """What happened (a letter of stopwatch.c) to which child, in nanoseconds on the monotonic clock."""

    kind: str
    number: int
    at: int


class Box:
    """A contender that runs. `init` is its PID out here; 0: it has ended already."""

    def __init__(self, processes: Processes, stopwatch: Path) -> None:
        self.folder = processes.folder
        self.stopwatch = stopwatch
        self.init = 0
        self._processes = processes
        self._stamps = self.folder / "stamps"
        self._stamps.touch()
        self._launcher = 0

    def child(self, number: int, role: str = "child") -> Command:
        """Return the command of a child that says when it runs."""
        return (str(self.stopwatch), role, str(self._stamps), str(number))

    def children(self, count: int) -> list[Command]:
        return [self.child(number) for number in range(count)]

    def start(self, command: Sequence[str], stdout: int = subprocess.DEVNULL) -> None:
        """Start it, and return once it is executed."""
        self._launcher = self._processes.start([str(self.stopwatch), "box", str(self._stamps), *command], stdout=stdout)
        self.await_stamps("X", 1)
        children = Path(f"/proc/{self._launcher}/task/{self._launcher}/children").read_text().split()
        self.init = int(children[0]) if children else 0

    def stamps(self, kind: str) -> list[Stamp]:
        """Return all of a kind, in the order of time."""
        lines = [line.split() for line in self._stamps.read_text().splitlines()]
        return sorted((Stamp(line[0], int(line[1]), int(line[2])) for line in lines if line[0] == kind), key=_at)

    def at(self, kind: str, index: int = 0) -> int:
        return self.stamps(kind)[index].at

    def await_stamps(self, kind: str, count: int, limit: float = LIMIT) -> None:
        """Wait until there are so many of a kind. Raises Failed."""
        until = monotonic() + limit
        while self._count(kind) < count:
            if monotonic() > until or not self._is_alive():
                found = self._count(kind)
                if found >= count:
                    return
                reason = self._processes.last_error or "no reason given"
                raise Failed(f"{found} of {count} {kind} came: {reason}")
            sleep(POLL)

    def pids(self) -> dict[int, bool]:
        """Return the processes in the namespace by their numbers out here, and whether each is a child's."""
        space = os.readlink(f"/proc/{self.init}/ns/pid")
        found = {}
        for name in filter(str.isdecimal, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{name}/ns/pid") == space:
                    found[int(name)] = os.readlink(f"/proc/{name}/exe") == str(self.stopwatch)
            except OSError:
                continue  # gone, or a zombie
        return found

    def supervisors(self) -> list[int]:
        """Return the processes that do not belong to a child: the init and its helpers."""
        return [pid for pid, is_child in self.pids().items() if not is_child or pid == self.init]

    def rest(self, quiet: float = REST) -> None:
        """Wait until nothing but waiting has been done for `quiet` seconds."""
        await_rest(self.supervisors(), quiet)

    def stop(self, signal_number: int = signal.SIGTERM) -> float:
        """Signal PID 1, and return the seconds until it is gone."""
        began = monotonic_ns()
        os.kill(self.init, signal_number)
        self.await_stamps("G", 1)
        return (self.at("G") - began) / 1e9

    def _count(self, kind: str) -> int:
        return self._stamps.read_bytes().count(f"{kind} ".encode())

    def _is_alive(self) -> bool:
        try:
            return Path(f"/proc/{self._launcher}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False


@contextmanager
def box(stopwatch: Path) -> Iterator[Box]:
    """Make a box in a folder of its own; nothing of it is left afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="supinit-benchmarks-") as name,
        Processes(Path(name).resolve()) as processes,
    ):
        yield Box(processes, stopwatch)


def _at(stamp: Stamp) -> int:
    return stamp.at
