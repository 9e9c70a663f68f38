"""`restart_when`: when a process has grown too large or too old, and when it is replaced for that.

Rule 1: its memory counts as too large only after LOOKS measurements in a row that are above the limit.
Rule 2: it is too old at `age`, or up to AGE_SPREAD of that earlier, as its jitter says, so that the processes of many
        containers that were started together are not replaced together.
Rule 3: only what is RUNNING and wanted is replaced. Nothing is replaced while another instance of the program is on its
        way up or down, while instances are replaced anyway, or once the shutdown has begun.
Rule 4: one instance at a time: by a rolling restart where the program has `update_config`, else by an ordinary restart.
        An update that was paused waits for its operator, so a rolling restart must not continue it.
Rule 5: a process that is still there afterwards, because its new one has failed, is left alone for RETRY_INTERVAL.
"""

from __future__ import annotations

from math import inf

from supervisor.core.container import Asked, MeasureMemory, RestartDue, RollAsked, Serving
from supervisor.core.events import RestartRequested
from supervisor.core.life import Backoff, Exited, Fatal, Goal, Running, Stopped
from supervisor.core.record import Record, replace
from supervisor.core.wording import short_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from supervisor.core.container import MemoryMeasured
    from supervisor.core.life import Run
    from supervisor.core.program import InstanceId
    from supervisor.core.restart_limits import RestartLimits
    from supervisor.core.settling import Settling

LOOKS = 2
"""Measurements in a row that must be above the limit: a peak is not a leak."""
AGE_SPREAD = 0.1
RETRY_INTERVAL = 600.0
"""Seconds."""
MIB = 1024.0 * 1024.0


class Excess(Record):
    """The process with this generation was above the limit in the last `looks` measurements (`_kept`)."""

    generation: int
    memory: int
    looks: int


class LimitState(Record):
    """What is known of the processes of one program."""

    look_at: float = inf
    """When its memory is to be measured."""
    is_looking: bool = False
    over: Mapping[InstanceId, Excess] = {}
    asked: Mapping[InstanceId, tuple[int, float]] = {}
    """The processes, by generation, that are to be replaced already, and until when they are left alone."""
    act_at: float = inf
    """When a process is to be replaced."""


def keep_limits(turn: Settling) -> None:
    """Work out when to measure and to act next, from the table and from what each instance is doing.

    While the table stays the same, only what has changed is looked at: a thousand programs may have limits.
    """
    wanted = turn.plan.limited if isinstance(turn.container_phase, Serving) else ()
    if turn.plan is not turn.old_plan or len(wanted) != len(turn.limits):
        turn.limits = {name: _kept(turn, name, turn.limits.get(name) or LimitState()) for name in wanted}
    else:
        changed = turn.changed_programs()
        for name, state in turn.limits.items():
            if name in changed or turn.now >= state.act_at:
                turn.limits[name] = _kept(turn, name, state)


def _kept(turn: Settling, name: str, state: LimitState) -> LimitState:
    limits = _limits(turn, name)
    runs = _runs(turn, name)
    memory = inf if limits.memory is None else limits.memory
    state = replace(
        state,
        over={i: each for i, each in state.over.items() if i in runs and each.memory > memory and _is(turn, i, each)},
        asked={i: each for i, each in state.asked.items() if i in turn.lives and turn.lives[i].generation == each[0]},
    )
    if limits.memory is None or not runs:
        state = replace(state, look_at=inf, is_looking=False)
    elif not state.is_looking:
        state = replace(state, look_at=min(state.look_at, turn.now + limits.interval))
    act_at = min((_due_at(turn, i, run, limits, state) for i, run in runs.items()), default=inf)
    return replace(state, act_at=act_at if _is_free(turn, name) else inf)


def _is(turn: Settling, instance: InstanceId, excess: Excess) -> bool:
    return turn.lives[instance].generation == excess.generation


def _limits(turn: Settling, name: str) -> RestartLimits:
    limits = turn.plan.programs[name].restart_when
    assert limits is not None
    return limits


