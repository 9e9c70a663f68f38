"""What one event costs does not depend on the number of programs to which nothing has happened."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from supervisor.core.container import STEPS, Happened, ShutdownAsked, TimePassed
from supervisor.core.events import Spawned
from supervisor.core.fleet import advance, next_deadline
from supervisor.core.program import Program, ProgramType
from supervisor.core.record import replace
from supervisor.core.restart_limits import RestartLimits
from supervisor.core.schedule import Schedule
from supervisor.core.watch import Watch

from .worlds import World, plan_of, program

PLAIN = program("web")
KINDS = {
    "nothing else": PLAIN,
    "restart_when": replace(PLAIN, restart_when=RestartLimits(memory=1000)),
    "schedule": replace(PLAIN, kind=ProgramType.ONESHOT, schedule=Schedule(interval=60.0)),
    "watch": replace(PLAIN, watch=(Watch("/etc/web"),)),
}


def _world(subject: Program, count: int) -> World:
    return World(plan_of(*(replace(subject, name=f"web{number}") for number in range(count)))).begin().pass_to(1.0)


def _calls(act: Callable[[], object]) -> int:
    """Return how many functions are called."""
    calls = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_costs_the_same_among_ten_times_as_many_programs(kind: str) -> None:
    def calls(count: int) -> int:
        world = _world(KINDS[kind], count)
        return _calls(lambda: advance(world.plan, world.fleet, Happened(("web0", 1), Spawned(1, 100)), 2.0))

    assert calls(30) == calls(3)


def test_the_next_deadline_is_found_without_a_look_at_each_program() -> None:
    def calls(count: int) -> int:
        fleet = _world(PLAIN, count).fleet
        return _calls(lambda: next_deadline(fleet))

    assert calls(30) == calls(3)


def test_each_part_of_a_shutdown_costs_the_same_whatever_is_left() -> None:
    def calls(count: int) -> int:
        world = _world(PLAIN, count)
        fleet = advance(world.plan, world.fleet, ShutdownAsked("SIGTERM"), 2.0).fleet
        return _calls(lambda: advance(world.plan, fleet, TimePassed(), 2.0))

    assert calls(10 * STEPS) == calls(3 * STEPS)
