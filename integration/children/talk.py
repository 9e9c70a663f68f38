"""talk.py RECORD COUNT: write COUNT numbered lines at each SIGUSR1, and the total number of bytes to RECORD."""

import os
import signal
import sys

count, first, size = int(sys.argv[2]), 0, 0
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
while signal.sigwait([signal.SIGUSR1]):
    lines = [
        f"{os.environ['SUPINIT_PROGRAM']} {number} of many lines {'.' * 60}\n" for number in range(first, first + count)
    ]
    data = memoryview("".join(lines).encode())
    first, size = first + count, size + len(data)
    while data:
        data = data[os.write(1, data) :]
    with open(sys.argv[1], "a") as record:
        record.write(f"{size}\n")
