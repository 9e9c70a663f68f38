"""The file in which a daemon writes its pid. What it holds is a claim, to be checked against the process tree.

The program writes it, so it may be missing, stale, huge, or no regular file at all.
"""

from __future__ import annotations

import os

from supervisor.regular_file import read_regular_file

LIMIT = 4096
"""Bytes of a pid file at most. Some servers, such as PostgreSQL, write more lines below the pid."""


def read_pid(path: str) -> int:
    """Return the pid in the first line. Raises OSError; its `strerror` says why there is none."""
    words = read_regular_file(path, LIMIT).split(b"\n", 1)[0].split()
    if len(words) != 1 or not words[0].isdigit() or not 1 < int(words[0]) < 1 << 31:
        raise OSError(0, "its first line is not a pid")
    return int(words[0])


def forget_pid(path: str) -> None:
    """Remove what an earlier run has left. A file that holds no pid is no pid file, and stays."""
    try:
        read_pid(path)
        os.unlink(path)
    except OSError:
        pass  # a stale pid is not taken for the daemon's: that one belongs to the new run
