"""`schedule`, as the core sees it. The rules are in scheduling.py, loaded only where a program has one."""

from __future__ import annotations

from enum import Enum
from math import inf

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.core.program import Signal

MAX_PATIENCE = 60.0
"""Seconds by which a run may be late without a `starting_deadline`: cron runs jobs at any time of their minute, too."""


class Schedule(Record):
    """Run a oneshot at the times of a cron expression, or every `interval` seconds. Exactly one of the two is set."""

    cron: str | None = None
    """Five fields, or six with seconds first: in capitals, separated by single spaces."""
    timezone: str = "UTC"
    interval: float | None = None
    run_on_start: bool = False
    max_concurrent: int = 1
    starting_deadline: float | None = None
    """Seconds by which a run may be late. None: half the time to the next one, and MAX_PATIENCE at most."""

    def patience(self, until_next: float | None) -> float:
        """Return the seconds by which a run may be late, where the next one is due `until_next` seconds after it."""
        if self.starting_deadline is not None:
            return self.starting_deadline
        return MAX_PATIENCE if until_next is None else min(MAX_PATIENCE, until_next / 2)


class Outcome(Enum):
    """How a scheduled run ended. MISSED: it was due when it could not be started, and is not made up for."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    MISSED = "missed"


class ScheduledRun(Record):
    """A run that is over, retries included. Neither a code nor a signal: it was never started, or had not ended."""

    outcome: Outcome
    started_at: float
    ended_at: float
    code: int | None = None
    signal: Signal | None = None
    reason: str | None = None


class ScheduleState(Record):
    """Where a program is in its schedule. Times are on the monotonic clock, unless they say otherwise."""

    setting: Schedule
    due_at: float | None = None
    """When the next run is due, or the clock must be looked at again. None: it rests; inf: it never comes."""
    due_wall: float | None = None
    """The next run's time since the epoch. None: an interval, or not known yet."""
    handled_until: float | None = None
    """Due times up to this time since the epoch have been dealt with. None: the clock has not been read yet."""
    last_run: ScheduledRun | None = None
    succeeded_at: float | None = None
    """When the last run ended that succeeded."""
    skipped: int = 0
    """Runs that were due while `max_concurrent` were under way."""
    outcomes: Mapping[Outcome, int] = dict.fromkeys(Outcome, 0)
    """How many runs ended in each way."""
    is_asking: bool = False
    """Whether the answer to a ReadClock is awaited."""

    @property
    def next_run(self) -> float | None:
        """When the next run is due, where that is known."""
        is_known = self.due_at is not None and self.due_at < inf and not (self.is_asking and self.due_wall is None)
        return self.due_at if is_known else None
