"""Start supinit: from the options to the first running program, importing only what that needs.

The order matters: configuration, plan, run_dir, signal handlers, the first programs. asyncio, the control socket and
everything else come afterwards (docs/decisions/0002-staged-start.md; tests/test_boot.py lists what must not be loaded
by then).
"""

from __future__ import annotations

import os

from supervisor.core.protocol import COMPILED_SUFFIX, MAX_SOCKET_PATH
from supervisor.core.record import Record, replace
from supervisor.core.routing import signals_named_by
from supervisor.engine import Engine
from supervisor.errors import ConfigError, StartError
from supervisor.groundwork import Groundwork
from supervisor.health.markers import Markers
from supervisor.logs.journal import Journal
from supervisor.logs.pump import Pump
from supervisor.logs.sink import container_sinks
from supervisor.process.import_reserve import ImportReserve
from supervisor.process.inherited import inherited_environment
from supervisor.process.subreaper import become_subreaper, is_init

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.plan import Plan
    from supervisor.opening import Opening
    from supervisor.process.inbox import Inbox

FLUSH_LIMIT = 2.0
"""Seconds for writing the last lines when the container's log reader is stalled."""
TERMINATION_LOG = "/dev/termination-log"
"""The file that Kubernetes shows as the reason for a container's end."""
MAX_LAST_WORDS = 3000
"""Characters of last lines; Kubernetes cuts what is longer than 4096 bytes."""
INTERNAL_ERROR = 70


class Options(Record):
    """What the command line says. None: the table decides."""

    config: str
    log_format: str | None = None
    log_level: str | None = None
    command: tuple[str, ...] = ()
    """The main program beside the table."""


def run(options: Options, opening: Opening | None = None) -> int:
    """Run the table until the container is over and return its exit code. Raises ConfigError or StartError.

    `opening`: how the start from a table file has begun. None: nothing has been read and nothing started.
    """
    engine, inbox = _make_engine(options, opening)
    has_failed = False
    try:
        engine.begin()
        _loop(engine, inbox)
    except BaseException as error:
        engine.faults.note("supinit", error)
        has_failed = True
    try:
        code, reason = _end(engine, inbox, has_failed)
        _close(engine)
        leave_last_words(reason, engine.last_lines)
    except BaseException as error:
        engine.faults.note("supinit", error)
        engine.faults.attempt("output", engine.journal.close)
        code = INTERNAL_ERROR
    return code


def _make_engine(options: Options, opening: Opening | None) -> tuple[Engine, Inbox]:
    """Make everything that the first programs need. Raises ConfigError or StartError."""
    plan, not_compiled = _first_plan(options, opening)
    settings = plan.settings
    if len(os.fsencode(settings.socket_path)) > MAX_SOCKET_PATH:
        raise StartError(f"cannot use socket {settings.socket_path}: its path is longer than {MAX_SOCKET_PATH} bytes")
    ground = opening.groundwork if opening is not None else None
    if ground is None:
        ground = Groundwork(settings.run_dir, signals_named_by(plan))
    ImportReserve().install()
    remains = 0 if is_init() else _end_remains(settings.run_dir)
    if not is_init() and not become_subreaper():
        raise StartError("cannot become a child subreaper: orphans would be lost (Linux 3.4 and newer can do it)")
    pump = Pump(*container_sinks(), ground.epoll)
    journal = Journal(settings.log, pump.sinks[1])
    own = dict(inherited_environment())
    engine = Engine(
        plan, pump, Markers(ground.folder), journal, own, ground.identity, lambda: _read_plan(options, True)
    )
    engine.launcher.nofile = ground.nofile
    if opening is not None:
        engine.launcher.opened = opening.opened
    _bind_sockets(engine)
    if not is_init():
        _keep_register(engine)
    if remains:
        journal.write("warning", "container.remains_ended", processes=remains)
    if not_compiled:
        journal.write(
            "info", "container.compiled_table_ignored", file=options.config + COMPILED_SUFFIX, reason=not_compiled
        )
    if settings.syslog is not None:
        from supervisor.logs.syslog import Syslog

        engine.syslog = Syslog(settings.syslog, pump, engine.find_program)
    return engine, ground.inbox


