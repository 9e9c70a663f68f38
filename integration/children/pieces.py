"""pieces.py TEXT…: write each text in one piece, when supinit has read the one before; then stay."""

import array
import fcntl
import os
import signal
import sys
import termios
import time


def has_been_read() -> bool:
    """Whether the pipe is empty."""
    left = array.array("i", [0])
    fcntl.ioctl(1, termios.FIONREAD, left)
    return left[0] == 0


for text in sys.argv[1:]:
    while not has_been_read():
        time.sleep(0.001)
    os.write(1, os.fsencode(text))
signal.pause()
