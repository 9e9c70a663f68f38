"""Which programs hold back the stop of what they depend on.

A program holds its dependencies back while it is alive and is to stop, unless it is stuck. A program that is not
running does so while it is held back itself, so that the order reaches through it: with db ← migrate ← web, where
migrate has completed, db waits for web. A program that runs and is to stay up holds nothing back: an operator who
stops its dependency wants that.

The numbers of holders are kept from turn to turn (`Fleet.held`), since looking along every chain at each death would be
quadratic.
"""

from __future__ import annotations

from supervisor.core.life import Goal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervisor.core.life import Life
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId

    Lives = Mapping[InstanceId, Life]


def note_hold(plan: Plan, lives: Lives, held: dict[str, int], instance: InstanceId, before: Life) -> list[str]:
    """Note that one instance, which was `before`, is now alive or not, or wanted or not.

    Returns the programs that nothing holds back any more.
    """
    name = instance[0]
    if not plan.programs[name].depends_on:
        return []
    others = [lives[other] for other in plan.programs[name].everyone if other != instance]
    is_held = name in held
    holds = _holds([*others, lives[instance]], is_held)
    return _pass_on(plan, lives, held, name, holds) if holds is not _holds([*others, before], is_held) else []


def count_holds(plan: Plan, lives: Lives) -> dict[str, int]:
    """Return the number of holders of each program that is held back."""
    held: dict[str, int] = {}
    for name, program in plan.programs.items():
        if _holds([lives[instance] for instance in program.everyone], False):
            _pass_on(plan, lives, held, name, True)
    return held


def _holds(lives: Iterable[Life], is_held: bool) -> bool:
    alive = [life for life in lives if life.is_waited_for]
    return any(life.goal is Goal.DOWN for life in alive) if alive else is_held


def _pass_on(plan: Plan, lives: Lives, held: dict[str, int], name: str, holds: bool) -> list[str]:
    """Count `name` as a holder of its dependencies, or no longer; likewise for those that are not running."""
    pending, freed = [name], []
    for holder in pending:  # grows while it is read
        for dependency in plan.programs[holder].depends_on:
            target = dependency.program
            before = held.get(target, 0)
            after = held[target] = before + (1 if holds else -1)
            if before and after:
                continue
            if not after:
                del held[target]
                freed.append(target)
            if not any(lives[instance].is_waited_for for instance in plan.programs[target].everyone):
                pending.append(target)
    return freed
