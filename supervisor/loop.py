"""The event loop: it sleeps until a signal, output, a request or the core's next deadline comes, and calls the engine.

Rule 1: an error that a callback or a task does not handle is a fault: it is logged, and everything is stopped in order
        with exit code 70. A fault while a fault is handled ends the loop; boot.py then stops the programs without it.
Rule 2: a shutdown signal is always acted on, and a second one always ends the loop, whatever state the rest is in.
Rule 3: nothing is armed while nothing is due: an idle container makes no system call.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from functools import partial

from supervisor.core.container import ClockSet, Fault
from supervisor.core.routing import signals_named_by
from supervisor.core.shutdown import HURRY_AFTER
from supervisor.core.wording import address_text
from supervisor.errors import StartError
from supervisor.pauses import PauseSelector
from supervisor.running_container import RunningContainer
from supervisor.tasks import Tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from supervisor.control.console import Console
    from supervisor.control.http.server import Server
    from supervisor.engine import Engine
    from supervisor.logs.syslog import Syslog
    from supervisor.process.inbox import Inbox
    from supervisor.wall_clock import ClockWatch

TURN_LIMIT = 0.02
"""Seconds that the orders of one turn may take before signals, output and requests are looked at again."""
HURRY_LIMIT = 10.0
"""Seconds after a second shutdown signal until the loop ends, whatever is left."""
MAX_FAULTS = 100
"""Unhandled errors after which the loop gives up."""


class Loop:
    """Drives one engine until its container is over."""

    def __init__(self, engine: Engine, inbox: Inbox) -> None:
        self._engine = engine
        self._inbox = inbox
        self._plan = engine.plan
        self._loop = asyncio.SelectorEventLoop(PauseSelector(self._note_pause))
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = Tasks(engine, self._loop, partial(self._fail, "task"))
        self._container = RunningContainer(engine, self._tasks, self._loop)
        self._pump_timer: asyncio.TimerHandle | None = None
        self._lease_timer: asyncio.TimerHandle | None = None
        self._servers: list[Server] = []
        self._control: Server | None = None
        self._console: Console | None = None
        self._clock: ClockWatch | None = None
        """Where the table has a cron expression."""
        self._syslog_problem = ""
        """Why the last attempt to make the socket for syslog again has failed."""
        self._warned: set[str] = set()
        """The warnings about the table that have been logged."""
        self._faults = 0
        self._is_failing = False
        self._is_broken = False
        self._goes_on = False
        """Whether the rest of a turn is due in the next one."""
        self._asked_at: float | None = None
        """When a signal first asked for the shutdown."""

    def run(self) -> None:
        """Return when the container is over, or when processes are left HURRY_LIMIT after a second shutdown signal.

        Raises RuntimeError when the loop cannot go on; the programs are still running then.
        """
        self._engine.turn_limit = TURN_LIMIT
        self._loop.set_exception_handler(lambda _, context: self._note_unhandled(context))
        self._loop.add_reader(self._inbox.fileno(), self._guard(self._take_signals))
        self._listen_to_pump()
        self._loop.add_reader(self._engine.notices.fileno(), self._guard(self._engine.listen))
        if self._engine.syslog is not None:
            self._loop.add_reader(self._engine.syslog.fileno(), self._guard(self._take_syslog))
            self._engine.run_dir.keepers.append(
                partial(self._engine.faults.attempt, "syslog", self._look_after_syslog, self._engine.syslog)
            )
        self._engine.listeners.append(self._after_turn)
        for callback in (self._reap, self._take_signals, self._after_turn, self._settle_in):
            self._loop.call_soon(self._guard(callback))
        if not self._engine.is_over:
            self._loop.run_forever()
        for server in self._servers:
            self._engine.faults.attempt("control", server.close)
        if self._is_broken:
            raise RuntimeError("the event loop cannot go on after its errors")

    # ---- what wakes it

    def _take_signals(self) -> None:
        for number in self._inbox.take():
            if number == signal.SIGCHLD:
                self._guard(self._reap)()
            else:
                if number in self._engine.plan.settings.shutdown_signals:
                    self._note_shutdown_signal()
                self._guard(partial(self._engine.receive, number))()
                self._guard(self._tasks.catch_up)()

    def _note_shutdown_signal(self) -> None:
        """Make sure that a second shutdown signal ends the container, even if the core does not."""
        now = self._loop.time()
        if self._asked_at is None:
            self._asked_at = now
        elif now - self._asked_at >= HURRY_AFTER:
            self._loop.call_later(HURRY_LIMIT, self._loop.stop)

    def _reap(self) -> None:
        self._tasks.take_hints()
        if self._engine.reap():
            self._loop.call_soon(self._guard(self._reap))

    def _note_pause(self, seconds: float) -> None:
        """Move every deadline before anything is read: programs are not to blame for a pause of supinit."""
        self._tasks.pauses += 1
        self._guard(partial(self._engine.resume, seconds))()

    def _pass_time(self) -> None:
        self._timer = None
        self._engine.pass_time()

    def _watch_clock(self) -> None:
        """Hear of it when somebody sets the wall clock, which cron expressions follow."""
        plan = self._engine.plan
        if self._clock is None and any(s.cron for s in (plan.programs[n].schedule for n in plan.scheduled) if s):
            from supervisor.wall_clock import ClockWatch

            try:
                self._clock = ClockWatch()
            except OSError:
                return  # the kernel has no such timer
            self._loop.add_reader(self._clock.fileno(), self._guard(self._note_clock_set))

    def _note_clock_set(self) -> None:
        """Tell the core. If the watch fails, stop listening to it: each run reads the clock anyway."""
        clock = self._clock
        if clock is not None:
            try:
                clock.take()
            except Exception as error:
                self._loop.remove_reader(clock.fileno())
                self._engine.faults.note("schedule", error)
            self._engine.feed(ClockSet())

    def _pump(self) -> None:
        pause = self._engine.pump.turn()
        self._engine.go_on()
        if pause:
            self._loop.remove_reader(self._engine.pump.fileno())
            self._loop.call_later(pause, self._listen_to_pump)
        self._arm_pump()

    def _take_syslog(self) -> None:
        if self._engine.syslog is not None:
            self._engine.faults.attempt("syslog", self._engine.syslog.take)
            self._settle_pump()

    def _look_after_syslog(self, syslog: Syslog) -> None:
        """Make the socket for syslog again if somebody has removed its file."""
        if not syslog.is_lost:
            return
        syslog.take()  # what was sent before
        self._loop.remove_reader(syslog.fileno())
        path = self._engine.plan.settings.syslog
        try:
            syslog.restore()
        except StartError as error:
            if self._syslog_problem != str(error):
                self._engine.journal.write("error", "container.files_lost", path=path, reason=str(error))
            self._syslog_problem = str(error)
        else:
            self._engine.journal.write("warning", "container.files_restored", path=path)
            self._syslog_problem = ""
        finally:
            self._loop.add_reader(syslog.fileno(), self._guard(self._take_syslog))

    def _listen_to_pump(self) -> None:
        self._loop.add_reader(self._engine.pump.fileno(), self._guard(self._pump))

    def _settle_pump(self) -> None:
        self._engine.faults.attempt("output", self._engine.pump.settle, self._loop.time())
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
        if self._engine.has_more and not self._goes_on:
            self._goes_on = True
            self._loop.call_soon(self._guard(self._go_on))
        if self._plan is not self._engine.plan:
            self._note_plan()
        self._arm()
        attempt = self._engine.faults.attempt
        attempt("task", self._tasks.catch_up)
        self._settle_pump()
        attempt("control", self._container.wake_watchers)

    def _go_on(self) -> None:
        self._goes_on = False
        self._engine.go_on()

    def _note_plan(self) -> None:
        """After an update, hear of the signals that it names and keep the markers' lease."""
        before, self._plan = self._plan, self._engine.plan
        self._engine.faults.attempt("update", self._inbox.open, signals_named_by(self._plan))
        if before.settings.marker_lease != self._plan.settings.marker_lease:
            self._renew_markers()
        self._engine.faults.attempt("schedule", self._watch_clock)
        if not self._engine.fleet.leaving:  # an update is complete
            self._tasks.spawn(self._warn())

    def _arm(self) -> None:
        self._timer = self._armed(self._timer, self._engine.next_deadline, self._pass_time)

    def _armed(
        self, timer: asyncio.TimerHandle | None, deadline: float | None, callback: Callable[[], None]
    ) -> asyncio.TimerHandle | None:
        """Return a timer that is set to `deadline`: the one that there is, where it is right and has not fired yet."""
        if timer is not None:
            if timer.when() == deadline:
                return timer
            timer.cancel()
        return None if deadline is None else self._loop.call_at(deadline, self._guard(callback))

    # ---- services that come after the first children

    def _renew_markers(self) -> None:
        if self._lease_timer is not None:
            self._lease_timer.cancel()  # an update may have changed the lease
        lease = self._engine.plan.settings.marker_lease
        if lease is not None:
            self._engine.faults.attempt("marker", self._engine.renew_markers)
            self._lease_timer = self._loop.call_later(lease, self._guard(self._renew_markers))

    def _settle_in(self) -> None:
        attempt = self._engine.faults.attempt
        attempt("reap", self._count_oom_kills)
        self._renew_markers()
        attempt("schedule", self._watch_clock)
        attempt("log", self._engine.journal.open)
        self._settle_pump()
        gc.collect()
        gc.freeze()
        gc.enable()
        self._tasks.spawn(self._try_to_serve())
        self._tasks.spawn(self._warn())

    def _count_oom_kills(self) -> None:
        from supervisor.process.oom import OomKills, find_counter

        self._engine.reports.oom_kills = OomKills(find_counter())

    async def _warn(self) -> None:
        """Log the warnings about the table that are not logged yet, one in a turn."""
        plan = self._engine.plan
        level = "info" if plan.main is not None and os.isatty(0) else "warning"  # a person is at the prompt
        try:
            from supervisor.config.lint import warnings_on

            for warning in warnings_on(plan):
                if warning not in self._warned:
                    self._warned.add(warning)
                    self._engine.journal.write(level, "container.warned", reason=warning)
                await asyncio.sleep(0)
        except Exception as error:
            self._engine.faults.note("lint", error)

    async def _try_to_serve(self) -> None:
        try:
            await self._serve()
        except Exception as error:
            self._engine.faults.note("control", error)

    async def _serve(self) -> None:
        from supervisor.control.console import Console
        from supervisor.control.http.server import serve_metrics

        self._console = Console(
            self._container, self._container.usage, self._engine.journal.write, fault=self._engine.faults.note
        )
        self._engine.faults.attempt("repair", self._engine.repair)  # a program that has started may have cleared /run
        await self._try_to_serve_control()
        self._engine.run_dir.keepers.append(partial(self._engine.faults.attempt, "control", self._look_after_control))
        settings = self._engine.plan.settings
        if settings.metrics_listen is not None:
            host, port = settings.metrics_listen
            await self._open(address_text(host, port), serve_metrics(self._console, host, port))
        if settings.web is not None:
            from supervisor.control.http.server import serve_web

            await self._open(address_text(*settings.web.listen), serve_web(self._console, settings.web))

    async def _serve_control(self) -> None:
        from supervisor.control.http.server import serve

        assert self._console is not None
        settings = self._engine.plan.settings
        mode = settings.socket_mode
        if mode is None:
            mode = 0o600 if settings.socket_group is None else 0o660
        control = serve(self._console, settings.socket_path, mode, settings.socket_group)
        self._control = await self._open(settings.socket_path, control)

    def _look_after_control(self) -> None:
        """Make the control socket again where somebody has removed its file. Connections that are open stay."""
        control = self._control
        if control is not None and control.is_lost:
            self._control = None
            control.stop_listening()
            self._engine.journal.write(
                "warning", "container.files_restored", path=self._engine.plan.settings.socket_path
            )
            self._tasks.spawn(self._try_to_serve_control())

    async def _try_to_serve_control(self) -> None:
        try:
            await self._serve_control()
        except Exception as error:
            self._engine.faults.note("control", error)

    async def _open(self, address: str, opening: Awaitable[Server]) -> Server | None:
        """Return an open listener. None: it cannot be opened, which is logged; the rest runs without it."""
        try:
            server = await opening
        except OSError as error:
            reason = f"cannot listen on {address}: {error.strerror}"
            self._engine.journal.write("error", "control.failed", reason=reason)
            return None
        except Exception as error:
            self._engine.faults.note("control", error)
            return None
        self._servers.append(server)
        return server

    # ---- internal errors

    def _guard(self, callback: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                callback()
            except Exception as error:
                self._fail("loop", error)

        return run

    def _fail(self, where: str, error: BaseException) -> None:
        """Note an unhandled error and stop everything in order; end the loop if that fails too."""
        self._engine.faults.note(where, error)
        self._faults += 1
        if self._is_failing or self._faults > MAX_FAULTS:
            self._give_up()
            return
        self._is_failing = True
        try:
            self._engine.ask(Fault(f"internal error: {error!r}"))
        except Exception as another:
            self._engine.faults.note("fault", another)
            self._give_up()
        finally:
            self._is_failing = False

    def _give_up(self) -> None:
        """End the loop although the container is not over: `run` raises."""
        self._is_broken = True
        self._loop.stop()

    def _note_unhandled(self, context: Mapping[str, Any]) -> None:
        """Note an error that asyncio itself reports: it concerns one connection or one transport, never a program."""
        error = context.get("exception")
        if not isinstance(error, BaseException):
            error = RuntimeError(context["message"])
        self._engine.faults.note("asyncio", error)
