"""Trouble that recurs is reported when it begins, counted while it lasts, and reported again when it is over.

Something that fails in every turn of the loop would otherwise drive everything else out of the log and the kept events.
What fails and works in turn is reported once a minute.
"""

from __future__ import annotations

from math import inf

from supervisor.core.log_events import LogEvent
from supervisor.core.record import Record, replace

PAUSE = 60.0
"""Seconds after a report in which a change of the same trouble back and forth is only counted."""


class Trouble(Record):
    """Trouble with one thing, as it was reported last."""

    reason: str | None
    """None: it works again."""
    at: float
    """On the monotonic clock."""
    failures: int = 0
    """Since then."""


class Troubles:
    """Trouble of one kind, such as marker files that cannot be written. `key` is what the events call the thing."""

    def __init__(self, key: str, failed: str, recovered: str, level: str = "error") -> None:
        self._key = key
        self._failed = failed
        self._recovered = recovered
        self._level = level
        self._reported: dict[str, Trouble] = {}

    @property
    def failing(self) -> tuple[str, ...]:
        """The things whose failure was reported last."""
        return tuple(name for name, trouble in self._reported.items() if trouble.reason is not None)

    def note(self, name: str, reason: str | None, now: float) -> LogEvent | None:
        """Note that a thing has failed for a reason, or that it works (None). Returns the event to log, if any."""
        last = self._reported.get(name, Trouble(None, -inf))
        if reason is None:
            return None if last.reason is None else self._report(name, None, last.failures, now)
        failures = last.failures + 1
        if reason != last.reason and now - last.at >= PAUSE:
            return self._report(name, reason, failures, now)
        self._reported[name] = replace(last, failures=failures)
        return None

    def _report(self, name: str, reason: str | None, failures: int, now: float) -> LogEvent:
        self._reported[name] = Trouble(reason, now)
        values: dict[str, object] = {self._key: name}
        if reason is not None:
            values["reason"] = reason
        if failures > 1:
            values["failures"] = failures
        return LogEvent(self._level, self._failed, values) if reason else LogEvent("info", self._recovered, values)
