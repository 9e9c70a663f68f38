"""The file in which a daemon writes its pid. What it holds is a claim, to be checked against the process tree.

The program writes it, so it may be missing, stale, huge, or not a regular file.
"""

from __future__ import annotations

import os

from supervisor.regular_file import read_regular_file

LIMIT = 4096
"""Bytes of a pid file at most. Some servers, such as PostgreSQL, write more lines below the pid."""


def read_pid(path: str) -> int:
    """Return the pid in the first line. Raises OSError; its `strerror` says what is wrong with the file."""
    words = read_regular_file(path, LIMIT).split(b"\n", 1)[0].split()
    if len(words) != 1 or not words[0].isdigit() or not 1 < int(words[0]) < 1 << 31:
        raise OSError(0, "its first line is not a pid")
    return int(words[0])


def forget_pid(path: str) -> None:
    """Remove the pid file of an earlier run. A file that does not hold a pid stays."""
    from supervisor.trusted_path import remove

    try:
        read_pid(path)
        remove(os.path.abspath(path))
    except OSError:
        pass  # a stale pid is not taken for the daemon's: that one belongs to the new run
