"""pour.py FILE SEED [MOST]: write a file to stdout in pieces of random sizes, few of which end with a line.

Now and then some small ones follow, each once the one before has been read, so that lines come in several parts. With
MOST, every piece is whole lines of at most so many bytes instead, and the last line gets a newline.
"""

import array
import fcntl
import os
import random
import sys
import termios
import time

LARGEST, SMALL = 1 << 17, 40
IN_PARTS = 0.02
"""The probability that small pieces follow."""


def await_reading() -> None:
    """Return when the pipe is empty, or at once if there is no pipe."""
    left = array.array("i", [1])
    while left[0]:
        try:
            fcntl.ioctl(1, termios.FIONREAD, left)
        except OSError:
            return
        time.sleep(0.0002)


with open(sys.argv[1], "rb") as file:
    text = file.read()
chance = random.Random(sys.argv[2])
most = int(sys.argv[3]) if len(sys.argv) > 3 else None
data = memoryview(text if most is None else text + b"\n")
at = small = 0
while at < len(data):
    if most is not None:
        size = bytes(data[at : at + most]).rfind(b"\n") + 1
    elif small:
        await_reading()
        size, small = chance.randint(1, SMALL), small - 1
    else:
        size = int(LARGEST ** chance.random())
        small = 6 if chance.random() < IN_PARTS else 0
    end = min(at + size, len(data))
    while at < end:
        at += os.write(1, data[at:end])
