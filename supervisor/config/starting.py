"""When a program starts, counts as up and starts again: `depends_on`, `once`, `ready`, `restart_delay`, and so on."""

from __future__ import annotations

from supervisor.config.environment import SECRET
from supervisor.config.kinds import ByShape, Choice, ListOf, Made, MapOf, OrNull
from supervisor.config.rules import ExactlyOne, Needs
from supervisor.config.scalars import ANY_TEXT, FLAG, REGULAR_EXPRESSION, TEXT, duration, integer, number, words
from supervisor.config.sections import Key, Section
from supervisor.core.program import Condition, Dependency, Readiness, RestartDelay
from supervisor.core.update_config import FailureAction, Order, UpdateConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.core.once import Once, Store
    from supervisor.core.program import SecretFile

MIN_LEASE = 2.0
"""Seconds."""

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


def _once(**given: Any) -> Once:
    from supervisor.core.once import Once

    return Once(**{**given, "order": given.get("order") or None})


def _store(url: str, password: str | SecretFile | None = None) -> Store:
    from supervisor.config.stores import make_store

    return make_store(url, password)


def _lease(seconds: float) -> float:
    if seconds < MIN_LEASE:
        raise ValueError(f"cannot be less than {MIN_LEASE:g}s: the store has to be asked several times in a lease")
    return seconds


STORE = Made(ANY_TEXT, _store)
_STORE = Section(
    Key("url", ANY_TEXT, "redis://, rediss:// (with TLS) or postgresql://, without the password.", is_required=True),
    Key(
        "password",
        ByShape(scalar=ANY_TEXT, mapping=SECRET),
        "Password. {file: PATH}: the content of a file, read at each connection.",
    ),
    make=_store,
)
_LEASE = Made(duration(), _lease)
ONCE = Section(
    Key("key", TEXT, "Identifies the work, such as a version. It runs once per key.", is_required=True),
    Key("dir", TEXT, "A directory that all containers share."),
    Key(
        "store",
        ByShape(scalar=STORE, mapping=_STORE),
        "A database that all containers share, instead of dir: a URL such as redis://host/0, or {url, password}.",
    ),
    Key("order", ANY_TEXT, "Skip the run if a greater order has been recorded. Empty: no order.", ""),
    Key("namespace", ANY_TEXT, "store only: keeps applications that share the store apart. Default: none."),
    Key(
        "lease",
        _LEASE,
        "store only: time after which another container takes over from one that has died or cannot reach the store."
        " Default: 30s.",
    ),
    make=_once,
    rules=(ExactlyOne("dir", "store"), Needs("namespace", "store"), Needs("lease", "store")),
)

RESTART_DELAY = Section(
    Key("initial", duration(), "Delay before the first restart.", "100ms"),
    Key("max", duration(), "Longest delay before any restart.", "30s"),
    Key("factor", number(1), "Multiplier applied after each restart.", 2),
    Key("reset_after", duration(), "A run of at least this long resets the delay to initial.", "10s"),
    make=RestartDelay,
)

UPDATE_CONFIG = Section(
    Key(
        "order",
        words(Order),
        "stop-first: an instance stops, then its new process starts. start-first: the new process starts beside the old"
        " one, which stops when the new one is up; the program must be able to share its address.",
        "stop-first",
    ),
    Key("parallelism", integer(0, 1000), "Instances that are replaced at a time. 0: all of them.", 1),
    Key("delay", duration(), "Time from an instance that is up to the replacement of the next one.", "0s"),
    Key(
        "monitor",
        duration(),
        "A new process has failed if it ends or becomes unhealthy within this time after it was up.",
        "5s",
    ),
    Key(
        "failure_action",
        words(FailureAction),
        "When a new process has failed. pause: the others keep their processes. continue: go on. rollback: an update"
        " returns to the old entry; a restart pauses.",
        "pause",
    ),
    make=UpdateConfig,
    foreign="UPDATE_KEYS",
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
