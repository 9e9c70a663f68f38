"""The verdict: which program's end is the end of the container, and the exit code that follows from it.

Rule 1: the program that failed first has ended the container. It is the reason; without a main program, also the code.
Rule 2: with a main program, the code is that of its last exit: its own, 128 + the signal that stopped it, or 0. But a
        failure never gives 0, and codes that are not about a program (70, 75, and 0 of an idle shutdown) are kept.
"""

from __future__ import annotations

from enum import Enum

from supervisor.core.life import Exited, Fatal
from supervisor.core.record import Record, replace
from supervisor.core.restart_policy import exit_sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.core.life import Exit, Life
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId


class Cause(Enum):
    """Why the container ends."""

    ASKED = "asked"
    FINISHED = "finished"
    MAIN_ENDED = "main program ended"
    PROGRAM_ENDED = "program ended"
    UNHEALTHY = "unhealthy"
    START_TIMEOUT = "start timeout"
    IDLE = "idle"
    INTERNAL = "internal error"


class Verdict(Record):
    """The one reason why the container ends, and its exit code. `instance`: the program that ended it, if one did."""

    cause: Cause
    code: int
    reason: str
    instance: InstanceId | None = None
    exit: Exit | None = None

    @property
    def is_failure(self) -> bool:
        """Whether a human should look: not where the end was asked for, or where the main program ended."""
        return self.code != 0 and self.cause not in (Cause.ASKED, Cause.MAIN_ENDED)


def verdict_on(plan: Plan, instance: InstanceId, life: Life) -> Verdict:
    """Return the verdict for a container that ends because one instance has ended for good."""
    name, phase = instance[0], life.phase
    exit_ = phase.exit if isinstance(phase, Fatal) else life.last_exit
    if isinstance(phase, Exited) and phase.reason is not None:
        return Verdict(Cause.PROGRAM_ENDED, 0, f"{name} {phase.reason}", instance)
    if isinstance(phase, Fatal):
        code, reason = phase.code, f"{name} {phase.reason}"
    else:
        assert exit_ is not None
        code, reason = exit_.shell_code, f"{name} {exit_sentence(exit_)}"
    if name == plan.main and exit_ is not None:
        return Verdict(Cause.MAIN_ENDED, exit_.shell_code, reason, instance, exit_)
    return Verdict(Cause.PROGRAM_ENDED, code, reason, instance, exit_)


def with_code_of_main(plan: Plan, lives: Mapping[InstanceId, Life], verdict: Verdict | None) -> Verdict | None:
    """Return the verdict with the main program's exit code, whatever has ended the container."""
    if plan.main is None or verdict is None or verdict.cause in (Cause.START_TIMEOUT, Cause.INTERNAL, Cause.IDLE):
        return verdict
    instance = (plan.main, 1)
    exit_ = lives[instance].last_exit
    if exit_ is None:
        return verdict
    if verdict.code == 0:
        return replace(verdict, code=exit_.shell_code, instance=instance, exit=exit_)
    return replace(verdict, code=exit_.shell_code or verdict.code)
