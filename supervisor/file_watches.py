"""The watched files of one container: hints from the kernel to the core, looks and reloads that the core has ordered.

Loaded with the first order that is about a watch.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from supervisor.core.container import FilesLooked, FilesTouched, LookAtFiles
from supervisor.core.signals import signal_name
from supervisor.files.survey import Survey
from supervisor.files.watcher import Watcher
from supervisor.process.procfs import would_end
from supervisor.threads import begin_in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from supervisor.core.container import ForgetFiles
    from supervisor.core.program import InstanceId
    from supervisor.core.watch import WatchKey
    from supervisor.engine import Engine

PAUSE = 0.1
"""Seconds after some events in which no others are read, so that a flood of them costs a bounded share of the time."""
LOOK_LIMIT = 30.0
"""Seconds that a look may take. One that takes longer waits for a file system that does not answer."""


class FileWatches:
    """Does what the core orders, for one engine. `spawn` runs a coroutine as a task that somebody holds."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        spawn: Callable[[Coroutine[None, None, None]], object],
        reload: Callable[[InstanceId], Awaitable[str | None]],
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._spawn = spawn
        self._run_reload = reload
        self._watcher = Watcher()
        self._descriptor: int | None = None
        self._hung: set[WatchKey] = set()
        """The watches whose last look has not ended within LOOK_LIMIT."""
        self._reloading: dict[InstanceId, bool] = {}
        """The instances that are being reloaded, and whether another reload is to follow."""

    # ---- looks

    def order(self, order: LookAtFiles | ForgetFiles) -> None:
        if isinstance(order, LookAtFiles):
            self._spawn(self._look(order))
        else:
            self._watcher.forget(order.key)

    async def _look(self, order: LookAtFiles) -> None:
        """Look, and tell the core in any case: it waits for the answer."""
        try:
            answer = await self._answer(order)
        except OSError as error:
            answer = FilesLooked(order.key, problem=f"cannot watch {order.key[1].path}: {error.strerror or error}")
        except Exception as error:
            self._engine.faults.note("watch", error)
            answer = FilesLooked(order.key, problem=f"cannot watch {order.key[1].path}: internal error: {error!r}")
        if order.key in self._engine.fleet.files:
            self._engine.feed(answer)
        else:
            self._watcher.forget(order.key)  # an update has removed it meanwhile

    async def _answer(self, order: LookAtFiles) -> FilesLooked:
        key = order.key
        self._listen()
        self.take()
        self._watcher.begin_look(key)
        found = None if key in self._hung else await self._survey(key)
        if found is None:
            self._hung.add(key)
            return FilesLooked(key, problem=f"cannot watch {key[1].path}: no answer within {LOOK_LIMIT:g} s")
        since = None if order.since is None else time.time() - (self._loop.time() - order.since)
        return self._watcher.end_look(key, found, since)

    async def _survey(self, key: WatchKey) -> Survey | None:
        """Look in a thread. Returns None if it does not end in time; the thread is left behind. Raises OSError."""
        answer = begin_in_thread(self._loop, partial(self._watcher.survey, key[1].path), "watch")
        answer.add_done_callback(lambda _: self._hung.discard(key))
        done, _ = await asyncio.wait((answer,), timeout=LOOK_LIMIT)
        if not done:
            return None
        found = answer.result()
        if found.error is not None:
            self._engine.faults.note("watch", found.error)
        return found

    # ---- hints

    def _listen(self) -> None:
        descriptor = self._watcher.open()
        if descriptor is not None:
            self._descriptor = descriptor
            self._resume()

    def _resume(self) -> None:
        if self._descriptor is not None:
            self._loop.add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        assert self._descriptor is not None
        self._loop.remove_reader(self._descriptor)
        self._loop.call_later(PAUSE, self._resume)
        self.take()

    def take(self) -> None:
        """Tell the core of what has happened until now, before it is told of anything else."""
        keys = self._engine.faults.attempt("watch", self._watcher.take)
        if keys:
            self._engine.feed(FilesTouched(tuple(key for key in self._engine.plan.watches if key in keys)))

    # ---- reloads

    def reload(self, instance: InstanceId) -> None:
        """Reload an instance; once more afterwards, where it is being reloaded already."""
        if instance in self._reloading:
            self._reloading[instance] = True
        else:
            self._reloading[instance] = False
            self._spawn(self._reload(instance))

    async def _reload(self, instance: InstanceId) -> None:
        try:
            while True:
                self._reloading[instance] = False
                problem = self._engine.faults.attempt("watch", self._obstacle, instance)
                problem = problem or await self._run_reload(instance)
                self._engine.faults.attempt("watch", self._note_reload, instance, problem)
                if not self._reloading[instance]:
                    break
        finally:
            del self._reloading[instance]

    def _obstacle(self, instance: InstanceId) -> str | None:
        """Return why a reload would do harm, as a sentence."""
        life = self._engine.fleet.lives.get(instance)
        if life is None or life.run is None:
            return f"{instance[0]}: it has no process"
        program = self._engine.plan.find(instance)
        how = None if program is None else program.reload
        if not isinstance(how, int) or not would_end(life.run.pid, how):
            return None
        return (
            f"{signal_name(how)} would end process {life.run.pid}, which does not handle it: set reload_signal or "
            "reload_command, or write action: restart"
        )

    def _note_reload(self, instance: InstanceId, problem: str | None) -> None:
        outcome = "done" if problem is None else "failed"
        self._engine.counters.of(instance).note_watch("reload", outcome)
        program = self._engine.plan.programs.get(instance[0])
        about: dict[str, object] = {"program": instance[0]}
        if program is not None and program.scale > 1:
            about["instance"] = instance[1]
        if problem is None:
            self._engine.journal.write("info", "program.reloaded", **about)
        else:
            self._engine.journal.write("error", "program.reload_failed", **about, reason=problem)
