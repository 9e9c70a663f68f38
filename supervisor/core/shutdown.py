"""The end of the container: what begins it, the verdict on it, and its phases.

What ends the container is judged change by change, in the order of events, so that the first failure is the verdict.
"""

from __future__ import annotations

from math import inf

from supervisor.core.container import (
    Change,
    Closing,
    ContainerPhase,
    Draining,
    Over,
    Serving,
    ShutdownBegun,
    ShuttingDown,
    SweepContainer,
)
from supervisor.core.events import Hurried, StopAnnounced
from supervisor.core.health import Health
from supervisor.core.healthcheck import OnUnhealthy
from supervisor.core.life import Fatal
from supervisor.core.program import ShutdownOn
from supervisor.core.record import replace
from supervisor.core.verdict import Cause, Verdict, verdict_on, with_code_of_main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.life import Life
    from supervisor.core.program import InstanceId
    from supervisor.core.settling import Settling

HURRY_AFTER = 1.0
"""Seconds after which a second request for a shutdown kills what is left. A signal sent twice at once does not."""
CLOSE_INTERVAL = 0.5
CLOSE_LIMIT = 5.0
"""Seconds between the last sweeps of the container, and in all, before what cannot be killed is left to the kernel."""


def container_deadline(phase: ContainerPhase, ready_at: float | None) -> float:
    """Return when the container's own phase changes by the passing of time alone. inf: never."""
    match phase:
        case Serving(deadline=deadline) if deadline is not None and ready_at is None:
            return deadline
        case Draining(until=until):
            return until
        case Closing(deadline=deadline):
            return deadline
        case _:
            return inf


def pass_container_time(turn: Settling) -> None:
    if turn.now < container_deadline(turn.container_phase, turn.ready_at):
        return
    match turn.container_phase:
        case Serving():
            late = ", ".join(f"{name} {turn.why_not_up(name)}" for name in turn.not_up())
            end(turn, Verdict(Cause.START_TIMEOUT, 75, f"not ready within start_timeout: {late}"))
        case Draining():
            stop_all(turn, turn.container_phase)
        case Closing(give_up=give_up) if turn.now >= give_up:
            turn.container_phase = Over()
        case Closing():
            turn.container_phase = replace(turn.container_phase, deadline=turn.now + CLOSE_INTERVAL)
            turn.orders.append(SweepContainer())
        case _:
            pass


def postpone_container(turn: Settling, seconds: float) -> None:
    """Move the deadlines of the container's phase by `seconds`, those that follow from its beginning included."""
    phase = turn.container_phase
    match phase:
        case Serving(deadline=deadline) if deadline is not None:
            turn.container_phase = Serving(deadline + seconds)
        case Draining(since=since, until=until):
            turn.container_phase = replace(phase, since=since + seconds, until=until + seconds)
        case ShuttingDown(deadline=deadline) if deadline is not None:
            turn.container_phase = replace(phase, deadline=deadline + seconds)
        case Closing(deadline=deadline, give_up=give_up):
            turn.container_phase = Closing(deadline + seconds, give_up + seconds)
        case _:
            pass


# ---- what begins it


def ask_shutdown(turn: Settling, reason: str) -> None:
    match turn.container_phase:
        case Serving():
            end(turn, Verdict(Cause.ASKED, 0, reason), asked_at=turn.now)
        case Draining(asked_at=None) | ShuttingDown(asked_at=None):
            turn.container_phase = replace(turn.container_phase, asked_at=turn.now)
        case Draining(asked_at=asked_at) | ShuttingDown(asked_at=asked_at):
            if asked_at is not None and turn.now - asked_at >= HURRY_AFTER:
                turn.container_phase = ShuttingDown(turn.now, turn.now, asked_at)
                turn.apply_all(Hurried())
        case _:
            pass


def fail(turn: Settling, reason: str) -> None:
    """End the container because of an internal error. The verdict on a program's failure is kept."""
    verdict = Verdict(Cause.INTERNAL, 70, reason)
    if turn.verdict is not None and turn.verdict.code == 0 and not isinstance(turn.container_phase, Over):
        turn.verdict = verdict
    end(turn, verdict)


def judge(turn: Settling, change: Change) -> None:
    """End the container if a program's end, or its health, asks for that."""
    instance, before, after = change.instance, change.before, change.after
    program = turn.plan.program_of(instance)
    if turn.rolls and _is_spared(turn, instance):
        return
    check = program.healthcheck
    matters = check is not None and check.on_unhealthy is OnUnhealthy.SHUTDOWN
    if matters and after.health_state is not None and _turned_unhealthy(before, after):
        reason = f"{program.name} is unhealthy: {after.health_state.detail}"
        end(turn, Verdict(Cause.UNHEALTHY, 1, reason, instance))
    if not after.has_ended or before.has_ended:
        return
    failed = isinstance(after.phase, Fatal)
    if program.shutdown_on is ShutdownOn.EXIT or (failed and program.is_essential):
        end(turn, verdict_on(turn.plan, instance, after))
    elif turn.have_all_ended() and not any(roll.is_active for roll in turn.rolls.values()):
        finish(turn)


def _is_spared(turn: Settling, instance: InstanceId) -> bool:
    from supervisor.core.roll import spares

    return spares(turn, instance)


def _turned_unhealthy(before: Life, after: Life) -> bool:
    return after.health is Health.UNHEALTHY and before.health is not Health.UNHEALTHY


def finish(turn: Settling) -> None:
    """End the container because every program has ended for good."""
    for instance, life in turn.lives.items():
        if isinstance(life.phase, Fatal):
            end(turn, verdict_on(turn.plan, instance, life))
    end(turn, Verdict(Cause.FINISHED, 0, "every program has ended well"))


# ---- its phases


def end(turn: Settling, verdict: Verdict, asked_at: float | None = None) -> None:
    """Begin the shutdown, unless it has begun."""
    if not isinstance(turn.container_phase, Serving):
        return
    turn.verdict = verdict
    turn.changes.append(ShutdownBegun(verdict))
    settings = turn.plan.settings
    drain = settings.drain_delay if turn.ready_at is not None else 0.0
    if settings.shutdown_timeout is not None:
        drain = min(drain, settings.shutdown_timeout)
    turn.container_phase = Draining(turn.now, turn.now + drain, asked_at)
    if drain == 0.0:
        stop_all(turn, turn.container_phase)


def stop_all(turn: Settling, draining: Draining) -> None:
    timeout = turn.plan.settings.shutdown_timeout
    deadline = None if timeout is None else draining.since + timeout
    turn.container_phase = ShuttingDown(turn.now, deadline, draining.asked_at)
    turn.apply_all(StopAnnounced())
    turn.touched += turn.plan.programs


def close(turn: Settling) -> None:
    """Sweep the container, now that no program is left."""
    turn.verdict = with_code_of_main(turn.plan, turn.lives, turn.verdict)
    turn.container_phase = Closing(turn.now + CLOSE_INTERVAL, turn.now + CLOSE_LIMIT)
    turn.orders.append(SweepContainer())
