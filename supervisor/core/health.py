"""The health of one running process, by Compose's rules for start_period, start_interval and retries.

Rule 1: while it is starting, a failed probe that began inside start_period does not count. The first success ends that
        grace.
Rule 2: `retries` counted failures in a row make it unhealthy, one success makes it healthy.
Rule 3: the first probe starts at once, each later one an interval after the end of the one before. There are never two
        at a time.
"""

from __future__ import annotations

from enum import Enum

from supervisor.core.record import Record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import HealthCheck


class Health(Enum):
    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class HealthState(Record):
    """The results of one process's probes. Times are seconds on the monotonic clock."""

    since: float
    health: Health = Health.STARTING
    failures: int = 0
    """Counted failures in a row."""
    due: float | None = 0.0
    """When the next probe is to start. None: one is under way."""
    started_at: float | None = None
    """When the probe that is under way began. None: there is none."""
    ended_at: float = 0.0
    """When the last probe ended."""
    last_pass_at: float | None = None
    detail: str = ""
    """What the last probe said, for the operator."""


def begin_health_checks(now: float) -> HealthState:
    """Return the health of a process that was just spawned: its first probe is due."""
    return HealthState(since=now, due=now)


def start_probe(health_state: HealthState, now: float) -> HealthState:
    """Note that a probe is under way."""
    return replace(health_state, due=None, started_at=now)


def postpone_probes(health_state: HealthState, seconds: float) -> HealthState:
    """Move the next probe and the end of start_period by `seconds`."""
    due = None if health_state.due is None else health_state.due + seconds
    return replace(health_state, since=health_state.since + seconds, due=due)


def note_probe(check: HealthCheck, health_state: HealthState, passed: bool, detail: str, now: float) -> HealthState:
    """Return the health after a probe's result."""
    grace = health_state.since + check.start_period if health_state.health is Health.STARTING else health_state.since
    began = health_state.started_at if health_state.started_at is not None else now
    failures = 0 if passed else health_state.failures + (began >= grace)
    health = health_state.health
    if passed:
        health = Health.HEALTHY
    elif failures >= check.retries:
        health = Health.UNHEALTHY
    return replace(
        health_state,
        health=health,
        failures=failures,
        due=now + (check.start_interval if now < grace and not passed else check.interval),
        started_at=None,
        ended_at=now,
        last_pass_at=now if passed else health_state.last_pass_at,
        detail=detail,
    )
