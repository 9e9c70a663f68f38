"""The loop: it sleeps until a signal, output, a request or the core's own next deadline comes, and calls the engine.

Rule 1: no callback may fail unheard: an internal error is logged, and everything is stopped in order (exit code 70).
Rule 2: nothing is armed while nothing is due: an idle container makes no system call.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import traceback

from supervisor.core.container import Fault
from supervisor.core.routing import signals_named_by
from supervisor.running_container import RunningContainer
from supervisor.tasks import Tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from supervisor.control.http.server import Server
    from supervisor.engine import Engine
    from supervisor.process.inbox import Inbox


class Loop:
    """Drives one engine until its container is over."""

    def __init__(self, engine: Engine, inbox: Inbox) -> None:
        self._engine = engine
        self._inbox = inbox
        self._plan = engine.plan
        self._loop = asyncio.new_event_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = Tasks(engine, self._loop, self._note_task_failure)
        self._container = RunningContainer(engine, self._tasks, self._loop)
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
        self._tasks.catch_up()
        self._settle_pump()
        self._container.wake_watchers()

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
        self._tasks.spawn(self._serve())

    async def _serve(self) -> None:
        from supervisor.control.console import Console
        from supervisor.control.http.server import serve, serve_metrics

        settings = self._engine.plan.settings
        console = Console(self._container, self._container.usage, self._engine.journal.write)
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

    # ---- internal errors

    def _guard(self, callback: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                callback()
            except Exception as error:
                self._note_failure({"message": "a callback has failed", "exception": error})
                self._engine.ask(Fault(f"internal error: {error!r}"))

        return run

    def _note_task_failure(self, error: BaseException) -> None:
        self._note_failure({"message": "a task has failed", "exception": error})

    def _note_failure(self, context: Mapping[str, Any]) -> None:
        error = context.get("exception")
        trace = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else None
        self._engine.journal.write("error", "internal.failed", reason=context["message"], traceback=trace)
