"""Compose's rules for the health of one process."""

from __future__ import annotations

import pytest

from supervisor.core.health import (
    Health,
    HealthState,
    begin_health_checks,
    note_probe,
    postpone_probes,
    restart_health_checks,
    start_probe,
)
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.record import replace

CHECK = HealthCheck(TcpProbe("127.0.0.1", 1), interval=30.0, retries=3, start_period=0.0, start_interval=5.0)
GRACE = replace(CHECK, start_period=20.0)
SLOW_START = replace(CHECK, start_interval=40.0)
SLOW_GRACE = replace(GRACE, start_interval=40.0)


def _after(check: HealthCheck, *probes: tuple[float, bool]) -> HealthState:
    """Return the health state after probes that took no time: when, and whether it passed."""
    health_state = begin_health_checks(check, 0.0)
    for at, passed in probes:
        health_state = note_probe(check, start_probe(health_state, at), passed, "", at)
    return health_state


PASS = True
FAIL = False


@pytest.mark.parametrize(
    ("check", "probes", "health", "failures", "due"),
    [
        pytest.param(CHECK, [], Health.STARTING, 0, 0.0, id="the first probe comes at once"),
        pytest.param(CHECK, [(1.0, PASS)], Health.HEALTHY, 0, 31.0, id="one success is healthy"),
        pytest.param(CHECK, [(0.0, FAIL)], Health.STARTING, 0, 5.0, id="until the first pass: start_interval"),
        pytest.param(CHECK, [(n * 5.0, FAIL) for n in range(6)], Health.STARTING, 0, 30.0, id="the first interval"),
        pytest.param(CHECK, [(n * 5.0, FAIL) for n in range(7)], Health.STARTING, 1, 35.0, id="one failure counts"),
        pytest.param(CHECK, [(n * 5.0, FAIL) for n in range(12)], Health.STARTING, 1, 60.0, id="one in an interval"),
        pytest.param(CHECK, [(n * 5.0, FAIL) for n in range(18)], Health.STARTING, 2, 90.0, id="less than retries"),
        pytest.param(CHECK, [(n * 5.0, FAIL) for n in range(19)], Health.UNHEALTHY, 3, 95.0, id="as under Compose"),
        pytest.param(CHECK, [(n * 5.0, FAIL) for n in range(25)], Health.UNHEALTHY, 4, 125.0, id="unhealthy: and on"),
        pytest.param(
            CHECK, [*[(n * 5.0, FAIL) for n in range(25)], (121.0, PASS)], Health.HEALTHY, 0, 151.0, id="one success"
        ),
        pytest.param(CHECK, [(0.0, PASS), (9.0, FAIL)], Health.HEALTHY, 1, 39.0, id="after a pass: interval"),
        pytest.param(CHECK, [(0.0, PASS), *[(9.0, FAIL)] * 2], Health.HEALTHY, 2, 39.0, id="healthy until retries"),
        pytest.param(CHECK, [(0.0, PASS), *[(9.0, FAIL)] * 3], Health.UNHEALTHY, 3, 39.0, id="healthy to unhealthy"),
        pytest.param(SLOW_START, [(30.0, FAIL)], Health.STARTING, 1, 60.0, id="start_interval above interval"),
        pytest.param(GRACE, [(1.0, FAIL)] * 9, Health.STARTING, 0, 6.0, id="start_period: failures do not count"),
        pytest.param(GRACE, [(19.0, FAIL)], Health.STARTING, 0, 24.0, id="start_period: start_interval to its end"),
        pytest.param(GRACE, [(20.0, FAIL)], Health.STARTING, 1, 25.0, id="start_period: over, a failure counts"),
        pytest.param(GRACE, [(20.0, FAIL), (25.0, FAIL)], Health.STARTING, 1, 30.0, id="start_period: over, one each"),
        pytest.param(
            GRACE, [(20.0, FAIL), (50.0, FAIL), (80.0, FAIL)], Health.UNHEALTHY, 3, 85.0, id="start_period: retries"
        ),
        pytest.param(GRACE, [(1.0, PASS)], Health.HEALTHY, 0, 31.0, id="start_period: a success goes by interval"),
        pytest.param(
            GRACE, [(1.0, PASS), (2.0, FAIL)], Health.HEALTHY, 1, 32.0, id="start_period: ended by the first success"
        ),
        pytest.param(
            GRACE, [(1.0, PASS), *[(2.0, FAIL)] * 3], Health.UNHEALTHY, 3, 32.0, id="start_period: unhealthy inside it"
        ),
        pytest.param(SLOW_GRACE, [(1.0, FAIL)], Health.STARTING, 0, 41.0, id="start_period: its own interval"),
        pytest.param(SLOW_GRACE, [(20.0, FAIL)], Health.STARTING, 1, 50.0, id="start_period: over, interval"),
    ],
)
def test_probes_make_health(
    check: HealthCheck, probes: list[tuple[float, bool]], health: Health, failures: int, due: float
) -> None:
    health_state = _after(check, *probes)
    assert (health_state.health, health_state.failures, health_state.due) == (health, failures, due)


