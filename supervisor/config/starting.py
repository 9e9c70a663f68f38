"""When a program starts, counts as up and starts again: `depends_on`, `once`, `ready`, `restart_delay`."""

from __future__ import annotations

from supervisor.config.kinds import ByShape, Choice, ListOf, Made, MapOf, OrNull
from supervisor.config.scalars import ANY_TEXT, FLAG, REGULAR_EXPRESSION, TEXT, duration, integer, number
from supervisor.config.sections import Key, Section
from supervisor.core.program import Condition, Dependency, Once, Readiness, RestartDelay

_CONDITIONS = Choice(
    {condition.value: condition for condition in Condition}
    | {
        "service_started": Condition.STARTED,
        "service_healthy": Condition.HEALTHY,
        "service_completed_successfully": Condition.COMPLETED,
    }
)
_DEPENDENCY = Section(
    Key(
        "condition",
        _CONDITIONS,
        "started: has a process; healthy: running and healthy; completed: ended successfully.",
        "started",
    ),
    Key("required", FLAG, "false: the program need not exist, and is waited for only while it is on its way up.", True),
    Key("restart", FLAG, "true: restart this program when an operator or an update restarts that one.", False),
    make=lambda **given: given,
)
DEPENDS_ON = ByShape(
    sequence=ListOf(Made(TEXT, Dependency), unique=lambda dependency: dependency.program),
    mapping=MapOf(
        TEXT,
        OrNull(_DEPENDENCY, {}, "which means started"),
        "a mapping of program names to conditions",
        lambda name, given: Dependency(name, **given),
    ),
)

ONCE = Section(
    Key("key", TEXT, "Identifies the work, such as a version. It runs once per key.", is_required=True),
    Key("dir", TEXT, "A directory that all containers share.", is_required=True),
    Key("order", ANY_TEXT, "Skip the run if a greater order has been recorded. Empty: no order.", ""),
    make=lambda key, dir, order="": Once(key, dir, order or None),
)

RESTART_DELAY = Section(
    Key("initial", duration(), "Delay before the first restart.", "100ms"),
    Key("max", duration(), "Longest delay before any restart.", "30s"),
    Key("factor", number(1), "Multiplier applied after each restart.", 2),
    Key("reset_after", duration(), "A run of at least this long resets the delay to initial.", "10s"),
    make=RestartDelay,
)

_NOTIFY = ByShape(
    scalar=Choice({"systemd": "systemd"}),
    mapping=Section(
        Key(
            "fd",
            integer(3, 1023),
            "File descriptor to which the program writes a newline when it is ready (s6).",
            is_required=True,
        ),
        make=lambda fd: fd,
    ),
)
READY = Section(
    Key(
        "notify", _NOTIFY, "systemd: READY=1 is sent to $NOTIFY_SOCKET. {fd: N}: a newline is written to descriptor N."
    ),
    Key("log", REGULAR_EXPRESSION, "Ready when a line of output matches this."),
    Key("fail_log", REGULAR_EXPRESSION, "The start has failed when a line of output matches this."),
    Key(
        "timeout",
        duration(may_be_zero=False),
        "The start has failed if it takes longer. Default: no limit for a oneshot, 60s for others.",
    ),
    make=Readiness,
)
