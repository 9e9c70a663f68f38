"""Make the pipes for the output of a process that is about to start."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MODE = 0o622
"""So that a program that gives up its privileges by itself can still open /dev/stdout, but not read from it."""


def new_pipes(count: int, epoll: select.epoll) -> tuple[list[int], list[int]]:
    """Return the ends that supinit reads, without ever waiting, and the ends for the process.

    The epoll watches the former before anything is written, since it reports pipes in the order of their first writes.
    Raises OSError; none is left open then.
    """
    ours: list[int] = []
    theirs: list[int] = []
    try:
        for _ in range(count):
            read_end, write_end = os.pipe2(os.O_CLOEXEC)
            ours.append(read_end)
            theirs.append(write_end)
            os.set_blocking(read_end, False)
            os.fchmod(write_end, MODE)
            epoll.register(read_end, select.EPOLLIN)
    except OSError:
        close_all((*ours, *theirs))
        raise
    return ours, theirs


def close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
