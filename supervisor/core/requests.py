"""What somebody wants of an instance: the operator, the fleet or a new table.

`advance` in lifecycle.py has set the goal when it calls these.
"""

from __future__ import annotations

from math import inf
from signal import SIGKILL

from supervisor.core.forking import daemon_patience
from supervisor.core.health import begin_health_checks, restart_health_checks
from supervisor.core.hook_sequence import prepare, shorten_sweep, without_hooks
from supervisor.core.life import (
    Backoff,
    Claiming,
    DaemonSearch,
    Exited,
    Fatal,
    Life,
    Pending,
    Preparing,
    Running,
    Scheduled,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.record import assert_never, replace
from supervisor.core.reports import end_for_good, follow_run
from supervisor.core.spawning import ask_process
from supervisor.core.stop_sequence import Transition, begin_stop, enter, kill_leftovers, shorten, take_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import Program


def start(program: Program, life: Life, now: float) -> Transition:
    match life.phase:
        case Stopped() | Exited() | Fatal() | Scheduled():
            return enter(replace(life, failures=0, attempts=0), Pending(), now), ()
        case Backoff():
            return enter(life, Pending(), now), ()
        case Stopping():  # as one that was asked for, so that a new process follows it at once
            return replace(life, phase=replace(life.phase, blame=None)), ()
        case Sweeping():
            return replace(life, phase=replace(life.phase, asked=True, blame=None)), ()
        case Starting() | Running():
            return _watch_again(program, life, now), ()
        case Pending() | Preparing() | Claiming() | Spawning():
            return life, ()
        case _:
            assert_never(life.phase)


def resume_schedule(life: Life, now: float) -> Life:
    """Wait for the next run. A run that is under way, or is being stopped, goes on as it is."""
    if isinstance(life.phase, Stopped | Exited | Fatal):
        return enter(life, Scheduled(), now)
    return life


def _watch_again(program: Program, life: Life, now: float) -> Life:
    """Restore the deadline that it lost while it was announced to stop."""
    match life.phase:
        case Starting(deadline=deadline, search=DaemonSearch()) if deadline == inf:
            return replace(life, phase=replace(life.phase, deadline=now + daemon_patience(program)))
        case Starting(deadline=deadline) if deadline == inf:
            return replace(life, phase=replace(life.phase, deadline=now + program.start_patience))
        case Running(silent_until=None) if program.watchdog is not None:
            return replace(life, phase=replace(life.phase, silent_until=now + program.watchdog))
        case _:
            return life


def restart(program: Program, life: Life, now: float) -> Transition:
    match life.phase:
        case Starting(run=run) | Running(run=run):
            return begin_stop(program, life, run, None, None, now)
        case _:
            return start(program, life, now)


def stop(program: Program, life: Life, within: float | None, now: float) -> Transition:
    match life.phase:
        case Starting(run=run) | Running(run=run):
            return begin_stop(program, life, run, within, None, now)
        case Stopping():
            return shorten(program, life, life.phase, within, now), ()
        case Sweeping() if within is not None:
            return shorten_sweep(program, life, life.phase, within, now), ()
        case _:
            return retire(life, now)


def retire(life: Life, now: float) -> Transition:
    """Drop what waits to be started. A process is left alone: its own stop is requested when its turn comes."""
    match life.phase:
        case Pending() | Preparing() | Claiming() | Backoff() | Scheduled():
            return enter(life, Stopped(), now), ()
        case Sweeping(tells_store=True):
            from supervisor.core.leasing import hurry_telling

            return hurry_telling(life, life.phase, now), ()
        case Stopped() | Exited() | Fatal() | Spawning() | Starting() | Running() | Stopping() | Sweeping():
            return life, ()
        case _:
            assert_never(life.phase)


def kill(program: Program, life: Life, now: float) -> Transition:
    match life.phase:
        case Starting(run=run) | Running(run=run):
            life, _ = begin_stop(program, life, run, None, None, now)
            if isinstance(life.phase, Sweeping):
                return kill_leftovers(life, without_hooks(program, life.phase), now)
            return kill(program, life, now)
        case Stopping(step_index=step_index) if step_index < len(program.stop):
            return take_step(program, life, replace(life.phase, pace=0.0), len(program.stop), now)
        case Stopping():
            return replace(life, phase=replace(life.phase, pace=0.0)), ()
        case Sweeping(hook=hook, tells_store=tells) if hook or tells:
            return follow_run(program, life, life.phase, life.phase.jitter, now), ()
        case Sweeping(signal=signal) if signal != SIGKILL:
            return kill_leftovers(life, without_hooks(program, life.phase), now)
        case Sweeping():
            return replace(life, phase=without_hooks(program, life.phase)), ()
        case _:
            return retire(life, now)


def redefine(program: Program, life: Life, has_new_check: bool, now: float) -> Life:
    """Apply a changed entry to the running process. A health check that has changed is probed at once."""
    match life.phase:
        case Starting(run=run, deadline=deadline, search=DaemonSearch()) if deadline < inf:
            life = replace(life, phase=replace(life.phase, deadline=run.since + daemon_patience(program)))
        case Starting(run=run, deadline=deadline, is_ready=False) if deadline < inf:
            life = replace(life, phase=replace(life.phase, deadline=run.since + program.start_patience))
        case Starting() | Running():
            pass
        case _:
            return life
    if not has_new_check:
        return life
    if program.healthcheck is None:
        return replace(life, health_state=None)
    if life.health_state is None:
        return replace(life, health_state=begin_health_checks(program.healthcheck, now))
    return replace(life, health_state=restart_health_checks(program.healthcheck, life.health_state, now))


def check_dependencies(program: Program, life: Life, missing: tuple[str, ...], now: float) -> Transition:
    if not isinstance(life.phase, Pending) or life.phase.held_until is not None:
        return life, ()
    if missing:
        return replace(life, phase=replace(life.phase, on=missing)), ()
    if program.pre_start:
        return prepare(program, replace(life, generation=life.generation + 1, status_text=""), 0, now)
    return ask_spawn(program, life, now, now)


def ask_spawn(program: Program, life: Life, since: float, now: float, was_held: bool = False) -> Transition:
    """Ask for the next process; its generation is one higher."""
    return ask_process(program, replace(life, generation=life.generation + 1, status_text=""), since, now, was_held)


def fail_pending(program: Program, life: Life, reason: str, now: float) -> Transition:
    if not isinstance(life.phase, Pending):
        return life, ()
    # a run of its own, so that who asked for it sees that it has failed
    return end_for_good(program, replace(life, generation=life.generation + 1), Fatal(reason, 1), now), ()
