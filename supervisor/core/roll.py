"""The state of one rolling restart or update: what is replaced, what is watched, and how it has ended."""

from __future__ import annotations

from enum import Enum
from math import inf

from supervisor.core.record import Record, replace
from supervisor.core.update_config import FailureAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.settling import Settling
    from supervisor.core.update_config import UpdateConfig


class Outcome(Enum):
    """How a rolling restart or update has ended."""

    COMPLETED = "completed"
    PAUSED = "paused"
    """A new instance has failed. The instances that are left keep their processes."""
    ROLLED_BACK = "rolled back"
    GIVEN_UP = "given up"
    """Somebody wanted something else of the program."""


class Replacement(Record):
    """One instance on its way from its old process to a new one.

    `generation`: of the old process. `ready_at`: when the new one was up. `free_at`: when the next instance may follow;
    None: it may follow now. `watched_until`: the end of `monitor`.
    """

    instance: InstanceId
    generation: int
    ready_at: float | None = None
    free_at: float | None = None
    watched_until: float = -inf
    predecessor: InstanceId | None = None
    """With start-first: the old process, in the instance's other lane. None: it is gone."""

    @property
    def takes_a_place(self) -> bool:
        """Whether it counts for `parallelism`: with start-first, until the old process is gone."""
        return self.ready_at is None or self.free_at is not None or self.predecessor is not None


class Roll(Record):
    """Replaces the instances of one program, a few at a time.

    `becomes`: the new entry. None: this is a restart, or an update that another update has replaced.
    """

    serial: int
    """Distinguishes it from the program's earlier ones."""
    what: str
    """restart or update."""
    config: UpdateConfig
    pending: tuple[InstanceId, ...]
    """What is left to be replaced."""
    total: int
    becomes: Program | None = None
    before: Program | None = None
    """The entry to which a rollback returns."""
    under_way: tuple[Replacement, ...] = ()
    """Empty once it has ended."""
    switching: tuple[InstanceId, ...] = ()
    """Instances that take the new entry once they are down."""
    replaced: tuple[InstanceId, ...] = ()
    """Instances whose new process was up, in that order."""
    failed: tuple[tuple[InstanceId, str], ...] = ()
    """Instances whose new process has failed, each with the reason as a predicate."""
    is_rollback: bool = False
    cause: str = ""
    """What a rollback is for, as a sentence."""
    outcome: Outcome | None = None
    reason: str = ""
    """Why it has not completed, as a sentence."""

    @property
    def is_active(self) -> bool:
        return self.outcome is None

    @property
    def can_go_on(self) -> bool:
        """Whether it is an update that has stopped on its way."""
        return self.becomes is not None and self.outcome in (Outcome.PAUSED, Outcome.GIVEN_UP)

    @property
    def is_paused(self) -> bool:
        """Whether a failure has stopped it, and nobody has gone on or given up since."""
        return self.outcome is Outcome.PAUSED and (self.what == "restart" or self.becomes is not None)

    @property
    def is_update_under_way(self) -> bool:
        return self.outcome is None and self.becomes is not None


def is_down_for_roll(turn: Settling, instance: InstanceId) -> bool:
    """Whether an instance is down, or about to be, because it gets a new process."""
    roll = turn.rolls[instance[0]]
    return any(each.instance == instance and each.ready_at is None for each in roll.under_way)


def is_under_way(turn: Settling, instance: InstanceId) -> bool:
    """Whether an instance is on its way from its old process to its new one."""
    roll = turn.rolls.get(instance[0])
    return roll is not None and any(
        each.ready_at is None and instance in (each.instance, each.predecessor) for each in roll.under_way
    )


def spares(turn: Settling, instance: InstanceId) -> bool:
    """Whether the roll decides on the failure of a new process, so that it does not end the container.

    It does while the old entry comes back, or another instance serves.
    """
    roll = turn.rolls.get(instance[0])
    if instance in turn.plan.programs[instance[0]].beside:
        return True
    if roll is None or all(each.instance != instance for each in roll.under_way):
        return False
    if roll.config.failure_action is FailureAction.ROLLBACK and roll.becomes is not None and not roll.is_rollback:
        return True
    return any(turn.lives[other].is_up for other in turn.plan.programs[instance[0]].instances)


def next_roll_deadline(roll: Roll) -> float:
    """Return when a roll continues even if nothing happens. inf: never."""
    return min((_deadline(roll, each) for each in roll.under_way), default=inf)


def _deadline(roll: Roll, each: Replacement) -> float:
    if each.free_at is not None and roll.pending:
        return each.free_at
    return each.watched_until if each.watched_until > -inf else inf


def postpone_roll(roll: Roll, seconds: float) -> Roll:
    return replace(roll, under_way=tuple(_postponed(each, seconds) for each in roll.under_way))


def _postponed(each: Replacement, seconds: float) -> Replacement:
    free_at = None if each.free_at is None else each.free_at + seconds
    return replace(each, free_at=free_at, watched_until=each.watched_until + seconds)
