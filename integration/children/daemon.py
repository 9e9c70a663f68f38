"""Start a daemon that forks twice and has its own session; then wait, or crash on SIGUSR1."""

import os
import signal
import sys
import time

WORD = sys.argv[1]
"""An argument that identifies the daemon."""


def become_daemon() -> None:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.execv(sys.executable, [sys.executable, "-I", "-c", "import time; time.sleep(1000)", WORD])
        os._exit(0)
    os.wait()


become_daemon()
signal.signal(signal.SIGUSR1, lambda *_: os._exit(3))
print(f"ready (pid {os.getpid()})", flush=True)
while True:
    time.sleep(1000)
