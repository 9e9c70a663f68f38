"""successor.py KIND RECORD: leave a process behind that writes numbered lines to the same stdout, and wait for SIGUSR1.

KIND `member` stays in the group; `daemon` has left the session, has forked twice, has no variables, and has the pipe
under a number that nobody looks at. RECORD is a file of 8 bytes: how many lines it has written.
"""

import mmap
import os
import signal
import struct
import sys
import time
from pathlib import Path

kind, record = sys.argv[1:3]
PIPE = 9


def write_lines() -> None:
    with open(record, "r+b") as file:
        count = mmap.mmap(file.fileno(), 8)
    number = 0
    while True:
        os.write(PIPE, b"line %d of a process that was left behind\n" % number)
        number += 1
        count[:] = struct.pack("Q", number)


if kind == "writes":
    write_lines()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.dup2(1, PIPE)
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if kind == "daemon":
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
    os.set_inheritable(PIPE, True)
    os.execve(sys.executable, [sys.executable, "-I", __file__, "writes", record], {})
if kind == "daemon":
    os.wait()
while not any(Path(record).read_bytes()):
    time.sleep(0.001)
os.write(1, b"ready\n")  # at once, since two write to this pipe
signal.sigwait([signal.SIGUSR1])
