"""Waits until a file exists, then writes what it reads. It has no children, which would stop on their own."""

from __future__ import annotations

import os
import sys
import time

sys.stdout.write(f"ready (pid: {os.getpid()})\n")
sys.stdout.flush()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
for line in sys.stdin:
    sys.stdout.write(line)
    sys.stdout.flush()
