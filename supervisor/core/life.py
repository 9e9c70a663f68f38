"""The state of one instance: a goal and a phase.

Rule 1: what is only true in a phase is a field of that phase, so a pid exists only where a process exists.
Rule 2: a phase owns its deadline; leaving the phase drops it.

Times are seconds on the monotonic clock.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from signal import SIGKILL

from supervisor.core.health import Health
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.health import HealthState
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Signal


class Goal(Enum):
    """What is wanted of an instance."""

    UP = "up"
    DOWN = "down"


class Exit(Record):
    """How a process ended: with a code or by a signal; the other one is None.

    `out_of_memory`: as far as can be told, the kernel killed it (process/oom.py).
    """

    code: int | None
    signal: Signal | None
    at: float
    out_of_memory: bool = False
    last_lines: tuple[str, ...] = ()
    """The end of its output, at most 10 lines."""

    @property
    def shell_code(self) -> int:
        """The code that a shell would report: its own, or 128 + its signal."""
        return self.code if self.code is not None else 128 + (self.signal or 0)


class Lease(Record):
    """The claim of this container to run a oneshot, held in a store."""

    until: float
    """When others may take over. Nothing of it may be left then."""
    renew_by: float
    """When its stop begins unless it was renewed, so that it is over in time."""


class Run(Record):
    """One process, from its spawn to its end."""

    pid: int
    since: float
    ready_at: float | None = None
    lease: Lease | None = None
    """With `once.store`."""
    jitter: float = 0.0
    """How early it reaches its `restart_when.age`."""


class Blame(Record):
    """Why supinit ends a run that was wanted, which counts as a failure. `sentence` starts with a verb."""

    sentence: str
    asks_restart: bool = False
    """Whether the table asks for a restart in this case, whatever the restart policy says."""
    keeps_exit: bool = False
    """Whether the process has ended by itself, so that its exit code is the program's."""


class Stopped(Record):
    """Down: somebody asked for that, or nobody has asked for a start yet."""


class Pending(Record):
    """Wanted, and waiting for the programs named in `on`; empty until the dependencies have been checked."""

    on: tuple[str, ...] = ()
    held_until: float | None = None
    """When to look again, where something outside holds it back (`held_by`)."""
    held_by: str = ""


class Preparing(Record):
    """Wanted, and runs the pre_start hook with this index; `hook` names it."""

    index: int
    hook: str
    deadline: float


class Claiming(Record):
    """Wanted, and a store has been asked whether it is to run here. `reason`: why it waits, as a sentence.

    The first answer has to come by `deadline`; from then on there is none.
    """

    deadline: float
    reason: str
    was_held: bool = False


class Spawning(Record):
    """Its process has been asked for; the answer comes in the same turn. `was_held`: it was held back before."""

    was_held: bool = False
    lease: Lease | None = None


class DaemonSearch(Record):
    """How far a forking program is on its way from its command to its daemon."""

    exit: Exit | None = None
    """How the command ended, or a process that was taken for the daemon. None: the command runs."""
    look_at: float = inf
    """When to look for the daemon next."""
    problem: str = ""
    """Why the last look has not found it, as a clause."""


class Starting(Record):
    """Has a process that is not ready. At `deadline` it becomes RUNNING (`is_up_by_uptime`) or has failed to start.

    `is_ready`: it has shown that it is ready, and becomes RUNNING at `deadline` if it is still there.
    """

    run: Run
    deadline: float
    is_ready: bool = False
    search: DaemonSearch | None = None
    """With type: forking, until the daemon is the main process."""

    @property
    def waits_for_daemon(self) -> bool:
        """Whether the command has ended and the daemon is not known yet, so that there is no main process."""
        return self.search is not None and self.search.exit is not None


class Running(Record):
    """Has a process that is ready. With a watchdog, it must send WATCHDOG=1 before `silent_until`."""

    run: Run
    silent_until: float | None = None


class Stopping(Record):
    """In its stop sequence: `step_index` is the step that was taken last, `len(program.stop)` is SIGKILL.

    `pace` shortens the waits (1.0: as configured) to fit a shutdown budget. `blame` is why it was stopped although it
    was wanted; with the goal up and no blame, somebody asked for a restart.
    """

    run: Run
    step_index: int
    deadline: float
    pace: float = 1.0
    blame: Blame | None = None
    is_refused: bool = False
    """Whether supinit is not permitted to signal the process, so that each step is followed by the next one at once."""
    stuck_at: float = inf
    """When it counts as stuck if SIGKILL has not ended it by then."""
    is_stuck: bool = False
    """Whether SIGKILL cannot end it: supinit may not signal it, or it is in uninterruptible sleep."""
    hook: str = ""
    """The pre_stop hook that runs."""


