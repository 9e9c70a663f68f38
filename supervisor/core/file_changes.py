"""Changes to watched files: when to look at them, and what a change does to a program.

Rule 1: an event is a hint. Only a look, which compares the files with what they were, tells that something has changed.
Rule 2: a look comes `debounce` after the last hint, and at the latest MAX_DEBOUNCES times that after the first one.
Rule 3: a process that was started after the last change has read it, so it is left alone.
Rule 4: a change acts on processes only. What somebody has stopped, and what has ended for good, stays as it is.
Rule 5: a process that is still starting may have no handler for its reload signal yet, so its reload waits until it is
        RUNNING. A restart does not wait, unless instances are being replaced already: it follows that.
Rule 6: a watch that does not work looks again every RETRY_INTERVAL, so that it finds changes all the same.
"""

from __future__ import annotations

from math import inf

from supervisor.core.actions import Reload
from supervisor.core.container import (
    Asked,
    FilesChanged,
    ForgetFiles,
    LookAtFiles,
    Order,
    RollAsked,
    Serving,
    WatchProblem,
)
from supervisor.core.events import RestartRequested
from supervisor.core.life import Backoff, Goal, Running, Starting
from supervisor.core.record import Record, replace
from supervisor.core.watch import WatchAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor.core.container import FilesLooked
    from supervisor.core.program import InstanceId
    from supervisor.core.settling import Settling
    from supervisor.core.watch import WatchKey

MAX_DEBOUNCES = 10
"""How many times `debounce` files may change without a pause before a look comes all the same."""
RETRY_INTERVAL = 30.0
ROLL_INTERVAL = 1.0
"""Seconds after which a change that was found during a rolling restart is looked at again."""


class FileState(Record):
    """What is known of one watch."""

    first_hint: float | None = None
    """When the first hint after the last look came."""
    last_hint: float | None = None
    look_at: float = inf
    is_looking: bool = True
    is_first: bool = True
    """Whether no look has been answered yet."""
    found: tuple[str, ...] = ()
    """Changes that a look has found and that are acted on after the next one: after the first look, `debounce` has to
    pass; after any other, a rolling restart has to end."""
    looks_for: float = 0.0
    """When the last hint came before the look that is under way."""
    problem: str = ""
    """Why it does not work, as a sentence. Empty: it does."""
    changed_at: float | None = None
    """When a change was last found."""
    owed: tuple[tuple[InstanceId, int], ...] = ()
    """The processes, by instance and generation, that are to be reloaded once they are RUNNING."""


def keep_watches(turn: Settling, since: float | None = None) -> None:
    """Begin and end watches as the table says, and reload what has become RUNNING.

    `since`: a watch that begins now reports changes after this time. None: it reports no earlier change.
    """
    wanted = turn.plan.watches if isinstance(turn.container_phase, Serving) else ()
    if turn.plan is not turn.old_plan or len(wanted) != len(turn.files):
        kept = set(wanted)
        for key in [key for key in turn.files if key not in kept]:
            del turn.files[key]
            turn.orders.append(ForgetFiles(key))
        for key in wanted:
            if key not in turn.files:
                turn.files[key] = FileState(looks_for=turn.now)
                turn.orders.append(LookAtFiles(key, since))
    for key, state in turn.files.items():
        if state.owed:
            turn.files[key] = replace(state, owed=tuple(_pay(turn, state.owed)))


def _pay(turn: Settling, owed: Iterable[tuple[InstanceId, int]]) -> Iterable[tuple[InstanceId, int]]:
    """Reload the processes that are RUNNING now, and yield those that still start."""
    for instance, generation in owed:
        life = turn.lives.get(instance)
        if life is None or life.generation != generation or life.goal is Goal.DOWN:
            continue
        if isinstance(life.phase, Running):
            turn.orders.append(Order(instance, Reload(generation)))
        elif isinstance(life.phase, Starting):
            yield instance, generation


def note_hints(turn: Settling, keys: Iterable[WatchKey]) -> None:
    """Note that something has happened to the files of some watches."""
    for key in keys:
        state = turn.files.get(key)
        if state is None:
            continue
        first = turn.now if state.first_hint is None else state.first_hint
        debounce = key[1].debounce
        look_at = min(turn.now + debounce, first + MAX_DEBOUNCES * debounce)
        turn.files[key] = replace(state, first_hint=first, last_hint=turn.now, look_at=look_at)


def look_if_due(turn: Settling) -> None:
    for key, state in turn.files.items():
        if turn.now >= state.look_at and not state.is_looking:
            hint = turn.now if state.last_hint is None else state.last_hint
            turn.files[key] = replace(
                state, first_hint=None, last_hint=None, look_at=inf, is_looking=True, looks_for=hint
            )
            turn.orders.append(LookAtFiles(key))


def note_look(turn: Settling, event: FilesLooked) -> Iterator[Asked | RollAsked]:
    """Take the answer to a look. Yield the restart that the changes call for, if any."""
    key, state = event.key, turn.files.get(event.key)
    if state is None or not state.is_looking:
        return
    if event.problem != state.problem:
        turn.changes.append(WatchProblem(key, event.problem))
    look_at = min(state.look_at, turn.now + RETRY_INTERVAL) if event.problem else state.look_at
    (name, watch), changed = key, tuple(sorted({*state.found, *event.changed}))
    found: tuple[str, ...] = ()
    if state.is_first and event.changed:
        found, look_at = event.changed, min(look_at, turn.now + watch.debounce)
        changed_at = state.looks_for if event.changed_at is None else event.changed_at
        state = replace(state, last_hint=changed_at if state.last_hint is None else max(changed_at, state.last_hint))
    is_restart = watch.action is WatchAction.RESTART
    if (
        is_restart and changed and not found and turn.is_rolling(name)
    ):  # some are replaced before the change, some after it
        found, look_at = changed, min(look_at, turn.now + ROLL_INTERVAL)
        state = replace(state, last_hint=state.last_hint or state.looks_for)
    state = replace(state, is_looking=False, is_first=False, look_at=look_at, problem=event.problem, found=found)
    if not changed or found:
        turn.files[key] = state
        return
    at, instances = state.looks_for, turn.plan.programs[name].instances
    targets = tuple(i for i in instances if _is_affected(turn, i, is_restart, at))
    turn.changes.append(FilesChanged(key, changed, targets))
    owed = state.owed if is_restart else tuple((i, turn.lives[i].generation) for i in targets)
    turn.files[key] = replace(state, changed_at=turn.now, owed=owed)
    if is_restart:
        is_rolling = turn.plan.programs[name].update_config is not None
        yield RollAsked(targets) if is_rolling else Asked(targets, RestartRequested())


def _is_affected(turn: Settling, instance: InstanceId, is_restart: bool, at: float) -> bool:
    """Whether an instance has a process that is older than the change, or waits for its next start."""
    life = turn.lives[instance]
    if life.goal is Goal.DOWN or turn.is_leaving(instance):
        return False
    match life.phase:
        case Starting(run=run) | Running(run=run):
            return run.since <= at
        case Backoff():
            return is_restart
        case _:
            return False


def postpone_looks(turn: Settling, seconds: float) -> None:
    """Move the time of each look by a pause of supinit itself."""
    for key, state in turn.files.items():
        first = None if state.first_hint is None else state.first_hint + seconds
        turn.files[key] = replace(state, first_hint=first, look_at=state.look_at + seconds)