def test_a_failure_counts_by_when_its_probe_began() -> None:
    """As in dockerd (`handleProbeResult`): a probe that outlives start_period was still begun inside it."""
    health_state = note_probe(GRACE, start_probe(begin_health_checks(GRACE, 0.0), 10.0), False, "timed out", 40.0)
    assert (health_state.failures, health_state.due) == (0, 45.0)


def test_a_probe_under_way_is_not_due() -> None:
    assert start_probe(begin_health_checks(CHECK, 3.0), 4.0) == HealthState(
        since=3.0, due=None, started_at=4.0, counts_from=33.0
    )


def test_a_changed_check_starts_no_second_probe_beside_one_that_is_under_way() -> None:
    under_way = start_probe(begin_health_checks(CHECK, 0.0), 1.0)
    assert restart_health_checks(GRACE, under_way, 2.0).due is None
    waiting = note_probe(CHECK, under_way, False, "", 2.0)
    assert restart_health_checks(GRACE, waiting, 3.0).due == 3.0


def test_a_result_keeps_when_it_passed_last_and_the_last_words() -> None:
    health_state = note_probe(CHECK, start_probe(begin_health_checks(CHECK, 0.0), 1.0), True, "200", 2.0)
    health_state = note_probe(CHECK, start_probe(health_state, 32.0), False, "refused", 33.0)
    assert health_state == HealthState(
        since=0.0,
        health=Health.HEALTHY,
        failures=1,
        due=63.0,
        ended_at=33.0,
        last_pass_at=2.0,
        detail="refused",
        counts_from=33.0,
    )


@pytest.mark.parametrize(
    ("state", "due", "counts_from"),
    [
        (HealthState(0.0, last_pass_at=3.0, failures=2, due=9.0, counts_from=4.0), 10.0, 10.0),
        (HealthState(0.0, failures=2, due=None, counts_from=4.0), None, 20.0),
        (HealthState(-15.0, failures=2, due=9.0, counts_from=4.0), 10.0, 10.0),
        (HealthState(0.0, Health.HEALTHY, last_pass_at=3.0, due=9.0, counts_from=4.0), 10.0, 10.0),
    ],
    ids=["passed before", "in its start_period", "after its start_period", "healthy"],
)
def test_a_changed_check_is_due_at_once_and_counts_after_what_is_left_of_start_period(
    state: HealthState, due: float | None, counts_from: float
) -> None:
    check = HealthCheck(TcpProbe("127.0.0.1", 80), start_period=20.0)
    changed = restart_health_checks(check, state, 10.0)
    assert changed == replace(state, failures=0, due=due, counts_from=counts_from)


def test_a_pause_moves_what_is_due_of_the_probes() -> None:
    state = HealthState(1.0, due=9.0, started_at=2.0, ended_at=3.0, last_pass_at=3.0, counts_from=4.0)
    assert postpone_probes(state, 5.0) == replace(state, since=6.0, due=14.0, counts_from=9.0)
    assert postpone_probes(replace(state, due=None), 5.0).due is None
