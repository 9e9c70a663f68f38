"""`watch`, as the core sees it. The rules are in file_changes.py, loaded only where a program has the key."""

from __future__ import annotations

from enum import Enum

from supervisor.core.record import Record


class WatchAction(Enum):
    """What a change to the files does to the program."""

    RELOAD = "reload"
    RESTART = "restart"


class Watch(Record):
    """Reload or restart the program when a file, or anything in a directory, has changed.

    `debounce`: seconds without another change that pass before that.
    """

    path: str
    action: WatchAction = WatchAction.RELOAD
    debounce: float = 0.5


WatchKey = tuple[str, Watch]
"""One watch: the name of its program, and what the table says."""