def _runs(turn: Settling, name: str) -> dict[InstanceId, Run]:
    """Return the processes that may be replaced."""
    runs = {}
    for instance in turn.plan.programs[name].instances:
        life = turn.lives[instance]
        if life.goal is Goal.UP and isinstance(life.phase, Running):
            runs[instance] = life.phase.run
    return runs


def _due_at(turn: Settling, instance: InstanceId, run: Run, limits: RestartLimits, state: LimitState) -> float:
    """Return when a process is to be replaced. inf: that is not known."""
    due_at = inf if limits.age is None else run.since + limits.age * (1 - AGE_SPREAD * run.jitter)
    if _is_too_large(state, instance):
        due_at = min(due_at, turn.now)
    return max(due_at, state.asked[instance][1]) if instance in state.asked else due_at


def _is_too_large(state: LimitState, instance: InstanceId) -> bool:
    return instance in state.over and state.over[instance].looks >= LOOKS


def _is_free(turn: Settling, name: str) -> bool:
    """Whether no instance of the program is on its way up or down."""
    if turn.is_rolling(name):
        return False
    resting = Running | Stopped | Backoff | Exited | Fatal
    lives = (turn.lives[i] for i in turn.plan.programs[name].everyone)
    return all(isinstance(life.phase, resting) and not life.again for life in lives)


def act_if_due(turn: Settling) -> Iterator[Asked | RollAsked]:
    """Order the measurements that are due, and yield the restart of each program that is."""
    for name, state in turn.limits.items():
        if turn.now >= state.look_at:
            state = replace(state, look_at=inf, is_looking=True)
            turn.orders.append(MeasureMemory(name))
        if turn.now >= state.act_at:
            state = _kept(turn, name, state)  # this event may have changed what the instances are doing
        if turn.now >= state.act_at:
            limits, runs = _limits(turn, name), _runs(turn, name)
            instance = min(runs, key=lambda i: _due_at(turn, i, runs[i], limits, state))
            turn.changes.append(_reason(turn, instance, runs[instance], limits, state))
            until = turn.now + RETRY_INTERVAL
            state = replace(
                state,
                over={i: excess for i, excess in state.over.items() if i != instance},
                asked={**state.asked, instance: (turn.lives[instance].generation, until)},
            )
            yield _request(turn, instance)
        turn.limits[name] = state


def _request(turn: Settling, instance: InstanceId) -> Asked | RollAsked:
    name = instance[0]
    is_paused = name in turn.rolls and turn.rolls[name].can_go_on
    if turn.plan.programs[name].update_config is None or is_paused:
        return Asked((instance,), RestartRequested())
    return RollAsked((instance,))


def _reason(turn: Settling, instance: InstanceId, run: Run, limits: RestartLimits, state: LimitState) -> RestartDue:
    is_one_of_many = turn.plan.programs[instance[0]].scale > 1
    if not _is_too_large(state, instance):
        return RestartDue(instance, "age", f"it has run for {short_time(turn.now - run.since)}", is_one_of_many)
    memory = state.over[instance].memory
    assert limits.memory is not None
    sentence = f"its memory is {memory / MIB:.1f} MiB, above {limits.memory / MIB:.1f} MiB"
    return RestartDue(instance, "memory", sentence, is_one_of_many)


def note_memory(turn: Settling, event: MemoryMeasured) -> None:
    """Take the answer to a measurement. What could not be measured stays as it was."""
    state = turn.limits.get(event.name)
    if state is None or not state.is_looking:
        return
    over = dict(state.over)
    for instance, (generation, memory) in event.measured.items():
        before = over.get(instance)
        over[instance] = Excess(generation, memory, 1 if before is None else before.looks + 1)
    turn.limits[event.name] = _kept(turn, event.name, replace(state, is_looking=False, over=over))


def postpone_limits(turn: Settling, seconds: float) -> None:
    """Move what is due by a pause of supinit itself. The age of a process is a fact, and stays."""
    for name, state in turn.limits.items():
        asked = {i: (generation, until + seconds) for i, (generation, until) in state.asked.items()}
        turn.limits[name] = _kept(turn, name, replace(state, look_at=state.look_at + seconds, asked=asked))
