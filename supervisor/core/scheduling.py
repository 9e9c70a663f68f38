"""The schedules: when each program runs next, and what happens when a run is due.

Rule 1: a run takes an instance that waits for one (`Scheduled`). Where all of them are busy, the run is skipped.
Rule 2: a run that is later than its patience is missed. If several became due, only the last can be made up for. A
        pause of supinit moves no due time.
Rule 3: an interval counts from start to start on the monotonic clock. A cron expression follows wall time: the engine
        reads that clock (`ReadClock`) when the run is due, and when the clock was set.
Rule 4: a clock that was set back by less than REPEAT_AFTER repeats no run.
Rule 5: nothing is due while the program rests, or once the shutdown has begun. A run under way is an ordinary one.

The times of a cron expression come from outside as data (`ClockRead`), so the core knows neither cron nor time zones.
"""

from __future__ import annotations

from math import inf

from supervisor.core.container import Change, ReadClock, RunsPassedOver, Serving
from supervisor.core.events import RestartRequested, ScheduleResumed, StartRequested
from supervisor.core.life import (
    Backoff,
    Exited,
    Fatal,
    Goal,
    Pending,
    Running,
    Scheduled,
    Starting,
    Stopped,
    Sweeping,
)
from supervisor.core.record import replace
from supervisor.core.schedule import Outcome, ScheduledRun, ScheduleState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from supervisor.core.container import ClockReading
    from supervisor.core.events import Event
    from supervisor.core.life import Life
    from supervisor.core.program import InstanceId
    from supervisor.core.schedule import Schedule
    from supervisor.core.settling import Settling

REPEAT_AFTER = 3 * 3600.0
"""Seconds. A clock that is set back by more was wrong before, so its times come again (as in Debian's cron(8))."""
ASK_AGAIN = 60.0
"""Seconds after which the clock is read again, should the answer never come."""


def keep_schedules(turn: Settling) -> None:
    """Bring the schedules into step with the programs: begin, rest, adopt a new setting, note the runs that ended."""
    _note_ends(turn)
    before, names = turn.schedules, _to_look_at(turn)
    if len(names) == len(turn.plan.scheduled):
        turn.schedules = {}
    unknown: list[str] = []
    for name in names:
        program = turn.plan.programs[name]
        assert program.schedule is not None
        state = before.get(name) or ScheduleState(program.schedule)
        state = _with_setting(state, program.schedule)
        if not _is_active(turn, name):
            state = replace(state, due_at=None, due_wall=None, handled_until=None, is_asking=False)
        elif state.due_at is None:
            state = _begin(turn, name, state, unknown)
        turn.schedules[name] = state
    _ask_clock(turn, unknown)


def _to_look_at(turn: Settling) -> Sequence[str]:
    """Return the programs whose schedule may begin, rest or be another one now."""
    if turn.plan is not turn.old_plan or len(turn.schedules) != len(turn.plan.scheduled):
        return turn.plan.scheduled
    if not isinstance(turn.container_phase, Serving):
        return [name for name, state in turn.schedules.items() if state.due_at is not None]
    changed = turn.changed_programs()
    return [name for name in turn.schedules if name in changed]


def _is_active(turn: Settling, name: str) -> bool:
    instances = turn.plan.programs[name].instances
    return isinstance(turn.container_phase, Serving) and any(turn.lives[i].is_wanted for i in instances)


def _with_setting(state: ScheduleState, setting: Schedule) -> ScheduleState:
    """Return the state with a new setting. Where the times are the same, they stay."""
    old = state.setting
    if (old.cron, old.timezone, old.interval) == (setting.cron, setting.timezone, setting.interval):
        return replace(state, setting=setting)
    return replace(state, setting=setting, due_at=None, due_wall=None, handled_until=None, is_asking=False)


def _begin(turn: Settling, name: str, state: ScheduleState, unknown: list[str]) -> ScheduleState:
    if state.setting.interval is not None:
        return replace(state, due_at=turn.now + state.setting.interval)
    unknown.append(name)
    return state


def _ask_clock(turn: Settling, names: Iterable[str]) -> None:
    """Ask for the due times of cron expressions, each since the time up to which they have been dealt with."""
    since: dict[str, tuple[Schedule, float | None]] = {}
    for name in names:
        state = turn.schedules[name]
        since[name] = state.setting, state.handled_until
        turn.schedules[name] = replace(state, due_at=turn.now + ASK_AGAIN, is_asking=True)
    if since:
        turn.orders.append(ReadClock(since))


# ---- what is due


def pass_schedule_time(turn: Settling) -> None:
    crons: list[str] = []
    for name, state in turn.schedules.items():
        due_at, interval = state.due_at, state.setting.interval
        if due_at is None or turn.now < due_at:
            continue
        if interval is None:
            crons.append(name)
            continue
        count = 1 + int((turn.now - due_at) / interval)
        last = due_at + (count - 1) * interval
        turn.schedules[name] = replace(state, due_at=last + interval)
        _take_due(turn, name, count, turn.now - last, interval)
    _ask_clock(turn, crons)


def note_clock_set(turn: Settling) -> None:
    """Look at the wall clock again, which somebody has set."""
    crons = [n for n, state in turn.schedules.items() if state.setting.cron is not None and state.due_at is not None]
    _ask_clock(turn, crons)


