"""Rolling restarts and updates: the instances of a program get new processes, a few at a time.

Rule 1: at most `parallelism` instances are on their way from their old process to a new one that is up. Each stops by
        the stop sequence of its old entry, takes the new entry once it is down, and is up as for any other start. An
        instance that is down anyway comes first.
Rule 2: a new process that ends, or becomes unhealthy, before it was up or within `monitor` after that has failed, and
        `failure_action` decides. The last instance is watched for `monitor` like every other one.
Rule 3: it ends: when everything is replaced, at a failure, when somebody stops one of the instances, when another
        update wants something else, or with the shutdown. What it has replaced stays replaced.
Rule 4: it continues only while the container is serving, when an instance changes and at its own deadlines.

An update that was paused leaves instances of both entries. The next update compares each instance with the new table,
so it replaces what is left; the old table brings back what was replaced.
"""

from __future__ import annotations

from math import inf

from supervisor.core.container import RollAsked, RollChange, ScaleAsked, Serving
from supervisor.core.dependencies import restart_dependants, start_dependencies
from supervisor.core.events import Redefined, RestartRequested, StartRequested, StopAnnounced, StopRequested
from supervisor.core.health import Health
from supervisor.core.life import Backoff, Exited, Fatal, Pending, Running, Spawning, Starting, Stopping, Sweeping
from supervisor.core.record import assert_never, replace
from supervisor.core.restart_policy import exit_sentence
from supervisor.core.roll import Outcome, Replacement, Roll, is_under_way
from supervisor.core.scaling import ask_scale, change_scale
from supervisor.core.shutdown import finish
from supervisor.core.succession import (
    add_successor,
    dismiss,
    dismiss_all,
    drop_gone,
    is_beside,
    starts_first,
    take_over,
)
from supervisor.core.update import needs_new_process, replace_entries, with_entry
from supervisor.core.update_config import FailureAction, UpdateConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from supervisor.core.events import Event
    from supervisor.core.life import Life
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.settling import Settling


# ---- what begins it


def ask_roll_or_scale(turn: Settling, event: RollAsked | ScaleAsked) -> None:
    match event:
        case RollAsked(instances):
            ask_roll(turn, instances)
        case ScaleAsked(name, scale):
            ask_scale(turn, name, scale)
        case _:
            assert_never(event)


def ask_roll(turn: Settling, instances: Iterable[InstanceId]) -> None:
    """Restart instances a few at a time. An update that was paused goes on instead."""
    asked: dict[str, list[InstanceId]] = {}
    for instance in instances:
        if instance in turn.lives and not turn.is_leaving(instance):
            asked.setdefault(instance[0], []).append(instance)
    for name, those in asked.items():
        last = turn.rolls.get(name)
        if turn.plan.programs[name].schedule is not None or turn.is_rolling(name):
            continue
        start_dependencies(turn, name)
        if last is not None and last.can_go_on:
            assert last.becomes is not None
            roll_update(turn, name, last.becomes, is_stale=False)
        else:
            _put(turn, name, Roll(_serial(turn, name), "restart", _config(turn, name), tuple(those), len(those)), None)


def roll_update(turn: Settling, name: str, becomes: Program, is_stale: bool) -> None:
    """Bring the instances of a program to a new entry: in place where that will do, and the others a few at a time."""
    pending = []
    for instance in turn.plan.programs[name].instances[: becomes.scale]:
        if turn.is_leaving(instance):
            continue
        if is_stale or _is_to_be_replaced(turn, instance, becomes):
            pending.append(instance)
        else:
            _redefine(turn, instance, becomes)
    last = turn.rolls.get(name)
    before = last.before if last is not None and last.can_go_on else None
    assert becomes.update_config is not None
    roll = Roll(
        serial=_serial(turn, name),
        what="update",
        config=becomes.update_config,
        pending=tuple(pending),
        total=len(pending),
        becomes=becomes,
        before=before or turn.old_plan.programs[name],
    )
    _put(turn, name, roll, None)


