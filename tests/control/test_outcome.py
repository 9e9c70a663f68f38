"""When a wish is fulfilled: judged on one life, without a server."""

from __future__ import annotations

import pytest

from supervisor.control.resources.outcome import InProgress, Missed, Outcome, Reached, Wish, judge
from supervisor.core.health import Health, HealthState
from supervisor.core.life import (
    Backoff,
    Exit,
    Exited,
    Fatal,
    Goal,
    Life,
    Pending,
    Phase,
    Run,
    Running,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.record import replace

from .steered import SteeredContainer, oneshot, service

RUN = Run(10, 0.0)
OLD, NEW = 3, 4
SERVING = SteeredContainer(service("web")).snapshot


def of(wish: Wish, phase: Phase, generation: int = NEW, goal: Goal = Goal.UP, health: Health = Health.NONE) -> Outcome:
    health_state = None if health is Health.NONE else HealthState(0.0, health, detail="refused")
    life = Life(goal, phase, generation=generation, health_state=health_state)
    return judge(wish, service("web"), SERVING, life, OLD)


@pytest.mark.parametrize(
    ("phase", "goal", "generation", "outcome"),
    [
        (Stopped(), Goal.DOWN, OLD, Reached()),
        (Exited(), Goal.DOWN, OLD, Reached()),
        (Fatal("was bad", 1), Goal.DOWN, OLD, Reached()),
        (Stopping(RUN, 0, 9.0), Goal.DOWN, OLD, InProgress()),
        (Sweeping(RUN, Exit(0, None, 0.0), 9.0, 9.0), Goal.DOWN, OLD, InProgress()),
        (Running(RUN), Goal.UP, NEW, Missed("was asked to start again meanwhile")),
        (Stopping(RUN, 0, 9.0), Goal.UP, OLD, Missed("was asked to start again meanwhile")),
    ],
)
def test_stop_is_reached_when_nothing_of_it_is_left(
    phase: Phase, goal: Goal, generation: int, outcome: Outcome
) -> None:
    assert of(Wish.STOP, phase, generation, goal) == outcome


@pytest.mark.parametrize("wish", [Wish.START, Wish.RESTART])
@pytest.mark.parametrize(
    ("phase", "outcome"),
    [
        (Pending(("db",)), InProgress()),
        (Starting(RUN, 9.0), InProgress()),
        (Stopping(RUN, 0, 9.0), InProgress()),
        (Backoff(9.0, "exited with code 7"), InProgress()),
        (Running(RUN), Reached()),
        (Exited(), Reached()),
        (Fatal("exited with code 7", 7), Missed("exited with code 7")),
    ],
)
def test_start_is_reached_when_it_is_up_or_has_ended_well(wish: Wish, phase: Phase, outcome: Outcome) -> None:
    assert of(wish, phase) == outcome


def test_the_process_from_before_fulfils_a_start_but_no_restart() -> None:
    assert of(Wish.START, Running(RUN), OLD) == Reached()
    assert of(Wish.RESTART, Running(RUN), OLD) == InProgress()


@pytest.mark.parametrize(
    ("health", "outcome"),
    [
        (Health.STARTING, InProgress()),
        (Health.HEALTHY, Reached()),
        (Health.UNHEALTHY, Missed("is unhealthy: refused")),
    ],
)
def test_with_a_health_check_up_means_healthy(health: Health, outcome: Outcome) -> None:
    assert of(Wish.START, Running(RUN), health=health) == outcome


def test_a_oneshot_is_reached_only_when_it_has_completed() -> None:
    life = Life(Goal.UP, Running(RUN), generation=NEW)
    assert judge(Wish.START, oneshot("migrate"), SERVING, life, OLD) == InProgress()
    assert judge(Wish.START, oneshot("migrate"), SERVING, replace(life, phase=Exited()), OLD) == Reached()


@pytest.mark.parametrize("phase", [Starting(RUN, 9.0), Running(RUN), Stopping(RUN, 0, 9.0)], ids=repr)
def test_what_waits_for_its_turn_to_be_replaced_is_still_to_come(phase: Phase) -> None:
    life = Life(Goal.DOWN, phase, generation=OLD, again=True)
    assert judge(Wish.RESTART, service("web"), SERVING, life, OLD) == InProgress()
    stays_down = replace(life, again=False)
    assert judge(Wish.RESTART, service("web"), SERVING, stays_down, OLD) == Missed("was asked to stop meanwhile")


def test_nothing_starts_once_somebody_wants_it_down() -> None:
    assert of(Wish.START, Stopped(), goal=Goal.DOWN) == Missed("was asked to stop meanwhile")
