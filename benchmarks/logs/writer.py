"""The program whose output the log benchmarks are about, for where there is no compiler; writer.c says what it does."""

from __future__ import annotations

import os
import sys
import time

LINE, BLOCK = 100, 655
UNNUMBERED = b"########"


def write_all(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]


def main(child: str, lines: int, shape: str, go: str, report: str) -> None:
    reports, gate = os.open(report, os.O_WRONLY), os.open(go, os.O_RDONLY)
    heads = [b"%b %b %03d " % (child[:1].encode(), UNNUMBERED, index) for index in range(BLOCK)]
    template = b"".join(head.ljust(LINE - 1, b"x") + b"\n" for head in heads)
    os.write(reports, b"r")
    if not os.read(gate, 1):
        sys.exit(1)
    due = time.monotonic()
    for number, start in enumerate(range(0, lines, BLOCK)):
        block = template.replace(UNNUMBERED, b"%08d" % number)[: (lines - start) * LINE]
        if shape == "blocks":
            write_all(block)
            continue
        for at in range(0, len(block), LINE):
            if shape == "steady":
                due += 0.001
                time.sleep(max(0.0, due - time.monotonic()))
            write_all(block[at : at + LINE])
    os.write(reports, b"d")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:6])
