"""The marker files in run_dir, which follow the snapshot.

The modification time of health/NAME is the program's last passing check.
"""

from __future__ import annotations

import os
import time
from functools import partial

from supervisor.core.trouble import Troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.log_events import LogEvent
    from supervisor.core.snapshot import Snapshot
    from supervisor.health.marker_folder import MarkerFolder


class Markers:
    """The marker files of one container, in a folder that is open."""

    def __init__(self, folder: MarkerFolder) -> None:
        self._folder = folder
        self._standing: dict[str, float | None] = {}
        self._applied: Snapshot | None = None
        """The last one whose markers are all as they should be."""
        self._troubles = Troubles("marker", "marker.failed", "marker.recovered")
        self._lease_troubles = Troubles("marker", "marker.failed", "marker.recovered")
        """Of `renew`, which says nothing about the other changes."""

    def repair(self) -> bool:
        """Make run_dir again where somebody has removed or replaced it. Returns whether that was so. Raises StartError.

        No marker stands then; `apply` makes those that are due.
        """
        if self._folder.look():
            return False
        self._standing.clear()
        self._applied = None
        self._folder.reopen()
        return True

    def apply(self, snapshot: Snapshot) -> list[LogEvent]:
        """Make the files match the snapshot, removals first. Returns the trouble that is new, or over.

        Without run_dir's lock nothing is written: it may belong to another supinit by now (`repair`).
        """
        if not self._folder.is_locked or (self._applied is not None and _have_same_markers(self._applied, snapshot)):
            return []
        wanted: dict[str, float | None] = {
            f"health/{name}": passed_at for name, passed_at in snapshot.healthy_programs.items()
        }
        if snapshot.healthy:
            wanted["healthy"] = None
        if snapshot.ready:
            wanted["ready"] = None
        self._folder.look()
        events: list[LogEvent] = []
        for name in sorted(self._standing.keys() - wanted.keys(), key=lambda name: (name.startswith("health/"), name)):
            if self._attempt(name, self._folder.remove, self._troubles, events):
                del self._standing[name]
        for name, passed_at in wanted.items():
            if name not in self._standing:
                act = partial(self._folder.make, passed_at=passed_at)
            elif self._standing[name] != passed_at:
                act = partial(self._folder.touch, passed_at=passed_at)
            else:
                continue
            if self._attempt(name, act, self._troubles, events):
                self._standing[name] = passed_at
        for name in self._troubles.failing:
            if self._standing.get(name) == wanted.get(name) and (name in self._standing) == (name in wanted):
                _note(self._troubles, name, None, events)
        # a failure that is only counted for now is not among the failing, so the files themselves are compared
        self._applied = snapshot if self._standing == wanted and not self._troubles.failing else None
        return events

    def renew(self) -> list[LogEvent]:
        """Touch `healthy` and `ready` if they are there: their age shows that supinit is alive (marker_lease)."""
        self._folder.look()
        events: list[LogEvent] = []
        for name in self._standing.keys() & {"healthy", "ready"}:
            touch = partial(self._folder.touch, passed_at=time.monotonic())
            self._attempt(name, touch, self._lease_troubles, events)
        return events

    def _attempt(self, name: str, act: Callable[[str], None], troubles: Troubles, events: list[LogEvent]) -> bool:
        """Change one file. False: it failed, and the next snapshot tries again."""
        reason = None
        try:
            act(name)
        except OSError as error:
            reason = f"cannot write {os.path.join(self._folder.path, name)}: {error.strerror}"
        _note(troubles, name, reason, events)
        return reason is None


def _have_same_markers(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots ask for the same markers. One look at an unchanged mapping is enough (`project`)."""
    is_same = one.healthy_programs is other.healthy_programs
    return is_same and (one.healthy, one.ready) == (other.healthy, other.ready)


def _note(troubles: Troubles, name: str, reason: str | None, events: list[LogEvent]) -> None:
    event = troubles.note(name, reason, time.monotonic())
    if event is not None:
        events.append(event)