def _is_to_be_replaced(turn: Settling, instance: InstanceId, becomes: Program) -> bool:
    """Whether a new entry needs a new process, or changes a stop sequence that is under way."""
    old = turn.plan.program_of(instance)
    return needs_new_process(old, becomes) or (
        old.stop != becomes.stop and isinstance(turn.lives[instance].phase, Stopping)
    )


def _redefine(turn: Settling, instance: InstanceId, becomes: Program) -> None:
    old = turn.plan.program_of(instance)
    turn.plan = with_entry(turn.plan, instance, becomes)
    turn.apply(instance, Redefined(old.healthcheck != becomes.healthcheck))


def _serial(turn: Settling, name: str) -> int:
    last = turn.rolls.get(name)
    return 1 if last is None else last.serial + 1


def _config(turn: Settling, name: str) -> UpdateConfig:
    return turn.plan.programs[name].update_config or UpdateConfig()


def _put(turn: Settling, name: str, roll: Roll, before: Roll | None, health: str | None = None) -> None:
    turn.rolls = {**turn.rolls, name: roll}
    turn.changes.append(RollChange(name, before, roll, health))
    turn.touched.append(name)


def keeps(turn: Settling, instance: InstanceId, event: Event) -> bool:
    """Whether a roll is about to start an instance, so that a request for it has no effect. A stop ends the roll."""
    if isinstance(event, StopRequested):
        give_up(turn, instance[0], f"{instance[0]} was asked to stop")
        return False
    if isinstance(event, RestartRequested):
        _end_paused_restart(turn, instance[0], f"{instance[0]} was asked to restart")
    return is_under_way(turn, instance)


# ---- how it goes on


def advance_roll(turn: Settling, name: str) -> None:
    """Look at the instances that are being replaced, and replace the next ones."""
    drop_gone(turn, name)
    before = turn.rolls[name]
    if not before.is_active:
        return
    if not isinstance(turn.container_phase, Serving):
        give_up(turn, name, "the container is stopping")
        return
    roll = _look(turn, before)
    come_up = [each for each in roll.under_way if each.ready_at is not None and is_beside(turn.plan, each.instance)]
    for each in come_up:
        take_over(turn, each.instance)
    if len(roll.failed) > len(before.failed) and roll.config.failure_action is not FailureAction.CONTINUE:
        _put(turn, name, roll, before)
        _act_on_failure(turn, name, roll)
        return
    if roll != before:
        _put(turn, name, roll, before, _health_of(turn, come_up))
    places = roll.config.parallelism or roll.total
    while sum(each.takes_a_place for each in roll.under_way) < places and (ready := _ready(turn, roll)):
        roll = _replace_next(turn, name, roll, ready)
    if not roll.pending and not roll.under_way:
        _complete(turn, name, roll)


def _look(turn: Settling, roll: Roll) -> Roll:
    """Return the roll after a look at each instance that is under way."""
    under_way: list[Replacement] = []
    for each in roll.under_way:
        if turn.is_leaving(each.instance):
            continue
        life = turn.lives[each.instance]
        if each.predecessor not in turn.lives:
            each = replace(each, predecessor=None)
        is_watched = each.ready_at is None or turn.now < each.watched_until
        problem = _problem(life, each) if is_watched else None
        if problem is not None:
            roll = replace(roll, failed=(*roll.failed, (each.instance, problem)))
            dismiss(turn, each)
            continue
        if _begins_anew(life):
            each = Replacement(each.instance, life.generation)
        elif each.ready_at is None and _is_up(life):
            roll = replace(roll, replaced=(*roll.replaced, each.instance))
            free_at = turn.now + roll.config.delay
            each = replace(each, ready_at=turn.now, free_at=free_at, watched_until=turn.now + roll.config.monitor)
        if each.free_at is not None and turn.now >= each.free_at:
            each = replace(each, free_at=None)
        if turn.now >= each.watched_until:
            each = replace(each, watched_until=-inf)
        is_free = (each.free_at is None or not roll.pending) and each.predecessor is None
        if each.ready_at is None or turn.now < each.watched_until or not is_free:
            under_way.append(each)
    there = tuple(i for i in roll.pending if not turn.is_leaving(i))
    return replace(roll, pending=there, under_way=tuple(under_way))


