"""An update under way: what leaves is announced to stop, and its entry is replaced once it is gone."""

from __future__ import annotations

from supervisor.core.container import Serving
from supervisor.core.events import Redefined, StartRequested, StopAnnounced
from supervisor.core.life import Life
from supervisor.core.update import leave, merge, replace_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.settling import Settling
    from supervisor.core.update import Leaving


def update(turn: Settling, new: Plan) -> None:
    """Go over to a new table: at once, except for what has to leave first."""
    if not isinstance(turn.container_phase, Serving):
        return
    old, known = turn.plan, turn.lives
    leaving = leave(old, known, turn.leaving, new)
    _adopt(turn, merge(old, leaving, new), leaving)
    for going in leaving.values():
        for instance in going.instances:
            turn.apply(instance, StopAnnounced())
    for name, program in turn.plan.programs.items():
        if name not in leaving:
            _redefine(turn, old.programs.get(name), program, known)
    turn.touched += turn.plan.programs


def _adopt(turn: Settling, plan: Plan, leaving: Mapping[str, Leaving]) -> None:
    turn.plan = plan
    turn.leaving = leaving
    turn.lives = {instance: turn.lives.get(instance) or Life() for instance in plan.instances}


def _redefine(turn: Settling, before: Program | None, program: Program, known: Collection[InstanceId]) -> None:
    """Tell the existing instances of a program about its new entry, and start the new ones."""
    if before == program:
        return
    for instance in program.instances:
        if instance not in known:
            turn.apply(instance, StartRequested())
        elif before is not None:
            turn.apply(instance, Redefined(before.healthcheck != program.healthcheck))


def is_leaving(turn: Settling, instance: InstanceId) -> bool:
    going = turn.leaving.get(instance[0])
    return going is not None and instance in going.instances


def replace_gone(turn: Settling) -> bool:
    """Replace the entry of one program of which everything that leaves is gone. False: there is none."""
    for name, going in turn.leaving.items():
        if any(turn.lives[instance].is_alive for instance in going.instances):
            continue
        dependants, before, known = turn.plan.dependants[name], turn.plan.programs[name], turn.lives
        others = {other: its for other, its in turn.leaving.items() if other != name}
        _adopt(turn, replace_entry(turn.plan, name, going.becomes, others), others)
        if going.becomes is not None:
            is_new = {i for i in going.becomes.instances if i not in known} if going.wanted else set()
            for instance in going.becomes.instances:
                if instance in going.wanted or instance in is_new:
                    turn.apply(instance, StartRequested())
                elif instance not in going.instances:
                    turn.apply(instance, Redefined(before.healthcheck != going.becomes.healthcheck))
            turn.touched.append(name)
        turn.touched += [dependant for dependant in dependants if dependant in turn.plan.programs]
        turn.note_ready()
        return True
    return False
