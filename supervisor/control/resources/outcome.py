"""Whether what was asked for is done, has failed, or is in progress. Pure: judged on the snapshot."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from supervisor.core.health import Health
from supervisor.core.life import Exited, Fatal, Goal, Running, Scheduled
from supervisor.core.program import ProgramType
from supervisor.core.record import Record, assert_never

if TYPE_CHECKING:
    from supervisor.core.life import Life
    from supervisor.core.program import Program
    from supervisor.core.snapshot import Snapshot


class Wish(Enum):
    START = "start"
    STOP = "stop"
    RESTART = "restart"


class InProgress(Record):
    """Not yet."""


class Reached(Record):
    """It is done."""


class Missed(Record):
    """It failed. `reason` is a predicate: "exited with code 7"."""

    reason: str


Outcome = InProgress | Reached | Missed


def judge(wish: Wish, program: Program, snapshot: Snapshot, life: Life, asked_at: int) -> Outcome:
    """Judge one life. `asked_at` is its generation at the time of asking.

    A restart is done when a newer process is up. Up means RUNNING and, with a health check, healthy; or completed.
    """
    if isinstance(life.phase, Scheduled) and wish is not Wish.STOP:
        return _judge_run(life.phase, has_run=life.generation > asked_at)
    match wish:
        case Wish.STOP:
            return _judge_stop(life, asked_at)
        case Wish.START:
            return _judge_start(program, snapshot, life, asked_at)
        case Wish.RESTART:
            return _judge_start(program, snapshot, life, asked_at + 1)
        case _:
            assert_never(wish)


def _judge_run(phase: Scheduled, has_run: bool) -> Outcome:
    """Judge an instance that waits for its next run. If it has not run, another instance runs instead."""
    return Missed(phase.reason) if has_run and phase.reason is not None else Reached()


def _judge_stop(life: Life, asked_at: int) -> Outcome:
    if not life.is_alive:
        return Reached()
    if life.generation > asked_at or life.goal is Goal.UP:
        return Missed("was asked to start again meanwhile")
    return InProgress()


def _judge_start(program: Program, snapshot: Snapshot, life: Life, generation: int) -> Outcome:
    if isinstance(life.phase, Fatal):
        return Missed(life.phase.reason)
    if isinstance(life.phase, Exited):
        return Reached()
    if snapshot.stopping:
        return Missed("will not be started: the container is stopping")
    if life.goal is Goal.DOWN and not life.again:
        return Missed("was asked to stop meanwhile")
    if life.generation < generation or not isinstance(life.phase, Running):
        return InProgress()
    if life.health is Health.UNHEALTHY:
        detail = life.health_state.detail if life.health_state is not None else ""
        return Missed(f"is unhealthy: {detail}" if detail else "is unhealthy")
    return Reached() if life.is_up and program.kind is ProgramType.SERVICE else InProgress()
