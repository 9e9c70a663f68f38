"""start-first: a new process runs beside the one that serves, in the instance's other lane, and then takes over.

Rule 1: until the new process is up, the old one is the instance, for the status, markers and dependants. Then the new
        one is, in the same turn, and the old one is announced to stop.
Rule 2: what is beside the instance and down is dropped. A new process that has failed is not restarted.
"""

from __future__ import annotations

from supervisor.core.adoption import adopt
from supervisor.core.events import StopAnnounced
from supervisor.core.lanes import first_lane, in_second_lane, other_lane
from supervisor.core.life import Life, Running
from supervisor.core.program import ProgramType
from supervisor.core.record import replace
from supervisor.core.update import replace_entries, with_entry
from supervisor.core.update_config import Order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.roll import Replacement, Roll
    from supervisor.core.settling import Settling


def starts_first(turn: Settling, roll: Roll, instance: InstanceId) -> bool:
    """Whether the new process of an instance starts beside the old one: only beside one that runs."""
    program = turn.plan.programs[instance[0]]
    return (
        roll.config.order is Order.START_FIRST
        and isinstance(turn.lives[instance].phase, Running)
        and program.kind is not ProgramType.ONESHOT
        and program.pid_file is None
        and not program.is_main
        and other_lane(instance) not in turn.lives
    )


def is_beside(plan: Plan, instance: InstanceId) -> bool:
    return instance in plan.programs[instance[0]].beside


def add_successor(turn: Settling, instance: InstanceId, entry: Program) -> InstanceId:
    """Add a new instance in the other lane, with this entry, and return its id."""
    successor, old = other_lane(instance), turn.lives[instance]
    program = turn.plan.programs[instance[0]]
    _change(turn, replace(program, beside=(*program.beside, successor)))
    turn.plan = with_entry(turn.plan, successor, entry)
    turn.lives[successor] = Life(
        generation=old.generation, restarts=old.restarts, was_up=old.was_up, last_exit=old.last_exit
    )
    return successor


def take_over(turn: Settling, successor: InstanceId) -> None:
    """Make a new process the one that serves, and announce the stop of the old one."""
    predecessor, program = other_lane(successor), turn.plan.programs[successor[0]]
    number = first_lane(successor)[1]
    second = tuple(n for n in program.second_lane if n != number)
    if in_second_lane(successor):
        second = tuple(sorted((*second, number)))
    beside = (*(other for other in program.beside if other != successor), predecessor)
    _change(turn, replace(program, second_lane=second, beside=beside))
    turn.apply(predecessor, StopAnnounced())
    turn.came_up = True


def dismiss(turn: Settling, each: Replacement) -> None:
    """Stop a new process that will not take over."""
    if is_beside(turn.plan, each.instance):
        turn.apply(each.instance, StopAnnounced())


def dismiss_all(turn: Settling, roll: Roll) -> None:
    for each in roll.under_way:
        dismiss(turn, each)


def drop_gone(turn: Settling, name: str) -> None:
    """Forget what is beside the instances of a program and down."""
    program = turn.plan.programs[name]
    down = [i for i in program.beside if not turn.lives[i].is_alive and not turn.lives[i].is_wanted]
    gone = [instance for instance in down if not turn.is_leaving(instance)]
    if gone:
        _change(turn, replace(program, beside=tuple(i for i in program.beside if i not in gone)), gone)


def _change(turn: Settling, program: Program, gone: list[InstanceId] | None = None) -> None:
    """Change who serves and who is beside."""
    adopt(turn, replace_entries(turn.plan, {program.name: program}, turn.leaving, gone or ()), turn.leaving)
