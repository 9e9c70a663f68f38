"""Print which signals arrive, and end on the usual ones after --linger seconds; with --stay, on none of them.

With --name, every line begins with it.
"""

import argparse
import os
import signal
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--name")
parser.add_argument("--linger", type=float, default=0.0)
parser.add_argument("--stay", action="store_true")
parser.add_argument("--code", type=int, default=0)
options = parser.parse_args()


def say(text: str) -> None:
    """Write a whole line in one piece, because others may write to the same pipe."""
    os.write(1, f"{options.name}: {text}\n".encode() if options.name else f"{text}\n".encode())


watched = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, watched)
say(f"ready (pid {os.getpid()})")
while True:
    number = signal.sigwait(watched)
    say(f"got {signal.Signals(number).name}")
    if number in {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT} and not options.stay:
        break
time.sleep(options.linger)
say("gone")
sys.exit(options.code)
