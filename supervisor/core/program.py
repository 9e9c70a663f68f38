"""The configuration as the core sees it: complete, validated and immutable.

Times are seconds, sizes are bytes, signals are numbers. Defaults are the documented ones
(docs/configuration.md), so that `Program(name="web", command=("nginx",))` is a whole program.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from signal import SIGHUP, SIGINT, SIGPWR, SIGQUIT, SIGRTMIN, SIGTERM

from supervisor.core.hook import Hook, HookStep, RuntimeDirectory
from supervisor.core.idle_shutdown import IdleShutdown
from supervisor.core.lanes import SecondLane
from supervisor.core.protocol import DEFAULT_RUN_DIR, SOCKET_NAME
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.healthcheck import HealthCheck
    from supervisor.core.once import Once
    from supervisor.core.restart_limits import RestartLimits
    from supervisor.core.schedule import Schedule
    from supervisor.core.sockets import DescriptorText, ListenSocket
    from supervisor.core.update_config import UpdateConfig
    from supervisor.core.watch import Watch
    from supervisor.core.web_page import WebPage

Signal = int
"""A signal's number. Where it has a name it is a `signal.Signals`, which has none between SIGRTMIN and SIGRTMAX."""

READY_TIMEOUT = 60.0

InstanceId = tuple[str, int]
"""One running copy of a program: its name, and its number from 1 to `scale`."""


class ProgramType(Enum):
    SERVICE = "service"
    ONESHOT = "oneshot"
    FORKING = "forking"
    """Its command ends and leaves a daemon behind, which is the main process then."""


class Condition(Enum):
    """What a dependency has to reach before its dependant starts."""

    STARTED = "started"
    HEALTHY = "healthy"
    COMPLETED = "completed"


class Dependency(Record):
    program: str
    condition: Condition = Condition.STARTED
    required: bool = True
    """Whether the dependant needs it. If not, it is waited for only while it is on its way up."""
    restart: bool = False
    """Whether the dependant is restarted when somebody restarts the dependency, or an update replaces it."""


class RestartWhen(Enum):
    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "no"


class Restart(Record):
    when: RestartWhen
    limit: int | None = None
    """With ON_FAILURE: restarts in a row, at most. None: no limit."""


class RestartDelay(Record):
    initial: float = 0.1
    max: float = 30.0
    factor: float = 2.0
    reset_after: float = 10.0
    """A run of at least this long resets the delay."""


class ShutdownOn(Enum):
    """Which end of a program, for good, ends the container."""

    FAILURE = "failure"
    EXIT = "exit"
    NEVER = "never"


class Scope(Enum):
    """The processes that a signal is sent to: the main process, its process group, or all of the program's."""

    MAIN = "main"
    GROUP = "group"
    TREE = "tree"


class StopLeftovers(Enum):
    """What is done with processes that are left when the main process has ended during a stop."""

    SIGNAL = "signal"
    """They get the signal of the step and the rest of its wait, then SIGKILL."""
    KILL = "kill"
    """They get SIGKILL at once."""


class SignalStep(Record):
    signal: Signal
    wait: float
    scope: Scope = Scope.MAIN


class WriteStep(Record):
    path: str
    data: bytes
    wait: float


class CommandStep(Record):
    command: tuple[str, ...]
    wait: float


Step = SignalStep | WriteStep | CommandStep | HookStep


class EnvFile(Record):
    """A file of variables, read at each start."""

    path: str
    is_required: bool = True
    is_raw: bool = False
    """Whether its values are literal: without quotes, comments and variables."""


class SecretFile(Record):
    """A variable whose value is read from a file at each start."""

    path: str


class Credentials(Record):
    """The user and groups of a program. `name` and `home` are None for a uid that has no passwd entry."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    name: str | None = None
    home: str | None = None
    names_group: bool = False
    """Whether the table itself names the group, which is then set even where supinit is the user already."""
    added_groups: tuple[int, ...] = ()
    """Those of `groups` that the table itself names."""


class Limit(Record):
    """One resource limit (setrlimit(2)); `resource` is Compose's name, such as "nofile". -1 is unlimited."""

    resource: str
    soft: int
    hard: int


class Readiness(Record):
    """How a program reports that it is ready, other than by its health check and `min_uptime`."""

    notify: str | int | None = None
    """"systemd", the number of s6's notification descriptor, or None."""
    log: str | None = None
    fail_log: str | None = None
    timeout: float | None = None
    """None: 60 s for a service, no limit for a oneshot."""

    @property
    def is_in_output(self) -> bool:
        """Whether it is looked for in the program's output."""
        return self.log is not None or self.fail_log is not None


