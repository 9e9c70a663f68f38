"""The stop sequence of one instance: its steps, each with a time to wait, and then SIGKILL to the whole tree.

`Stopping.step_index` is the step that was taken last. A budget shortens every wait by the same factor
(`Stopping.pace`).
"""

from __future__ import annotations

from signal import SIGCONT, SIGKILL, SIGTERM

from supervisor.core.actions import Action, RunCommand, RunHooks, SendSignal, Sweep, WriteFifo
from supervisor.core.hook import HookKind, HookStep
from supervisor.core.life import Blame, Life, Phase, Run, Starting, Stopping, Sweeping
from supervisor.core.program import CommandStep, Program, ProgramType, Scope, SignalStep, StopLeftovers, WriteStep
from supervisor.core.record import assert_never, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.life import Exit
    from supervisor.core.program import Signal

KILL_INTERVAL = 1.0
"""Seconds between two SIGKILLs to a process that is still there, and between two sweeps of its tree."""
KILL_LIMIT = 10.0
"""Seconds after which a process that SIGKILL does not end (in uninterruptible sleep) is not waited for any more."""

Transition = tuple[Life, tuple[Action, ...]]


def enter(life: Life, phase: Phase, now: float) -> Life:
    """Return the instance in another phase, entered now."""
    return replace(life, phase=phase, since=now)


def stop_time_left(program: Program, life: Life, now: float) -> float:
    """Return the seconds until it is down if no signal helps. 0.0: no stop sequence is under way."""
    hooks = program.down_time - program.stop_time
    match life.phase:
        case Stopping(step_index=step_index, deadline=deadline, pace=pace) if step_index < len(program.stop):
            later = sum(step.wait for step in program.stop[step_index + 1 :]) + hooks
            return max(0.0, deadline - now) + pace * later
        case Sweeping(tells_store=True, deadline=deadline):
            return max(0.0, deadline - now)
        case Sweeping(hook=hook, deadline=deadline, pace=pace, hook_index=index) if hook:
            later = sum(hook.timeout for hook in program.post_stop[index + 1 :])
            return max(0.0, deadline - now) + pace * later
        case Sweeping(signal=signal, deadline=deadline, pace=pace, hook="") if signal != SIGKILL:
            return max(0.0, deadline - now) + pace * hooks
        case _:
            return 0.0


def begin_stop(
    program: Program, life: Life, run: Run, within: float | None, blame: Blame | None, now: float
) -> Transition:
    """Take the first step.

    `within`: the seconds that the whole sequence may take; None: as configured. `blame`: why it is stopped although it
    is wanted.
    """
    if isinstance(life.phase, Starting) and life.phase.search is not None and life.phase.search.exit is not None:
        return end_search(program, life, life.phase, life.phase.search.exit, within, blame, now)
    phase = Stopping(run, 0, now, pace=_pace(program, within), blame=blame)
    return take_step(program, enter(replace(life, health_state=None), phase, now), phase, 0, now)


def end_search(
    program: Program, life: Life, phase: Starting, exit_: Exit, within: float | None, blame: Blame | None, now: float
) -> Transition:
    """End what the command of a forking program has left behind, where no daemon became its main process."""
    step = next((step for step in program.stop if not isinstance(step, HookStep)), None)
    signal: Signal = SIGKILL
    if program.stop_leftovers is not StopLeftovers.KILL:
        signal = step.signal if isinstance(step, SignalStep) else SIGTERM
    pace = _pace(program, within)
    wait = step.wait * pace if step is not None else 0.0
    deadline = now + (KILL_INTERVAL if signal == SIGKILL else wait)
    after = Sweeping(phase.run, exit_, deadline, now + KILL_LIMIT, signal, blame is None, blame, pace=pace)
    life = replace(life, health_state=None, last_exit=exit_)
    return enter(life, after, now), (Sweep(life.generation, phase.run.pid, signal),)


def _pace(program: Program, within: float | None) -> float:
    if within is None or within >= program.down_time:
        return 1.0
    return within / program.down_time


def shorten(program: Program, life: Life, phase: Stopping, within: float | None, now: float) -> Life:
    """Fit the rest of a stop sequence that is under way into `within` seconds."""
    phase = replace(phase, blame=None)
    return replace(life, phase=phase) if within is None else hasten(program, life, phase, within, now)


def hasten(program: Program, life: Life, phase: Stopping, within: float, now: float) -> Life:
    """Fit the rest of a stop sequence that is under way into `within` seconds. What it is for stays."""
    left = stop_time_left(program, life, now)
    if within >= left:
        return replace(life, phase=phase)
    ratio = within / left
    deadline = now + (phase.deadline - now) * ratio
    return replace(life, phase=replace(phase, deadline=deadline, pace=phase.pace * ratio))


