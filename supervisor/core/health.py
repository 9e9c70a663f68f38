"""The health of one running process, by Compose's rules for start_period, start_interval and retries.

Rule 1: the first probe starts at once. Until one passes, the next one follows after start_interval; from then on, after
        interval. There are never two at a time.
Rule 2: `retries` counted failures in a row make it unhealthy, one success makes it healthy.
Rule 3: until a probe passes, a failure counts only if its probe began outside start_period, and at most one counts in
        each interval. Without start_period the first interval does not count, since Compose would not have probed yet.
        So nothing becomes unhealthy sooner than under Compose, however often it is probed.
"""

from __future__ import annotations

from enum import Enum

from supervisor.core.record import Record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.healthcheck import HealthCheck


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
    counts_from: float = 0.0
    """The time from which on a probe must have begun for its failure to count."""


def begin_health_checks(check: HealthCheck, now: float) -> HealthState:
    """Return the health of a process that was just spawned: its first probe is due."""
    return HealthState(since=now, due=now, counts_from=now + (check.start_period or check.interval))


def restart_health_checks(check: HealthCheck, health_state: HealthState, now: float) -> HealthState:
    """Return the health of a running process whose health check has changed: the new one is due.

    What the old one found unhealthy is unknown to the new one, so that what it turns to has its consequences.
    """
    has_passed = health_state.last_pass_at is not None
    counts_from = now if has_passed else max(health_state.since + check.start_period, now)
    due = None if health_state.due is None else now
    health = Health.STARTING if health_state.health is Health.UNHEALTHY else health_state.health
    return replace(health_state, health=health, failures=0, due=due, counts_from=counts_from)


def start_probe(health_state: HealthState, now: float) -> HealthState:
    """Note that a probe is under way."""
    return replace(health_state, due=None, started_at=now)


def postpone_probes(health_state: HealthState, seconds: float) -> HealthState:
    """Move the next probe, the end of start_period and the next counted failure by `seconds`."""
    due = None if health_state.due is None else health_state.due + seconds
    since, counts_from = health_state.since + seconds, health_state.counts_from + seconds
    return replace(health_state, since=since, due=due, counts_from=counts_from)


def note_probe(check: HealthCheck, health_state: HealthState, passed: bool, detail: str, now: float) -> HealthState:
    """Return the health after a probe's result."""
    began = health_state.started_at if health_state.started_at is not None else now
    has_passed = passed or health_state.last_pass_at is not None
    counts = began >= health_state.counts_from
    failures = 0 if passed else health_state.failures + counts
    health = health_state.health
    if passed:
        health = Health.HEALTHY
    elif failures >= check.retries:
        health = Health.UNHEALTHY
    counts_from = health_state.counts_from
    if passed or counts:
        counts_from = now if has_passed else now + check.interval
    return replace(
        health_state,
        health=health,
        failures=failures,
        due=now + (check.interval if has_passed else _pace(check, health_state, now)),
        started_at=None,
        ended_at=now,
        last_pass_at=now if passed else health_state.last_pass_at,
        detail=detail,
        counts_from=counts_from,
    )


def _pace(check: HealthCheck, health_state: HealthState, now: float) -> float:
    """Return the time between two probes of a process that has not passed one yet."""
    in_start_period = now < health_state.since + check.start_period
    return check.start_interval if in_start_period else min(check.start_interval, check.interval)
