"""What the children of the log benchmarks write, and when: the writer, and the gate that it waits at.

Rule 1: nobody writes before all writers are there and the contender is at rest, so that its start is not measured.
Rule 2: a writer ends as soon as it has written, since the end of a program is where lines get lost.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from time import monotonic

LINE, BLOCK = 100, 655
"""Bytes of a line, and lines of a block, as in writer.c."""

Command = tuple[str, ...]


class Shape(Enum):
    """How much is written with one write(2), and when."""

    BLOCKS = "blocks"
    LINES = "lines"
    STEADY = "steady"


@dataclass(frozen=True, slots=True)
class Workload:
    """So many children that write so many lines each."""

    children: int
    lines_each: int
    shape: Shape = Shape.BLOCKS

    @property
    def lines(self) -> int:
        return self.children * self.lines_each

    @property
    def last_line(self) -> bytes:
        """How the last line of the first child begins."""
        block, index = divmod(self.lines_each - 1, BLOCK)
        return b"0 %08d %03d " % (block, index)


@dataclass(frozen=True, slots=True)
class Writer:
    """The command without its arguments, and in which language it is written."""

    command: Command
    language: str

    def commands(self, workload: Workload, gate: Gate) -> tuple[Command, ...]:
        """Return the command of each child."""
        rest = (str(workload.lines_each), workload.shape.value, str(gate.go), str(gate.report))
        return tuple((*self.command, str(number), *rest) for number in range(workload.children))


def build_writer(folder: Path) -> Writer:
    """Compile the writer into `folder`; without a compiler that works, it is the one in Python."""
    source, program = Path(__file__).with_name("writer.c"), folder / "writer"
    compiler = shutil.which("cc")
    if compiler is not None:
        build = [compiler, "-O2", "-o", str(program), str(source)]
        if subprocess.run(build, capture_output=True, timeout=60, check=False).returncode == 0:
            return Writer((str(program),), "C")
    return Writer((sys.executable, "-I", str(source.with_suffix(".py"))), "Python")


class Gate:
    """Two FIFOs in `folder`: writers wait at `go`, and say at `report` that they are there, or done."""

    def __init__(self, folder: Path) -> None:
        self.go, self.report = folder / "go", folder / "report"
        for fifo in (self.go, self.report):
            os.mkfifo(fifo)
        # open for reading and writing (fifo(7)), so that neither side waits for the other or sees an end
        self._go, self._report = (os.open(fifo, os.O_RDWR | os.O_CLOEXEC) for fifo in (self.go, self.report))

    def open(self, writers: int) -> None:
        os.write(self._go, b"g" * writers)

    def await_writers(self, writers: int, limit: float) -> bool:
        """Wait until so many are there. False: they are not, after `limit` seconds."""
        return self._hear(b"r", writers, limit)

    def await_end(self, writers: int, limit: float) -> bool:
        """Wait until so many have written all. False: they have not, after `limit` seconds."""
        return self._hear(b"d", writers, limit)

    def close(self) -> None:
        os.close(self._go)
        os.close(self._report)

    def _hear(self, word: bytes, times: int, limit: float) -> bool:
        poll = select.poll()
        poll.register(self._report, select.POLLIN)
        until = monotonic() + limit
        while times > 0 and poll.poll(max(0.0, until - monotonic()) * 1000):
            times -= os.read(self._report, times).count(word)
        return times <= 0
