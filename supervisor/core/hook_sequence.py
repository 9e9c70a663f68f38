"""Hooks in the life of an instance: commands before and after its start and its stop.

Rule 1: pre_start hooks run in the phase Preparing, before the process is asked for. A failure is a failed start.
Rule 2: pre_stop hooks are the first steps of the stop sequence (`HookStep`). The next step follows as soon as a hook
        has ended, at the latest when its timeout is over.
Rule 3: post_stop hooks run at the end of Sweeping, when nothing of the tree is left. What follows the run follows them.
Rule 4: post_start hooks run beside Running and change nothing.

The engine ends a hook at its timeout, with its whole tree, and reports it (`HookEnded`). A phase waits a little longer
for that report, and then continues without it. A shutdown budget shortens pre_stop and post_stop hooks, too.
"""

from __future__ import annotations

from signal import SIGKILL

from supervisor.core.actions import RunHooks
from supervisor.core.hook import HookKind
from supervisor.core.life import Life, Preparing, Running, Stopping, Sweeping
from supervisor.core.record import replace
from supervisor.core.signals import signal_name
from supervisor.core.spawning import ask_process
from supervisor.core.stop_sequence import enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.life import Run
    from supervisor.core.program import Program
    from supervisor.core.stop_sequence import Transition

MAIN_PID = "SUPINIT_MAINPID"
"""Variable with the pid of the main process, for hooks and for the commands of a reload or a stop."""
GRACE = 1.0
"""Seconds that a phase waits for the report about a hook whose timeout is over."""


def prepare(program: Program, life: Life, index: int, now: float) -> Transition:
    """Run the pre_start hook with this index. The generation is that of the process that will follow."""
    hook = program.pre_start[index]
    label = f"{HookKind.PRE_START.value} {hook.label}"
    phase = Preparing(index, label, now + hook.timeout + GRACE)
    return enter(life, phase, now), (RunHooks(life.generation, HookKind.PRE_START, index, (hook,)),)


def note_prepared(program: Program, life: Life, phase: Preparing, now: float) -> Transition:
    """Run the next pre_start hook, or ask for the process after the last one."""
    if phase.index + 1 < len(program.pre_start):
        return prepare(program, life, phase.index + 1, now)
    return ask_process(program, life, now, now)


def clean_up(program: Program, life: Life, phase: Sweeping, index: int, jitter: float, now: float) -> Transition:
    """Run the post_stop hook with this index."""
    hook = program.post_stop[index]
    label = f"{HookKind.POST_STOP.value} {hook.label}"
    limit = hook.timeout + GRACE if phase.pace == 1.0 else hook.timeout * phase.pace
    phase = replace(phase, deadline=now + limit, signal=SIGKILL, hook=label, hook_index=index, jitter=jitter)
    action = RunHooks(life.generation, HookKind.POST_STOP, index, (hook,), phase.pace, phase.run.pid, phase.exit)
    return replace(life, phase=phase), (action,)


def shorten_sweep(program: Program, life: Life, phase: Sweeping, within: float, now: float) -> Life:
    """Fit the wait for what is left, and the post_stop hooks, into `within` seconds."""
    if phase.hook or phase.tells_store:
        return replace(life, phase=replace(phase, deadline=min(phase.deadline, now + within), pace=0.0))
    if phase.signal != SIGKILL:
        phase = replace(phase, deadline=min(phase.deadline, now + within))
        within -= phase.deadline - now
    total = program.down_time - program.stop_time
    if total:
        phase = replace(phase, pace=min(phase.pace, max(0.0, within) / total))
    return replace(life, phase=phase)


def without_hooks(program: Program, phase: Sweeping) -> Sweeping:
    """Return the phase so that no post_stop hook follows, and the store is not told."""
    return replace(phase, pace=0.0) if program.post_stop or phase.run.lease is not None else phase


def greet(program: Program, life: Life, run: Run) -> RunHooks:
    """Return the action for an instance that has just become RUNNING."""
    return RunHooks(life.generation, HookKind.POST_START, 0, program.post_start, pid=run.pid)


def is_wanted(action: RunHooks, life: Life) -> bool:
    """Whether somebody still waits for these hooks."""
    if action.generation != life.generation:
        return False
    match life.phase:
        case Preparing(index=index):
            return (action.kind, action.index) == (HookKind.PRE_START, index)
        case Running():
            return action.kind is HookKind.POST_START
        case Stopping(step_index=index):
            return (action.kind, action.index) == (HookKind.PRE_STOP, index)
        case Sweeping(hook=hook, hook_index=index):
            return bool(hook) and (action.kind, action.index) == (HookKind.POST_STOP, index)
        case _:
            return False


def hook_variables(action: RunHooks) -> dict[str, str]:
    """Return what hooks are told about the main process."""
    variables = {}
    if action.pid is not None:
        variables[MAIN_PID] = str(action.pid)
    if action.exit is not None and action.exit.code is not None:
        variables["SUPINIT_EXIT_CODE"] = str(action.exit.code)
    if action.exit is not None and action.exit.signal is not None:
        variables["SUPINIT_EXIT_SIGNAL"] = signal_name(action.exit.signal)
    return variables
