"""`supervisor.idle_shutdown`, as the core sees it. The rules are in idle_watch.py, loaded only where the key is set."""

from __future__ import annotations

from supervisor.core.record import Record

LOOKS = 10
"""Looks at the connections in the time of `after`."""
MIN_LOOK_INTERVAL = 0.2
MAX_LOOK_INTERVAL = 30.0
"""Seconds. The kernel shows a connection that the server has closed for another 60 s (TIME_WAIT), so none is missed."""


class IdleShutdown(Record):
    """Shut down after `after` seconds without an established TCP connection to one of the local `ports`."""

    after: float
    ports: tuple[int, ...]

    @property
    def look_interval(self) -> float:
        """Seconds between two looks."""
        return max(MIN_LOOK_INTERVAL, min(MAX_LOOK_INTERVAL, self.after / LOOKS))
