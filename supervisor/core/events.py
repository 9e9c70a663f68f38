"""The events that can reach an instance.

An answer names the process that it is about by its generation; answers about an older one change nothing.
Times are seconds on the monotonic clock.
"""

from __future__ import annotations

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.notice import Notice
    from supervisor.core.program import Signal


class StartRequested(Record):
    """Somebody wants it up."""


class StopRequested(Record):
    """Somebody wants it down, now. `within`: seconds that its stop sequence may take at most; None: all it has."""

    within: float | None = None


class StopAnnounced(Record):
    """It will be stopped when its turn comes; until then it lives on, but is not started again, unless `again`."""

    again: bool = False


class RestartRequested(Record):
    """Somebody wants a new process."""


class Hurried(Record):
    """It shall be gone now: straight to SIGKILL."""


class DependenciesChecked(Record):
    """`missing`: the dependencies that do not meet their condition. Empty: it may start."""

    missing: tuple[str, ...] = ()


class DependencyFailed(Record):
    """What it waits for will never come."""

    reason: str


class Spawned(Record):
    generation: int
    pid: int


class SpawnFailed(Record):
    """`code`: 126 or 127 where another try cannot mend it, else None. `jitter`: a random number in [0, 1)."""

    generation: int
    reason: str
    code: int | None
    jitter: float = 0.0


class SpawnSkipped(Record):
    """There is nothing to run, and that counts as completed."""

    generation: int
    reason: str


OTHER_CONTAINER = "another container is running it"


class SpawnHeld(Record):
    """It cannot be started right now, and that is no failure; look again at `until`. `reason`: a whole sentence."""

    generation: int
    until: float
    reason: str = OTHER_CONTAINER


class BecameReady(Record):
    """It said so itself."""

    generation: int


class Notified(Record):
    """It sent a datagram to its notify socket."""

    generation: int
    notice: Notice


class MainChanged(Record):
    """Its main process has handed over to another one of its tree."""

    generation: int
    pid: int


class StartFailed(Record):
    """It said, or showed, that it came up broken."""

    generation: int
    reason: str


class Probed(Record):
    """A health check came back. `detail`: its last words, for the operator."""

    generation: int
    passed: bool
    detail: str = ""


class StepFailed(Record):
    """A step of the stop sequence had no effect: go on to the next one."""

    generation: int
    step_index: int


class ProcessExited(Record):
    """The main process is gone and reaped. `memory_was_short`: the kernel has just killed a process for that."""

    generation: int
    code: int | None
    signal: Signal | None = None
    memory_was_short: bool = False


class Swept(Record):
    """Nothing of its tree is left. `jitter`: a random number in [0, 1)."""

    generation: int
    jitter: float = 0.0


class Redefined(Record):
    """Its entry in the table has changed in a way that needs no new process."""

    has_new_check: bool = False
    """Whether its health check has changed."""


class DeadlinePassed(Record):
    """Time went by. Early and repeated ones are harmless."""


Event = (
    StartRequested
    | StopRequested
    | StopAnnounced
    | RestartRequested
    | Hurried
    | DependenciesChecked
    | DependencyFailed
    | Spawned
    | SpawnFailed
    | SpawnSkipped
    | SpawnHeld
    | BecameReady
    | Notified
    | MainChanged
    | StartFailed
    | Probed
    | StepFailed
    | ProcessExited
    | Swept
    | Redefined
    | DeadlinePassed
)
