"""All instances together: how one event leads to the next state of the whole container.

`advance` takes the plan, the fleet, an event and the time, and returns a `Turn`: the next fleet, the orders that the
engine must carry out, and every change on the way. A `Batch` of events is worked out one event after the other. An
event reaches one instance or several of them. Then two rules are applied to the programs that have changed and to their
neighbours in the dependency graph, until nothing changes:

Rule 1: a wanted program starts once everything that it depends on meets its condition (dependencies.py).
Rule 2: a program that is to stop does so once nothing alive that is to stop, too, depends on it, directly or through
        programs that are not running (stop_order.py).

Between two rounds of the rules, each change is judged: the end of a program may be the end of the container
(shutdown.py). An update of the table works by the same rules: what leaves is announced to stop, and becomes something
else once it is gone (replacement.py).

The container has a phase of its own, which only moves forward: Serving, Draining (a shutdown has begun, but programs
are kept up for `drain_delay`), ShuttingDown, Closing (no program is left, the rest is killed), Over.

A turn is bounded. The rules start or stop at most STEPS programs; the rest waits for TimePassed, which is due at once
(`Fleet.continue_at`), so that the engine can reap and answer in between. And settling that does not come to an end is
an internal error: everything is stopped, and if the rules cannot even do that, killed.

Why a stop is announced first and requested later. When several programs are to stop, the first turn announces it to all
of them (`StopAnnounced`), which sets their goals, and rule 2 then requests the stop of those that nothing holds back
(`StopRequested`). The others get their request in later turns, when a dependant has gone. Rule 2 needs the goals of all
of them to decide, and a program that crashes before its turn must not be restarted; lifecycle.py has the details.

Considered and rejected:
- A stop order worked out once when the shutdown begins. It would be wrong as soon as a program ends by itself, is
  still being spawned, or the table changes.
- One task or coroutine a program that waits for its neighbours. The order of events would then depend on the
  scheduler; here a turn is a function, and the random walks in tests/core can check its laws.
- Applying the rules to every program after each event. It is simpler and quadratic: a thousand programs that stop
  together took seconds.
"""

from __future__ import annotations

from math import inf

from supervisor.core.container import (
    STEPS,
    Asked,
    Batch,
    Begun,
    Change,
    ClockRead,
    ClockSet,
    Closing,
    ConnectionsSeen,
    ContainerSwept,
    Draining,
    Fault,
    FilesLooked,
    FilesTouched,
    Fleet,
    FleetEvent,
    Happened,
    MemoryMeasured,
    Over,
    Resumed,
    RollAsked,
    ScaleAsked,
    Serving,
    ShutdownAsked,
    ShuttingDown,
    TimePassed,
    Turn,
    Updated,
)
from supervisor.core.dependencies import restart_dependants, start_dependencies, start_if_met, start_or_schedule
from supervisor.core.events import (
    DeadlinePassed,
    Event,
    Hurried,
    RestartRequested,
    StartRequested,
    StopAnnounced,
    StopRequested,
)
from supervisor.core.life import Running, Starting, new_life
from supervisor.core.record import assert_never
from supervisor.core.settling import Settling
from supervisor.core.shutdown import (
    ask_shutdown,
    close,
    container_deadline,
    fail,
    finish,
    judge,
    pass_container_time,
    stop_all,
)
from supervisor.core.stop_order import stop_if_free

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervisor.core.container import ClockReading
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId


MIN_CHANGES = 100
CHANGES_PER_INSTANCE = 20
"""How many changes settling may make: far more than any order of events needs."""


def new_fleet(plan: Plan) -> Fleet:
    """Return a fleet in which nothing is up and nothing is wanted yet."""
    return Fleet({instance: new_life(plan, instance) for instance in plan.everyone})


def advance(plan: Plan, fleet: Fleet, event: FleetEvent | Batch, now: float) -> Turn:
    """Return what `event` leads to. Never raises: an event that means nothing now changes nothing."""
    turn = Settling(plan, fleet, now)
    for each in event.events if isinstance(event, Batch) else (event,):
        turn.begin_event()
        _take(turn, each)
        _settle(turn)
    return turn.result()


