"""Every key of the configuration: its type, its default and its description.

Reading a table, its JSON Schema and the reference page all follow from these definitions.
"""

from __future__ import annotations

from supervisor.config.commands import COMMAND
from supervisor.config.environment import ENV_FILE, ENVIRONMENT
from supervisor.config.healthcheck import HEALTHCHECK
from supervisor.config.hooks import HOOKS, RUNTIME_DIRECTORIES
from supervisor.config.include import INCLUDE
from supervisor.config.kinds import ByShape, Choice, Deferred, ListOf, Made, MapOf, OrNull
from supervisor.config.output import LOG, OWN_LOG
from supervisor.config.presets import PRESETS
from supervisor.config.rules import (
    DaemonIsOne,
    Excludes,
    LimitedIsService,
    LinesAreSeen,
    MainIsOne,
    OneshotEnds,
    ScheduleScales,
    TypeOnly,
)
from supervisor.config.scalars import (
    ABSOLUTE_PATH,
    ANY_TEXT,
    CAPABILITY,
    CATCHABLE_SIGNAL,
    FLAG,
    GROUP,
    LIMIT,
    LISTEN_ADDRESS,
    MODE,
    PROFILE,
    PROGRAM_NAME,
    RESOURCE,
    RESTART,
    SIGNAL,
    SIGNAL_OR_NONE,
    TEXT,
    USER,
    VARIABLE_NAME,
    duration,
    integer,
    words,
)
from supervisor.config.sections import Key, Section
from supervisor.config.starting import DEPENDS_ON, ONCE, READY, RESTART_DELAY, UPDATE_CONFIG
from supervisor.config.stopping import STOP_STEPS
from supervisor.config.watch import WATCHES, WatchedIsAlive
from supervisor.config.web_page import WEB_PAGE
from supervisor.core.idle_shutdown import IdleShutdown
from supervisor.core.program import (
    Limit,
    ProgramType,
    ShutdownOn,
    StopLeftovers,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.config.kinds import ValueKind


def _limits(soft: int, hard: int) -> tuple[int, int]:
    if hard != -1 and (soft == -1 or soft > hard):
        raise ValueError("the soft limit cannot exceed the hard limit")
    return soft, hard


def _schedule() -> ValueKind:
    from supervisor.config.schedule import SCHEDULE

    return SCHEDULE


def _restart_limits() -> ValueKind:
    from supervisor.config.restart_limits import RESTART_LIMITS

    return RESTART_LIMITS


def _sockets() -> ValueKind:
    from supervisor.config.sockets import SOCKETS

    return SOCKETS


_ULIMIT = Section(
    Key("soft", LIMIT, "Soft limit: the one that is enforced.", is_required=True),
    Key(
        "hard", LIMIT, "Hard limit: the highest value to which the program may raise the soft limit.", is_required=True
    ),
    make=_limits,
)
_ULIMITS = MapOf(
    RESOURCE,
    ByShape(scalar=Made(LIMIT, lambda limit: (limit, limit)), mapping=_ULIMIT),
    "a mapping of resources to limits",
    lambda resource, limits: Limit(resource, *limits),
)

_SIGNALS = MapOf(
    CATCHABLE_SIGNAL,
    SIGNAL_OR_NONE,
    "a mapping of signals to signals or none",
    lambda received, sent: (received, sent or None),
)
_EXIT_CODES = ListOf(integer(0, 255), may_be_empty=False)

PROGRAM = Section(
    Key(
        "preset",
        Choice({name: name for name in PRESETS}),
        "Settings for a well-known server. Your own keys override them.",
    ),
    Key("command", COMMAND, "Command to run. No shell is involved.", is_required=True),
    Key(
        "type",
        words(ProgramType),
        "service: runs until stopped. oneshot: runs once to completion. forking: exits with 0 and leaves a daemon"
        " behind, which is then the main process.",
        "service",
    ),
    Key(
        "pid_file",
        TEXT,
        "forking only: file that names the main process. Default: the only process left, or the parent of all that are"
        " left.",
    ),
    Key("depends_on", DEPENDS_ON, "Programs that must be started, healthy or completed before this one starts.", []),
    Key(
        "environment",
        ENVIRONMENT,
        "Environment variables. null: supinit's own value. {file: PATH}: the content of a file, read at each start.",
        {},
    ),
    Key("env_file", ENV_FILE, "Files of variables, read at each start.", []),
    Key("inherit_environment", FLAG, "Whether the program also gets supinit's own environment.", True),
    Key("user", USER, "User, and optionally group, to run as. Default: supinit's own."),
    Key("group_add", ListOf(GROUP), "Additional groups."),
    Key("working_dir", TEXT, "Working directory. Default: supinit's own."),
    Key("umask", MODE, "File mode creation mask. Default: supinit's own."),
    Key("ulimits", _ULIMITS, "Resource limits: a number for both limits, or {soft, hard}.", {}),
    Key("nice", integer(-20, 19), "Scheduling priority. Default: supinit's own."),
    Key(
        "oom_score_adj",
        integer(-1000, 1000),
        "OOM score adjustment: the higher, the sooner the kernel kills it when memory runs out.",
    ),
    Key(
        "cap_add",
        ListOf(CAPABILITY),
        "Capabilities that it gets, even as a user other than root. supinit must have them.",
        [],
    ),
    Key("cap_drop", ListOf(CAPABILITY), "Capabilities that it must not have, even as root.", []),
    Key(
        "no_new_privileges",
        FLAG,
        "Keep setuid programs and file capabilities from raising its privileges (Compose's security_opt).",
        False,
    ),
    Key(
        "stdin",
        Choice({"null": False, "inherit": True}),
        "inherit: this is the main program, which owns stdin and the terminal. Its defaults are restart: no,"
        " shutdown_on: exit and log.mode: inherit.",
        "null",
    ),
    Key(
        "autostart",
        FLAG,
        "Whether it starts with the container. false: by supctl start, or when a program that depends on it starts.",
        True,
    ),
    Key(
        "profiles",
        ListOf(PROFILE),
        "It starts with the container only if one of these is active ($SUPINIT_PROFILES, --profile). Empty: always.",
        [],
    ),
    Key("scale", integer(0, 1000), "Number of instances: NAME:1, NAME:2 and so on. 0: none.", 1),
    Key("schedule", Deferred(_schedule), "oneshot only: run it at the times of a cron expression, or at an interval."),
    Key("once", ONCE, "oneshot only: run once per key among all containers that share a directory or a store."),
    Key(
        "update_config",
        UPDATE_CONFIG,
        "Replace instances a few at a time when an update needs new processes. Compose's deploy.update_config. Default:"
        " all at once.",
    ),
    Key(
        "restart",
        RESTART,
        "When to restart. Default: always for a service, no for a oneshot.",
    ),
    Key("restart_delay", RESTART_DELAY, "Delay before each restart.", {}),
    Key(
        "restart_when",
        Deferred(_restart_limits),
        "Restart it when it has grown too large or too old: one instance at a time, by its stop sequence, and as"
        " update_config says where that is set. Not for a oneshot or the main program.",
    ),
    Key(
        "start_retries",
        OrNull(integer(1), None, "which means no limit"),
        "Failed starts in a row before it becomes FATAL.",
        10,
    ),
    Key("min_uptime", duration(), "A run that ends sooner is a failed start.", "1s"),
    Key("success_exit_codes", _EXIT_CODES, "Exit codes that mean success.", [0]),
    Key(
        "shutdown_on",
        words(ShutdownOn),
        "Stop the container when this program has ended for good: after a failure, after any exit, or never. With a"
        " schedule, the default is never.",
        "failure",
    ),
    Key(
        "clear_before_start",
        ListOf(TEXT),
        "Files to remove before each start, such as stale PID files and sockets.",
        [],
    ),
    Key(
        "runtime_directory",
        RUNTIME_DIRECTORIES,
        "Directories to create before the first start. They belong to the program's user, even if they existed before.",
        [],
    ),
    Key(
        "sockets",
        Deferred(_sockets),
        "Sockets that supinit binds and keeps, by name. The main process gets them from descriptor 3 on, with"
        " LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES (sd_listen_fds(3)).",
        {},
    ),
    Key("pre_start", HOOKS, "Commands to run in order before each start. If one fails, the start has failed.", []),
    Key("post_start", HOOKS, "Commands to run once it is RUNNING. A failure is a warning.", []),
    Key("pre_stop", HOOKS, "Commands to run before the first step of a stop. A failure is a warning.", []),
    Key("post_stop", HOOKS, "Commands to run when all of its processes are gone. A failure is a warning.", []),
    Key("stop_signal", SIGNAL, "Signal that stops it.", "SIGTERM"),
    Key("stop_grace_period", duration(), "Time between stop_signal and SIGKILL.", "10s"),
    Key(
        "stop",
        STOP_STEPS,
        "Stop sequence, instead of stop_signal and stop_grace_period. SIGKILL follows the last step.",
    ),
    Key(
        "stop_leftovers",
        words(StopLeftovers),
        "Processes left when the main process ends during a stop. signal: they get the step's signal and the rest of"
        " its wait, then SIGKILL. kill: SIGKILL at once.",
        "signal",
    ),
    Key(
        "signals",
        _SIGNALS,
        "Signals to forward: from the signal that supinit receives to the signal to send. none: forward nothing.",
        {},
    ),
    Key("reload_signal", SIGNAL, "Signal that makes it reload its configuration.", "SIGHUP"),
    Key("reload_command", COMMAND, "Command that makes it reload, instead of a signal."),
    Key("watch", WATCHES, "Files and directories whose changes reload or restart it.", []),
    Key(
        "ready",
        READY,
        "When it counts as up. Default: when its health check first passes; without one, after min_uptime.",
        {},
    ),
    Key(
        "watchdog",
        duration(may_be_zero=False),
        "Restart it unless it sends WATCHDOG=1 to $NOTIFY_SOCKET at least this often.",
    ),
    Key("healthcheck", HEALTHCHECK, "How to check its health, how often, and what to do when it is unhealthy."),
    Key("log", LOG, "What to do with its output.", {}),
    make=dict,
    rules=(
        Excludes("stop", "stop_signal", "stop_grace_period"),
        Excludes("reload_signal", "reload_command"),
        TypeOnly("once", ProgramType.ONESHOT),
        TypeOnly("schedule", ProgramType.ONESHOT),
        Excludes("schedule", "once"),
        ScheduleScales(),
        TypeOnly("pid_file", ProgramType.FORKING),
        OneshotEnds(),
        LimitedIsService(),
        LinesAreSeen(),
        MainIsOne(),
        DaemonIsOne(),
        WatchedIsAlive(),
    ),
    foreign="PROGRAM_KEYS",
)

_METRICS = Section(
    Key(
        "listen",
        LISTEN_ADDRESS,
        "Address that serves /metrics, /livez, /readyz and /healthz, without authentication.",
    ),
    make=lambda listen=None: listen,
)


def _idle_shutdown(after: float, ports: tuple[int, ...]) -> IdleShutdown:
    return IdleShutdown(after, tuple(dict.fromkeys(ports)))


_IDLE_SHUTDOWN = Section(
    Key("after", duration(may_be_zero=False), "Time without a connection, once everything is ready.", is_required=True),
    Key(
        "ports",
        ListOf(integer(1, 65535), may_be_empty=False),
        "Local TCP ports, IPv4 and IPv6, in the container's network namespace.",
        is_required=True,
    ),
    make=_idle_shutdown,
)

SUPERVISOR = Section(
    Key(
        "run_dir",
        TEXT,
        "Directory of the control socket and the marker files, created if missing. $SUPINIT_RUN_DIR overrides it.",
        "/run/supinit",
    ),
    Key("syslog", ABSOLUTE_PATH, "Socket for programs that only know syslog(3), such as /dev/log. Default: none."),
    Key("socket", TEXT, "Path of the control socket. Default: control.sock in run_dir."),
    Key("socket_mode", MODE, "File mode of the control socket. Default: 0600, or 0660 with socket_group."),
    Key("socket_group", GROUP, "Group whose members may read status, logs and metrics."),
    Key(
        "shutdown_signals",
        ListOf(CATCHABLE_SIGNAL, may_be_empty=False),
        "Signals that start the ordered shutdown.",
        ["SIGTERM", "SIGINT", "SIGQUIT", "SIGPWR", "SIGRTMIN+3"],
    ),
    Key(
        "drain_delay",
        duration(),
        "On shutdown, report not ready at once and wait this long before the first stop step.",
        "0s",
    ),
    Key(
        "idle_shutdown",
        _IDLE_SHUTDOWN,
        "Shut down in order and exit with 0 when no client has been connected to some ports for long. Default: never.",
    ),
    Key(
        "marker_lease",
        duration(may_be_zero=False),
        "Update the modification time of the marker files this often. Default: never.",
    ),
    Key(
        "start_timeout",
        duration(),
        "Stop and exit with 75 unless all essential programs are ready within this time. Default: no limit.",
    ),
    Key("shutdown_timeout", duration(), "Upper limit for the whole shutdown. Default: no limit."),
    Key(
        "required_environment",
        ListOf(VARIABLE_NAME),
        "Variables that must be set and not empty. Otherwise nothing is started.",
        [],
    ),
    Key("revision", ANY_TEXT, "Version of the deployed code, shown in status, metrics and the first log line.", ""),
    Key("log", OWN_LOG, "supinit's own messages, on stderr.", {}),
    Key("metrics", _METRICS, "A read-only TCP listener.", {}),
    Key("web", WEB_PAGE, "The web page, which shows and controls the programs. Default: none."),
    make=dict,
)

DOCUMENT = Section(
    Key("include", INCLUDE, "More tables to read: paths or glob patterns, relative to this file.", []),
    Key("supervisor", SUPERVISOR, "Settings of supinit itself.", {}),
    Key("programs", MapOf(PROGRAM_NAME, PROGRAM, "a mapping of names to programs"), "The programs, by name.", {}),
    make=dict,
    foreign="TOP_KEYS",
)


def json_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a configuration, without what only a start can check, such as users."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "supinit configuration",
        **DOCUMENT.json_schema(),
        "$defs": {
            "variable": {
                "description": "A string with a variable, such as ${PORT:-80}.",
                "type": "string",
                "pattern": "[$]([A-Za-z_]|[{][A-Za-z_])",
            }
        },
    }
