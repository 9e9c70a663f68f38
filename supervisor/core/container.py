"""The state of the whole container: its phase from serving to its end, the verdict on that end, and its events."""

from __future__ import annotations

from supervisor.core.actions import Action
from supervisor.core.events import Event
from supervisor.core.life import Life
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.core.file_changes import FileState
    from supervisor.core.idle_watch import IdleWatch
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.restart_due import LimitState
    from supervisor.core.roll import Roll
    from supervisor.core.schedule import Outcome, Schedule, ScheduleState
    from supervisor.core.update import Leaving
    from supervisor.core.verdict import Verdict
    from supervisor.core.watch import WatchKey


STEPS = 32
"""Programs that are started or begin to stop before the engine must see to other things, such as dead processes.

A start takes PID 1 about a millisecond, so the loop is never busy with them for much longer than 32 ms.
"""


class Serving(Record):
    """Programs are started and kept up. The container ends if it is not ready by `deadline`."""

    deadline: float | None = None


class Draining(Record):
    """A shutdown has begun. The container is not ready any more, but programs are kept up until `until`."""

    since: float
    until: float
    asked_at: float | None = None
    """When the shutdown was first asked for. None: a program caused it, and nobody has asked yet."""


class ShuttingDown(Record):
    """Programs are stopped in order, all of them by `deadline`."""

    since: float
    deadline: float | None = None
    asked_at: float | None = None


class Closing(Record):
    """No program is left. All other processes are killed, again at `deadline`, until `give_up`."""

    deadline: float
    give_up: float


class Over(Record):
    """Nothing is left."""


ContainerPhase = Serving | Draining | ShuttingDown | Closing | Over


class Fleet(Record):
    """The state of all instances and of the container. `lives` has every instance of the plan, in its order."""

    lives: Mapping[InstanceId, Life]
    container_phase: ContainerPhase = Serving()
    ready_at: float | None = None
    """When every essential program had been up once."""
    verdict: Verdict | None = None
    """Set from the moment at which a shutdown begins."""
    leaving: Mapping[str, Leaving] = {}
    """The programs whose entries an update replaces, once the instances that leave are gone."""
    held: Mapping[str, int] = {}
    """How many programs hold back the stop of each program that is held back (stop_order.py)."""
    steps_left: int = STEPS
    """How many programs the rules may still start or stop before the rest waits for TimePassed."""
    unsettled: tuple[str, ...] = ()
    """Programs to which the rules have not been applied yet, because there were no steps left."""
    killed: int = 0
    """How many instances needed SIGKILL since a shutdown began."""
    continue_at: float | None = None
    """When the rest of the work is to be done: programs that are unsettled, or entries that can be replaced."""
    idle: IdleWatch | None = None
    """For how long nobody has been connected. None: the table does not ask, or the container is not ready."""
    files: Mapping[WatchKey, FileState] = {}
    """What is known of each watch of the table."""
    rolls: Mapping[str, Roll] = {}
    """The last rolling restart or update of each program that had one (rolling.py)."""
    schedules: Mapping[str, ScheduleState] = {}
    """Where each program that has a schedule is in it."""
    limits: Mapping[str, LimitState] = {}
    """What is known of the processes of each program that has `restart_when`."""
    due: Mapping[InstanceId, float] = {}
    """When time changes each instance next (deadlines.py), without those that it does not change."""


# ---- events


class Begun(Record):
    """Start everything."""


class Happened(Record):
    """Something happened to one instance."""

    instance: InstanceId
    event: Event


class Asked(Record):
    """Somebody asks the same of several instances. A start includes what they depend on."""

    instances: tuple[InstanceId, ...]
    event: Event


class RollAsked(Record):
    """Somebody wants new processes for these instances, a few at a time."""

    instances: tuple[InstanceId, ...]


class ScaleAsked(Record):
    """Somebody wants another number of instances of a program."""

    name: str
    scale: int


class ShutdownAsked(Record):
    """Somebody wants the container to end. Asked again a second or more later, what is left is killed."""

    reason: str


class Updated(Record):
    """There is a new table. `stale`: the keys of each program that name a file that has changed since its start."""

    plan: Plan
    stale: Mapping[str, tuple[str, ...]] = {}


class Fault(Record):
    """An internal error of supinit: stop everything in order."""

    reason: str


class ContainerSwept(Record):
    """No process is left but supinit itself."""


class TimePassed(Record):
    """A deadline may have come. Early and repeated events are harmless."""


class Resumed(Record):
    """supinit could not run for `paused_for` seconds until now: it was stopped, or the whole container was paused.

    Every deadline moves by that time. Tell it before anything that happened meanwhile, and before TimePassed.
    """

    paused_for: float


class ConnectionsSeen(Record):
    """The answer to LookAtConnections. `last_seen`: when a connection was last open. None: none was seen."""

    ports: tuple[int, ...]
    last_seen: float | None = None