def _health_of(turn: Settling, come_up: Sequence[Replacement]) -> str | None:
    return turn.lives[come_up[0].instance].health.value if come_up else None


def _is_up(life: Life) -> bool:
    return life.is_up or isinstance(life.phase, Exited)


def _begins_anew(life: Life) -> bool:
    """Whether a new process follows though none has failed: a dependency has restarted, or the start is held back."""
    return life.again or (isinstance(life.phase, Pending) and life.phase.held_until is not None)


def _problem(life: Life, each: Replacement) -> str | None:
    """Return why a new process has failed, as a predicate, or None if it has not."""
    match life.phase:
        case Fatal(reason=reason):
            return reason
        case _ if life.generation <= each.generation:
            return None
        case Backoff(reason=reason):
            return reason
        case Stopping(blame=blame) if blame is not None:
            return blame.sentence
        case _ if life.generation > each.generation + 1 and life.last_exit is not None:
            return exit_sentence(life.last_exit)
        case _ if life.health_state is not None and life.health is Health.UNHEALTHY:
            detail = life.health_state.detail
            return f"is unhealthy: {detail}" if detail else "is unhealthy"
        case _:
            return None


def _ready(turn: Settling, roll: Roll) -> list[InstanceId]:
    """Return the instances that can be replaced now. An update does not start what is being stopped: it waits."""
    lives = turn.lives
    return [i for i in roll.pending if roll.becomes is None or lives[i].is_wanted or not lives[i].is_alive]


def _replace_next(turn: Settling, name: str, roll: Roll, ready: Sequence[InstanceId]) -> Roll:
    """Begin to replace the next instance: one that is down anyway, or else the first."""
    instance = next((i for i in ready if not _is_up(turn.lives[i])), ready[0])
    life = turn.lives[instance]
    is_asleep = roll.becomes is not None and not life.is_wanted
    if starts_first(turn, roll, instance):
        return _start_next(turn, name, roll, instance)
    after = replace(
        roll,
        pending=tuple(other for other in roll.pending if other != instance),
        replaced=(*roll.replaced, instance) if is_asleep else roll.replaced,
        under_way=roll.under_way if is_asleep else (*roll.under_way, Replacement(instance, life.generation)),
        switching=roll.switching if roll.becomes is None else (*roll.switching, instance),
    )
    _put(turn, name, after, roll)
    if not life.is_alive:
        take_entry(turn, instance)
        after = turn.rolls[name]
    if is_asleep:
        return after
    if isinstance(life.phase, Spawning | Starting | Running):
        turn.apply(instance, StopAnnounced(again=True))
    elif isinstance(life.phase, Stopping | Sweeping):
        turn.apply(instance, RestartRequested())
    else:
        turn.apply(instance, StopAnnounced())  # what waits is dropped, and begins anew by the new entry
        turn.apply(instance, StartRequested())
    return turn.rolls[name]


def _start_next(turn: Settling, name: str, roll: Roll, instance: InstanceId) -> Roll:
    """Start a new process beside the one of an instance."""
    generation = turn.lives[instance].generation
    successor = add_successor(turn, instance, roll.becomes or turn.plan.program_of(instance))
    after = replace(
        roll,
        pending=tuple(other for other in roll.pending if other != instance),
        under_way=(*roll.under_way, Replacement(successor, generation, predecessor=instance)),
    )
    _put(turn, name, after, roll)
    turn.apply(successor, StartRequested())
    return turn.rolls[name]


def take_entry(turn: Settling, instance: InstanceId) -> None:
    """Give an instance that is down the entry that its roll has for it."""
    roll = turn.rolls[instance[0]]
    if instance in roll.switching:
        assert roll.becomes is not None
        turn.plan = with_entry(turn.plan, instance, roll.becomes)
        left = tuple(other for other in roll.switching if other != instance)
        turn.rolls = {**turn.rolls, instance[0]: replace(roll, switching=left)}