class LogMode(Enum):
    PREFIX = "prefix"
    RAW = "raw"
    JSON = "json"
    INHERIT = "inherit"
    NONE = "none"


class WhenFull(Enum):
    """What happens to lines while the reader stalls or `rate_limit` is reached."""

    BLOCK = "block"
    """The program waits, as it would without supinit between them."""
    DROP = "drop"
    """They are dropped and counted."""


class LogSettings(Record):
    mode: LogMode = LogMode.PREFIX
    file: str | None = None
    max_size: int = 10 * 1024 * 1024
    """Bytes after which the file is rotated."""
    keep: int = 5
    compress: bool = False
    max_line: int = 64 * 1024
    tail: int = 64 * 1024
    """Bytes of the last output that are kept for `supctl logs`."""
    when_full: WhenFull = WhenFull.BLOCK
    rate_limit: int | None = None
    """Bytes a second of all instances together."""
    redact: tuple[str, ...] = ()
    """Regular expressions. Text that matches is replaced by [redacted]."""
    multiline: str | None = None
    """A regular expression for the first line of a message. Other lines belong to the message before them."""
    redirect_stderr: bool = False
    """Whether stdout and stderr share one pipe, so that their order is kept."""
    flush_after: float | None = 0.2
    """Seconds until a line is shown that has no newline yet; None: it never is."""

    @property
    def pipes(self) -> int:
        return 1 if self.redirect_stderr else 2

    @property
    def passes_by(self) -> bool:
        """Whether its output does not pass through supinit at all."""
        return self.mode is LogMode.INHERIT or (self.mode is LogMode.NONE and self.file is None)