def _take(turn: Settling, event: FleetEvent) -> None:
    match event:
        case Begun():
            _begin(turn)
        case Happened(instance, inner):
            turn.apply(instance, inner)
        case Asked(instances, inner):
            _ask(turn, instances, inner)
        case ShutdownAsked(reason):
            ask_shutdown(turn, reason)
        case RollAsked() | ScaleAsked():
            _ask_roll_or_scale(turn, event)
        case Updated(new_plan, stale):
            _update(turn, new_plan, stale)
        case Fault(reason):
            fail(turn, reason)
        case ContainerSwept():
            if isinstance(turn.container_phase, Closing):
                turn.container_phase = Over()
        case TimePassed():
            _pass_time(turn)
        case Resumed(paused_for):
            _postpone(turn, max(0.0, paused_for))
        case ConnectionsSeen(ports, last_seen):
            _note_connections(turn, ports, last_seen)
        case ClockRead(readings):
            _note_clock(turn, readings)
        case ClockSet():
            _note_clock(turn, None)
        case FilesTouched() | FilesLooked():
            _note_files(turn, event)
        case MemoryMeasured():
            _note_memory(turn, event)
        case _:
            assert_never(event)


def next_deadline(fleet: Fleet) -> float | None:
    """Return the time at which TimePassed will change something, unless something else does before."""
    earliest = min([container_deadline(fleet.container_phase, fleet.ready_at), *fleet.due.values()])
    if fleet.continue_at is not None:
        earliest = min(earliest, fleet.continue_at)
    if fleet.idle is not None:
        earliest = min(earliest, fleet.idle.look_at)
    earliest = min([earliest, *(state.due_at for state in fleet.schedules.values() if state.due_at is not None)])
    earliest = min([earliest, *(state.look_at for state in fleet.files.values() if not state.is_looking)])
    if fleet.rolls:
        from supervisor.core.roll import next_roll_deadline

        earliest = min(earliest, *map(next_roll_deadline, fleet.rolls.values()))
    for limited in fleet.limits.values():
        earliest = min(earliest, limited.look_at, limited.act_at)
    return earliest if earliest < inf else None


# ---- events


def _begin(turn: Settling) -> None:
    timeout = turn.plan.settings.start_timeout
    turn.container_phase = Serving(None if timeout is None else turn.now + timeout)
    if turn.plan.watches:
        from supervisor.core.file_changes import keep_watches

        keep_watches(turn, turn.now)
    for instance, life in turn.lives.items():
        if not life.on_demand:
            start_or_schedule(turn, instance, is_new=True)
    turn.note_ready()


def _ask(turn: Settling, instances: Iterable[InstanceId], event: Event) -> None:
    if not isinstance(turn.container_phase, Serving):
        return
    if turn.plan.scheduled and isinstance(event, StartRequested | RestartRequested):
        from supervisor.core.scheduling import choose_instances

        instances = choose_instances(turn, instances, event)
    for instance in instances:
        if instance not in turn.lives:
            continue
        if turn.is_leaving(instance):
            if turn.pass_on(instance, event):
                start_dependencies(turn, instance[0])
            continue
        if turn.rolls and _is_kept_by_its_roll(turn, instance, event):
            continue
        if isinstance(event, StartRequested | RestartRequested):
            start_dependencies(turn, instance[0])
        if isinstance(event, StopRequested) or _is_to_be_replaced(turn, instance, event):
            turn.apply(instance, StopAnnounced(again=isinstance(event, RestartRequested)))
        else:
            turn.apply(instance, event)
        if isinstance(event, RestartRequested):
            restart_dependants(turn, instance[0])


def _is_kept_by_its_roll(turn: Settling, instance: InstanceId, event: Event) -> bool:
    from supervisor.core.rolling import keeps

    return keeps(turn, instance, event)


def _ask_roll_or_scale(turn: Settling, event: RollAsked | ScaleAsked) -> None:
    if isinstance(turn.container_phase, Serving):
        from supervisor.core.rolling import ask_roll_or_scale  # loaded with the first of them

        ask_roll_or_scale(turn, event)


def _is_to_be_replaced(turn: Settling, instance: InstanceId, event: Event) -> bool:
    """Whether this is a restart of a running process, which waits for its turn to stop, as a stop does."""
    return isinstance(event, RestartRequested) and isinstance(turn.lives[instance].phase, Starting | Running)


def _update(turn: Settling, plan: Plan, stale: Mapping[str, tuple[str, ...]]) -> None:
    from supervisor.core.replacement import update  # loaded with the first update

    update(turn, plan, stale)


def _pass_time(turn: Settling) -> None:
    due = {instance for instance, deadline in turn.due.items() if turn.now >= deadline}
    for instance in [instance for instance in turn.lives if instance in due]:
        turn.apply(instance, DeadlinePassed())
    if turn.rolls:
        from supervisor.core.roll import next_roll_deadline

        turn.touched += [name for name, roll in turn.rolls.items() if turn.now >= next_roll_deadline(roll)]
    pass_container_time(turn)
    if turn.schedules:
        from supervisor.core.scheduling import pass_schedule_time

        pass_schedule_time(turn)
    if turn.idle is not None:
        from supervisor.core.idle_watch import look_if_due

        look_if_due(turn, turn.idle)
    if turn.files:
        from supervisor.core.file_changes import look_if_due as look_at_files_if_due

        look_at_files_if_due(turn)
    if turn.limits:
        from supervisor.core.restart_due import act_if_due

        _ask_all(turn, act_if_due(turn))
    if turn.continue_at is not None:
        _continue(turn)


