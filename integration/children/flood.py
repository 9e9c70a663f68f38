"""flood.py RECORD COUNT: write COUNT numbered lines as fast as possible, note that in RECORD, and stay."""

import os
import signal
import sys

BLOCK = 500
"""Lines in one write; a pipe is rarely full at their end."""

name, count = os.environ["SUPINIT_PROGRAM"], int(sys.argv[2])
for first in range(0, count, BLOCK):
    lines = [f"{name} {number} of a flood {'~' * 70}\n" for number in range(first, min(first + BLOCK, count))]
    data = memoryview("".join(lines).encode())
    while data:
        data = data[os.write(1, data) :]
with open(sys.argv[1], "a") as record:
    record.write(f"{name} {count} lines\n")
signal.pause()