class ClockReading(Record):
    """What the wall clock says about one cron expression. `setting` and `since` are those of the question.

    `wall` is now, in seconds since the epoch. `count` times were due after `since` and up to `wall`, the last of them
    at `last`. The next one is due at `next`. None: never.
    """

    setting: Schedule
    since: float | None
    wall: float
    count: int
    last: float | None
    next: float | None


class ClockRead(Record):
    """The answer to ReadClock."""

    readings: Mapping[str, ClockReading]


class ClockSet(Record):
    """Somebody has set the wall clock, or the machine was suspended."""


class FilesTouched(Record):
    """Something has happened to the files of some watches. Only a look tells whether they have changed."""

    keys: tuple[WatchKey, ...]


class FilesLooked(Record):
    """The answer to LookAtFiles.

    `changed`: the names of what has changed, below the path of the watch; an empty name is the path itself.
    `changed_at`: when that was. None: before the look. `problem`: why the watch does not work, as a sentence.
    """

    key: WatchKey
    changed: tuple[str, ...] = ()
    changed_at: float | None = None
    problem: str = ""


class MemoryMeasured(Record):
    """The answer to MeasureMemory: of each instance, the generation of its process and the bytes of its process tree.

    An instance that could not be measured is left out.
    """

    name: str
    measured: Mapping[InstanceId, tuple[int, int]] = {}


FleetEvent = (
    Begun
    | Happened
    | Asked
    | RollAsked
    | ScaleAsked
    | Updated
    | ShutdownAsked
    | Fault
    | ContainerSwept
    | TimePassed
    | Resumed
    | ConnectionsSeen
    | ClockRead
    | ClockSet
    | FilesTouched
    | FilesLooked
    | MemoryMeasured
)


class Batch(Record):
    """Several events, one after the other. It leads to what each of them alone would lead to, at less cost."""

    events: tuple[FleetEvent, ...]


# ---- what must be done


class Order(Record):
    """Carry out an action for one instance."""

    instance: InstanceId
    action: Action


class SweepContainer(Record):
    """Kill every process of the container but supinit itself."""


class LookAtConnections(Record):
    """Find out when a client was last connected to one of these local TCP ports."""

    ports: tuple[int, ...]


class ReadClock(Record):
    """Find out when the runs of programs were and are due, since a time since the epoch. None: since now."""

    since: Mapping[str, tuple[Schedule, float | None]]


class LookAtFiles(Record):
    """Compare the files of a watch with what they were at the last look, and hear of what happens to them.

    The first look has nothing to compare with. It reports what has changed after `since`. None: it reports nothing.
    """

    key: WatchKey
    since: float | None = None


class ForgetFiles(Record):
    """End a watch."""

    key: WatchKey


class MeasureMemory(Record):
    """Measure the resident memory of each instance of a program."""

    name: str


FleetOrder = Order | SweepContainer | LookAtConnections | ReadClock | LookAtFiles | ForgetFiles | MeasureMemory


class Change(Record):
    """One step of one instance. `program`: the entry that it had."""

    instance: InstanceId
    before: Life
    after: Life
    program: Program | None = None
    is_beside: bool = False
    """Whether it comes or goes beside the process that serves, so that its state is not that of the instance."""


class ScaleChange(Record):
    """Somebody has asked for another number of instances."""

    name: str
    before: int
    after: int


class RollChange(Record):
    """One step of a rolling restart or update. `before`: None at its beginning."""

    name: str
    before: Roll | None
    after: Roll
    health: str | None = None
    """The health of the process that has become the instance, start-first."""


class ContainerReady(Record):
    """Every essential program has been up once."""


class ShutdownBegun(Record):
    """The shutdown of the container has begun."""

    verdict: Verdict


class RunsPassedOver(Record):
    """Runs of a schedule that were due and are not started. `outcome`: MISSED, or None where they were skipped."""

    program: str
    count: int
    outcome: Outcome | None
    reason: str


class FilesChanged(Record):
    """Files of a watch have changed. `instances`: those that are reloaded or restarted for that; may be empty."""

    key: WatchKey
    names: tuple[str, ...]
    instances: tuple[InstanceId, ...]


class WatchProblem(Record):
    """A watch does not work. `problem`: why, as a sentence; empty: it works again."""

    key: WatchKey
    problem: str


class RestartDue(Record):
    """An instance is about to get a new process. `limit`: memory or age; `reason`: a sentence."""

    instance: InstanceId
    limit: str
    reason: str
    is_one_of_many: bool


ContainerChange = (
    ContainerReady | ShutdownBegun | RunsPassedOver | FilesChanged | WatchProblem | ScaleChange | RestartDue
)
FleetChange = Change | RollChange | ContainerChange


class Turn(Record):
    """What one event led to: the next fleet, the orders to carry out, and every change on the way, in order."""

    fleet: Fleet
    orders: tuple[FleetOrder, ...] = ()
    changes: tuple[FleetChange, ...] = ()
    plan: Plan | None = None
    """The plan from now on. None: it has not changed."""
