"""Counters: lines that arrive in a pipe or in files."""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from benchmarks.usage import cpu_seconds

BUFFER = 1 << 20
PATIENCE = 2.0
"""Seconds of silence after which nothing more is expected."""
LONGEST = 180.0
"""Seconds that one run may take."""
SETTINGS = "config"
"""The file beside its logs from which svlogd has its settings."""
POLL = 0.001
"""Seconds between two looks at files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Lines that have arrived: `first_at` and `last_at` on the monotonic clock, CPU time of who delivered them."""

    lines: int
    torn: int
    """Those that did not end where lines of their length end."""
    first_at: float
    last_at: float
    cpu_at_end: float


def discard(pipe: int) -> None:
    """Read away what is there: what contenders say when they start."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while poll.poll(0) and os.read(pipe, BUFFER):
        pass


def read_lines(pipe: int, expected: int, pids: Sequence[int]) -> Arrival:
    """Read lines, all as long as the first one, until as many as are expected have come, or no more do.

    Looking only at where newlines must be takes a hundredth of the time of counting them all.
    """
    buffer = bytearray(BUFFER)
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    size = width = whole = 0
    first_at = last_at = monotonic()
    while (not width or size < width * expected) and last_at - first_at < LONGEST and poll.poll(PATIENCE * 1000):
        if not size:
            first_at = monotonic()
        got = os.readv(pipe, [buffer])
        if not got:
            break
        if not width:
            newline = buffer.find(b"\n", 0, got)
            width = size + newline + 1 if newline >= 0 else 0
        if width:
            whole += buffer[(width - 1 - size) % width : got : width].count(b"\n")
        size += got
        last_at = monotonic()
    cpu = cpu_seconds(pids)
    lines = size // width if width else 0
    return Arrival(lines=lines, torn=lines - whole, first_at=first_at, last_at=last_at, cpu_at_end=cpu)


def await_line(folder: Path, beginning: bytes, width: int) -> float:
    """Wait until a file in `folder` ends with a line of `width` bytes that begins so, or until no file changes.

    Returns when the last change was seen, on the monotonic clock.
    """
    seen: object = None
    changed_at = monotonic()
    while monotonic() - changed_at < PATIENCE:
        ends = {file.name: _end(file, width) for file in folder.iterdir()}
        if ends != seen:
            seen, changed_at = ends, monotonic()
            if any(end.startswith(beginning) for _, end in ends.values()):
                break
        sleep(POLL)
    return changed_at


def count_lines(folder: Path, width: int) -> tuple[int, int]:
    """Return how many newlines the files in `folder` have, and how many of these are not where lines of `width` end."""
    lines = torn = 0
    for file in folder.iterdir():
        data = b"" if file.name == SETTINGS else file.read_bytes()
        newlines = data.count(b"\n")
        lines += newlines
        torn += newlines - data[width - 1 :: width].count(b"\n")
    return lines, torn


def _end(file: Path, size: int) -> tuple[int, bytes]:
    """Return how large a file is, and its last bytes."""
    try:
        with file.open("rb") as opened:
            whole = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, whole - size))
            return whole, opened.read()
    except FileNotFoundError:  # just rotated away
        return 0, b""
