"""The moment at which another plan takes effect: every instance in it has a life, and the running ones are told."""

from __future__ import annotations

from supervisor.core.dependencies import start_or_schedule
from supervisor.core.events import Redefined
from supervisor.core.holds import count_holds
from supervisor.core.life import new_life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.settling import Settling
    from supervisor.core.update import Leaving


def adopt(turn: Settling, plan: Plan, leaving: Mapping[str, Leaving]) -> None:
    turn.plan = plan
    turn.leaving = leaving
    turn.replace_lives({i: turn.lives.get(i) or new_life(plan, i) for i in plan.everyone})
    turn.held = count_holds(plan, turn.lives)


def redefine(turn: Settling, before: Program | None, program: Program, known: Collection[InstanceId]) -> None:
    """Tell the existing instances of a program about its new entry, and start the new ones."""
    if before == program:
        return
    for instance in program.instances:
        if instance not in known:
            if program.starts_by_itself or any(turn.lives[i].is_wanted for i in program.instances):
                start_or_schedule(turn, instance, is_new=before is None)
        else:
            assert before is not None
            turn.apply(instance, Redefined(before.healthcheck != program.healthcheck))
