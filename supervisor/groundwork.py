"""What has to be there before the first program starts: descriptors, limits, run_dir, signal handlers."""

from __future__ import annotations

import os
import select
import time

from supervisor.health.marker_folder import MarkerFolder
from supervisor.process.descriptors import raise_limit
from supervisor.process.inbox import Inbox
from supervisor.process.subreaper import keep_descriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Groundwork:
    """Makes everything that the first programs rely on. Raises StartError if run_dir cannot be used."""

    def __init__(self, run_dir: str, named_signals: Iterable[int]) -> None:
        keep_descriptors()
        self.nofile = raise_limit()
        """The soft RLIMIT_NOFILE of the processes; None: supinit's own."""
        self.folder = MarkerFolder(run_dir)
        self.folder.open()
        self.inbox = Inbox()
        self.inbox.open(named_signals)
        self.epoll = select.epoll()
        """What watches the output of the processes."""
        self.identity = new_identity()


def new_identity() -> str:
    """Return what tells the processes of this supinit from those of any other."""
    return f"{os.getpid()}.{time.monotonic_ns():x}"
