"""Rule 1 of the fleet: a wanted program starts once everything that it depends on meets its condition."""

from __future__ import annotations

from supervisor.core.events import (
    DependenciesChecked,
    DependencyFailed,
    ScheduleResumed,
    StartRequested,
    StopAnnounced,
)
from supervisor.core.life import Exited, Fatal, Goal, Pending, Running, Scheduled, Starting
from supervisor.core.program import Condition
from supervisor.core.record import assert_never

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisor.core.life import Life
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.settling import Settling


def meets(condition: Condition, life: Life) -> bool:
    """Whether an instance is in the state that a dependant with this condition waits for."""
    match condition:
        case Condition.STARTED:
            is_kept_up = life.goal is Goal.UP and isinstance(life.phase, Starting | Running | Scheduled)
            return is_kept_up or isinstance(life.phase, Exited)
        case Condition.HEALTHY:
            return life.goal is Goal.UP and life.is_up
        case Condition.COMPLETED:
            return isinstance(life.phase, Exited) or (isinstance(life.phase, Scheduled) and life.was_up)
        case _:
            assert_never(condition)


def _are_enough(program: Program, condition: Condition, lives: Sequence[Life]) -> bool:
    """Whether the instances of a dependency meet a condition. Of a scheduled program, one run is enough."""
    met = any if program.schedule is not None and lives else all
    return met(meets(condition, life) for life in lives)


def start_or_schedule(turn: Settling, instance: InstanceId, is_new: bool) -> None:
    """Start an instance. With a schedule, let it wait for its next run, unless it `is_new` and is to run at once."""
    schedule = turn.plan.programs[instance[0]].schedule
    runs_now = schedule is None or (is_new and schedule.run_on_start and instance[1] == 1)
    turn.apply(instance, StartRequested() if runs_now else ScheduleResumed())


def start_if_met(turn: Settling, name: str) -> None:
    """Start what waits of a program, or note what it waits for. A dependency that is FATAL makes it FATAL, too."""
    program = turn.plan.programs[name]
    waiting = [i for i in program.everyone if isinstance(turn.lives[i].phase, Pending)]
    if not waiting:
        return
    missing: list[str] = []
    for dependency in program.depends_on:
        lives = _lives_of(turn, dependency.program)
        if not dependency.required:
            lives = [life for life in lives if life.is_wanted and not isinstance(life.phase, Fatal)]
        else:
            _ask_for(turn, dependency.program)
        for life in lives:
            if isinstance(life.phase, Fatal):
                event = DependencyFailed(f"depends on {dependency.program}, which {life.phase.reason}")
                for instance in waiting:
                    turn.apply(instance, event)
                return
        if not _are_enough(turn.plan.programs[dependency.program], dependency.condition, lives):
            missing.append(dependency.program)
    for instance in waiting:
        phase = turn.lives[instance].phase
        assert isinstance(phase, Pending)
        if missing:
            if phase.on != tuple(missing):
                turn.apply(instance, DependenciesChecked(tuple(missing)))
        elif phase.held_until is None:
            if not turn.take_step(name):
                return
            turn.apply(instance, DependenciesChecked())


def _lives_of(turn: Settling, name: str) -> list[Life]:
    """Return the instances of a program that others wait for: not one that is being replaced, if there are more."""
    instances = turn.plan.programs[name].instances
    if turn.is_rolling(name):
        from supervisor.core.roll import is_down_for_roll

        instances = tuple(i for i in instances if not is_down_for_roll(turn, i)) or instances
    return [turn.lives[instance] for instance in instances]


def _ask_for(turn: Settling, name: str) -> None:
    """Start the instances of a program that are on demand, because one that waits depends on it."""
    for instance in turn.plan.programs[name].instances:
        if turn.lives[instance].on_demand and not turn.is_leaving(instance):
            start_or_schedule(turn, instance, is_new=True)


def restart_dependants(turn: Settling, name: str) -> None:
    """Announce the restart of what is to restart with a program (`restart: true`), and of what depends on that so."""
    names = {name: None}
    pending = [name]
    for dependency in pending:  # grows while it is read
        for dependant in turn.plan.dependants[dependency]:
            program = turn.plan.programs[dependant]
            if dependant in names or not any(d.program == dependency and d.restart for d in program.depends_on):
                continue
            names[dependant] = None
            pending.append(dependant)
            for instance in program.instances:
                life = turn.lives[instance]
                if (
                    life.goal is Goal.UP
                    and isinstance(life.phase, Starting | Running)
                    and not turn.is_leaving(instance)
                ):
                    turn.apply(instance, StopAnnounced(again=True))


def start_dependencies(turn: Settling, name: str) -> None:
    """Start everything that is down and keeps a program from starting, what those depend on included."""
    names = {name: None}
    pending = [name]
    for dependant in pending:  # grows while it is read
        for dependency in (d.program for d in turn.plan.programs[dependant].depends_on if d.required):
            for instance in turn.plan.programs[dependency].instances:
                life = turn.lives[instance]
                if isinstance(life.phase, Exited) or turn.is_leaving(instance):
                    continue
                stays_down = life.goal is Goal.DOWN and not life.again
                is_down = stays_down or not (life.is_alive or isinstance(life.phase, Scheduled))
                if is_down and dependency not in names:
                    names[dependency] = None
                    pending.append(dependency)
                if stays_down or isinstance(life.phase, Fatal):
                    start_or_schedule(turn, instance, is_new=life.on_demand)
