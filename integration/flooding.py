"""What children/flood.py writes, and what supinit reports as lost of a program's output."""

from __future__ import annotations

import re
from collections.abc import Sequence

from integration.container import Container


def flood_lines(count: int, name: str = "flood") -> list[str]:
    return [f"{name} {number} of a flood {'~' * 70}" for number in range(count)]


def size_of(lines: Sequence[str]) -> int:
    """Return the bytes of lines with their newlines."""
    return sum(map(len, lines)) + len(lines)


def dropped(container: Container, program: str, to: str) -> tuple[int, int]:
    """Return the lines and bytes of a program that have been lost on the way to a place."""
    pattern = rf"log\.dropped program={program} .*to={re.escape(to)} lines=(\d+) bytes=(\d+)"
    found = re.findall(pattern, container.err.text)
    return sum(int(lines) for lines, _ in found), sum(int(size) for _, size in found)
