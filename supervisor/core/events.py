"""The events that can reach an instance.

A report names its process by its generation. A report about an older process changes nothing.
Times are seconds on the monotonic clock.
"""

from __future__ import annotations

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.hook import HookKind
    from supervisor.core.notice import Notice
    from supervisor.core.program import Signal


class StartRequested(Record):
    """Somebody wants it up."""


class ScheduleResumed(Record):
    """Somebody wants it to wait for the next run of its schedule."""


class StopRequested(Record):
    """Its stop sequence is to begin now. `within`: the seconds it may take at most; None: as configured."""

    within: float | None = None


class StopAnnounced(Record):
    """It is to stop when its turn comes. Until then it runs on, but is not restarted. `again`: this is a restart."""

    again: bool = False


class RestartRequested(Record):
    """Somebody wants a new process."""


class Hurried(Record):
    """Kill it now, without the rest of its stop sequence."""


class DependenciesChecked(Record):
    """`missing`: the dependencies that do not meet their condition. Empty: it may start."""

    missing: tuple[str, ...] = ()


class DependencyFailed(Record):
    """Something that it depends on has failed for good."""

    reason: str


class Spawned(Record):
    """`jitter`: a random number in [0, 1), where a limit on the age of the process asks for one."""

    generation: int
    pid: int
    jitter: float = 0.0


class SpawnFailed(Record):
    """`code`: 126 or 127 where another try cannot help, else None. `jitter`: a random number in [0, 1)."""

    generation: int
    reason: str
    code: int | None
    jitter: float = 0.0


class SpawnSkipped(Record):
    """There is nothing to run, which counts as completed. `reason`: a predicate, such as "was done before"."""

    generation: int
    reason: str


OTHER_CONTAINER = "another container is running it"


class SpawnHeld(Record):
    """It cannot be started right now, which is not a failure. Look again at `until`. `reason`: a whole sentence."""

    generation: int
    until: float
    reason: str = OTHER_CONTAINER


class LeaseAwaited(Record):
    """The store cannot say yet whether it is to run here. `reason`: a whole sentence."""

    generation: int
    reason: str


class LeaseHeld(Record):
    """This container may run it until then, or longer if the lease is renewed."""

    generation: int
    until: float


class LeaseEnded(Record):
    """The lease is over, or there is none. `reason`: why, as a predicate. `jitter`: a random number in [0, 1)."""

    generation: int
    reason: str = ""
    jitter: float = 0.0


class BecameReady(Record):
    """It has said itself that it is ready."""

    generation: int


class Notified(Record):
    """It has sent a datagram to its notify socket."""

    generation: int
    notice: Notice


class MainChanged(Record):
    """Its main process has handed over to another process of its tree."""

    generation: int
    pid: int


class DaemonMissed(Record):
    """The daemon of a forking program has not been found yet. `problem`: why, as a clause."""

    generation: int
    problem: str


class StartFailed(Record):
    """It has come up broken, by its own account, or its command has left no daemon behind."""

    generation: int
    reason: str


class Probed(Record):
    """A probe has ended. `detail`: what it said last, for the operator."""

    generation: int
    passed: bool
    detail: str = ""


class StepFailed(Record):
    """A step of the stop sequence had no effect: take the next one."""

    generation: int
    step_index: int


class SignalRefused(Record):
    """The kernel does not permit supinit to signal the main process (kill(2), EPERM)."""

    generation: int


class HookEnded(Record):
    """A hook has ended. `problem`: why it failed, as a sentence. `index`: of the hook, or of its stop step."""

    generation: int
    kind: HookKind
    index: int
    problem: str | None = None
    jitter: float = 0.0


class ProcessExited(Record):
    """The main process has been reaped. `memory_was_short`: the kernel has just killed a process for lack of memory."""

    generation: int
    code: int | None
    signal: Signal | None = None
    memory_was_short: bool = False
    last_lines: tuple[str, ...] = ()
    """The end of what it has written in this run."""


class Swept(Record):
    """No process of its tree is left. `jitter`: a random number in [0, 1)."""

    generation: int
    jitter: float = 0.0


class LookFailed(Record):
    """It cannot be seen what is left of its tree, and why. Empty: it can be seen again."""

    generation: int
    reason: str


class Redefined(Record):
    """Its entry in the table has changed in a way that needs no new process."""

    has_new_check: bool
    """Whether its health check has changed."""


class DeadlinePassed(Record):
    """A deadline may have come. Early and repeated events are harmless."""


Report = (
    Spawned
    | SpawnFailed
    | SpawnSkipped
    | SpawnHeld
    | LeaseAwaited
    | LeaseHeld
    | LeaseEnded
    | BecameReady
    | Notified
    | MainChanged
    | DaemonMissed
    | StartFailed
    | Probed
    | StepFailed
    | SignalRefused
    | HookEnded
    | ProcessExited
    | Swept
    | LookFailed
)
"""What is heard of one start of an instance, by its `generation`."""

Event = (
    StartRequested
    | ScheduleResumed
    | StopRequested
    | StopAnnounced
    | RestartRequested
    | Hurried
    | DependenciesChecked
    | DependencyFailed
    | Redefined
    | DeadlinePassed
    | Report
)
