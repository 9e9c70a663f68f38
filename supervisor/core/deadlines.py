"""What time does to an instance: when something is due next, and what happens then.

While supinit is paused (SIGSTOP, `docker pause`), nobody can report anything in time, so deadlines move by the pause.
"""

from __future__ import annotations

from math import inf
from signal import SIGKILL

from supervisor.core.actions import RunProbe, Sweep
from supervisor.core.forking import look_again, missed_daemon
from supervisor.core.health import postpone_probes, start_probe
from supervisor.core.life import (
    Backoff,
    Blame,
    Claiming,
    DaemonSearch,
    Exited,
    Fatal,
    Goal,
    Lease,
    Life,
    Pending,
    Phase,
    Preparing,
    Run,
    Running,
    Scheduled,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.program import ProgramType
from supervisor.core.record import assert_never, replace
from supervisor.core.reports import end_hook, fail_preparation, follow_run, give_up, note_ready, note_spawn_failed
from supervisor.core.requests import ask_spawn
from supervisor.core.stop_sequence import KILL_INTERVAL, Transition, enter, kill_leftovers, take_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.core.program import InstanceId, Program


def next_deadline(life: Life) -> float | None:
    """Return the time at which DeadlinePassed will change something, unless something else does before."""
    match life.phase:
        case Starting(deadline=deadline, search=search):
            look_at = inf if search is None else search.look_at
            return _unless_never(min(deadline, look_at, _probe_due(life), _renewal_due(life)))
        case Running(silent_until=silent_until):
            silent_at = inf if silent_until is None else silent_until
            return _unless_never(min(silent_at, _probe_due(life), _renewal_due(life)))
        case Pending(held_until=held_until):
            return held_until
        case Claiming(deadline=deadline):
            return _unless_never(deadline)
        case Stopping(deadline=deadline) | Sweeping(deadline=deadline):
            return min(deadline, _renewal_due(life))
        case Preparing(deadline=deadline):
            return deadline
        case Backoff(until=deadline):
            return deadline
        case Stopped() | Spawning() | Exited() | Fatal() | Scheduled():
            return None
        case _:
            assert_never(life.phase)


def all_due(lives: Mapping[InstanceId, Life]) -> dict[InstanceId, float]:
    """Return the next deadline of each instance that has one."""
    deadlines = ((instance, next_deadline(life)) for instance, life in lives.items())
    return {instance: deadline for instance, deadline in deadlines if deadline is not None}


def _unless_never(deadline: float) -> float | None:
    return deadline if deadline < inf else None


def _probe_due(life: Life) -> float:
    return inf if life.health_state is None or life.health_state.due is None else life.health_state.due


def _renewal_due(life: Life) -> float:
    match life.phase:
        case (
            Starting(run=Run(lease=Lease(renew_by=renew_by)))
            | Running(run=Run(lease=Lease(renew_by=renew_by)))
            | Stopping(run=Run(lease=Lease(renew_by=renew_by)))
        ):
            return renew_by
        case Sweeping(run=Run(lease=Lease(renew_by=renew_by)), tells_store=False, signal=signal, hook=hook) if (
            hook or signal != SIGKILL
        ):
            return renew_by
        case _:
            return inf


def postpone(life: Life, seconds: float) -> Life:
    """Move every deadline by `seconds`.

    Facts stay as they are: when a process was started, when a probe began, and how long a lease lasts, since the store
    measures that by its own clock.
    """
    if life.health_state is not None:
        life = replace(life, health_state=postpone_probes(life.health_state, seconds))
    match life.phase:
        case Starting(deadline=deadline, search=search):
            later = None if search is None else replace(search, look_at=search.look_at + seconds)
            phase: Phase = replace(life.phase, deadline=deadline + seconds, search=later)
        case Running(silent_until=silent_until) if silent_until is not None:
            phase = replace(life.phase, silent_until=silent_until + seconds)
        case Pending(held_until=held_until) if held_until is not None:
            phase = replace(life.phase, held_until=held_until + seconds)
        case Preparing(deadline=deadline) | Claiming(deadline=deadline):
            phase = replace(life.phase, deadline=deadline + seconds)
        case Stopping(deadline=deadline, stuck_at=stuck_at):
            phase = replace(life.phase, deadline=deadline + seconds, stuck_at=stuck_at + seconds)
        case Sweeping(deadline=deadline, give_up=give_up_at):
            phase = replace(life.phase, deadline=deadline + seconds, give_up=give_up_at + seconds)
        case Backoff(until=until):
            phase = replace(life.phase, until=until + seconds)
        case _:
            return life
    return replace(life, phase=phase)


def pass_deadline(program: Program, life: Life, now: float) -> Transition:
    """Do what is due in this phase; where several things are, one of them."""
    if now >= _renewal_due(life):
        from supervisor.core.lease_reports import miss_renewal

        return miss_renewal(program, life, now)
    match life.phase:
        case Starting(deadline=deadline) if now >= deadline:
            return _end_start(program, life, life.phase, now)
        case Starting(search=DaemonSearch(look_at=look_at) as search) if now >= look_at:
            return look_again(life, life.phase, search, now)
        case Running(silent_until=silent_until) if silent_until is not None and now >= silent_until:
            if life.goal is Goal.DOWN:
                return replace(life, phase=replace(life.phase, silent_until=None)), ()
            blame = Blame(f"sent no WATCHDOG=1 for {program.watchdog:g} s", asks_restart=True)
            return give_up(program, life, blame, now)
        case Pending(held_until=held_until) if held_until is not None and now >= held_until:
            return ask_spawn(program, life, life.since, now, was_held=True)
        case Stopping(deadline=deadline, step_index=step_index) if now >= deadline:
            return take_step(program, life, life.phase, step_index + 1, now)
        case Preparing(hook=hook, deadline=deadline) if now >= deadline:
            return fail_preparation(program, life, Blame(f"{hook} did not end"), 0.0, now), ()
        case Claiming(deadline=deadline) if now >= deadline:
            from supervisor.core.leasing import no_answer

            return note_spawn_failed(program, life, no_answer(program), None, 0.0, now), ()
        case Sweeping(tells_store=True, deadline=deadline) if now >= deadline:
            return follow_run(program, life, life.phase, life.phase.jitter, now), ()
        case Sweeping(hook=hook, deadline=deadline) if hook and now >= deadline:
            return end_hook(program, life, life.phase, now)
        case Sweeping(deadline=deadline) if now >= deadline:
            return _repeat_sweep(life, life.phase, now)
        case Backoff(until=until) if now >= until:
            return enter(life, Pending(), now), ()
        case Starting() | Running() if now >= _probe_due(life):
            assert life.health_state is not None
            return replace(life, health_state=start_probe(life.health_state, now)), (RunProbe(life.generation),)
        case _:
            return life, ()


def _repeat_sweep(life: Life, phase: Sweeping, now: float) -> Transition:
    """Kill what is left, and give up at the limit.

    A wanted program whose leftovers cannot be seen is not given up: it would be started beside them.
    """
    if phase.signal != SIGKILL:
        return kill_leftovers(life, phase, now)
    final = now >= phase.give_up and not (phase.unknown and life.is_wanted)
    life = replace(life, phase=replace(phase, deadline=now + KILL_INTERVAL))
    return life, (Sweep(life.generation, phase.run.pid, final=final),)


def _end_start(program: Program, life: Life, phase: Starting, now: float) -> Transition:
    if phase.search is None and (program.is_up_by_uptime or phase.is_ready):
        return note_ready(program, life, now), ()
    if life.goal is Goal.DOWN:
        return replace(life, phase=replace(phase, deadline=inf)), ()
    if phase.search is not None:
        return give_up(program, life, missed_daemon(program, phase.search), now)
    what = "did not complete" if program.kind is ProgramType.ONESHOT else "was not ready"
    return give_up(program, life, Blame(f"{what} within {program.start_patience:g} s"), now)
