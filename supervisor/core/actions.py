"""The actions that an instance asks the engine to carry out."""

from __future__ import annotations

from signal import SIGKILL

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.hook import Hook, HookKind
    from supervisor.core.life import Exit
    from supervisor.core.program import Scope, Signal


class Spawn(Record):
    generation: int


class Claim(Record):
    """Ask the store of a oneshot whether it is to run, and hold its lease if so (`LeaseHeld`)."""

    generation: int


class TellStore(Record):
    """Tell the store how the run has ended, and give the lease back (`LeaseEnded`)."""

    generation: int
    succeeded: bool


class SendSignal(Record):
    pid: int
    signal: Signal
    scope: Scope


class WriteFifo(Record):
    generation: int
    step_index: int
    path: str
    data: bytes


class RunCommand(Record):
    """Run a command of the stop sequence."""

    generation: int
    step_index: int
    command: tuple[str, ...]


class RunProbe(Record):
    generation: int


class RunHooks(Record):
    """Run hooks one after the other, and report the end of the last one (`HookEnded`).

    `within`: the share of its timeout that a hook may take, to fit a shutdown budget. `pid`, `exit`: of the main
    process, where it is or was there.
    """

    generation: int
    kind: HookKind
    index: int
    hooks: tuple[Hook, ...]
    within: float = 1.0
    pid: int | None = None
    exit: Exit | None = None


class FindDaemon(Record):
    """Look for the daemon that a command, `pid`, has left behind, and take it over (`MainChanged`).

    `has_ended`: whether the command has ended. While it runs, only the pid file tells that it is the daemon itself.
    """

    generation: int
    pid: int
    has_ended: bool = True


class Reload(Record):
    """Make the main process read its files again: with its reload signal or its reload command."""

    generation: int


class Sweep(Record):
    """Signal what is left of the tree whose main process was `pid`. `final`: this is the last attempt."""

    generation: int
    pid: int
    signal: Signal = SIGKILL
    final: bool = False


Action = (
    Spawn | Claim | TellStore | SendSignal | WriteFifo | RunCommand | RunProbe | RunHooks | FindDaemon | Reload | Sweep
)
