"""The state of one instance: a goal and a phase.

Rule 1: what is only true in a phase is a field of that phase, so a pid exists only where a process exists.
Rule 2: a phase owns its deadline; leaving the phase drops it.

Times are seconds on the monotonic clock.
"""

from __future__ import annotations

from enum import Enum

from supervisor.core.health import Health
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.health import HealthState
    from supervisor.core.program import Signal


class Goal(Enum):
    """What is wanted of an instance."""

    UP = "up"
    DOWN = "down"


class Exit(Record):
    """How a process ended: by a code or by a signal, the other is None.

    `out_of_memory`: the kernel has killed it, as far as can be told (process/oom.py).
    """

    code: int | None
    signal: Signal | None
    at: float
    out_of_memory: bool = False

    @property
    def shell_code(self) -> int:
        """The code a shell would report: its own, or 128 + its signal."""
        return self.code if self.code is not None else 128 + (self.signal or 0)


class Run(Record):
    """One process, from its spawn to its end."""

    pid: int
    since: float
    ready_at: float | None = None


class Blame(Record):
    """Why supinit itself ends a run that was wanted: it counts as a failure. `sentence` starts with a verb."""

    sentence: str
    asks_restart: bool = False
    """Whether the table asks for a restart in this very case, whatever its restart policy says."""


class Stopped(Record):
    """Down, because someone asked or because nobody has asked yet."""


class Pending(Record):
    """Wanted, held back by the programs named in `on`; empty while nobody has looked yet."""

    since: float
    on: tuple[str, ...] = ()
    held_until: float | None = None
    """Held back by something outside, `held_by`, until somebody looks again then."""
    held_by: str = ""


class Spawning(Record):
    """Asked to be spawned; the answer comes in the same turn. `was_held`: it was held back before."""

    was_held: bool = False


class Starting(Record):
    """Has a process that is not ready. At `deadline` it is up (`is_up_by_uptime`) or has failed to start.

    `is_ready`: it has shown that it is ready, and is up at `deadline` if it is still there.
    """

    run: Run
    deadline: float
    is_ready: bool = False


class Running(Record):
    """Has a process that is ready. With a watchdog, it must be heard of before `silent_until`."""

    run: Run
    silent_until: float | None = None


class Stopping(Record):
    """In its stop sequence: `rung` is the step that was taken last, `len(program.stop)` is SIGKILL.

    `pace` shortens the waits (1.0: as configured) to fit a shutdown budget. `blame` is why it was stopped against the
    goal; with the goal up and no blame, somebody asked for a restart.
    """

    run: Run
    since: float
    step_index: int
    deadline: float
    pace: float = 1.0
    blame: Blame | None = None


class Sweeping(Record):
    """Its main process is gone, others of its tree may not be. At `deadline` the sweep is repeated, until `give_up`."""

    run: Run
    exit: Exit
    deadline: float
    give_up: float
    asked: bool = False
    """Whether the exit ended a stop sequence that somebody asked for."""
    blame: Blame | None = None


class Backoff(Record):
    """Ended, starts again at `until`."""

    until: float


class Exited(Record):
    """Ended for good and well. `reason`: why there was nothing to run."""

    reason: str | None = None


class Fatal(Record):
    """Ended for good and badly. `code` is what the container's exit code would be for it.

    `exit` is the end that did it; None: it did not end by itself, or never ran.
    """

    reason: str
    code: int
    exit: Exit | None = None


Phase = Stopped | Pending | Spawning | Starting | Running | Stopping | Sweeping | Backoff | Exited | Fatal


class Life(Record):
    """Everything known of one instance."""

    goal: Goal = Goal.DOWN
    phase: Phase = Stopped()
    since: float = 0.0
    """When it came into this phase."""
    generation: int = 0
    """How many processes were asked for; the number of the newest."""
    failures: int = 0
    """Starts in a row that did not come up (start_retries)."""
    attempts: int = 0
    """Restarts in a row without a run of reset_after (the exponent of restart_delay, the limit of on-failure:N)."""
    restarts: int = 0
    """Restarts that nobody asked for, ever."""
    was_up: bool = False
    """Whether it has been up, or completed, once."""
    health_state: HealthState | None = None
    """The health checks of the running process; None without a process or without a health check."""
    last_exit: Exit | None = None
    again: bool = False
    """Whether it is to be started again once it is down."""
    status_text: str = ""
    """What the running process says of itself (STATUS= of sd_notify(3))."""

    @property
    def run(self) -> Run | None:
        """The main process, where there is one."""
        match self.phase:
            case Starting(run=run) | Running(run=run) | Stopping(run=run):
                return run
            case _:
                return None

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