def take_step(program: Program, life: Life, phase: Stopping, step_index: int, now: float) -> Transition:
    """Take one step of the stop sequence. Past its end, send SIGKILL to the whole tree, each KILL_INTERVAL.

    SIGCONT follows each signal, because a stopped process does not act on others (signal(7)).
    """
    pid = phase.run.pid
    if step_index >= len(program.stop):
        stuck_at = phase.stuck_at if phase.step_index == len(program.stop) else now + KILL_LIMIT
        phase = replace(
            phase,
            step_index=len(program.stop),
            deadline=now + KILL_INTERVAL,
            stuck_at=stuck_at,
            hook="",
            is_stuck=phase.is_stuck or now >= stuck_at,
        )
        return replace(life, phase=phase), (SendSignal(pid, SIGKILL, Scope.TREE),)
    step = program.stop[step_index]
    deadline = now + step.wait * phase.pace
    hook = f"{HookKind.PRE_STOP.value} {step.hook.label}" if isinstance(step, HookStep) else ""
    life = replace(life, phase=replace(phase, step_index=step_index, deadline=deadline, hook=hook))
    match step:
        case SignalStep(signal=signal, scope=scope):
            return life, (SendSignal(pid, signal, scope), SendSignal(pid, SIGCONT, scope))
        case WriteStep(path=path, data=data):
            return life, (WriteFifo(life.generation, step_index, path, data),)
        case CommandStep(command=command):
            return life, (RunCommand(life.generation, step_index, command),)
        case HookStep(hook=step_hook):
            hooks = (step_hook,)
            return life, (RunHooks(life.generation, HookKind.PRE_STOP, step_index, hooks, phase.pace, pid),)
        case _:
            assert_never(step)


def note_refusal(program: Program, life: Life, now: float) -> Transition:
    """Take the next step after a signal that was not permitted. After SIGKILL, it is stuck."""
    match life.phase:
        case Stopping(step_index=step_index) if step_index < len(program.stop):
            return take_step(program, life, replace(life.phase, is_refused=True), step_index + 1, now)
        case Stopping(is_stuck=False):
            return replace(life, phase=replace(life.phase, is_refused=True, is_stuck=True)), ()
        case _:
            return life, ()


def leftovers_signal(program: Program, life: Life) -> Signal:
    """Return the signal for what is left of the tree, if the main process ends now.

    Two cases give them time to end: a stop that had not reached its SIGKILL, and the start of a forking program. After
    a crash, nothing waits for them.
    """
    match life.phase:
        case Starting() if program.kind is ProgramType.FORKING:
            return SIGTERM  # one of them may be the daemon
        case Stopping(step_index=step_index) if (
            step_index < len(program.stop) and program.stop_leftovers is StopLeftovers.SIGNAL
        ):
            step = program.stop[step_index]
            return step.signal if isinstance(step, SignalStep) else SIGTERM
        case _:
            return SIGKILL


def kill_leftovers(life: Life, phase: Sweeping, now: float) -> Transition:
    """Send SIGKILL to what is left of the tree."""
    phase = replace(phase, signal=SIGKILL, deadline=now + KILL_INTERVAL, give_up=now + KILL_LIMIT)
    return replace(life, phase=phase), (Sweep(life.generation, phase.run.pid),)


def has_killed(program: Program, life: Life) -> bool:
    """Whether the stop sequence has sent SIGKILL."""
    match life.phase:
        case Stopping(step_index=step_index):
            steps = program.stop[: step_index + 1]
            return step_index >= len(program.stop) or any(
                isinstance(s, SignalStep) and s.signal == SIGKILL for s in steps
            )
        case _:
            return False


def has_come_to_kill(program: Program, before: Life, after: Life) -> bool:
    """Whether this change is the first SIGKILL after the steps of a stop sequence, and was not refused."""
    is_refused = isinstance(after.phase, Stopping) and after.phase.is_refused
    return _is_past_its_steps(program, after) and not _is_past_its_steps(program, before) and not is_refused


def _is_past_its_steps(program: Program, life: Life) -> bool:
    return isinstance(life.phase, Stopping) and life.phase.step_index >= len(program.stop)


def skip_step(program: Program, life: Life, step_index: int, now: float) -> Transition:
    """Take the next step after one that had no effect, if that is still the last one taken."""
    match life.phase:
        case Stopping(step_index=current) if current == step_index and step_index < len(program.stop):
            return take_step(program, life, life.phase, step_index + 1, now)
        case _:
            return life, ()


def extend(program: Program, life: Life, until: float) -> Life:
    """Extend the deadline of a start, or of a step of the stop sequence, but never beyond a shutdown budget."""
    match life.phase:
        case Starting(deadline=deadline):
            return replace(life, phase=replace(life.phase, deadline=max(deadline, until)))
        case Stopping(deadline=deadline, pace=1.0, step_index=step_index) if step_index < len(program.stop):
            return replace(life, phase=replace(life.phase, deadline=max(deadline, until)))
        case _:
            return life
