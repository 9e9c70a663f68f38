"""When a wish is fulfilled: judged on one life, without a server."""

from __future__ import annotations

import pytest

from supervisor.control.outcome import Missed, Outcome, Pending, Reached, Wish, judge
from supervisor.core.checkup import Checkup
from supervisor.core.life import (
    Backoff,
    Done,
    Exit,
    Failed,
    Goal,
    Health,
    Idle,
    Life,
    Phase,
    Run,
    Running,
    Starting,
    Stopping,
    Sweeping,
    Waiting,
)
from supervisor.core.record import replace

from .steered import SteeredContainer, oneshot, service

RUN = Run(10, 0.0)
OLD, NEW = 3, 4
SERVING = SteeredContainer(service("web")).snapshot


def of(wish: Wish, phase: Phase, generation: int = NEW, goal: Goal = Goal.UP, health: Health = Health.NONE) -> Outcome:
    checkup = None if health is Health.NONE else Checkup(0.0, health, detail="refused")
    life = Life(goal, phase, generation=generation, checkup=checkup)
    return judge(wish, service("web"), SERVING, life, OLD)


@pytest.mark.parametrize(
    ("phase", "goal", "generation", "outcome"),
    [
        (Idle(), Goal.DOWN, OLD, Reached()),
        (Done(), Goal.DOWN, OLD, Reached()),
        (Failed("was bad", 1), Goal.DOWN, OLD, Reached()),
        (Stopping(RUN, 0.0, 0, 9.0), Goal.DOWN, OLD, Pending()),
        (Sweeping(RUN, Exit(0, None, 0.0), 9.0, 9.0), Goal.DOWN, OLD, Pending()),
        (Running(RUN), Goal.UP, NEW, Missed("was asked to start again meanwhile")),
        (Stopping(RUN, 0.0, 0, 9.0), Goal.UP, OLD, Missed("was asked to start again meanwhile")),
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
        (Waiting(0.0, ("db",)), Pending()),
        (Starting(RUN, 9.0), Pending()),
        (Stopping(RUN, 0.0, 0, 9.0), Pending()),
        (Backoff(9.0), Pending()),
        (Running(RUN), Reached()),
        (Done(), Reached()),
        (Failed("exited with code 7", 7), Missed("exited with code 7")),
    ],
)
def test_start_is_reached_when_it_is_up_or_has_ended_well(wish: Wish, phase: Phase, outcome: Outcome) -> None:
    assert of(wish, phase) == outcome


def test_the_process_from_before_fulfils_a_start_but_no_restart() -> None:
    assert of(Wish.START, Running(RUN), OLD) == Reached()
    assert of(Wish.RESTART, Running(RUN), OLD) == Pending()


@pytest.mark.parametrize(
    ("health", "outcome"),
    [
        (Health.STARTING, Pending()),
        (Health.HEALTHY, Reached()),
        (Health.UNHEALTHY, Missed("is unhealthy: refused")),
    ],
)
def test_with_a_health_check_up_means_healthy(health: Health, outcome: Outcome) -> None:
    assert of(Wish.START, Running(RUN), health=health) == outcome


def test_a_oneshot_is_reached_only_when_it_has_completed() -> None:
    life = Life(Goal.UP, Running(RUN), generation=NEW)
    assert judge(Wish.START, oneshot("migrate"), SERVING, life, OLD) == Pending()
    assert judge(Wish.START, oneshot("migrate"), SERVING, replace(life, phase=Done()), OLD) == Reached()


@pytest.mark.parametrize("phase", [Starting(RUN, 9.0), Running(RUN), Stopping(RUN, 0.0, 0, 9.0)], ids=repr)
def test_what_waits_for_its_turn_to_be_replaced_is_still_to_come(phase: Phase) -> None:
    life = Life(Goal.DOWN, phase, generation=OLD, again=True)
    assert judge(Wish.RESTART, service("web"), SERVING, life, OLD) == Pending()
    stays_down = replace(life, again=False)
    assert judge(Wish.RESTART, service("web"), SERVING, stays_down, OLD) == Missed("was asked to stop meanwhile")


def test_nothing_starts_once_somebody_wants_it_down() -> None:
    assert of(Wish.START, Idle(), goal=Goal.DOWN) == Missed("was asked to stop meanwhile")