def note_clock(turn: Settling, readings: Mapping[str, ClockReading]) -> None:
    """Take the due times of cron expressions, and run what is due. An answer to an old question changes nothing."""
    again: list[str] = []
    for name, reading in readings.items():
        state = turn.schedules.get(name)
        if state is None or not _is_answer(state, reading):
            continue
        if state.handled_until is not None and reading.wall < state.handled_until - REPEAT_AFTER:
            turn.schedules[name] = replace(state, handled_until=None, due_wall=None)
            again.append(name)
            continue
        turn.schedules[name] = replace(
            state,
            is_asking=False,
            handled_until=max(reading.wall, state.handled_until or reading.wall),
            due_wall=reading.next,
            due_at=inf if reading.next is None else turn.now + max(0.0, reading.next - reading.wall),
        )
        if reading.last is not None:
            until_next = None if reading.next is None else reading.next - reading.last
            _take_due(turn, name, reading.count, reading.wall - reading.last, until_next)
    _ask_clock(turn, again)


def _is_answer(state: ScheduleState, reading: ClockReading) -> bool:
    return state.is_asking and (state.setting, state.handled_until) == (reading.setting, reading.since)


def _take_due(turn: Settling, name: str, count: int, late: float, until_next: float | None) -> None:
    """Run what has become due `count` times, the last time `late` seconds ago, or note that it was missed."""
    state = turn.schedules[name]
    is_missed = late > state.setting.patience(until_next)
    missed = count if is_missed else count - 1
    free = next((i for i in turn.plan.programs[name].instances if _is_free(turn, i)), None)
    if missed:
        turn.schedules[name] = state = _count(state, Outcome.MISSED, missed)
        turn.changes.append(RunsPassedOver(name, missed, Outcome.MISSED, f"it was due up to {late:.3g} s ago"))
    if is_missed:
        return
    if free is not None:
        turn.apply(free, StartRequested())
        return
    turn.schedules[name] = replace(state, skipped=state.skipped + 1)
    turn.changes.append(RunsPassedOver(name, 1, None, _busy(turn, name)))


def _is_free(turn: Settling, instance: InstanceId) -> bool:
    return isinstance(turn.lives[instance].phase, Scheduled) and not turn.is_leaving(instance)


def _busy(turn: Settling, name: str) -> str:
    """Say why no instance is free for a run."""
    lives = [turn.lives[instance] for instance in turn.plan.programs[name].instances]
    waiting = next((life.phase.on for life in lives if isinstance(life.phase, Pending)), ())
    if waiting:
        return f"the run before waits for {', '.join(waiting)}"
    busy = sum(not isinstance(life.phase, Scheduled | Stopped) for life in lives)
    return "the run before is not over" if busy == 1 else f"{busy} runs are not over"


# ---- what is asked for


def choose_instances(turn: Settling, instances: Iterable[InstanceId], event: Event) -> list[InstanceId]:
    """Return the instances that a start or restart is for: of a scheduled program, those that run now.

    The others of a program that rests only take up its schedule again.
    """
    chosen: list[InstanceId] = []
    asked: dict[str, list[InstanceId]] = {}
    for instance in instances:
        if instance not in turn.lives or turn.is_leaving(instance) or instance[0] not in turn.plan.scheduled:
            chosen.append(instance)
        else:
            asked.setdefault(instance[0], []).append(instance)
    for name, mine in asked.items():
        for instance in mine:
            if isinstance(turn.lives[instance].phase, Stopped):
                turn.apply(instance, ScheduleResumed())
        busy = [i for i in mine if isinstance(turn.lives[i].phase, Starting | Running)]
        retried = [i for i in mine if isinstance(turn.lives[i].phase, Backoff)]
        free = [i for i in mine if _is_free(turn, i)]
        if isinstance(event, RestartRequested) and (busy or retried):
            chosen += [*busy, *retried]
            continue
        runs = retried or free[:1] or [i for i in mine if turn.lives[i].goal is Goal.DOWN]
        chosen += runs
        state = turn.schedules.get(name)
        if runs and state is not None and state.setting.interval is not None:
            turn.schedules[name] = replace(state, due_at=turn.now + state.setting.interval)
    return chosen


# ---- what has ended


def ended_run(before: Life, after: Life, now: float) -> ScheduledRun | None:
    """Return the run of a scheduled program that one step has ended, or None if it has not ended one."""
    if isinstance(before.phase, Scheduled | Stopped | Exited | Fatal):
        return None
    match after.phase:
        case Scheduled(reason=None) | Exited():
            outcome, reason = Outcome.SUCCEEDED, None
        case Scheduled(reason=reason, code=code) | Fatal(reason=reason, code=code):
            outcome = Outcome.FAILED
        case Stopped():
            outcome, reason = Outcome.STOPPED, None
        case _:
            return None
    if isinstance(before.phase, Sweeping):
        exit_ = before.phase.exit
        started_at, ended_at = before.phase.run.since, exit_.at
        return ScheduledRun(outcome, started_at, ended_at, exit_.code, exit_.signal, reason)
    return ScheduledRun(outcome, now, now, code if outcome is Outcome.FAILED else None, None, reason)


def _note_ends(turn: Settling) -> None:
    for change in turn.fresh_changes:
        if not isinstance(change, Change) or change.instance[0] not in turn.schedules:
            continue
        run = ended_run(change.before, change.after, turn.now)
        if run is not None:
            state = replace(_count(turn.schedules[change.instance[0]], run.outcome), last_run=run)
            if run.outcome is Outcome.SUCCEEDED:
                state = replace(state, succeeded_at=run.ended_at)
            turn.schedules[change.instance[0]] = state


def _count(state: ScheduleState, outcome: Outcome, runs: int = 1) -> ScheduleState:
    return replace(state, outcomes={**state.outcomes, outcome: state.outcomes[outcome] + runs})