class Sweeping(Record):
    """Its main process is gone, others of its tree may be left.

    They have got `signal`. Unless that is SIGKILL, they have until `deadline`. SIGKILL is repeated at each `deadline`,
    until `give_up`.
    """

    run: Run
    exit: Exit
    deadline: float
    give_up: float
    signal: Signal = SIGKILL
    asked: bool = False
    """Whether the exit ended a stop sequence that somebody asked for."""
    blame: Blame | None = None
    unknown: str = ""
    """Why it cannot be seen what is left. Empty: it can."""
    hook: str = ""
    """The post_stop hook that runs; then nothing of the tree is left."""
    hook_index: int = 0
    pace: float = 1.0
    jitter: float = 0.0
    tells_store: bool = False
    """Whether the store is told how the run has ended; then nothing of the tree is left, and the hooks are over."""


class Backoff(Record):
    """Ended, or could not be started; starts again at `until`. `reason`: why, as a predicate."""

    until: float
    reason: str


class Exited(Record):
    """Ended for good, successfully. `reason`: why there was nothing to run."""

    reason: str | None = None


class Fatal(Record):
    """Ended for good, with a failure. `code` is the container's exit code where this ends the container.

    `exit` is how its process ended; None: it did not end by itself, or never ran.
    """

    reason: str
    code: int
    exit: Exit | None = None


class Scheduled(Record):
    """Waits for its next run (scheduling.py). `reason`: why the last run failed; `code`: what it is told by."""

    reason: str | None = None
    code: int = 0


Phase = (
    Stopped
    | Pending
    | Preparing
    | Claiming
    | Spawning
    | Starting
    | Running
    | Stopping
    | Sweeping
    | Backoff
    | Exited
    | Fatal
    | Scheduled
)


class Life(Record):
    """Everything that is known about one instance."""

    goal: Goal = Goal.DOWN
    phase: Phase = Stopped()
    since: float = 0.0
    """When it entered this phase."""
    generation: int = 0
    """How many processes have been asked for, so the number of the newest one."""
    failures: int = 0
    """Starts in a row that did not come up (start_retries)."""
    attempts: int = 0
    """Restarts in a row without a run of `reset_after`: the exponent of restart_delay, and the N of on-failure:N."""
    restarts: int = 0
    """Restarts that nobody asked for, ever."""
    was_up: bool = False
    """Whether it has been up, or completed, once."""
    health_state: HealthState | None = None
    """The probes' results for the running process; None without a process or without a health check."""
    last_exit: Exit | None = None
    on_demand: bool = False
    """Whether it does not start by itself, and nobody has asked for a start yet. It holds nothing back then."""
    again: bool = False
    """Whether it is to be started again once it is down."""
    status_text: str = ""
    """The running process's own STATUS= (sd_notify(3))."""

    @property
    def run(self) -> Run | None:
        """The main process, where there is one."""
        match self.phase:
            case Starting() if self.phase.waits_for_daemon:
                return None
            case Starting(run=run) | Running(run=run) | Stopping(run=run):
                return run
            case _:
                return None

    @property
    def is_stuck(self) -> bool:
        """Whether it has a process that not even SIGKILL ends, so that nothing is gained by waiting for it."""
        return isinstance(self.phase, Stopping) and self.phase.is_stuck

    @property
    def is_waited_for(self) -> bool:
        """Whether others wait for its end while it is to stop."""
        return self.is_alive and not self.is_stuck

    @property
    def is_alive(self) -> bool:
        """Whether any process of it may be there."""
        return isinstance(self.phase, Spawning | Starting | Running | Stopping | Sweeping)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended for good, by itself."""
        return isinstance(self.phase, Exited | Fatal)

    @property
    def is_wanted(self) -> bool:
        """Whether it is to be up, now or again once it is down."""
        return self.goal is Goal.UP or self.again

    @property
    def health(self) -> Health:
        return Health.NONE if self.health_state is None else self.health_state.health

    @property
    def is_up(self) -> bool:
        """RUNNING and, with a health check, healthy."""
        return isinstance(self.phase, Running) and self.health in (Health.NONE, Health.HEALTHY)


def new_life(plan: Plan, instance: InstanceId) -> Life:
    """Return the state of an instance that nobody has asked for yet."""
    return Life(on_demand=not plan.programs[instance[0]].starts_by_itself)
