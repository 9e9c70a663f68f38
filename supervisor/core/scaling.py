"""The number of instances at run time. It lasts until an update whose table changes `scale`.

Rule 1: instances are added and removed at the end: the newest go first, and the others keep their numbers.
Rule 2: an instance that goes is stopped by its stop sequence, and keeps its place until it is gone (`Leaving`).
"""

from __future__ import annotations

from supervisor.core.adoption import adopt, redefine
from supervisor.core.container import ScaleChange
from supervisor.core.events import StopAnnounced
from supervisor.core.record import replace
from supervisor.core.update import Leaving, replace_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.settling import Settling


def ask_scale(turn: Settling, name: str, scale: int) -> None:
    """Start new instances, or stop the newest ones, unless the program's instances are being replaced or removed."""
    becomes = entry_to_scale(turn.plan, turn.leaving, name)
    if becomes is None or obstacle_to_scale(becomes, scale) is not None or turn.is_rolling(name):
        return
    now = becomes.scale
    own, _ = turn.plan.scaled.get(name, (now, now))
    scaled = {other: numbers for other, numbers in turn.plan.scaled.items() if other != name}
    turn.plan = replace(turn.plan, scaled=scaled if scale == own else {**scaled, name: (own, scale)})
    if scale != now:
        turn.changes.append(ScaleChange(name, now, scale))
    change_scale(turn, name, scale)


def entry_to_scale(plan: Plan, leaving: Mapping[str, Leaving], name: str) -> Program | None:
    """Return the entry that a scale is for: the one that the program is about to have. None: it is removed."""
    going = leaving.get(name)
    return plan.programs.get(name) if going is None else going.becomes


def _beside(program: Program, scale: int) -> tuple[InstanceId, ...]:
    return tuple(instance for instance in program.beside if instance[1] > scale)


def obstacle_to_scale(program: Program, scale: int) -> str | None:
    """Return why a program cannot have this many instances, as a clause, or None if it can."""
    if program.is_main:
        return "it is the main program, which has stdin and the terminal, so there is exactly one of it"
    if program.schedule is not None:
        return "schedule.max_concurrent says how many of its runs there are"
    if program.pid_file is not None and scale > 1:
        return f"its instances would share {program.pid_file} (pid_file)"
    return None


def change_scale(turn: Settling, name: str, scale: int) -> None:
    """Bring a program to another number of instances."""
    program, going = turn.plan.programs[name], turn.leaving.get(name)
    becomes = entry_to_scale(turn.plan, turn.leaving, name)
    assert becomes is not None
    if scale == becomes.scale:
        return
    becomes = replace(becomes, scale=scale)
    if going is None and scale > program.scale:
        before, known = turn.plan.programs[name], turn.lives
        adopt(turn, replace_entries(turn.plan, {name: becomes}, turn.leaving), turn.leaving)
        redefine(turn, before, becomes, known)
    else:
        leaves = dict.fromkeys(
            (*(() if going is None else going.instances), *program.instances[scale:], *_beside(program, scale))
        )
        wanted = (*(() if going is None else going.wanted), *(i for i in leaves if turn.lives[i].is_wanted))
        turn.leaving = {**turn.leaving, name: Leaving(tuple(leaves), becomes, tuple(dict.fromkeys(wanted)))}
        for instance in leaves:
            turn.apply(instance, StopAnnounced())
    turn.replaces = True
