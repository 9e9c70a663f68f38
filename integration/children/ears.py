"""Print the number of every signal received, as "leader N", and as "member N" in a child of the same group.

SIGKILL ends it. With --left, the leader goes away with code 3 at once; there are also "job N", a group of its own in
the same session, and "stranger N", which has a session of its own.
"""

import os
import signal
import sys

heard = signal.valid_signals() - {signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, heard)


def listen(name: str) -> None:
    os.write(1, f"{name} is {os.getpid()}\n".encode())
    while True:
        os.write(1, f"{name} {signal.sigwait(heard):d}\n".encode())


def start(name: str, prepare: object = None) -> None:
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        if callable(prepare):
            prepare()
        os.write(write_end, b"ready")
        listen(name)
    os.read(read_end, 5)


start("member")
if "--left" in sys.argv:
    start("job", lambda: os.setpgid(0, 0))
    start("stranger", os.setsid)
    sys.exit(3)
listen("leader")
