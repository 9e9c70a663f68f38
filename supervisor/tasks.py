"""Run what takes time beside the programs: health checks, commands of stop sequences, reload commands.

Each is a task that somebody holds: its failure is reported, and its result goes to the engine as an event.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial

from supervisor.core.actions import Claim, Reload, RunCommand, RunHooks, TellStore
from supervisor.core.container import ConnectionsSeen
from supervisor.core.events import HookEnded, Probed
from supervisor.core.hook import HookKind
from supervisor.core.hook_sequence import MAIN_PID, hook_variables, is_wanted
from supervisor.core.life import Stopping
from supervisor.core.record import replace
from supervisor.core.signals import end_sentence
from supervisor.core.tree import Owner, OwnerKind
from supervisor.errors import ConfigError, SpawnError, StartError
from supervisor.launcher import chance
from supervisor.process.executable import cannot_start
from supervisor.threads import begin_in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any, TypeVar

    from supervisor.core.actions import RunProbe
    from supervisor.core.container import ForgetFiles, LookAtConnections, LookAtFiles
    from supervisor.core.hook import Hook
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId
    from supervisor.core.update import Difference
    from supervisor.engine import Engine
    from supervisor.file_watches import FileWatches
    from supervisor.health.probes import ProbeResult
    from supervisor.leases import Leases
    from supervisor.orders import TaskAction
    from supervisor.process.commands import CommandResult
    from supervisor.process.connections import ProbeTimes

    T = TypeVar("T")

SWITCH_INTERVAL = 0.0005
"""Seconds that the loop waits for a running thread at most (Python's default is 5 ms)."""
RELOAD_LIMIT = 60.0
"""Seconds that a reload command may take."""


class Tasks:
    """The tasks of one container. `fail` is told of every one that ends with an exception."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, fail: Callable[[BaseException], None]) -> None:
        self._engine = engine
        self._loop = loop
        self._updating = asyncio.Lock()
        """Updates run one after the other: each is compared with the result of the one before."""
        self._fail = fail
        self._running: set[asyncio.Task[Any]] = set()
        self.pauses = 0
        """How often supinit itself was paused. A timeout that passed during a pause says nothing about a program."""
        self._hooks: list[tuple[InstanceId, RunHooks, asyncio.Task[None]]] = []
        self._leases: Leases | None = None
        """Where a program has `once.store`."""
        self._probes: dict[InstanceId, tuple[int, asyncio.Task[None]]] = {}
        self._probe_times: ProbeTimes | None = None
        """Where the table has `idle_shutdown`."""
        self._is_blind = False
        """Whether the last look at the connections has failed."""
        self._file_watches: FileWatches | None = None
        """Where a program has `watch`."""

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a coroutine as a task that is held until its end."""
        task = self._loop.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def catch_up(self) -> None:
        """Start the tasks that the engine has ordered, and end those that nobody waits for any more.

        An error in one of them does not affect the others, because the core waits for each of them.
        """
        attempt, orders = self._engine.faults.attempt, self._engine.orders
        attempt("probe", self._drop_probes)
        attempt("hook", self._drop_hooks)
        if self._leases is not None:
            self._leases.catch_up()
        if self._engine.is_update_wanted:
            self._engine.is_update_wanted = False
            self.spawn(self._update_by_signal())
        look, orders.pending_look = orders.pending_look, None
        if look is not None:
            self.spawn(self._look(look))
        names, orders.pending_measurements = orders.pending_measurements, []
        if names:
            self.spawn(self._measure(names))
        files, orders.pending_files = orders.pending_files, []
        for order in files:
            attempt("watch", self._watch, order)
        pending, orders.pending_tasks = orders.pending_tasks, []
        for instance, action in pending:
            attempt("lease" if isinstance(action, Claim | TellStore) else "task", self._begin, instance, action)

    def _begin(self, instance: InstanceId, action: TaskAction) -> None:
        if isinstance(action, RunHooks):
            self._hooks.append((instance, action, self.spawn(self._run_hooks(instance, action))))
        elif isinstance(action, Claim):
            self._hold_leases().begin(instance, action)
        elif isinstance(action, TellStore):
            self._hold_leases().tell(instance, action)
        elif isinstance(action, RunCommand):
            self.spawn(self._run_step(instance, action))
        elif isinstance(action, Reload):
            self.file_watches.reload(instance)
        else:
            self._probes[instance] = action.generation, self.spawn(self._run_probe(instance, action))

    def _drop_probes(self) -> None:
        """Cancel the probes whose process is gone."""
        for instance, (generation, task) in list(self._probes.items()):
            life = self._engine.fleet.lives.get(instance)
            if task.done():
                del self._probes[instance]
            elif life is None or life.generation != generation or life.health_state is None:
                task.cancel()

    async def _measure(self, names: list[str]) -> None:
        from supervisor.measuring import measure_memory

        await measure_memory(self._engine, names)

    # ---- watched files

    def _watch(self, order: LookAtFiles | ForgetFiles) -> None:
        self.file_watches.order(order)

    @property
    def file_watches(self) -> FileWatches:
        if self._file_watches is None:
            from supervisor.file_watches import FileWatches

            self._file_watches = FileWatches(self._engine, self._loop, self.spawn, self.reload)
        return self._file_watches

    def take_hints(self) -> None:
        """Hear of what has happened to watched files until now, before the deaths that followed."""
        if self._file_watches is not None:
            self._file_watches.take()

    def _hold_leases(self) -> Leases:
        if self._leases is None:
            from supervisor.leases import Leases

            self._leases = Leases(self._engine, self._loop)
        return self._leases

    # ---- updates

    async def update(self, dry_run: bool) -> Difference:
        """Read the table in a thread, then apply it. Raises ConfigError; then nothing has changed."""
        async with self._updating:
            step = "read the table"
            try:
                new = await self._in_thread(self._engine.read_table)
                if not dry_run:
                    step = "bind the sockets"
                    await self._bind_sockets(new.plan)
            except ConfigError:
                raise
            except OSError as error:
                raise ConfigError((f"cannot {step}: {error.strerror or error}",)) from None
            except Exception as error:
                raise ConfigError((f"cannot {step}: {self._noted('update', error)}",)) from None
            return self._engine.update(new, dry_run)

    async def _bind_sockets(self, plan: Plan) -> None:
        """Bind the sockets that are new in the plan. Raises ConfigError; then none of them is bound."""
        if all(not program.sockets for program in plan.programs.values()):
            return
        from supervisor.core.sockets import wanted

        launcher = self._engine.launcher
        try:
            failures = launcher.bind_sockets(wanted(plan, self._engine.fleet))
        except StartError as error:
            raise ConfigError((str(error),)) from None
        if failures and launcher.sockets is not None:
            raise ConfigError(await self._in_thread(partial(launcher.sockets.explain, failures)))

    async def _update_by_signal(self) -> None:
        try:
            await self.update(dry_run=False)
        except ConfigError as error:
            for problem in error.problems:  # no client waits for the answer
                self._engine.journal.write("error", "container.update_refused", reason=problem)
        except Exception as error:
            reason = self._noted("update", error)
            self._engine.journal.write("error", "container.update_refused", reason=reason)

    async def _in_thread(self, act: Callable[[], T]) -> T:
        """Run something slow in a thread, and let the loop interrupt it quickly. Raises OSError without a thread."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            return await begin_in_thread(self._loop, act, "update")
        finally:
            sys.setswitchinterval(interval)

    # ---- hooks

    def _drop_hooks(self) -> None:
        """End the hooks that nobody waits for any more, with their whole trees."""
        for entry in list(self._hooks):
            instance, action, task = entry
            life = self._engine.fleet.lives.get(instance)
            if task.done():
                self._hooks.remove(entry)
            elif life is None or not is_wanted(action, life):
                task.cancel()

    async def _run_hooks(self, instance: InstanceId, action: RunHooks) -> None:
        problem = None
        for hook in action.hooks:
            problem = await self._run_hook(instance, action, hook)
            if problem is not None:
                self._note_hook(instance, problem)
        ended = HookEnded(action.generation, action.kind, action.index, problem, chance())
        self._engine.happen(instance, ended)

    def _note_hook(self, instance: InstanceId, problem: str) -> None:
        self._engine.journal.write("warning", "program.hook_failed", program=instance[0], reason=problem)

    async def _run_hook(self, instance: InstanceId, action: RunHooks, hook: Hook) -> str | None:
        """Run one hook and return what went wrong, as a sentence."""
        name, limit = f"{action.kind.value} {hook.label}", hook.timeout * action.within
        mark = f"{self._engine.launcher.identity}.{instance[0]}.{instance[1]}.{action.generation}.{name}"
        variables = {"SUPINIT_HOOK": mark, **hook_variables(action)}
        marks = frozenset((f"SUPINIT_HOOK={mark}".encode("utf-8", "surrogateescape"),))
        try:
            from supervisor.process.commands import Command

            launch, ours = self._engine.launcher.launch_hook(instance, hook, variables)
            command = Command(Owner(OwnerKind.COMMAND, instance))
            command.marks = marks
            code, signal = await command.wait(self._engine.children, launch, limit, ours)
        except SpawnError as error:
            return f"{name} {error}"
        except OSError as error:
            return f"{name} {cannot_start(error)}"
        except Exception as error:
            return f"{name} cannot be run: {self._noted('hook', error)}"
        except asyncio.CancelledError:
            life = self._engine.fleet.lives.get(instance)
            if action.kind is HookKind.PRE_STOP and life is not None and isinstance(life.phase, Stopping):
                # its time as a stop step is over
                self._note_hook(instance, f"{name} took longer than {limit:g} s")
            raise
        if code == 0:
            return None
        if code is None and signal is None:
            return f"{name} took longer than {limit:g} s"
        return f"{name} {end_sentence(code, signal)}"

    # ---- health checks

    async def _run_probe(self, instance: InstanceId, action: RunProbe) -> None:
        program = self._engine.plan.find(instance)
        check = None if program is None else program.healthcheck
        if check is None:
            return  # an update has removed it
        times = self._engine.faults.attempt("idle", self._find_times)
        entry = None if times is None else times.begin(time.monotonic())
        pauses, has_passed, detail = -1, False, ""
        try:
            from supervisor.health.probes import ask

            while pauses != self.pauses and not has_passed:  # a negative answer after a pause is asked for again
                pauses = self.pauses
                answer = await ask(check.probe, check.timeout, lambda words, limit: self._probe(instance, words, limit))
                has_passed, detail = answer.passed, answer.detail
        except Exception as error:
            detail = f"the probe itself failed: {self._noted('probe', error)}"
        finally:
            if times is not None and entry is not None:
                times.end(entry, time.monotonic())
        self._engine.happen(instance, Probed(action.generation, has_passed, detail))

    # ---- the idle shutdown

    def _find_times(self) -> ProbeTimes | None:
        if self._engine.plan.settings.idle_shutdown is None:
            return None
        if self._probe_times is None:
            from supervisor.process.connections import ProbeTimes

            self._probe_times = ProbeTimes()
        return self._probe_times

    async def _look(self, order: LookAtConnections) -> None:
        """Look at the connections, a part at a time. What cannot be read counts as a connection."""
        try:
            from supervisor.process.connections import Look, ProbeTimes

            look = Look(order.ports, self._find_times() or ProbeTimes(), self._probe_pids)
            for _ in look.read():
                await asyncio.sleep(0)
            last_seen, self._is_blind = look.last_seen, False
        except Exception as error:
            last_seen = time.monotonic()
            if not isinstance(error, OSError):
                self._engine.faults.note("idle", error)
            if not self._is_blind:
                self._is_blind = True
                reason = f"cannot read the connections: {error}"
                self._engine.journal.write("warning", "container.connections_unknown", reason=reason)
        self._engine.feed(ConnectionsSeen(order.ports, last_seen))

    def _probe_pids(self) -> list[int]:
        owners = self._engine.children.owners
        return [pid for pid, owner in owners.items() if owner.name.kind is OwnerKind.PROBE]

    async def _probe(self, instance: InstanceId, command: tuple[str, ...], limit: float) -> ProbeResult:
        from supervisor.health.probes import ProbeResult

        try:
            result = await self._run(instance, command, limit, OwnerKind.PROBE)
        except SpawnError as error:
            return ProbeResult(False, str(error))
        words = result.last_line if result.code is not None else ""
        return ProbeResult(result.succeeded, words or result.ending or f"no answer within {limit:g} s")

    # ---- commands

    async def _run_step(self, instance: InstanceId, action: RunCommand) -> None:
        program = self._engine.plan.find(instance)
        if program is None or action.step_index >= len(program.stop):
            return  # the process has ended, and an update has replaced the program
        reason = await self._try(instance, action.command, program.stop[action.step_index].wait)
        if reason is not None:
            self._engine.feed(self._engine.orders.fail_step(instance, action, reason))

    def reload(self, instance: InstanceId) -> Awaitable[str | None]:
        """Make a program read its configuration again. The result is what went wrong, as a sentence."""
        return self.spawn(self._reload(instance))

    async def _reload(self, instance: InstanceId) -> str | None:
        program = self._engine.plan.find(instance)
        if program is None:
            return f"{instance[0]}: an update has removed it"
        how = program.reload
        if isinstance(how, int):
            try:
                problem = self._engine.send_signal(instance, how)
            except Exception as error:
                problem = self._noted("command", error)
            return None if problem is None else f"{instance[0]}: {problem}"
        return await self._try(instance, how, RELOAD_LIMIT)

    def _noted(self, where: str, error: Exception) -> str:
        """Note an error that nobody expected and return it as a sentence."""
        self._engine.faults.note(where, error)
        return f"internal error: {error!r}"

    async def _try(self, instance: InstanceId, command: tuple[str, ...], limit: float) -> str | None:
        """Run a command in a program's context and return what went wrong, as a sentence."""
        try:
            result = await self._run(instance, command, limit)
        except SpawnError as error:
            return f"{command[0]} {error}"
        except Exception as error:
            return f"{command[0]} cannot be run: {self._noted('command', error)}"
        if result.succeeded:
            return None
        sentence = f"{command[0]} {result.ending or f'took longer than {limit:g} s'}"
        return f"{sentence}: {result.last_line}" if result.last_line else sentence

    async def _run(
        self, instance: InstanceId, command: tuple[str, ...], limit: float, kind: OwnerKind = OwnerKind.COMMAND
    ) -> CommandResult:
        """Run a command in a program's context. Raises SpawnError."""
        from supervisor.process.commands import Command

        launch = replace(self._engine.launcher.launch_for(instance), command=command)
        life = self._engine.fleet.lives.get(instance)
        if kind is OwnerKind.COMMAND and life is not None and life.run is not None:
            launch = replace(launch, environment={**launch.environment, MAIN_PID: str(life.run.pid)})
        return await Command(Owner(kind, instance)).run(self._engine.children, launch, limit)
