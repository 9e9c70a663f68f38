"""The whole configuration as one table: every key, what it holds, its default and what it is for.

Reading, the JSON Schema and the documentation come from here.
"""

from __future__ import annotations

from supervisor.config.commands import COMMAND
from supervisor.config.environment import ENVIRONMENT
from supervisor.config.healthcheck import HEALTHCHECK
from supervisor.config.kinds import ByShape, Choice, ListOf, Made, MapOf, OrNull
from supervisor.config.presets import PRESETS
from supervisor.config.rules import Excludes, LinesAreSeen, MainIsOne, Needs, NotInherited, OneshotEnds, OneshotOnly
from supervisor.config.scalars import (
    ANY_TEXT,
    CATCHABLE_SIGNAL,
    FLAG,
    GROUP,
    LIMIT,
    LISTEN_ADDRESS,
    MODE,
    PROGRAM_NAME,
    RATE,
    REGULAR_EXPRESSION,
    RESOURCE,
    RESTART,
    SIGNAL,
    SIGNAL_OR_NONE,
    TEXT,
    USER,
    VARIABLE_NAME,
    duration,
    integer,
    number,
    size,
    words,
)
from supervisor.config.sections import Key, Section
from supervisor.config.stopping import STOP_STEPS
from supervisor.core.program import (
    Condition,
    Dependency,
    Limit,
    LogMode,
    LogSettings,
    Once,
    OwnLog,
    ProgramType,
    Readiness,
    RestartDelay,
    ShutdownOn,
    WhenFull,
)


def _same(*texts: str) -> dict[str, object]:
    return {text: text for text in texts}


def _limits(soft: int, hard: int) -> tuple[int, int]:
    if hard != -1 and (soft == -1 or soft > hard):
        raise ValueError("cannot have a soft limit above the hard one")
    return soft, hard


_CONDITIONS = Choice(
    {condition.value: condition for condition in Condition}
    | {
        "service_started": Condition.STARTED,
        "service_healthy": Condition.HEALTHY,
        "service_completed_successfully": Condition.COMPLETED,
    }
)
_CONDITION = Section(
    Key("condition", _CONDITIONS, "What to wait for: a process, health, or that it ended well.", "started"),
    make=lambda condition=Condition.STARTED: condition,
)
_DEPENDS_ON = ByShape(
    sequence=ListOf(Made(TEXT, Dependency), unique=lambda dependency: dependency.program),
    mapping=MapOf(
        TEXT,
        OrNull(_CONDITION, Condition.STARTED, "which is started"),
        "a mapping of programs to conditions",
        Dependency,
    ),
)

_ULIMIT = Section(
    Key("soft", LIMIT, "The limit that counts.", is_required=True),
    Key("hard", LIMIT, "As far as the program may raise it.", is_required=True),
    make=_limits,
)
_ULIMITS = MapOf(
    RESOURCE,
    ByShape(scalar=Made(LIMIT, lambda limit: (limit, limit)), mapping=_ULIMIT),
    "a mapping of resources to limits",
    lambda resource, limits: Limit(resource, *limits),
)

_ONCE = Section(
    Key("key", TEXT, "What is done once, such as the version.", is_required=True),
    Key("dir", TEXT, "The directory that the containers share.", is_required=True),
    Key("order", ANY_TEXT, "Never run after one with a greater order was recorded; none, if empty.", ""),
    make=lambda key, dir, order="": Once(key, dir, order or None),
)

_RESTART_DELAY = Section(
    Key("initial", duration(), "Before the first restart.", "100ms"),
    Key("max", duration(), "Before any restart, at most.", "30s"),
    Key("factor", number(1), "By so much it grows from restart to restart.", 2),
    Key("reset_after", duration(), "A run of at least this long forgets the restarts before it.", "10s"),
    make=RestartDelay,
)

_NOTIFY = ByShape(
    scalar=Choice(_same("systemd")),
    mapping=Section(
        Key("fd", integer(3, 1023), "The descriptor on which a newline says that it is up.", is_required=True),
        make=lambda fd: fd,
    ),
)
_READY = Section(
    Key("notify", _NOTIFY, "systemd: READY=1 on $NOTIFY_SOCKET; {fd: N}: a newline on that descriptor."),
    Key("log", REGULAR_EXPRESSION, "A line that matches says that it is up."),
    Key("fail_log", REGULAR_EXPRESSION, "A line that matches says that it came up broken."),
    Key("timeout", duration(may_be_zero=False), "Not ready by then: a failed start; 60s, no limit for a oneshot."),
    make=Readiness,
)

