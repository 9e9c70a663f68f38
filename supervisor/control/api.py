"""What the control plane needs of the engine: to read, to ask, and to be told of changes. It never holds more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from supervisor.core.container import Asked, ShutdownAsked
    from supervisor.core.counters import Counters
    from supervisor.core.log_events import LogEvent
    from supervisor.core.output import LogQuery, Output
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Signal
    from supervisor.core.snapshot import Snapshot
    from supervisor.core.tree import Branch
    from supervisor.core.update import Difference


class Journal(Protocol):
    """What supinit has told its log."""

    listeners: tuple[Callable[[], None], ...]
    """Called whenever more was told."""

    @property
    def told(self) -> Sequence[tuple[float, LogEvent]]:
        """The last events, oldest first, each with its time in seconds since the epoch."""
        ...

    @property
    def count(self) -> int:
        """Events that were ever told; the last one of `told` is the last of them."""
        ...

    def word(self, note: LogEvent) -> str:
        """Return an event in the log's own plain words."""
        ...


class LogReader(Protocol):
    """Somebody who reads logs or events: `history` first, and `take` whenever it was woken."""

    @property
    def is_lost(self) -> bool:
        """Whether it was too slow: lines are missing, and no more will come."""
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
        """Always current."""
        ...

    @property
    def counters(self) -> Counters: ...

    @property
    def oom_kills(self) -> int | None:
        """Processes that the kernel has killed in supinit's cgroup because memory was short. None: nobody counts."""
        ...

    @property
    def started_at(self) -> float:
        """When supinit started, in seconds since the epoch."""
        ...

    @property
    def last_lines(self) -> str:
        """The end of the output of the program that brings the container down, if one does."""
        ...

    @property
    def outputs(self) -> Mapping[InstanceId, Output]:
        """What the instances have written, of those that were ever started."""
        ...

    @property
    def journal(self) -> Journal: ...

    def recall(self, query: LogQuery, wake: Callable[[], None] | None) -> LogReader:
        """Begin to read logs. With `wake`, which is called when more has come, until `close`."""
        ...

    def environment(self, instance: InstanceId) -> Mapping[str, str]:
        """Return the environment of a command that is run as an instance is, but does not belong to it.

        Files are read now. Raises SpawnError for one that cannot be read.
        """
        ...

    def tree(self) -> Awaitable[Sequence[Branch]]:
        """Read all processes of the container, without holding anything up."""
        ...

    def ask(self, event: Asked | ShutdownAsked) -> None:
        """Take a request in; the snapshot shows it before this returns."""
        ...

    def send_signal(self, instance: InstanceId, signal: Signal) -> bool:
        """Send a signal to the main process. False: there is none."""
        ...

    def reload(self, instance: InstanceId) -> Awaitable[str | None]:
        """Make a process read its configuration again, awaited or not. The result is what went wrong, as a sentence."""
        ...

    def update(self, dry_run: bool) -> Difference:
        """Read the table again and go over to it. Raises ConfigError with every problem: nothing has changed then."""
        ...

    async def changed(self) -> None:
        """Return after the next change of the snapshot."""
        ...
