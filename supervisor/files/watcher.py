"""All watches of the container over one inotify descriptor: which of them an event concerns."""

from __future__ import annotations

import time

from supervisor.core.container import FilesLooked
from supervisor.files.inotify import IGNORED, Q_OVERFLOW, Inotify, reason
from supervisor.files.survey import Survey, differences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.core.watch import WatchKey
    from supervisor.files.survey import Contents

MAX_READS = 16
"""Reads of events at a time. The kernel keeps at most 16,384 events by default, which takes eight."""


class Watcher:
    """The watches that have been looked at. `survey` may be called in a thread, everything else in the loop only."""

    def __init__(self) -> None:
        self._inotify: Inotify | None = None
        self._problem = ""
        self._contents: dict[WatchKey, Contents] = {}
        self._names: dict[WatchKey, Mapping[int, set[str] | None]] = {}
        self._readers: dict[int, set[WatchKey]] = {}
        self._looking: set[WatchKey] = set()

    def open(self) -> int | None:
        """Open and return the descriptor of events, or None if it was open already or cannot be opened."""
        if self._inotify is not None:
            return None
        try:
            self._inotify = Inotify()
        except OSError as error:
            self._problem = reason(error)
            return None
        self._problem = ""
        return self._inotify.fileno()

    # ---- looks

    def begin_look(self, key: WatchKey) -> None:
        self._looking.add(key)

    def survey(self, path: str) -> Survey:
        """Look at a path, in a thread."""
        inotify = self._inotify
        return Survey(path, inotify.watch if inotify is not None else lambda path, mask: 0).look()

    def end_look(self, key: WatchKey, found: Survey, since: float | None) -> FilesLooked:
        """Take the result of a look, and compare it with the one before.

        In the first one, what has changed after `since` has changed, in seconds since the epoch; None: nothing has.
        A path that does not exist is not compared: what was there counts until there is something again.
        """
        self._looking.discard(key)
        changed: tuple[str, ...] = ()
        changed_at = None
        old = self._contents.get(key)
        if old is not None and found.exists and not found.has_failed:
            changed = differences(old, found.contents)
        elif old is None and since is not None:
            changed = tuple(name for name, at in found.changed_at.items() if at > since)
            changed_at = max((found.changed_at[name] for name in changed), default=None)
        if not found.has_failed and (found.exists or old is None):
            self._contents[key] = found.contents
        self._listen_to(key, found.names)
        problem = self._problem or found.problem
        sentence = f"cannot watch {key[1].path}: {problem}" if problem else ""
        at = None if changed_at is None else time.monotonic() - max(0.0, time.time() - changed_at)
        return FilesLooked(key, changed, at, sentence)

    def forget(self, key: WatchKey) -> None:
        self._looking.discard(key)
        self._contents.pop(key, None)
        self._listen_to(key, {})

    def _listen_to(self, key: WatchKey, names: Mapping[int, set[str] | None]) -> None:
        for number in self._names.pop(key, {}).keys() - names.keys():
            self._readers.get(number, set()).discard(key)
        if names:
            self._names[key] = names
        for number in names:
            self._readers.setdefault(number, set()).add(key)
        if self._inotify is not None and not self._looking:  # another look may be about to use what nobody uses now
            for number in [number for number, keys in self._readers.items() if not keys]:
                del self._readers[number]
                self._inotify.forget(number)

    # ---- events

    def take(self) -> set[WatchKey]:
        """Read the events that there are, and return the watches whose files they are about."""
        touched: set[WatchKey] = set()
        if self._inotify is None:
            return touched
        for _ in range(MAX_READS):
            events = list(self._inotify.read())
            if not events:
                break
            for number, mask, name in events:
                touched |= self._touched(number, mask, name)
        return touched

    def _touched(self, number: int, mask: int, name: str) -> set[WatchKey]:
        if mask & Q_OVERFLOW:
            return {*self._contents, *self._looking}
        if mask & IGNORED:
            return set()
        if number not in self._readers:
            return set(self._looking)  # it is new: one of these has just begun to watch it
        return {key for key in self._readers[number] if self._concerns(key, number, name)} | self._new(number)

    def _concerns(self, key: WatchKey, number: int, name: str) -> bool:
        names = self._names[key][number]
        return names is None or not name or name in names

    def _new(self, number: int) -> set[WatchKey]:
        """Return the watches under look that may be about to read this number, too, besides those that do."""
        return self._looking - self._readers[number]
