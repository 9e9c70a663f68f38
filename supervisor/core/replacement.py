"""An update under way: what leaves is announced to stop, and its entry is replaced once it is gone.

Programs with `update_config` that need new processes do not leave as a whole; rolling.py replaces their instances.
"""

from __future__ import annotations

from supervisor.core.adoption import adopt, redefine
from supervisor.core.container import Serving
from supervisor.core.dependencies import restart_dependants, start_or_schedule
from supervisor.core.events import Redefined, StartRequested, StopAnnounced
from supervisor.core.update import (
    as_in_table,
    is_in_the_way,
    keeps_runs,
    leave,
    merge,
    needs_new_process,
    replace_entries,
    with_scales,
)

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
    old, known, new = turn.plan, turn.lives, with_scales(turn.plan, new)
    rolling = _rolling(turn, new, stale)
    leaving = leave(old, known, turn.leaving, new, stale, rolling)
    adopt(turn, merge(old, leaving, new, rolling), leaving)
    _roll(turn, rolling, stale)
    for name, going in leaving.items():
        for instance in going.instances:
            if not keeps_runs(old.programs[name], going.becomes):
                turn.apply(instance, StopAnnounced())
        if going.becomes is not None and going.instances and len(going.instances) >= old.programs[name].scale:
            restart_dependants(turn, name)
    for name, program in turn.plan.programs.items():
        redefine(turn, old.programs.get(name), program, known)
    turn.touched += turn.plan.programs
    turn.replaces = True
    turn.note_ready()


def _rolling(turn: Settling, new: Plan, stale: Collection[str]) -> dict[str, Program]:
    """Return the new entries of the programs whose instances are replaced a few at a time."""
    rolling: dict[str, Program] = {}
    for name, entry in new.programs.items():
        if entry.update_config is None or entry.schedule is not None or name not in turn.plan.programs:
            continue
        old, going, roll = turn.plan.programs[name], turn.leaving.get(name), turn.rolls.get(name)
        if going is not None and len(going.instances) >= old.scale:
            continue
        if (
            name in stale
            or (roll is not None and roll.is_update_under_way)
            or any(i in turn.plan.entries or needs_new_process(old, entry) for i in old.instances)
            or is_in_the_way(old, entry, turn.lives)
        ):
            rolling[name] = entry
    return rolling


def _roll(turn: Settling, rolling: Mapping[str, Program], stale: Collection[str]) -> None:
    """Begin rolling updates. One that is on its way to the same entry goes on."""
    if not rolling and not turn.rolls:
        return
    from supervisor.core.rolling import forget_update, give_up, roll_update

    for name, roll in turn.rolls.items():
        if name not in rolling:
            if roll.becomes is not None or _has_to_go(turn, name):
                forget_update(turn, name)
        elif roll.is_active and (name in stale or not _is_same(rolling[name], roll.becomes)):
            give_up(turn, name, "another update has begun")
    for name, entry in rolling.items():
        if not turn.is_rolling(name):
            roll_update(turn, name, entry, name in stale)


def _is_same(entry: Program, becomes: Program | None) -> bool:
    return becomes is not None and as_in_table(entry) == as_in_table(becomes)


def _has_to_go(turn: Settling, name: str) -> bool:
    """Whether all instances of a program are to leave."""
    return name not in turn.plan.programs or all(map(turn.is_leaving, turn.plan.programs[name].instances))


def replace_gone(turn: Settling) -> bool:
    """Replace the entries of all programs of which everything that leaves is gone. False: there are none."""
    leaving, before, known = turn.leaving, turn.plan, turn.lives
    others = {name: going for name, going in leaving.items() if any(known[i].is_alive for i in going.instances)}
    gone = [name for name in leaving if name not in others]
    if not gone:
        return False
    left = [instance for name in gone for instance in leaving[name].instances]
    becoming = {name: leaving[name].becomes for name in gone}
    adopt(turn, replace_entries(before, becoming, others, left), others)
    for name in gone:
        becomes = becoming[name]
        if becomes is not None:
            _begin_anew(turn, before.programs[name], becomes, leaving[name], known)
            turn.touched.append(name)
    turn.note_ready()
    return True


def _begin_anew(
    turn: Settling, before: Program, becomes: Program, going: Leaving, known: Collection[InstanceId]
) -> None:
    """Start the instances of the new entry that were wanted or are new, and tell those that have stayed about it."""
    has_new_check = before.healthcheck != becomes.healthcheck
    is_wanted = bool(going.wanted) or (before.scale == 0 and becomes.starts_by_itself)
    for instance in becomes.instances:
        if instance in going.run_next:
            turn.apply(instance, StartRequested())
        elif instance in going.wanted or (is_wanted and instance not in known):
            start_or_schedule(turn, instance, is_new=before.schedule is None)
        else:
            turn.apply(instance, Redefined(has_new_check))
