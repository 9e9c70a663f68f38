"""An update under way: what leaves is announced to stop, and its entry is replaced once it is gone."""

from __future__ import annotations

from supervisor.core.container import Serving, new_life
from supervisor.core.dependencies import restart_dependants, start_or_schedule
from supervisor.core.events import Redefined, StopAnnounced
from supervisor.core.holds import count_holds
from supervisor.core.update import keeps_runs, leave, merge, replace_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.settling import Settling
    from supervisor.core.update import Leaving


def update(turn: Settling, new: Plan, stale: Collection[str]) -> None:
    """Go over to a new table: at once, except for what has to leave first. `stale` programs leave in any case."""
    if not isinstance(turn.container_phase, Serving):
        return
    old, known = turn.plan, turn.lives
    leaving = leave(old, known, turn.leaving, new, stale)
    _adopt(turn, merge(old, leaving, new), leaving)
    for name, going in leaving.items():
        for instance in going.instances:
            if not keeps_runs(old.programs[name], going.becomes):
                turn.apply(instance, StopAnnounced())
        if going.becomes is not None and going.instances and len(going.instances) == old.programs[name].scale:
            restart_dependants(turn, name)
    for name, program in turn.plan.programs.items():
        if name not in leaving:
            _redefine(turn, old.programs.get(name), program, known)
    turn.touched += turn.plan.programs
    turn.replaces = True


def _adopt(turn: Settling, plan: Plan, leaving: Mapping[str, Leaving]) -> None:
    turn.plan = plan
    turn.leaving = leaving
    turn.lives = {instance: turn.lives.get(instance) or new_life(plan, instance) for instance in plan.instances}
    turn.held = count_holds(plan, turn.lives)


def _redefine(turn: Settling, before: Program | None, program: Program, known: Collection[InstanceId]) -> None:
    """Tell the existing instances of a program about its new entry, and start the new ones."""
    if before == program:
        return
    for instance in program.instances:
        if instance not in known:
            if program.starts_by_itself or any(turn.lives[i].is_wanted for i in program.instances):
                start_or_schedule(turn, instance, is_new=before is None)
        elif before is not None:
            turn.apply(instance, Redefined(before.healthcheck != program.healthcheck))


def replace_gone(turn: Settling) -> bool:
    """Replace the entries of all programs of which everything that leaves is gone. False: there are none."""
    leaving, before, known = turn.leaving, turn.plan, turn.lives
    others = {name: going for name, going in leaving.items() if any(known[i].is_alive for i in going.instances)}
    gone = [name for name in leaving if name not in others]
    if not gone:
        return False
    _adopt(turn, replace_entries(before, {name: leaving[name].becomes for name in gone}, others), others)
    for name in gone:
        becomes = leaving[name].becomes
        if becomes is not None:
            _begin_anew(turn, before.programs[name], becomes, leaving[name], known)
            turn.touched.append(name)
    turn.came_up = True
    return True


def _begin_anew(
    turn: Settling, before: Program, becomes: Program, going: Leaving, known: Collection[InstanceId]
) -> None:
    """Start the instances of the new entry that were wanted or are new, and tell those that have stayed about it."""
    has_new_check = before.healthcheck != becomes.healthcheck
    is_wanted = bool(going.wanted) or (before.scale == 0 and becomes.starts_by_itself)
    for instance in becomes.instances:
        if instance in going.wanted or (is_wanted and instance not in known):
            start_or_schedule(turn, instance, is_new=before.schedule is None)
        elif instance not in going.instances:
            turn.apply(instance, Redefined(has_new_check))