# ---- how it ends


def _act_on_failure(turn: Settling, name: str, roll: Roll) -> None:
    """Pause, or return to the old entry."""
    instance, problem = roll.failed[-1]
    label = f"{name}:{instance[1]}" if turn.plan.programs[name].scale > 1 else name
    sentence = f"{label} {problem}"
    if roll.config.failure_action is not FailureAction.ROLLBACK or roll.becomes is None or roll.is_rollback:
        _end(turn, name, roll, Outcome.PAUSED, sentence)
        return
    assert roll.before is not None
    dismiss_all(turn, roll)
    busy = {each.instance for each in roll.under_way} | {instance}
    pending = []
    for each in turn.plan.programs[name].instances:
        if turn.is_leaving(each):
            continue
        if each in busy or _is_to_be_replaced(turn, each, roll.before):
            pending.append(each)
        else:
            _redefine(turn, each, roll.before)
    back = Roll(
        serial=roll.serial,
        what="update",
        config=roll.config,
        pending=tuple(pending),
        total=len(pending),
        becomes=roll.before,
        before=roll.before,
        is_rollback=True,
        cause=sentence,
    )
    _put(turn, name, back, roll)


def give_up(turn: Settling, name: str, reason: str) -> None:
    """End a roll because somebody wants something else. `reason`: a sentence."""
    roll = turn.rolls.get(name)
    if roll is not None and roll.is_active:
        _end(turn, name, roll, Outcome.GIVEN_UP, reason)
    _end_paused_restart(turn, name, reason)


def _end_paused_restart(turn: Settling, name: str, reason: str) -> None:
    """End a paused restart: nobody expects it to continue. A paused update stays: its program runs with two entries."""
    roll = turn.rolls.get(name)
    if roll is not None and roll.is_paused and roll.what == "restart":
        _end(turn, name, roll, Outcome.GIVEN_UP, reason)


def forget_update(turn: Settling, name: str) -> None:
    """Note that a newer table has replaced an update, which can no longer continue."""
    give_up(turn, name, "another update has begun")
    turn.rolls = {**turn.rolls, name: replace(turn.rolls[name], becomes=None, switching=())}


def _complete(turn: Settling, name: str, roll: Roll) -> None:
    if roll.becomes is not None:
        _adopt(turn, name, roll.becomes)
    if roll.is_rollback:
        _end(turn, name, roll, Outcome.ROLLED_BACK, roll.cause)
        return
    failed = ", ".join(f"{name}:{instance[1]} {problem}" for instance, problem in roll.failed)
    _end(turn, name, roll, Outcome.COMPLETED, failed)
    if not roll.failed:
        restart_dependants(turn, name)


def _adopt(turn: Settling, name: str, becomes: Program) -> None:
    """Make the new entry that of the program, now that every instance has it. Its `scale` applies last."""
    old = turn.plan.programs[name]
    there = tuple(d for d in becomes.depends_on if d.program in turn.plan.programs)
    entry = replace(becomes, scale=old.scale, depends_on=there, second_lane=old.second_lane, beside=old.beside)
    going = turn.leaving.get(name)
    stay = {
        i: turn.plan.program_of(i) for i in old.instances
    }  # with start-first, the old process if the new one failed
    turn.plan = replace_entries(turn.plan, {name: entry}, turn.leaving, old.instances)
    for instance, own in stay.items():
        if needs_new_process(own, entry) and turn.lives[instance].is_alive:
            turn.plan = with_entry(turn.plan, instance, own)
    if going is not None:
        turn.leaving = {**turn.leaving, name: replace(going, becomes=entry)}
    change_scale(turn, name, becomes.scale)


def _end(turn: Settling, name: str, roll: Roll, outcome: Outcome, reason: str) -> None:
    dismiss_all(turn, roll)
    _put(turn, name, replace(roll, under_way=(), outcome=outcome, reason=reason), roll)
    if turn.have_all_ended():
        finish(turn)