def _continue(turn: Settling) -> None:
    """Do more of the work for which the turns before had no steps left."""
    names, turn.unsettled = turn.unsettled[:STEPS], turn.unsettled[STEPS:]  # all of them each time would be quadratic
    turn.continue_at, turn.steps_left = turn.now if turn.unsettled else None, STEPS
    # those that have waited longest come first, so that a crash loop cannot keep them waiting
    turn.touched[:0] = [name for name in names if name in turn.plan.programs]
    turn.replaces = True


def _postpone(turn: Settling, seconds: float) -> None:
    from supervisor.core.postponing import postpone_all  # loaded with the first pause

    postpone_all(turn, seconds)


def _note_connections(turn: Settling, ports: tuple[int, ...], last_seen: float | None) -> None:
    if turn.idle is not None:
        from supervisor.core.idle_watch import note_connections

        note_connections(turn, turn.idle, ports, last_seen)


def _note_clock(turn: Settling, readings: Mapping[str, ClockReading] | None) -> None:
    if turn.schedules:
        from supervisor.core.scheduling import note_clock, note_clock_set

        note_clock_set(turn) if readings is None else note_clock(turn, readings)


def _note_files(turn: Settling, event: FilesTouched | FilesLooked) -> None:
    from supervisor.core.file_changes import note_hints, note_look

    if isinstance(event, FilesTouched):
        note_hints(turn, event.keys)
    else:
        _ask_all(turn, note_look(turn, event))


def _note_memory(turn: Settling, event: MemoryMeasured) -> None:
    from supervisor.core.restart_due import note_memory

    note_memory(turn, event)


def _ask_all(turn: Settling, requests: Iterable[Asked | RollAsked]) -> None:
    for request in requests:
        if isinstance(request, RollAsked):
            _ask_roll_or_scale(turn, request)
        else:
            _ask(turn, request.instances, request.event)


# ---- the rules


def _settle(turn: Settling) -> None:
    _apply_rules(turn)
    if turn.replaces and turn.leaving and isinstance(turn.container_phase, Serving) and _replace_gone(turn):
        _apply_rules(turn)
        if turn.have_all_ended():
            finish(turn)
    if isinstance(turn.container_phase, Draining) and not turn.is_any_waited_for():
        stop_all(turn, turn.container_phase)  # nothing is left that could serve
        _apply_rules(turn)
    if isinstance(turn.container_phase, ShuttingDown) and not turn.is_any_waited_for():
        close(turn)
    turn.keep_in_step()


def _advance_rolls(turn: Settling, names: Iterable[str]) -> None:
    from supervisor.core.rolling import advance_roll

    for name in [name for name in names if name in turn.rolls]:
        advance_roll(turn, name)


def _replace_gone(turn: Settling) -> bool:
    from supervisor.core.replacement import replace_gone

    return replace_gone(turn)


def _apply_rules(turn: Settling) -> None:
    limit = len(turn.changes) + MIN_CHANGES + CHANGES_PER_INSTANCE * len(turn.lives)
    while turn.touched:
        if len(turn.changes) > limit:
            _break_off(turn)
        if turn.came_up:
            turn.note_ready()
        judged, turn.judged = turn.judged, len(turn.changes)
        for change in turn.changes[judged:]:
            if isinstance(change, Change):
                judge(turn, change)
        names, turn.touched = dict.fromkeys(turn.touched), []
        if isinstance(turn.container_phase, Serving | Draining):
            for name in dict.fromkeys(near for n in names for near in (n, *turn.plan.dependants[n])):
                start_if_met(turn, name)
        freed, turn.freed = turn.freed, []
        for name in dict.fromkeys((*names, *freed)):
            stop_if_free(turn, name)
        if turn.rolls:
            _advance_rolls(turn, names)


def _break_off(turn: Settling) -> None:
    """End the container because its rules do not settle: in order, and if that does not settle either, at once."""
    names = ", ".join(sorted(set(turn.touched)))
    turn.touched, turn.freed = [], []
    if not turn.is_broken:
        turn.is_broken = True
        fail(turn, f"internal error: the state of {names} does not settle")
        if isinstance(turn.container_phase, Draining):
            stop_all(turn, turn.container_phase)
        _apply_rules(turn)
        return
    turn.container_phase = ShuttingDown(turn.now, turn.now, turn.now)
    turn.apply_all(Hurried())
    turn.touched, turn.freed = [], []