_LOG = Section(
    Key("mode", words(LogMode), "How its lines appear in the container's output.", "prefix"),
    Key("file", TEXT, "A file besides, of the lines as they are or as JSON; with mode none, instead."),
    Key("max_size", size(1), "The file is rotated before it grows beyond this size.", "10mb"),
    Key("keep", integer(0, 1000), "So many rotated files are kept: PATH.1 is the youngest.", 5),
    Key("compress", Choice({"gzip": True}), "Rotated files are compressed, PATH.1.gz; they are not, if left out."),
    Key("max_line", size(1), "A longer line is cut into pieces, each of them marked.", "64kb"),
    Key("tail", size(4096), "So much of the end of its output is kept for supctl logs.", "64kb"),
    Key("when_full", words(WhenFull), "A reader stalls: block: the program waits; drop: lines are lost.", "block"),
    Key("rate_limit", RATE, "It may write so much; when_full says what becomes of more."),
    Key(
        "redact",
        ListOf(REGULAR_EXPRESSION),
        "Regular expressions; what matches is written as [redacted].",
        [],
    ),
    Key("multiline", REGULAR_EXPRESSION, "The first line of a message; others are joined to the one before."),
    Key(
        "redirect_stderr",
        FLAG,
        "true: stdout and stderr share one pipe, which keeps their order; both go to the container's stdout.",
        False,
    ),
    Key(
        "flush_after",
        OrNull(duration(), None, "which is never"),
        "A line without its newline yet, such as a prompt, is shown after this long; not with mode json or redact.",
        "200ms",
    ),
    make=LogSettings,
    rules=(NotInherited("file", "when_full", "rate_limit", "redact", "multiline", "flush_after"),),
)

_SIGNALS = MapOf(
    CATCHABLE_SIGNAL,
    SIGNAL_OR_NONE,
    "a mapping of signals to signals or none",
    lambda received, sent: (received, sent or None),
)
_EXIT_CODES = ListOf(integer(0, 255), may_be_empty=False)

PROGRAM = Section(
    Key("preset", Choice(_same(*PRESETS)), "Fills in what this server needs; a key written beside it wins."),
    Key("command", COMMAND, "The program to run: a list, or a text split as a shell splits words.", is_required=True),
    Key("type", words(ProgramType), "service: runs until it is stopped; oneshot: runs once, and completes.", "service"),
    Key("depends_on", _DEPENDS_ON, "What must be started, healthy or completed before it starts.", []),
    Key("environment", ENVIRONMENT, "Variables; null takes one over, {file: PATH} reads a secret at each start.", {}),
    Key("env_file", ListOf(TEXT), "Files of variables.", []),
    Key("inherit_environment", FLAG, "Whether it gets supinit's own environment as well.", True),
    Key("user", USER, "Whom it runs as; supinit's own user, if left out."),
    Key("group_add", ListOf(GROUP), "Groups besides the user's own."),
    Key("working_dir", TEXT, "Where it runs; supinit's own directory, if left out."),
    Key("umask", MODE, "Permission bits that new files lack; supinit's own, if left out."),
    Key("ulimits", _ULIMITS, "Resource limits: a number, or {soft, hard}.", {}),
    Key("nice", integer(-20, 19), "CPU priority; supinit's own, if left out."),
    Key("oom_score_adj", integer(-1000, 1000), "How soon the kernel kills it when memory is short."),
    Key(
        "stdin",
        Choice({"null": False, "inherit": True}),
        "inherit: it is the main program, with the terminal; then restart: no, shutdown_on: exit and log.mode: inherit"
        " are its defaults.",
        "null",
    ),
    Key("scale", integer(1, 1000), "Instances NAME:1, NAME:2 and so on.", 1),
    Key("once", _ONCE, "oneshot only: once per key among all containers that share a directory."),
    Key("restart", RESTART, "always, on-failure, on-failure:N, no; a service's default is always, a oneshot's no."),
    Key("restart_delay", _RESTART_DELAY, "How long to wait before a restart.", {}),
    Key(
        "start_retries",
        OrNull(integer(1), None, "which is never to give up"),
        "So many consecutive starts that did not come up, and it is FATAL; null: never.",
        10,
    ),
    Key("min_uptime", duration(), "A run that ends sooner did not come up.", "1s"),
    Key("success_exit_codes", _EXIT_CODES, "The exit codes of a program that ended well.", [0]),
    Key("shutdown_on", words(ShutdownOn), "Which end for good of this program ends the container.", "failure"),
    Key("clear_before_start", ListOf(TEXT), "Files removed before each start: stale pid files and sockets.", []),
    Key("stop_signal", SIGNAL, "What stops it.", "SIGTERM"),
    Key("stop_grace_period", duration(), "How long it has before SIGKILL.", "10s"),
    Key("stop", STOP_STEPS, "Steps instead of stop_signal and stop_grace_period; SIGKILL follows the last."),
    Key("signals", _SIGNALS, "What the container receives, and what this program gets for it; none drops it.", {}),
    Key("reload_signal", SIGNAL, "What makes it read its configuration again.", "SIGHUP"),
    Key("reload_command", COMMAND, "A command for that, instead."),
    Key("ready", _READY, "When it counts as up; else its first passing health check, else min_uptime.", {}),
    Key("watchdog", duration(may_be_zero=False), "WATCHDOG=1 at least this often, or it is restarted."),
    Key("healthcheck", HEALTHCHECK, "What is asked, how often, and what a bad answer leads to."),
    Key("log", _LOG, "Where its output goes.", {}),
    make=dict,
    rules=(
        Excludes("stop", "stop_signal", "stop_grace_period"),
        Excludes("reload_signal", "reload_command"),
        Needs("group_add", "user"),
        OneshotOnly("once"),
        OneshotEnds(),
        LinesAreSeen(),
        MainIsOne(),
    ),
)

