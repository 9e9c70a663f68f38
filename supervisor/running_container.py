"""The running container as the control socket sees it (control/api.py): what can be read, asked and waited for."""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from supervisor.core.container import Asked, RollAsked, ScaleAsked, ShutdownAsked
    from supervisor.core.counters import Counters
    from supervisor.core.output import LogQuery, Output
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Signal
    from supervisor.core.snapshot import Snapshot
    from supervisor.core.sockets import Backlog
    from supervisor.core.tree import Branch, Measurement, Usage
    from supervisor.core.update import Difference
    from supervisor.engine import Engine
    from supervisor.logs.journal import Journal
    from supervisor.logs.reader import LogReader
    from supervisor.process.procfs import Process
    from supervisor.tasks import Tasks


class RunningContainer:
    """Implements `control.api.Container` over the engine and its tasks."""

    def __init__(self, engine: Engine, tasks: Tasks, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._tasks = tasks
        self._loop = loop
        self._watchers: list[asyncio.Future[None]] = []

    # ---- to read

    @property
    def plan(self) -> Plan:
        return self._engine.plan

    @property
    def snapshot(self) -> Snapshot:
        return self._engine.snapshot

    @property
    def counters(self) -> Counters:
        return self._engine.counters

    @property
    def oom_kills(self) -> int | None:
        kills = self._engine.reports.oom_kills
        return None if kills is None else kills.look(self._loop.time())

    @property
    def started_at(self) -> float:
        return self._engine.started_at

    @property
    def last_lines(self) -> str:
        return self._engine.last_lines

    def lines_of(self, instance: InstanceId) -> str:
        return self._engine.pump.last_lines(instance)

    @property
    def outputs(self) -> Mapping[InstanceId, Output]:
        return self._engine.pump.outputs

    @property
    def backlogs(self) -> Iterable[Backlog]:
        sockets = self._engine.launcher.sockets
        return () if sockets is None else sockets.backlogs()

    @property
    def journal(self) -> Journal:
        return self._engine.journal

    def read_logs(self, query: LogQuery, wake: Callable[[], None] | None) -> LogReader:
        from supervisor.logs.reader import LogReader

        return LogReader(query, self._engine.pump.tails, wake)

    def environment(self, instance: InstanceId) -> Mapping[str, str]:
        """Return the environment without supinit's id, so that no sweep takes the command for the program's."""
        from supervisor.process.variables import IDENTITY

        environment = self._engine.launcher.launch_for(instance).environment
        return {name: value for name, value in environment.items() if name != IDENTITY}

    async def tree(self) -> tuple[Branch, ...]:
        from supervisor.process.process_tree import ProcessTree

        process_tree, children = ProcessTree(), self._engine.children
        marks = {instance: self._engine.launcher.marks_of(instance) for instance in self.plan.everyone}
        for _ in process_tree.read(marks, children.pids):
            await asyncio.sleep(0)
        return process_tree.branches({pid: owner.name for pid, owner in children.owners.items()})

    def usage(self) -> Mapping[InstanceId, Usage]:
        """Measure what each instance uses."""
        from supervisor.process.usage import measure

        lives = self._engine.fleet.lives.items()
        return measure({instance: life.run.pid for instance, life in lives if life.run is not None})

    async def measure(self) -> Measurement:
        """Measure what each instance uses, in slices."""
        from supervisor.core.tree import Measurement
        from supervisor.process.usage import read_in_slices, sum_up

        processes: dict[int, Process] = {}
        for _ in read_in_slices(processes):
            await asyncio.sleep(0)
        lives = self._engine.fleet.lives.items()
        mains = {instance: life.run.pid for instance, life in lives if life.run is not None}
        return Measurement(sum_up(mains, processes), len(processes))

    # ---- to ask for

    def ask(self, event: Asked | RollAsked | ScaleAsked | ShutdownAsked) -> None:
        self._engine.ask(event)

    def send_signal(self, instance: InstanceId, signal: Signal) -> str | None:
        return self._engine.send_signal(instance, signal)

    def reload(self, instance: InstanceId) -> Awaitable[str | None]:
        return self._tasks.reload(instance)

    async def update(self, dry_run: bool) -> Difference:
        return await self._tasks.update(dry_run)

    # ---- to wait for

    async def changed(self) -> None:
        """Wait for the end of the next turn."""
        watcher = self._loop.create_future()
        self._watchers.append(watcher)
        await watcher

    def wake_watchers(self) -> None:
        """Wake those who wait for a change."""
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)
