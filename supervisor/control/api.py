"""What the control socket needs of the running container: to read it, to ask for changes, to hear of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from supervisor.core.container import Asked, RollAsked, ScaleAsked, ShutdownAsked
    from supervisor.core.counters import Counters
    from supervisor.core.log_events import LogEvent
    from supervisor.core.output import LogQuery, Output
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Signal
    from supervisor.core.snapshot import Snapshot
    from supervisor.core.sockets import Backlog
    from supervisor.core.tree import Branch, Measurement
    from supervisor.core.update import Difference


class Journal(Protocol):
    """The events that supinit has logged."""

    listeners: tuple[Callable[[], None], ...]
    """Called after each new event."""

    @property
    def told(self) -> Sequence[tuple[float, LogEvent]]:
        """Return the last events, oldest first, each with its time in seconds since the epoch."""
        ...

    @property
    def first_id(self) -> int:
        """Return the id that the first event of this supinit has."""
        ...

    @property
    def last_id(self) -> int:
        """Return the id of the last event; ids rise by 1."""
        ...

    def word(self, note: LogEvent) -> str:
        """Return an event as the plain log has it."""
        ...


class LogReader(Protocol):
    """Reads logs or events for one client: `history` first, then `take` whenever it was woken."""

    @property
    def is_lost(self) -> bool:
        """Return whether it was too slow: lines are missing, and no more will come."""
        ...

    def history(self) -> Iterator[bytes]:
        """Yield what is kept, laid out, in pieces; an empty one where only time has passed."""
        ...

    def take(self) -> bytes:
        """Return the lines that have come since the last time, laid out."""
        ...

    def close(self) -> None: ...


class Container(Protocol):
    @property
    def plan(self) -> Plan: ...

    @property
    def snapshot(self) -> Snapshot:
        """Return the current snapshot."""
        ...

    @property
    def counters(self) -> Counters: ...

    @property
    def oom_kills(self) -> int | None:
        """Return how many processes the kernel has killed in the cgroup for lack of memory. None: it cannot be read."""
        ...

    @property
    def started_at(self) -> float:
        """Return when supinit started, in seconds since the epoch."""
        ...

    @property
    def last_lines(self) -> str:
        """Return the end of the output of the program that brings the container down; "" if none does."""
        ...

    def lines_of(self, instance: InstanceId) -> str:
        """Return the end of an instance's output, without a newline at its end; "" if there is none."""
        ...

    @property
    def outputs(self) -> Mapping[InstanceId, Output]:
        """Return what the instances have written, for those that were ever started."""
        ...

    @property
    def backlogs(self) -> Iterable[Backlog]:
        """Return how many connections wait on each kept socket. Sockets without a known number are left out."""
        ...

    @property
    def journal(self) -> Journal: ...

    def read_logs(self, query: LogQuery, wake: Callable[[], None] | None) -> LogReader:
        """Begin to read logs. `wake` is called whenever more has come, until `close`; None: only what is kept."""
        ...

    def environment(self, instance: InstanceId) -> Mapping[str, str]:
        """Return the environment for a command that runs as an instance does but does not belong to it.

        Files are read now. Raises SpawnError for one that cannot be read.
        """
        ...

    def tree(self) -> Awaitable[Sequence[Branch]]:
        """Read all processes of the container, in slices, so that the loop is not held up."""
        ...

    def measure(self) -> Awaitable[Measurement]:
        """Measure the usage of each instance in slices, without blocking the loop. Raises OSError."""
        ...

    def ask(self, event: Asked | RollAsked | ScaleAsked | ShutdownAsked) -> None:
        """Hand in a request; the snapshot shows it before this returns."""
        ...

    def send_signal(self, instance: InstanceId, signal: Signal) -> str | None:
        """Send a signal to the main process. Return what prevented it, as a clause, or None."""
        ...

    def reload(self, instance: InstanceId) -> Awaitable[str | None]:
        """Make a process read its configuration again, awaited or not. The result is what failed, or None."""
        ...

    async def update(self, dry_run: bool) -> Difference:
        """Read the table again and apply it. Raises ConfigError with every problem; then nothing has changed."""
        ...

    async def changed(self) -> None:
        """Return after the next change of the snapshot."""
        ...
