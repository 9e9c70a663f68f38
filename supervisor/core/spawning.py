"""Ask for the process of an instance, or for the lease that it needs first."""

from __future__ import annotations

from supervisor.core.actions import Spawn
from supervisor.core.life import Spawning
from supervisor.core.stop_sequence import enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.life import Life
    from supervisor.core.program import Program
    from supervisor.core.stop_sequence import Transition


def ask_process(program: Program, life: Life, since: float, now: float, was_held: bool = False) -> Transition:
    """Ask for the process. The life has its generation."""
    if program.once is not None and program.once.store is not None:
        from supervisor.core.leasing import claim

        return claim(program.once, life, since, now, was_held)
    return enter(life, Spawning(was_held), since), (Spawn(life.generation),)
