"""Starts a process that grows by 8 MiB ten times a second, if it can take away a file. Says whether it does."""

import contextlib
import os
import sys
import time

with contextlib.suppress(FileNotFoundError):
    os.unlink(sys.argv[1])
    if os.fork() == 0:
        held = []
        while True:
            held.append(bytearray(8 * 1024 * 1024))
            time.sleep(0.1)
    os.write(1, b"leaks\n")
    time.sleep(1000)
os.write(1, b"does not leak\n")
time.sleep(1000)
