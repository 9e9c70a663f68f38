"""What the helper of a oneshot with `once.store` reports about its lease.

Rule 1: without a lease nothing is spawned. A store that cannot be asked is a failed start.
Rule 2: a lease that is lost, or not renewed in time, stops the run, so that no process of it is left when another
        container may take over. A pause of supinit does not extend it: the store's clock runs on.
Rule 3: the store is told how the run has ended once no process of it is left. Only then does the next phase begin.
"""

from __future__ import annotations

from math import inf

from supervisor.core.actions import Spawn
from supervisor.core.events import LeaseAwaited, LeaseHeld
from supervisor.core.hook_sequence import shorten_sweep
from supervisor.core.life import Blame, Claiming, Lease, Running, Spawning, Starting, Stopping, Sweeping
from supervisor.core.record import replace
from supervisor.core.reports import follow_run, note_spawn_failed
from supervisor.core.stop_sequence import begin_stop, enter, hasten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.events import LeaseEnded
    from supervisor.core.life import Life
    from supervisor.core.program import Program
    from supervisor.core.stop_sequence import Transition

RESERVE = 0.25
"""The share of a lease that is left for the stop of a run whose lease was not renewed."""


def note_lease(program: Program, life: Life, event: LeaseAwaited | LeaseHeld | LeaseEnded, now: float) -> Transition:
    match event:
        case LeaseAwaited(reason=reason):
            return _wait(life, reason), ()
        case LeaseHeld(until=until):
            return _hold(program, life, until, now)
        case _:
            return _end(program, life, event, now)


def _wait(life: Life, reason: str) -> Life:
    match life.phase:
        case Claiming():
            return replace(life, phase=replace(life.phase, deadline=inf, reason=reason))
        case _:
            return life


def _hold(program: Program, life: Life, until: float, now: float) -> Transition:
    """Ask for the process with a new lease, or note that the lease was renewed."""
    lease = Lease(until, until - RESERVE * program.once.lease if program.once is not None else until)
    match life.phase:
        case Claiming(was_held=was_held):
            return enter(life, Spawning(was_held, lease), now), (Spawn(life.generation),)
        case Starting(run=run) | Running(run=run) | Stopping(run=run) | Sweeping(run=run) if run.lease is not None:
            return replace(life, phase=replace(life.phase, run=replace(run, lease=lease))), ()
        case _:
            return life, ()


def _end(program: Program, life: Life, event: LeaseEnded, now: float) -> Transition:
    """Fail the start, stop the run, or continue after it."""
    match life.phase:
        case Claiming():
            return note_spawn_failed(program, life, Blame(event.reason), None, event.jitter, now), ()
        case Sweeping(tells_store=True):
            return follow_run(program, life, life.phase, life.phase.jitter, now), ()
        case _:
            return _lose(program, life, event.reason, now)


def miss_renewal(program: Program, life: Life, now: float) -> Transition:
    """Stop a run whose lease was not renewed in time."""
    return _lose(program, life, "it was not renewed in time", now)


def _lose(program: Program, life: Life, reason: str, now: float) -> Transition:
    """Stop a run that may not go on, or shorten its stop, to fit what is left of its lease, whatever depends on it."""
    match life.phase:
        case Starting(run=run) | Running(run=run) | Stopping(run=run) | Sweeping(run=run) if run.lease is not None:
            within = max(0.0, run.lease.until - now)
            run = replace(run, lease=replace(run.lease, renew_by=inf))
            life = replace(life, phase=replace(life.phase, run=run))
        case _:
            return life, ()
    match life.phase:
        case Starting() | Running():
            return begin_stop(program, life, run, within, Blame(f"lost its lease: {reason}"), now)
        case Stopping():
            return hasten(program, life, life.phase, within, now), ()
        case Sweeping():
            return shorten_sweep(program, life, life.phase, within, now), ()
        case _:
            return life, ()
