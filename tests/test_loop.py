"""The event loop with a real engine and real processes, each time in a process of its own.

The errors that are injected stand for those that nobody expects: they are raised at the entry of an adapter.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from supervisor import file_watches, measuring, wall_clock
from supervisor.config import lint
from supervisor.control.http import server
from supervisor.core import fleet as core
from supervisor.core import roll_events
from supervisor.core.actions import TellStore
from supervisor.core.container import Asked, Happened, LookAtConnections, LookAtFiles, Over, RollAsked, Updated
from supervisor.core.events import BecameReady, ProcessExited, StopRequested
from supervisor.core.healthcheck import ExecProbe, HealthCheck
from supervisor.core.hook import Hook
from supervisor.core.once import Once, Store
from supervisor.core.program import (
    CommandStep,
    LogSettings,
    Program,
    ProgramType,
    Restart,
    RestartDelay,
    RestartWhen,
    Settings,
)
from supervisor.core.record import replace
from supervisor.core.restart_limits import RestartLimits
from supervisor.core.routing import signals_named_by
from supervisor.core.schedule import Schedule
from supervisor.core.sockets import ListenSocket
from supervisor.core.watch import Watch
from supervisor.core.web_page import WebPage
from supervisor.file_watches import FileWatches
from supervisor.files.survey import Survey
from supervisor.files.watcher import Watcher
from supervisor.health import probes
from supervisor.health.manager_socket import ManagerSocket
from supervisor.leases import Leases, _Helper
from supervisor.logs.files import RotatedFile
from supervisor.logs.journal import Journal
from supervisor.logs.pipe import Pipe
from supervisor.logs.pump import Pump
from supervisor.logs.syslog import Syslog
from supervisor.loop import Loop
from supervisor.process import connections, oom
from supervisor.process.commands import Command
from supervisor.process.inbox import Inbox
from supervisor.process.procfs import own_children
from supervisor.process.sockets import Sockets
from supervisor.process.subreaper import become_subreaper

from .engines import Turned, program
from .engines import open_folder as open_folder
from .process.nursery import LIMIT, elsewhere

ALWAYS = Restart(RestartWhen.ALWAYS)
QUICK = RestartDelay(initial=0.01, max=0.02)


def run(folder: Path, *programs: Program, meddle: Callable[[Turned, Loop], None] | None = None) -> dict[str, Any]:
    """Run a container in a process of its own, where `meddle` may change it before it begins."""

    def act() -> dict[str, Any]:
        signal.alarm(int(LIMIT))
        assert become_subreaper()
        container = Turned(folder, *programs)
        inbox = Inbox()
        inbox.open(signals_named_by(container.engine.plan))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        loop = Loop(container.engine, inbox)
        if meddle is not None:
            meddle(container, loop)
        result: int | str
        try:
            container.engine.begin()
            loop.run()
            verdict = container.engine.fleet.verdict
            assert verdict is not None
            result = verdict.code if isinstance(container.engine.fleet.container_phase, Over) else "not over"
        except RuntimeError as error:
            result = str(error)
        left = own_children()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        Journal.release(container.journal)
        Pump.drain(container.pump)
        errors = container.engine.counters.internal_errors
        return {
            "result": result, "log": container.log, "output": container.output, "errors": errors, "left": len(left),
        }  # fmt: skip

    return elsewhere(act)


def polite(name: str, *needs: str) -> Program:
    """A program that says when it is told to stop."""
    script = "trap 'echo stopped; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    return program(name, "sh", "-c", script, needs=needs)


def asker(*needs: str, times: int = 1) -> Program:
    """A program that asks supinit to stop, by SIGTERM, as often as it is told to."""
    script = f"for i in $(seq {times}); do kill -TERM $PPID; sleep 1.1; done; exec sleep 1000"
    return program("asker", "sh", "-c", script, needs=needs)


def crashing() -> Program:
    """A program that is started again and again."""
    return program("web", "sh", "-c", "echo up; exit 3", restart=ALWAYS, restart_delay=QUICK, start_retries=None)


def fail(*_args: object, **_fields: object) -> NoReturn:
    raise LookupError("a bug")


def test_a_container_runs_until_a_signal_and_leaves_nothing(open_folder: Path) -> None:
    ending = run(open_folder, polite("web"), asker())
    assert (ending["result"], ending["errors"], ending["left"]) == (0, {}, 0)


def test_a_callback_that_fails_stops_everything_in_order_with_70(open_folder: Path) -> None:
    def meddle(_: Turned, loop: Loop) -> None:
        loop._loop.call_later(0.3, loop._guard(fail))

    ending = run(open_folder, polite("db"), polite("web", "db"), meddle=meddle)
    assert (ending["result"], ending["left"]) == (70, 0)
    assert ending["output"][-2:] == ["web | stopped", "db | stopped"]
    assert ending["log"].count("Traceback") == 1


def test_a_task_that_fails_stops_everything_in_order_with_70(open_folder: Path) -> None:
    async def fail_later() -> None:
        raise LookupError("a bug")

    def meddle(_: Turned, loop: Loop) -> None:
        loop._loop.call_later(0.3, lambda: loop._tasks.spawn(fail_later()))

    ending = run(open_folder, polite("web"), meddle=meddle)
    assert (ending["result"], ending["errors"], ending["left"]) == (70, {"task": 1}, 0)
    assert ending["output"][-1:] == ["web | stopped"]


def test_a_failure_while_a_failure_is_handled_ends_the_loop(open_folder: Path) -> None:
    """What is left is stopped without it (boot.py)."""

    def meddle(container: Turned, loop: Loop) -> None:
        container.engine.ask = fail  # type: ignore[method-assign]
        loop._loop.call_later(0.3, loop._guard(fail))

    ending = run(open_folder, polite("web"), meddle=meddle)
    assert ending["result"] == "the event loop cannot go on after its errors"
    assert ending["errors"] == {"loop": 1, "fault": 1}
    assert ending["left"] >= 1


ADAPTERS: dict[str, Callable[[Turned], None]] = {
    "markers": lambda container: setattr(container.markers, "apply", fail),
    "a start": lambda container: setattr(container.engine.launcher, "_with_notify", fail),
    "output of the dead": lambda container: setattr(container.pump, "drain", fail),
    "notify sockets": lambda container: setattr(container.engine.notices, "take", fail),
    "hand-over": lambda container: setattr(container.engine.reports, "_hand_over", fail),
    "the log": lambda container: setattr(container.journal, "release", fail),
    "once": lambda container: setattr(container.engine.launcher, "note", fail),
    "one pipe": lambda container: setattr(Pipe, "take", fail),
    "counters": lambda container: setattr(container.engine.counters, "note", fail),
}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_that_always_fails_loses_no_death_and_no_signal(open_folder: Path, adapter: str) -> None:
    """A program ends again and again meanwhile, and SIGTERM still ends the container with 0."""

    def meddle(container: Turned, loop: Loop) -> None:
        ADAPTERS[adapter](container)
        loop._loop.call_later(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM))

    other = program("other", kind=ProgramType.ONESHOT, once=Once("key", str(open_folder / "once")))
    ending = run(open_folder, crashing(), other, meddle=meddle)
    assert (ending["result"], ending["left"]) == (0, 0)
    assert ending["log"].count("Traceback") == 1, ending["errors"]


PART = ("part", 1)
SLEEP = ("sh", "-c", "echo up; exec sleep 1000")


def break_commands(_container: Turned, _loop: Loop) -> None:
    """Make the commands of hooks, steps and reloads fail in a way that nobody expects."""
    for name in ("wait", "run"):
        setattr(Command, name, fail)


def break_stop(container: Turned, loop: Loop) -> None:
    break_commands(container, loop)
    stop = Asked((PART,), StopRequested())
    loop._loop.call_later(0.2, loop._guard(lambda: container.engine.ask(stop)))


def break_reload(container: Turned, loop: Loop) -> None:
    break_commands(container, loop)
    loop._loop.call_later(0.2, loop._tasks.reload, PART)


def break_signal(container: Turned, loop: Loop) -> None:
    container.engine.send_signal = fail  # type: ignore[method-assign]
    loop._loop.call_later(0.2, loop._tasks.reload, PART)


def break_probe(_container: Turned, _loop: Loop) -> None:
    probes.ask = fail


def break_control(_: Turned, loop: Loop) -> None:
    loop._serve = fail  # type: ignore[method-assign]


def break_repaired_control(_: Turned, loop: Loop) -> None:
    loop._serve_control = fail  # type: ignore[method-assign]
    loop._loop.call_later(0.2, lambda: loop._tasks.spawn(loop._try_to_serve_control()))


def change_settings(container: Turned, loop: Loop, **fields: Any) -> None:
    settings: Settings = replace(container.engine.plan.settings, **fields)
    loop._plan = container.engine.plan = replace(container.engine.plan, settings=settings)


def break_lease(container: Turned, loop: Loop) -> None:
    container.engine.renew_markers = fail  # type: ignore[method-assign]
    change_settings(container, loop, marker_lease=100.0)


def break_syslog(container: Turned, loop: Loop) -> None:
    syslog = Syslog(f"{container.folder}/log.sock", container.pump, container.engine.find_program)
    syslog.take = fail  # type: ignore[method-assign]
    container.engine.syslog = syslog
    loop._loop.call_later(0.2, loop._take_syslog)


def break_look_after_syslog(container: Turned, loop: Loop) -> None:
    syslog = Syslog(f"{container.folder}/log.sock", container.pump, container.engine.find_program)
    syslog.restore = fail  # type: ignore[method-assign]
    container.engine.syslog = syslog
    loop._loop.call_later(0.2, os.unlink, f"{container.folder}/log.sock")


def hang(_survey: Survey) -> None:
    time.sleep(1000)


def break_look(_container: Turned, _loop: Loop) -> None:
    Survey._look = fail  # type: ignore[method-assign]


def break_thread(_container: Turned, _loop: Loop) -> None:
    FileWatches._survey = fail  # type: ignore[method-assign]


def break_hints(_container: Turned, _loop: Loop) -> None:
    Watcher.take = fail  # type: ignore[method-assign]


def failing(owner: object, name: str) -> Callable[[Turned, Loop], None]:
    """Return the injection of an error into a function or method, wherever it is called."""
    return lambda _container, _loop: setattr(owner, name, fail)


def break_clock_news(_: Turned, loop: Loop) -> None:
    wall_clock.ClockWatch.take = fail  # type: ignore[method-assign]
    loop._loop.call_later(0.2, loop._note_clock_set)
    loop._loop.call_later(0.3, loop._note_clock_set)


def break_telling(container: Turned, loop: Loop) -> None:
    Leases.tell = fail  # type: ignore[method-assign]
    container.engine.orders.pending_tasks.append((PART, TellStore(1, True)))
    loop._loop.call_later(0.2, loop._tasks.catch_up)


def break_idle_look(_: Turned, loop: Loop) -> None:
    connections.Look = fail  # type: ignore[misc, assignment]
    loop._loop.call_later(0.2, lambda: loop._tasks.spawn(loop._tasks._look(LookAtConnections((1,)))))


def break_update(owner: str, name: str) -> Callable[[Turned, Loop], None]:
    def inject(container: Turned, loop: Loop) -> None:
        engine = container.engine
        setattr(engine if owner == "engine" else engine.launcher, name, fail)
        engine.is_update_wanted = True
        loop._loop.call_later(0.2, loop._tasks.catch_up)

    return inject


def break_adoption(container: Turned, loop: Loop) -> None:
    plan = container.engine.plan
    part = replace(plan.programs["part"], log=LogSettings(tail=1))
    updated = Updated(replace(plan, programs={**plan.programs, "part": part}), {})
    container.pump.redefine = fail  # type: ignore[method-assign]
    loop._loop.call_later(0.2, loop._guard(lambda: container.engine.feed(updated)))


def break_roll(container: Turned, loop: Loop) -> None:
    roll_events.describe_roll = fail
    loop._loop.call_later(0.2, loop._guard(lambda: container.engine.ask(RollAsked((PART,)))))


def break_metrics_port(container: Turned, loop: Loop) -> None:
    server.serve_metrics = fail
    change_settings(container, loop, metrics_listen=("127.0.0.1", 1))


def break_web_page(container: Turned, loop: Loop) -> None:
    server.serve_web = fail
    change_settings(container, loop, web=WebPage(("127.0.0.1", 1)))


def break_keeper(container: Turned, _: Loop) -> None:
    container.engine.run_dir.keepers.append(fail)


def break_manager(container: Turned, _: Loop) -> None:
    ManagerSocket.tell = fail  # type: ignore[method-assign]
    container.engine._manager = ManagerSocket("/nonexistent")


def break_journal(container: Turned, _: Loop) -> None:
    container.journal.open = fail  # type: ignore[method-assign]


CRON: dict[str, Any] = {"kind": ProgramType.ONESHOT, "schedule": Schedule(cron="* * * * *")}
HELD: dict[str, Any] = {"sockets": (ListenSocket("http", ("127.0.0.1", 0)),)}
LEASED: dict[str, Any] = {
    "kind": ProgramType.ONESHOT, "once": Once("key", store=Store("redis://127.0.0.1:1/0", "redis://127.0.0.1:1/0")),
}  # fmt: skip
WATCHED: dict[str, Any] = {"watch": (Watch("/proc/self/status"),)}
PARTS: dict[str, tuple[str, dict[str, Any], Callable[[Turned, Loop], None]]] = {
    "a hook": ("hook", {"post_start": (Hook(("true",)),)}, break_commands),
    "a step of a stop": ("command", {"stop": (CommandStep(("true",), 0.2),)}, break_stop),
    "a reload command": ("command", {"reload": ("true",)}, break_reload),
    "a reload signal": ("command", {}, break_signal),
    "a probe": ("probe", {"healthcheck": HealthCheck(ExecProbe(("true",)))}, break_probe),
    "the control socket": ("control", {}, break_control),
    "the control socket, again": ("control", {}, break_repaired_control),
    "the markers' lease": ("marker", {}, break_lease),
    "syslog": ("syslog", {}, break_syslog),
    "the look after its socket": ("syslog", {}, break_look_after_syslog),
    "a look at watched files": ("watch", WATCHED, break_look),
    "the thread of such a look": ("watch", WATCHED, break_thread),
    "the events of watched files": ("watch", WATCHED, break_hints),
    "the clock of a schedule": ("schedule", CRON, failing(wall_clock, "read_clock")),
    "the watch of that clock": ("schedule", CRON, failing(wall_clock.ClockWatch, "__init__")),
    "the news that it was set": ("schedule", CRON, break_clock_news),
    "sockets at a start": ("order", HELD, failing(Sockets, "hold")),
    "sockets after a decision": ("socket", HELD, failing(Sockets, "follow")),
    "the sockets of an update": ("update", HELD, break_update("launcher", "bind_sockets")),
    "the start of a store's helper": ("lease", LEASED, failing(_Helper, "start")),
    "what such a helper writes": ("lease", LEASED, failing(_Helper, "_read")),
    "the care for such a helper": ("lease", LEASED, failing(Leases, "_look_after")),
    "the end of a run for a store": ("lease", {}, break_telling),
    "memory": ("measure", {"restart_when": RestartLimits(1 << 40, interval=0.05)}, failing(measuring, "_measure")),
    "the idle shutdown": ("idle", {}, break_idle_look),
    "the table of an update": ("update", {}, break_update("engine", "read_table")),
    "the update itself": ("update", {}, break_update("engine", "update")),
    "the output after an update": ("output", {}, break_adoption),
    "a rolling restart": ("log", {}, break_roll),
    "the port for metrics": ("control", {}, break_metrics_port),
    "the web page": ("control", {}, break_web_page),
    "the look after files": ("repair", {}, break_keeper),
    "the manager that started supinit": ("notify", {}, break_manager),
    "OOM kills": ("reap", {}, failing(oom, "find_counter")),
    "supinit's own log": ("log", {}, break_journal),
    "warnings about the table": ("lint", {}, failing(lint, "warnings_on")),
    "a log file": ("output", {"log": LogSettings(file="/dev/null")}, failing(RotatedFile, "write")),
}
"""What fails, and the label of the metric."""


def end_after(container: Turned, loop: Loop, condition: Callable[[], object]) -> None:
    """Ask for the end once the condition is met, and the other program was started twice since then."""
    enough: list[int] = []

    def look() -> None:
        starts = container.output.count("web | up")
        if not enough and condition():
            enough.append(starts + 2)
        if enough and starts >= enough[0]:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            loop._loop.call_later(0.02, look)

    loop._loop.call_soon(look)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_fails_is_counted_and_logged_once_and_the_rest_goes_on(open_folder: Path, part: str) -> None:
    """Another program is restarted meanwhile, and SIGTERM ends the container with 0."""
    where, fields, inject = PARTS[part]

    def meddle(container: Turned, loop: Loop) -> None:
        inject(container, loop)
        end_after(container, loop, lambda: container.engine.counters.internal_errors)

    ending = run(open_folder, crashing(), program("part", *SLEEP, **fields), meddle=meddle)
    assert (ending["result"], ending["left"]) == (0, 0), ending["log"]
    assert list(ending["errors"]) == [where], ending["log"]
    assert ending["log"].count("Traceback") == 1


@pytest.mark.parametrize(
    ("part", "problem"),
    [("the table of an update", "cannot read the table"), ("the sockets of an update", "cannot bind the sockets")],
)
def test_a_refused_update_names_the_step_that_has_failed(open_folder: Path, part: str, problem: str) -> None:
    _, fields, inject = PARTS[part]
    sentence = f"container.update_refused reason=\"{problem}: internal error: LookupError('a bug')\""

    def meddle(container: Turned, loop: Loop) -> None:
        inject(container, loop)
        end_after(container, loop, lambda: sentence in container.log)

    ending = run(open_folder, crashing(), program("part", *SLEEP, **fields), meddle=meddle)
    assert (ending["result"], ending["left"]) == (0, 0), ending["log"]


def test_a_probe_that_fails_around_a_pause_is_made_again_before_its_answer_counts(open_folder: Path) -> None:
    def meddle(container: Turned, loop: Loop) -> None:
        answers = iter((probes.ProbeResult(False, "too late"), probes.ProbeResult(True, "in time")))

        async def ask(*_: object) -> probes.ProbeResult:
            loop._note_pause(1.0)
            return next(answers)

        probes.ask = ask  # type: ignore[assignment]
        end_after(container, loop, lambda: "program.became_healthy program=part" in container.log)

    check = HealthCheck(ExecProbe(("true",)), retries=1, interval=LIMIT, start_interval=LIMIT)
    ending = run(open_folder, crashing(), program("part", *SLEEP, healthcheck=check), meddle=meddle)
    assert (ending["result"], ending["left"], ending["errors"]) == (0, 0, {}), ending["log"]
    assert "program.became_unhealthy" not in ending["log"]


def test_a_file_system_that_does_not_answer_holds_up_nothing_but_its_watch(open_folder: Path) -> None:
    """The end of supinit does not wait for the thread of the look either."""

    def meddle(container: Turned, loop: Loop) -> None:
        file_watches.LOOK_LIMIT = 0.1
        Survey._look = hang  # type: ignore[method-assign, assignment]
        end_after(container, loop, lambda: problem in container.log)

    problem = "cannot watch /proc/self/status: no answer within 0.1 s"
    ending = run(open_folder, crashing(), program("part", *SLEEP, **WATCHED), meddle=meddle)
    assert (ending["result"], ending["left"], ending["errors"]) == (0, 0, {}), ending["log"]
    assert f'program.watch_failed program=part reason="{problem}"' in ending["log"]


def test_a_watch_that_hangs_has_one_thread_and_works_again_once_its_look_has_ended(open_folder: Path) -> None:
    look, looks, go = Survey._look, open_folder / "looks", open_folder / "go"

    def look_late(survey: Survey) -> None:
        with looks.open("a") as file:
            file.write("x")
        while not go.exists():
            time.sleep(0.01)
        look(survey)

    def meddle(container: Turned, loop: Loop) -> None:
        file_watches.LOOK_LIMIT = 0.1
        Survey._look = look_late  # type: ignore[method-assign, assignment]

        async def scenario() -> None:
            watches, order = loop._tasks.file_watches, LookAtFiles(("part", WATCHED["watch"][0]))
            while "program.watch_failed" not in container.log:
                await asyncio.sleep(0.01)
            await watches._look(order)
            before = looks.read_text()
            go.touch()
            while watches._hung:
                await asyncio.sleep(0.01)
            await watches._look(order)
            looks.write_text(f"{before} {looks.read_text()}")
            os.kill(os.getpid(), signal.SIGTERM)

        loop._loop.call_soon(lambda: loop._tasks.spawn(scenario()))

    ending = run(open_folder, program("part", *SLEEP, **WATCHED), meddle=meddle)
    assert (ending["result"], ending["left"], ending["errors"]) == (0, 0, {}), ending["log"]
    assert looks.read_text() == "x xx"


def test_updates_leave_one_timer_for_the_lease_of_the_markers(open_folder: Path) -> None:
    timers: list[int] = []

    def meddle(container: Turned, loop: Loop) -> None:
        def update(lease: float | None) -> None:
            settings = replace(container.engine.plan.settings, marker_lease=lease)
            container.engine.plan = replace(container.engine.plan, settings=settings)
            loop._note_plan()

        def toggle() -> None:
            for lease in (100.0, None, 100.0, 50.0, 100.0):
                update(lease)
                pending = [t for t in loop._loop._scheduled if not t.cancelled()]  # type: ignore[attr-defined]
                timers.append(sum(t.when() > loop._loop.time() + 40.0 for t in pending))
            (open_folder / "timers").write_text(str(timers))
            os.kill(os.getpid(), signal.SIGTERM)

        loop._loop.call_later(0.1, toggle)

    ending = run(open_folder, polite("web"), meddle=meddle)
    assert (ending["result"], ending["left"], ending["errors"]) == (0, 0, {}), ending["log"]
    assert (open_folder / "timers").read_text() == "[1, 0, 1, 1, 1]"


def test_output_that_can_no_longer_be_taken_ends_the_container(open_folder: Path) -> None:
    """In order, or, where it fails faster than the stop goes, without the loop (boot.py)."""

    def meddle(container: Turned, _: Loop) -> None:
        container.pump.turn = fail  # type: ignore[method-assign]

    ending = run(open_folder, polite("web"), meddle=meddle)
    assert ending["result"] in (70, "the event loop cannot go on after its errors")
    assert ending["log"].count("internal.failed") == 1


def test_deaths_are_decided_on_after_an_error_of_the_core(open_folder: Path) -> None:
    """The first decision on each death fails, as for want of memory; the second one is made."""
    advance, seen = core.advance, list[object]()

    def fail_first(plan: Any, fleet: Any, event: Any, now: float) -> Any:
        if isinstance(event, Happened) and isinstance(event.event, ProcessExited) and event not in seen:
            seen.append(event)
            raise MemoryError
        return advance(plan, fleet, event, now)

    def meddle(_: Turned, loop: Loop) -> None:
        core.advance = fail_first
        loop._loop.call_later(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM))

    ending = run(open_folder, crashing(), meddle=meddle)
    assert (ending["result"], ending["left"]) == (0, 0)
    assert ending["errors"]["core"] >= 1
    assert ending["log"].count("Traceback") == 1


def test_an_event_that_the_core_cannot_decide_on_ends_the_container_with_70(open_folder: Path) -> None:
    advance = core.advance

    def fail_always(plan: Any, fleet: Any, event: Any, now: float) -> Any:
        if isinstance(event, Happened) and isinstance(event.event, BecameReady):
            raise LookupError("a bug")
        return advance(plan, fleet, event, now)

    def meddle(container: Turned, loop: Loop) -> None:
        core.advance = fail_always
        event = Happened(("web", 1), BecameReady(1))
        loop._loop.call_later(0.3, loop._guard(lambda: container.engine.feed(event)))

    ending = run(open_folder, polite("web"), meddle=meddle)
    assert (ending["result"], ending["left"]) == (70, 0)
    assert ending["output"][-1:] == ["web | stopped"]


def test_a_second_shutdown_signal_ends_the_loop_where_nothing_can_be_killed(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.loop.HURRY_LIMIT", 0.5)

    def meddle(container: Turned, _: Loop) -> None:
        container.engine.orders.signalling.send = lambda *_: iter(())  # type: ignore[method-assign]

    ending = run(open_folder, asker(times=5), meddle=meddle)
    assert (ending["result"], ending["errors"]) == ("not over", {})
