"""The loop: it sleeps until a signal, output, a request or the core's own next deadline comes, and calls the engine.

Rule 1: no callback may fail unheard: an internal error is logged, and everything is stopped in order (exit code 70).
Rule 2: nothing is armed while nothing is due: an idle container makes no system call.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import traceback

from supervisor.core.actions import RunCommand
from supervisor.core.container import Fault
from supervisor.core.events import Probed
from supervisor.core.record import replace
from supervisor.core.routing import signals_named_by
from supervisor.core.tree import Owner, OwnerKind
from supervisor.errors import SpawnError
from supervisor.launcher import Main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from typing import Any, TypeVar

    from supervisor.control.http.server import Server
    from supervisor.core.actions import RunProbe
    from supervisor.core.container import Asked, ShutdownAsked
    from supervisor.core.counters import Counters
    from supervisor.core.output import LogQuery, Output
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Signal
    from supervisor.core.snapshot import Snapshot
    from supervisor.core.tree import Branch, Usage
    from supervisor.core.update import Difference
    from supervisor.engine import Engine
    from supervisor.health.probes import ProbeResult
    from supervisor.logs.journal import Journal
    from supervisor.logs.reader import LogReader
    from supervisor.process.commands import CommandResult
    from supervisor.process.inbox import Inbox

    T = TypeVar("T")


RELOAD_LIMIT = 60.0
"""Seconds that a reload command may take."""


class Loop:
    """Drives one engine until its container is over. To the control socket, it is the container."""

    def __init__(self, engine: Engine, inbox: Inbox) -> None:
        self._engine = engine
        self._inbox = inbox
        self._plan = engine.plan
        self._loop = asyncio.new_event_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._probes: dict[InstanceId, tuple[int, asyncio.Task[None]]] = {}
        self._watchers: list[asyncio.Future[None]] = []
        self._pump_timer: asyncio.TimerHandle | None = None
        self._servers: list[Server] = []

    def run(self) -> None:
        """Return when the container is over."""
        self._loop.set_exception_handler(lambda _, context: self._note_failure(context))
        self._loop.add_reader(self._inbox.fileno(), self._guard(self._take_signals))
        self._listen_to_pump()
        self._loop.add_reader(self._engine.notices.fileno(), self._guard(self._engine.listen))
        self._engine.listeners.append(self._after_turn)
        for callback in (self._reap, self._take_signals, self._after_turn, self._settle_in):
            self._loop.call_soon(self._guard(callback))
        if not self._engine.is_over:
            self._loop.run_forever()
        for server in self._servers:
            server.close()

    # ---- what wakes it

    def _take_signals(self) -> None:
        for number in self._inbox.take():
            if number == signal.SIGCHLD:
                self._reap()
            else:
                self._engine.receive(number)

    def _reap(self) -> None:
        if self._engine.reap():
            self._loop.call_soon(self._guard(self._reap))

    def _pass_time(self) -> None:
        self._timer = None
        self._engine.pass_time()

    def _pump(self) -> None:
        pause = self._engine.pump.turn()
        self._engine.note_output()
        if pause:
            self._loop.remove_reader(self._engine.pump.fileno())
            self._loop.call_later(pause, self._listen_to_pump)
        self._arm_pump()

    def _listen_to_pump(self) -> None:
        self._loop.add_reader(self._engine.pump.fileno(), self._guard(self._pump))

    def _settle_pump(self) -> None:
        self._engine.pump.settle(self._loop.time())
        self._arm_pump()

    def _pass_pump_time(self) -> None:
        self._pump_timer = None
        self._settle_pump()

    def _arm_pump(self) -> None:
        self._pump_timer = self._armed(self._pump_timer, self._engine.pump.deadline, self._pass_pump_time)

    # ---- after each turn

    def _after_turn(self) -> None:
        if self._engine.is_over:
            self._loop.stop()
            return
        if self._plan is not self._engine.plan:
            self._note_plan()
        self._arm()
        self._run_errands()
        self._settle_pump()
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)

    def _note_plan(self) -> None:
        """After an update, hear of the signals that it names and keep the markers' lease."""
        before, self._plan = self._plan, self._engine.plan
        self._inbox.open(signals_named_by(self._plan))
        if before.settings.marker_lease is None:
            self._renew_markers()

    def _arm(self) -> None:
        self._timer = self._armed(self._timer, self._engine.next_deadline, self._pass_time)

    def _armed(
        self, timer: asyncio.TimerHandle | None, deadline: float | None, callback: Callable[[], None]
    ) -> asyncio.TimerHandle | None:
        """Return a timer that is set to `deadline`: the one that there is, where it is right and has not rung yet."""
        if timer is not None:
            if timer.when() == deadline:
                return timer
            timer.cancel()
        return None if deadline is None else self._loop.call_at(deadline, self._guard(callback))

    def _run_errands(self) -> None:
        for instance, (generation, task) in list(self._probes.items()):
            life = self._engine.fleet.lives.get(instance)
            if task.done():
                del self._probes[instance]
            elif life is None or life.generation != generation or life.health_state is None:
                task.cancel()
        pending_tasks, self._engine.pending_tasks = self._engine.pending_tasks, []
        for instance, action in pending_tasks:
            if isinstance(action, RunCommand):
                self._spawn(self._run_command(instance, action))
            else:
                self._probes[instance] = action.generation, self._spawn(self._run_probe(instance, action))

    # ---- errands

    def _spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._note_failure({"message": "a task has failed", "exception": error})

    async def _run_probe(self, instance: InstanceId, action: RunProbe) -> None:
        from supervisor.health.probes import ProbeResult, ask

        program = self._engine.plan.programs.get(instance[0])
        check = None if program is None else program.healthcheck
        if check is None:
            return  # an update has taken it away
        try:
            answer = await ask(check.probe, check.timeout, lambda command, limit: self._probe(instance, command, limit))
        except Exception as error:
            answer = ProbeResult(False, f"the probe itself failed: {error!r}")
        self._engine.happen(instance, Probed(action.generation, answer.passed, answer.detail))

    async def _probe(self, instance: InstanceId, command: tuple[str, ...], limit: float) -> ProbeResult:
        from supervisor.health.probes import ProbeResult

        try:
            outcome = await self._run(instance, command, limit, OwnerKind.PROBE)
        except SpawnError as error:
            return ProbeResult(False, str(error))
        words = outcome.last_line if outcome.code is not None else ""
        return ProbeResult(outcome.succeeded, words or outcome.ending or f"no answer within {limit:g} s")

    async def _run_command(self, instance: InstanceId, action: RunCommand) -> None:
        program = self._engine.plan.programs.get(instance[0])
        if program is None or action.step_index >= len(program.stop):
            return  # it is gone already, and an update has replaced it
        reason = await self._try(instance, action.command, program.stop[action.step_index].wait)
        if reason is not None:
            self._engine.feed(self._engine.fail_step(instance, action, reason))

    async def _try(self, instance: InstanceId, command: tuple[str, ...], limit: float) -> str | None:
        """Run a command in a program's context and return what went wrong, as a sentence."""
        try:
            outcome = await self._run(instance, command, limit)
        except SpawnError as error:
            return f"{command[0]} {error}"
        if outcome.succeeded:
            return None
        sentence = f"{command[0]} {outcome.ending or f'took longer than {limit:g} s'}"
        return f"{sentence}: {outcome.last_line}" if outcome.last_line else sentence

    async def _run(
        self, instance: InstanceId, command: tuple[str, ...], limit: float, kind: OwnerKind = OwnerKind.COMMAND
    ) -> CommandResult:
        """Run a command in a program's context. Raises SpawnError."""
        from supervisor.process.commands import Command

        launch = replace(self._engine.launcher.launch_for(instance), command=command)
        return await Command(Owner(kind, instance)).run(self._engine.children, launch, limit)

    # ---- services that come after the first children

    def _renew_markers(self) -> None:
        lease = self._engine.plan.settings.marker_lease
        if lease is not None:
            self._engine.renew_markers()
            self._loop.call_later(lease, self._guard(self._renew_markers))

    def _settle_in(self) -> None:
        from supervisor.process.oom import OomKills, find_counter

        self._engine.oom_kills = OomKills(find_counter())
        self._renew_markers()
        self._engine.journal.open()
        self._settle_pump()
        gc.collect()
        gc.freeze()
        gc.enable()
        self._spawn(self._serve())

    async def _serve(self) -> None:
        from supervisor.control.console import Console
        from supervisor.control.http.server import serve, serve_metrics

        settings = self._engine.plan.settings
        console = Console(self, self._usage, self._engine.journal.write)
        mode = settings.socket_mode
        if mode is None:
            mode = 0o600 if settings.socket_group is None else 0o660
        await self._open(settings.socket_path, serve(console, settings.socket_path, mode, settings.socket_group))
        if settings.metrics_listen is not None:
            host, port = settings.metrics_listen
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            await self._open(address, serve_metrics(console, host, port))

    async def _open(self, address: str, opening: Awaitable[Server]) -> None:
        """A listener that cannot be had is an error in the log: the programs run without it."""
        try:
            self._servers.append(await opening)
        except OSError as error:
            reason = f"cannot listen on {address}: {error.strerror}"
            self._engine.journal.write("error", "control.failed", reason=reason)

    def _usage(self) -> Mapping[InstanceId, Usage]:
        from supervisor.process.usage import measure

        lives = self._engine.fleet.lives.items()
        return measure({instance: life.run.pid for instance, life in lives if life.run is not None})

    # ---- the container, as the control socket sees it

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
        kills = self._engine.oom_kills
        return None if kills is None else kills.look(self._loop.time())

    @property
    def started_at(self) -> float:
        return self._engine.started_at

    @property
    def last_lines(self) -> str:
        return self._engine.last_lines

    @property
    def outputs(self) -> Mapping[InstanceId, Output]:
        return self._engine.pump.outputs

    @property
    def journal(self) -> Journal:
        return self._engine.journal

    def recall(self, query: LogQuery, wake: Callable[[], None] | None) -> LogReader:
        from supervisor.logs.reader import LogReader

        return LogReader(query, self._engine.pump.tails, wake)

    def environment(self, instance: InstanceId) -> Mapping[str, str]:
        """Without supinit's id, no sweep takes its process for one of the program's."""
        from supervisor.process.environment import IDENTITY

        environment = self._engine.launcher.launch_for(instance).environment
        return {name: value for name, value in environment.items() if name != IDENTITY}

    async def tree(self) -> tuple[Branch, ...]:
        from supervisor.process.process_tree import ProcessTree

        process_tree, children = ProcessTree(), self._engine.children
        marks = {instance: self._engine.launcher.marks_of(instance) for instance in self.plan.instances}
        for _ in process_tree.read(marks, children.pids):
            await asyncio.sleep(0)
        return process_tree.branches({pid: _name_of(owner) for pid, owner in children.owners.items()})

    def ask(self, event: Asked | ShutdownAsked) -> None:
        self._engine.ask(event)

    def send_signal(self, instance: InstanceId, signal: Signal) -> bool:
        return self._engine.send_signal(instance, signal)

    def reload(self, instance: InstanceId) -> Awaitable[str | None]:
        return self._spawn(self._reload(instance))

    async def _reload(self, instance: InstanceId) -> str | None:
        how = self._engine.plan.programs[instance[0]].reload
        if isinstance(how, int):
            return None if self._engine.send_signal(instance, how) else f"{instance[0]} has no process"
        return await self._try(instance, how, RELOAD_LIMIT)

    def update(self, dry_run: bool) -> Difference:
        return self._engine.update(dry_run)

    async def changed(self) -> None:
        """Wait for the end of the next turn."""
        watcher = self._loop.create_future()
        self._watchers.append(watcher)
        await watcher

    # ---- internal errors

    def _guard(self, callback: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                callback()
            except Exception as error:
                self._note_failure({"message": "a callback has failed", "exception": error})
                self._engine.ask(Fault(f"internal error: {error!r}"))

        return run

    def _note_failure(self, context: Mapping[str, Any]) -> None:
        error = context.get("exception")
        trace = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else None
        self._engine.journal.write("error", "internal.failed", reason=context["message"], traceback=trace)


def _name_of(owner: object) -> Owner:
    """Return what the owner of a process counts as in the tree."""
    if isinstance(owner, Main):
        return Owner(OwnerKind.PROGRAM, owner.instance)
    name: Owner = owner.name  # type: ignore[attr-defined]  # the only other owner is a Command
    return name
