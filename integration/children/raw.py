"""Put the terminal on stdin into raw mode, report it, and do what the argument says.

draw: writes one dot for each byte that is typed, and ends at q. die: kills itself.
"""

from __future__ import annotations

import os
import signal
import sys
import tty

tty.setraw(0)
os.write(1, f"raw (pid: {os.getpid()})\r\n".encode())
if sys.argv[1] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
while os.read(0, 1) not in (b"q", b""):
    os.write(1, b".")
