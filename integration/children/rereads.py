"""Prints how many files a directory holds, at its start and on each SIGHUP."""

import os
import signal
import sys


def tell(*_: object) -> None:
    os.write(1, f"{len(os.listdir(sys.argv[1]))} files\n".encode())


signal.signal(signal.SIGHUP, tell)
tell()
while True:
    signal.pause()