class Program(Record):
    """One entry of the table.

    The order of the fields has a meaning (`core.update`): a change to one before `depends_on` needs a new process, a
    change to `depends_on` or one after it is applied in place.
    """

    name: str
    command: tuple[str, ...]
    kind: ProgramType = ProgramType.SERVICE
    environment: tuple[tuple[str, str | SecretFile | DescriptorText | None], ...] = ()
    """In the table's order. None: the variable is copied from supinit's own environment, if it is set there."""
    env_file: tuple[EnvFile, ...] = ()
    inherit_environment: bool = True
    credentials: Credentials | None = None
    working_dir: str | None = None
    umask: int | None = None
    ulimits: tuple[Limit, ...] = ()
    nice: int | None = None
    oom_score_adj: int | None = None
    cap_add: tuple[str, ...] = ()
    """Capabilities by name, without CAP_, or ALL."""
    cap_drop: tuple[str, ...] = ()
    no_new_privileges: bool = False
    is_main: bool = False
    """Whether it is the main program, which has stdin and the terminal. At most one program is."""
    watchdog: float | None = None
    once: Once | None = None
    pid_file: str | None = None
    depends_on: tuple[Dependency, ...] = ()
    autostart: bool = True
    profiles: tuple[str, ...] = ()
    is_enabled: bool = True
    """Whether it has no profiles, or one of them is active."""
    scale: int = 1
    """With a schedule: the runs that may be under way at the same time."""
    schedule: Schedule | None = None
    update_config: UpdateConfig | None = None
    restart_when: RestartLimits | None = None
    restart: Restart = Restart(RestartWhen.ALWAYS)
    restart_delay: RestartDelay = RestartDelay()
    start_retries: int | None = 10
    min_uptime: float = 1.0
    success_exit_codes: tuple[int, ...] = (0,)
    shutdown_on: ShutdownOn = ShutdownOn.FAILURE
    clear_before_start: tuple[str, ...] = ()
    runtime_directory: tuple[RuntimeDirectory, ...] = ()
    sockets: tuple[ListenSocket, ...] = ()
    """In the order of their descriptors."""
    pre_start: tuple[Hook, ...] = ()
    post_start: tuple[Hook, ...] = ()
    post_stop: tuple[Hook, ...] = ()
    stop: tuple[Step, ...] = (SignalStep(SIGTERM, 10.0),)
    """The stop sequence, never empty, with pre_stop hooks first. SIGKILL to the whole tree follows the last step."""
    stop_leftovers: StopLeftovers = StopLeftovers.SIGNAL
    signals: tuple[tuple[Signal, Signal | None], ...] = ()
    """Pairs of the signal that the container receives and the one that this program gets. None: it gets none."""
    reload: Signal | tuple[str, ...] = SIGHUP
    """A signal to the main process, or a command."""
    watch: tuple[Watch, ...] = ()
    ready: Readiness = Readiness()
    healthcheck: HealthCheck | None = None
    log: LogSettings = LogSettings()
    second_lane: tuple[int, ...] = ()
    """The numbers of the instances that run in their second lane (lanes.py). Not of the table, as the next field."""
    beside: tuple[InstanceId, ...] = ()
    """Processes beside those that serve: new ones that are not up yet, and old ones that are stopping."""

    @property
    def instances(self) -> tuple[InstanceId, ...]:
        """The instances that serve, each in its lane."""
        if self.scale == 1 and not self.second_lane:
            return ((self.name, 1),)  # the common case, on the hot path
        numbers = (SecondLane(n) if n in self.second_lane else n for n in range(1, self.scale + 1))
        return tuple((self.name, number) for number in numbers)

    @property
    def everyone(self) -> tuple[InstanceId, ...]:
        """The instances that serve, and those that come or go beside them."""
        return (*self.instances, *self.beside) if self.beside else self.instances

    @property
    def starts_by_itself(self) -> bool:
        """Whether it starts with the container, without a request."""
        return self.autostart and self.is_enabled

    @property
    def stop_time(self) -> float:
        """Seconds until SIGKILL if no step of the stop sequence helps."""
        return sum(step.wait for step in self.stop)

    @property
    def down_time(self) -> float:
        """Seconds until everything of it is gone, post_stop hooks included, if no step of the stop sequence helps."""
        telling = 0.0 if self.once is None else self.once.tell_time
        return self.stop_time + sum(hook.timeout for hook in self.post_stop) + telling

    @property
    def is_essential(self) -> bool:
        """Whether the container's own health and readiness depend on this program."""
        return self.shutdown_on is not ShutdownOn.NEVER

    @property
    def holds_back_ready(self) -> bool:
        """Whether the container waits for it. A schedule runs when its time has come, so nobody waits for that."""
        return self.is_essential and self.schedule is None

    @property
    def says_when_ready(self) -> bool:
        """Whether it reports itself, or its health check reports, that it is up."""
        return self.healthcheck is not None or self.ready.notify is not None or self.ready.log is not None

    @property
    def is_up_by_uptime(self) -> bool:
        """Whether it becomes RUNNING after `min_uptime`. A oneshot never does: it is up when it has completed."""
        return self.kind is not ProgramType.ONESHOT and not self.says_when_ready

    @property
    def start_patience(self) -> float:
        """Seconds after which a start is over: it becomes RUNNING (`is_up_by_uptime`), or has failed."""
        if self.is_up_by_uptime:
            return self.min_uptime
        if self.ready.timeout is not None:
            return self.ready.timeout
        return inf if self.kind is ProgramType.ONESHOT else READY_TIMEOUT


class OwnLog(Record):
    """The form of supinit's own messages. `level`: debug, info, warning or error."""

    format: str = "plain"
    level: str = "info"


class Settings(Record):
    """The `supervisor:` section.

    The order of the fields has a meaning (`core.update`): those before `shutdown_signals` are used once, at the start.
    """

    run_dir: str = DEFAULT_RUN_DIR
    socket: str | None = None
    """None: control.sock in run_dir."""
    socket_mode: int | None = None
    """None: 0600, or 0660 with a socket_group."""
    socket_group: int | None = None
    metrics_listen: tuple[str, int] | None = None
    web: WebPage | None = None
    start_timeout: float | None = None
    syslog: str | None = None
    """Path of the socket for syslog(3)."""
    shutdown_signals: tuple[Signal, ...] = (SIGTERM, SIGINT, SIGQUIT, SIGPWR, SIGRTMIN + 3)
    drain_delay: float = 0.0
    idle_shutdown: IdleShutdown | None = None
    marker_lease: float | None = None
    shutdown_timeout: float | None = None
    required_environment: tuple[str, ...] = ()
    revision: str | None = None
    log: OwnLog = OwnLog()

    @property
    def socket_path(self) -> str:
        return self.socket if self.socket is not None else f"{self.run_dir}/{SOCKET_NAME}"


class Table(Record):
    """A whole valid configuration. `warnings` are sentences for the operator, each with its position in the file."""

    settings: Settings
    programs: tuple[Program, ...]
    warnings: tuple[str, ...] = ()
