"""Rule 2 of the fleet: a program that is to stop does so once nothing holds it back (holds.py).

A shutdown has a budget (`shutdown_timeout`). Each program gets its share of what is left, so that the programs that
stop after it have their time, too.
"""

from __future__ import annotations

from supervisor.core.container import ShuttingDown
from supervisor.core.events import StopRequested
from supervisor.core.life import Goal, Running, Starting
from supervisor.core.stop_sequence import stop_time_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.settling import Settling

TOLERANCE = 1e-3
"""Seconds by which a stop under way may exceed its budget before it is shortened: more than rounding can amount to."""


def stop_if_free(turn: Settling, name: str) -> None:
    """Stop what is to stop of a program, if nothing holds it back, or shorten its stop to fit the budget."""
    program, plan = turn.plan.programs[name], turn.plan
    announced = [instance for instance in program.everyone if turn.lives[instance].goal is Goal.DOWN]
    if name in turn.held:
        return
    budget = _budget(turn, name)
    for instance in announced:
        life = turn.lives[instance]
        too_long = budget is not None and stop_time_left(plan.program_of(instance), life, turn.now) > budget + TOLERANCE
        begins = isinstance(life.phase, Starting | Running)
        if begins and not turn.take_step(name):
            return
        if too_long or begins:
            turn.apply(instance, StopRequested(budget))


def _budget(turn: Settling, name: str) -> float | None:
    """Return the seconds that a stop may take. None: there is no limit.

    Where the time left is too short for a program and what stops after it, it is divided in proportion to their needs.
    """
    if not isinstance(turn.container_phase, ShuttingDown) or turn.container_phase.deadline is None:
        return None
    left = max(0.0, turn.container_phase.deadline - turn.now)
    own, below = turn.plan.down_time(name), turn.plan.stop_time_below[name]
    return max(own, left - below) if own + below <= left else left * own / (own + below)
