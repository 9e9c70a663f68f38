"""Counters of what has happened since the start, taken from the steps of instances. They only rise."""

from __future__ import annotations

from supervisor.core.container import FilesChanged, RestartDue
from supervisor.core.lanes import first_lane
from supervisor.core.life import Spawning, Stopping
from supervisor.core.signals import signal_name
from supervisor.core.stop_sequence import has_come_to_kill
from supervisor.core.watch import WatchAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.container import Change, ContainerChange
    from supervisor.core.health import HealthState
    from supervisor.core.life import Exit
    from supervisor.core.program import InstanceId, Program

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histograms, in seconds."""

EMPTY = (0,) * (len(BUCKETS) + 1)


class Histogram:
    """A histogram of durations. `counts`: one for each of BUCKETS, not cumulative, and one for what is longer."""

    __slots__ = ("counts", "total_seconds")

    def __init__(self) -> None:
        self.counts = EMPTY
        self.total_seconds = 0.0

    def observe(self, seconds: float) -> None:
        index = next((i for i, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))
        self.counts = tuple(count + (place == index) for place, count in enumerate(self.counts))
        self.total_seconds += seconds


class InstanceCounters:
    """The counters of one instance."""

    __slots__ = (
        "exits", "kills", "leftovers_killed", "oom_kills", "probe_failures", "probe_seconds", "restarts_due", "starts",
        "stop_seconds", "watch_actions",
    )  # fmt: skip

    def __init__(self) -> None:
        self.starts = 0
        self.exits: dict[str, int] = {}
        """By code ("7") or signal name ("SIGKILL")."""
        self.kills = 0
        """Stops that needed SIGKILL."""
        self.leftovers_killed = 0
        """Processes that were killed after their main process had ended."""
        self.oom_kills = 0
        """Main processes that the kernel killed for lack of memory."""
        self.stop_seconds = Histogram()
        self.probe_seconds = Histogram()
        self.probe_failures = 0
        self.watch_actions: dict[tuple[str, str], int] = {}
        """Reloads and restarts because of changed files, by action and outcome."""
        self.restarts_due: dict[str, int] = {}
        """Restarts because of `restart_when`, by the limit that was reached."""

    def note_watch(self, action: str, outcome: str) -> None:
        self.watch_actions[action, outcome] = self.watch_actions.get((action, outcome), 0) + 1


class Counters:
    """The counters of all instances, and of the container."""

    def __init__(self) -> None:
        self.instances: dict[InstanceId, InstanceCounters] = {}
        self.orphans_reaped = 0
        self.internal_errors: dict[str, int] = {}
        """Errors of supinit's own, by the part of it that failed."""

    def of(self, instance: InstanceId) -> InstanceCounters:
        return self.instances.setdefault(first_lane(instance), InstanceCounters())

    def note(self, program: Program, change: Change) -> None:
        """Count what one step of an instance shows."""
        before, after = change.before, change.after
        if isinstance(before.phase, Spawning) and after.run is not None:
            self.of(change.instance).starts += 1
        if after.last_exit is not before.last_exit and after.last_exit is not None:
            key = exit_key(after.last_exit)
            entry = self.of(change.instance)
            entry.exits[key] = entry.exits.get(key, 0) + 1
            entry.oom_kills += after.last_exit.out_of_memory
            if isinstance(before.phase, Stopping):
                entry.stop_seconds.observe(after.since - before.since)
        if has_come_to_kill(program, before, after):
            self.of(change.instance).kills += 1
        if before.health_state is not None and after.health_state is not None:
            self._note_probe(change.instance, before.health_state, after.health_state)

    def note_container(self, change: ContainerChange) -> None:
        """Count the restarts because of changed files and of limits. A reload counts when its outcome is known."""
        if isinstance(change, RestartDue):
            due = self.of(change.instance).restarts_due
            due[change.limit] = due.get(change.limit, 0) + 1
        if isinstance(change, FilesChanged) and change.key[1].action is WatchAction.RESTART:
            for instance in change.instances:
                self.of(instance).note_watch("restart", "done")

    def _note_probe(self, instance: InstanceId, before: HealthState, after: HealthState) -> None:
        if before.started_at is None or after.started_at is not None:
            return
        entry = self.of(instance)
        entry.probe_seconds.observe(max(0.0, after.ended_at - before.started_at))
        entry.probe_failures += after.last_pass_at != after.ended_at


def exit_key(exit_: Exit) -> str:
    """Return the label of an exit: "7" for a code, "SIGKILL" for a signal."""
    return signal_name(exit_.signal) if exit_.signal is not None else str(exit_.code)