def _close(engine: Engine) -> None:
    """Give back what supinit holds, and write out the last lines."""
    if engine.children.register is not None:
        engine.children.register.remove()
    engine.launcher.take_terminal_back()
    if engine.launcher.sockets is not None:
        engine.launcher.sockets.close()
    engine.journal.open()
    if engine.syslog is not None:
        engine.syslog.take()
        engine.syslog.close()
    engine.pump.flush(FLUSH_LIMIT, engine.journal.close)


def _end(engine: Engine, inbox: Inbox, has_failed: bool) -> tuple[int, str]:
    """Return the exit code and the reason. If the container is not over, stop what is left first."""
    verdict = engine.fleet.verdict
    if not engine.is_over:
        from supervisor.emergency import stop_everything

        reason = "supinit itself has failed" if has_failed else "processes are left that cannot be ended"
        engine.journal.write("error", "container.aborted", reason=reason)
        stop_everything(engine.plan, engine.children, inbox, at_once=not has_failed)
    if verdict is None or has_failed:
        return INTERNAL_ERROR, "internal error"
    return verdict.code, verdict.reason


def _bind_sockets(engine: Engine) -> None:
    """Bind the sockets of all programs that start with the container.

    Raises ConfigError with every reason, or StartError for a runtime directory that cannot be made.
    """
    if all(not program.sockets for program in engine.plan.programs.values()):
        return
    from supervisor.core.sockets import wanted

    launcher = engine.launcher
    failures = launcher.bind_sockets(wanted(engine.plan, engine.fleet))
    if failures and launcher.sockets is not None:
        raise ConfigError(launcher.sockets.explain(failures))


def _end_remains(run_dir: str) -> int:
    """End the processes that a killed supinit has left running; return their number. Raises StartError."""
    from supervisor.process.remains import end_remains

    return end_remains(run_dir)


def _keep_register(engine: Engine) -> None:
    """Keep a file of what belongs to this supinit, for the next one in case this one is killed."""
    from supervisor.process.remains import Register

    register = Register(engine.plan.settings.run_dir, engine.launcher.identity, engine.children.mains)
    engine.children.register = register
    engine.run_dir.keepers.append(lambda: engine.faults.attempt("register", register.look_after))


def _first_plan(options: Options, opening: Opening | None) -> tuple[Plan, str]:
    """Return the plan of a start, and the reason why a compiled table is not used. Raises ConfigError."""
    if opening is None or opening.compiled is None:
        return _read_plan(options), "" if opening is None else opening.not_compiled
    from supervisor.config.plan_pickle import load_plan

    data, opening.compiled = opening.compiled.plan, None  # it would stay in memory for the container's life
    try:
        plan = load_plan(data)
    except Exception as error:  # whatever a damaged file leads to
        return _read_plan(options), f"it is damaged: {error!r}"
    return _with_options(plan, options), ""


def _read_plan(options: Options, is_running: bool = False) -> Plan:
    """Read the table. While programs are running, refuse files that could block PID 1. Raises ConfigError."""
    from supervisor.config.load import load
    from supervisor.core.plan import make_plan

    table = load(options.config, os.environ, command=options.command, regular_only=is_running)
    return _with_options(make_plan(table), options)


def _with_options(plan: Plan, options: Options) -> Plan:
    """Return the plan with what the command line says about supinit's own log."""
    own_log = plan.settings.log
    level = options.log_level or own_log.level
    if options.log_level is None and level == "info" and plan.main is not None and _has_terminal():
        level = "warning"  # informational lines would disturb a shell's prompt; supctl events has them
    own_log = replace(own_log, format=options.log_format or own_log.format, level=level)
    return replace(plan, settings=replace(plan.settings, log=own_log))


def _has_terminal() -> bool:
    """Whether supinit's own lines go to the terminal that the main program gets."""
    return os.isatty(0) and os.isatty(2)


def _loop(engine: Engine, inbox: Inbox) -> None:
    """Load asyncio and run its loop."""
    if engine.is_over:
        return
    from supervisor.asyncio_parts import load_asyncio

    load_asyncio()
    from supervisor.loop import Loop

    Loop(engine, inbox).run()


def leave_last_words(reason: str, last_lines: str) -> None:
    """Write the reason for the end and the last lines to /dev/termination-log, if that file exists."""
    text = reason if not last_lines else f"{reason}\n{last_lines[-MAX_LAST_WORDS:]}"
    if os.path.exists(TERMINATION_LOG):
        try:
            with open(TERMINATION_LOG, "w", encoding="utf-8", errors="replace") as file:
                file.write(text + "\n")
        except OSError:
            pass  # the log has the same
