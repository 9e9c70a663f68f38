"""The two clocks, and how times of the one are written in the other's terms: all dates in answers come from here."""

from __future__ import annotations

import time

from supervisor.core.wording import rfc3339

JITTER = 0.5
"""Seconds by which the clocks may drift apart before their relation is taken anew: the same moment has one date."""


class Clock:
    """Reads the monotonic clock, and dates its times in UTC even after the wall clock was set."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def wall(self, at: float) -> float:
        """Return seconds since the epoch for a time on the monotonic clock."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._offset) > JITTER:
            self._offset = offset
        return at + self._offset

    def date(self, at: float | None) -> str | None:
        """Return a time on the monotonic clock as RFC 3339; None stays None."""
        return None if at is None else rfc3339(self.wall(at))
