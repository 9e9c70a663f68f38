"""What one event costs does not depend on the number of programs to which nothing has happened."""

from __future__ import annotations

import sys

import pytest

from supervisor.core.container import Happened
from supervisor.core.events import Spawned
from supervisor.core.fleet import advance
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


def _calls(subject: Program, count: int) -> int:
    """Return how many functions one event calls in a container of so many programs."""
    world = World(plan_of(*(replace(subject, name=f"web{number}") for number in range(count)))).begin().pass_to(1.0)
    calls = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        advance(world.plan, world.fleet, Happened(("web0", 1), Spawned(1, 100)), 2.0)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_costs_the_same_among_ten_times_as_many_programs(kind: str) -> None:
    assert _calls(KINDS[kind], 30) == _calls(KINDS[kind], 3)
