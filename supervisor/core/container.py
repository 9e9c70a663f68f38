"""The course of the whole container, from serving to its end, and the verdict on why it ended."""

from __future__ import annotations

from enum import Enum

from supervisor.core.actions import Action
from supervisor.core.events import Event
from supervisor.core.life import Life
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.core.life import Exit
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId
    from supervisor.core.update import Leaving


class Cause(Enum):
    """Why the container ends."""

    ASKED = "asked"
    FINISHED = "finished"
    MAIN_ENDED = "main program ended"
    PROGRAM_ENDED = "program ended"
    UNHEALTHY = "unhealthy"
    START_TIMEOUT = "start timeout"
    INTERNAL = "internal error"


class Verdict(Record):
    """The one reason why the container ends, and its exit code. `instance` is None where no program brought it down."""

    cause: Cause
    code: int
    reason: str
    instance: InstanceId | None = None
    exit: Exit | None = None

    @property
    def is_failure(self) -> bool:
        """Whether a human should look: not where somebody wanted the end, or whom the main program's code tells."""
        return self.code != 0 and self.cause not in (Cause.ASKED, Cause.MAIN_ENDED)


class Serving(Record):
    """Programs are started and kept up. Not ready by `deadline`, and the container ends."""

    deadline: float | None = None


class Draining(Record):
    """A shutdown has begun: not ready, but everything is kept up until `until`."""

    since: float
    until: float
    asked_at: float | None = None
    """When somebody first asked for the shutdown; None: a program brought it about."""


class ShuttingDown(Record):
    """Programs are stopped in order, all of them by `deadline`."""

    since: float
    deadline: float | None = None
    asked_at: float | None = None


class Closing(Record):
    """No program is left; whatever else is in the container is killed, again at `deadline`, until `give_up`."""

    deadline: float
    give_up: float


class Over(Record):
    """Nothing is left."""


ContainerPhase = Serving | Draining | ShuttingDown | Closing | Over


class Fleet(Record):
    """All lives together. `lives` has every instance of the plan, in its order."""

    lives: Mapping[InstanceId, Life]
    container_phase: ContainerPhase = Serving()
    ready_at: float | None = None
    """When everything essential had been up once."""
    verdict: Verdict | None = None
    """Set from the moment that a shutdown begins."""
    leaving: Mapping[str, Leaving] = {}
    """The programs of which an update makes something else, once what goes of them is gone."""


# ---- events


class Begun(Record):
    """Bring everything up."""


class Happened(Record):
    """Something happened to one instance."""

    instance: InstanceId
    event: Event


class Asked(Record):
    """Somebody asks the same of several instances. Starting one starts what it depends on, too."""

    instances: tuple[InstanceId, ...]
    event: Event


class ShutdownAsked(Record):
    """Somebody wants the container to end; asked again a second or more later, at once."""

    reason: str


class Updated(Record):
    """There is a new table."""

    plan: Plan


class Fault(Record):
    """supinit itself has failed: stop everything in order."""

    reason: str


class ContainerSwept(Record):
    """No process is left but supinit's own."""


class TimePassed(Record):
    """A deadline may have come. Early and repeated ones are harmless."""


FleetEvent = Begun | Happened | Asked | Updated | ShutdownAsked | Fault | ContainerSwept | TimePassed


# ---- what must be done


class Order(Record):
    """Carry out an action for one instance."""

    instance: InstanceId
    action: Action


class SweepContainer(Record):
    """Kill every process of the container but supinit itself."""


class Change(Record):
    """One step of one life."""

    instance: InstanceId
    before: Life
    after: Life


class ContainerReady(Record):
    """Everything essential has been up once."""


class ShutdownBegun(Record):
    """The container has begun to end."""

    verdict: Verdict


class Turn(Record):
    """What one event led to: the new fleet, what must be done now, and what has changed on the way, in order."""

    fleet: Fleet
    orders: tuple[Order | SweepContainer, ...] = ()
    changes: tuple[Change | ContainerReady | ShutdownBegun, ...] = ()
    plan: Plan | None = None
    """The plan from now on, where it has changed."""
