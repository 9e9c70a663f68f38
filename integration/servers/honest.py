"""honest.py MARKER...: print which of these markers exist: at the start, at SIGTERM, and --linger seconds later.

Once it has said the first, it makes the file --touch.
With --crash-after it ends by itself after so many seconds, with 3.
"""

import argparse
import os
import signal
import time

parser = argparse.ArgumentParser()
parser.add_argument("markers", nargs="+")
parser.add_argument("--touch")
parser.add_argument("--linger", type=float, default=0.0)
parser.add_argument("--crash-after", type=float)
options = parser.parse_args()


def say(when: str) -> None:
    standing = sorted(os.path.basename(marker) for marker in options.markers if os.path.exists(marker))
    os.write(1, f"{when}: {' '.join(standing) or 'none'} stand\n".encode())


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
say("start")
if options.touch is not None:
    open(options.touch, "w").close()
if options.crash_after is not None:
    time.sleep(options.crash_after)
    os._exit(3)
signal.sigwait({signal.SIGTERM})
say("end")
time.sleep(options.linger)
say("gone")