_OWN_LOG = Section(
    Key("format", Choice(_same("plain", "json")), "How supinit's own messages look.", "plain"),
    Key("level", Choice(_same("debug", "info", "warning", "error")), "The least that is said.", "info"),
    make=OwnLog,
)
_METRICS = Section(
    Key(
        "listen",
        LISTEN_ADDRESS,
        "A TCP address for /metrics, /livez, /readyz and /healthz alone: whoever comes may read them.",
    ),
    make=lambda listen=None: listen,
)

SUPERVISOR = Section(
    Key("run_dir", TEXT, "The socket and the marker files; made if missing. $SUPINIT_RUN_DIR wins.", "/run/supinit"),
    Key("socket", TEXT, "The control socket; control.sock in run_dir, if left out."),
    Key("socket_mode", MODE, "Its permission bits; 0600, or 0660 with a socket_group, if left out."),
    Key("socket_group", GROUP, "Members may read status, logs and metrics."),
    Key(
        "shutdown_signals",
        ListOf(CATCHABLE_SIGNAL, may_be_empty=False),
        "Each of them begins the ordered shutdown.",
        ["SIGTERM", "SIGINT", "SIGQUIT", "SIGPWR", "SIGRTMIN+3"],
    ),
    Key("drain_delay", duration(), "On shutdown: not ready at once, but served this long before the first stop.", "0s"),
    Key("marker_lease", duration(may_be_zero=False), "Touch the markers this often, if given at all."),
    Key("start_timeout", duration(), "Everything essential ready within this, or exit with 75; no limit, if left out."),
    Key("shutdown_timeout", duration(), "The whole shutdown takes no longer; no limit, if left out."),
    Key("required_environment", ListOf(VARIABLE_NAME), "Variables that must be set and not empty.", []),
    Key("revision", ANY_TEXT, "The version of the code, for status, metrics and the first log line.", ""),
    Key("log", _OWN_LOG, "supinit's own messages, on stderr.", {}),
    Key("metrics", _METRICS, "A read-only TCP listener.", {}),
    make=dict,
)

DOCUMENT = Section(
    Key("include", ListOf(TEXT), "More tables: paths or patterns, relative to this file.", []),
    Key("supervisor", SUPERVISOR, "supinit's own settings.", {}),
    Key("programs", MapOf(PROGRAM_NAME, PROGRAM, "a mapping of names to programs"), "The program table, by name.", {}),
    make=dict,
)
