"""What follows the end of a run: whether it is restarted, after how long, and the sentence that says why."""

from __future__ import annotations

from math import inf

from supervisor.core.life import Claiming, Fatal, Pending, Preparing, Scheduled, Starting
from supervisor.core.program import ProgramType, RestartWhen
from supervisor.core.record import assert_never
from supervisor.core.signals import end_sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.life import Blame, Exit, Life
    from supervisor.core.program import Program, RestartDelay

JITTER = 0.1
"""The largest random share added to a restart delay, so that programs that fail together restart apart."""


def wants_restart(program: Program, succeeded: bool, blame: Blame | None) -> bool:
    """Whether another run should follow one that nobody asked to end."""
    if blame is not None and blame.asks_restart:
        return True
    match program.restart.when:
        case RestartWhen.ALWAYS:
            return not (succeeded and program.kind is ProgramType.ONESHOT)
        case RestartWhen.ON_FAILURE:
            return not succeeded
        case RestartWhen.NEVER:
            return False
        case _:
            assert_never(program.restart.when)


def is_exhausted(program: Program, life: Life) -> bool:
    """Whether the limit of failed starts or of restarts is reached."""
    limit = program.restart.limit
    if limit is not None and life.attempts >= limit:
        return True
    return program.start_retries is not None and life.failures >= max(1, program.start_retries)


def restart_delay(delay: RestartDelay, attempts: int, jitter: float) -> float:
    """Return the seconds to wait before restart number `attempts` (from 0) in a row; `jitter` is in [0, 1)."""
    seconds = delay.initial
    for _ in range(attempts):
        if seconds >= delay.max or delay.factor == 1.0:
            break
        seconds *= delay.factor
    return min(delay.max, seconds) * (1.0 + JITTER * jitter)


def exit_sentence(exit_: Exit) -> str:
    """Say how a process ended, as a predicate: "exited with code 7"."""
    sentence = end_sentence(exit_.code, exit_.signal)
    return f"{sentence}, out of memory" if exit_.out_of_memory else sentence


def unknown_sentence(reason: str) -> str:
    """Say why a program is neither down nor started again: it cannot be seen what is left of it."""
    return f"cannot see which of its processes are left: {reason}"


def obstacle(life: Life) -> str:
    """Say why a program is not up, as a predicate: "waits for db", "is not healthy: refused"."""
    phase = life.phase
    if isinstance(phase, Pending):
        return f"waits for {', '.join(phase.on)}" if phase.on else f"is held back: {phase.held_by}"
    if isinstance(phase, Claiming):
        return f"is held back: {phase.reason}"
    if isinstance(phase, Fatal):
        return phase.reason
    if isinstance(phase, Scheduled):
        return "waits for its next run"
    if isinstance(phase, Preparing):
        return f"runs {phase.hook}"
    if life.health_state is not None:
        return f"is not healthy: {life.health_state.detail or 'its first health check has not come back'}"
    if life.last_exit is not None:
        return exit_sentence(life.last_exit)
    return "has not completed" if isinstance(phase, Starting) and phase.deadline == inf else "is not ready"


def end_reason(exit_: Exit | None, blame: Blame | None) -> str:
    """Say why a run or a start has ended, as a predicate: "exited with code 7", "was not ready within 60 s"."""
    if blame is not None:
        return blame.sentence
    return exit_sentence(exit_) if exit_ is not None else "could not be started"


def run_sentence(program: Program, life: Life, exit_: Exit | None, blame: Blame | None) -> str:
    """Say why the program has ended for good, as a predicate."""
    sentence = end_reason(exit_, blame)
    if program.restart.when is RestartWhen.NEVER:
        return sentence
    if life.failures > 1 and life.failures == program.start_retries:
        return f"{sentence}; gave up after {life.failures} starts in a row that did not come up"
    if life.attempts:
        return f"{sentence}; gave up after {life.attempts} restarts in a row"
    return sentence
