"""What the API answers, as the dictionaries that it sends: docs/openapi.yaml in types. A test compares the two.

Dates are RFC 3339 in UTC ("2026-01-31T23:59:59.123Z"), amounts of time are seconds, sizes are bytes. A field that does
not apply is None. A newer supinit may send more fields than are listed here; none is ever taken away.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

State = Literal["PENDING", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "STOPPED", "EXITED", "FATAL"]
Health = Literal["none", "starting", "healthy", "unhealthy"]
Goal = Literal["ready", "healthy", "stopped"]
"""What `wait` waits for."""


class LastExit(TypedDict):
    """How the last process ended: with a code or by a signal."""

    at: str
    code: NotRequired[int]
    signal: NotRequired[str]
    """Its name, such as SIGKILL."""
    out_of_memory: NotRequired[Literal[True]]
    """The kernel killed it because memory was short."""


class Socket(TypedDict):
    """A socket that supinit keeps for a program."""

    name: str
    listen: str
    """IP:PORT, [IPv6]:PORT or the path of a Unix socket."""
    type: Literal["stream", "datagram"]
    fd: int
    """Its descriptor in the main process."""


class WatchedFiles(TypedDict):
    """One entry of the program's `watch`."""

    path: str
    action: Literal["reload", "restart"]
    changed_at: str | None
    """When a change was found last."""
    problem: str | None
    """Why a change may be missed."""


class Rolling(TypedDict):
    """A rolling restart or update that is under way or paused."""

    what: Literal["restart", "update", "rollback"]
    state: Literal["running", "paused"]
    replaced: int
    """Instances whose new process was up."""
    instances: int
    """Instances to be replaced."""
    detail: str
    """How far it is; once it is paused, why, and how to go on or give up."""


class NamedRolling(Rolling):
    name: str
    """The program."""


class Entry(TypedDict):
    """One instance of a program."""

    name: str
    instance: int
    type: Literal["service", "oneshot", "forking"]
    state: State
    health: Health
    health_detail: str | None
    """What the last health check said."""
    health_failures: int
    """Failed health checks in a row."""
    pid: int | None
    since: str
    """When it came into this state."""
    uptime_seconds: float | None
    restarts: int
    """Restarts that nobody asked for."""
    last_exit: LastExit | None
    last_lines: list[str]
    """The end of the output of the run that ended last, at most 10 lines."""
    reason: str | None
    """Why it is in this state, where that is not obvious."""
    waiting_for: list[str]
    """The programs that it depends on and that are not there yet; may be empty."""
    starts_again_at: str | None
    status_text: str | None
    """What the process says of itself (STATUS= on its notify socket)."""
    rolling: Rolling | None
    """The rolling restart or update of its program, if one is under way or paused."""
    watch: list[WatchedFiles]
    """What the table watches for it; may be empty."""
    autostart: bool
    """Whether it starts with the container: `autostart`, and its profiles."""
    next_run_at: str | None
    """When the next run of its schedule is due. This and the next three are null without a schedule."""
    last_run: LastRun | None
    runs_skipped: int | None
    """Runs that were due while `max_concurrent` others were running."""
    runs_missed: int | None
    """Runs that could not be started when they were due and are not made up for."""
    sockets: list[Socket]
    """The sockets that supinit keeps for it; may be empty."""
    cpu_seconds: float | None
    """Of its whole process tree, as the next two."""
    memory_bytes: int | None
    processes: int | None


class LastRun(TypedDict):
    """The last run of a schedule that is over, retries included. It has a code or a signal."""

    started_at: str
    duration_seconds: float
    outcome: Literal["succeeded", "failed", "stopped"]
    reason: str | None
    """Why it failed."""
    code: NotRequired[int | None]
    """Null where nothing was started."""
    signal: NotRequired[str]


class End(TypedDict):
    """Why the container ends."""

    cause: str
    code: int
    """supinit's exit code."""
    reason: str
    program: str | None
    """The program that brought the container down."""
    last_lines: str | None
    """The end of its output."""


class Version(TypedDict):
    version: str
    revision: str | None


class Status(Version):
    """The whole container; `programs` has one entry an instance, in the order of the table."""

    pid: int
    started_at: str
    ready: bool
    healthy: bool
    stopping: bool
    verdict: End | None
    last_event_id: int
    """Follow events since this one to stay up to date."""
    programs: list[Entry]


class InstanceName(TypedDict):
    name: str
    instance: int


class Explanation(TypedDict):
    """Why one instance is not up."""

    name: str
    instance: int
    state: State
    health: Health
    why: str
    """One or more sentences, down the chain of dependencies to the cause."""
    causes: list[InstanceName]
    """The instances that the sentences are about, in their order: this one first, the cause last."""
    last_lines: list[str]
    """The end of the cause's output, where it has failed; may be empty."""


class Why(TypedDict):
    """`programs` has one entry for each instance that is not up."""

    up: bool
    programs: list[Explanation]
    rolling: list[NamedRolling]
    """The rolling restarts and updates that are under way or paused; may be empty."""


class Need(TypedDict):
    """A dependency."""

    name: str
    condition: Literal["started", "healthy", "completed"]


class PlannedProgram(TypedDict):
    """One program of the table."""

    name: str
    type: Literal["service", "oneshot", "forking"]
    scale: int
    """How many instances it has."""
    depends_on: list[Need]
    essential: bool
    """Whether the container is ready and healthy only with it."""
    scheduled: bool
    """Whether it runs by a schedule."""
    logs: bool
    """Whether its output comes through supinit."""


class Used(TypedDict):
    """What one instance uses, over its whole process tree."""

    name: str
    instance: int
    cpu_seconds: float
    memory_bytes: int
    processes: int


class Usage(TypedDict):
    """What the instances that have a process use."""

    time: str
    interval_seconds: float
    """When to ask again."""
    programs: list[Used]


class LogLine(TypedDict):
    """One line of a program's output: text in `message`, or the line itself in `data` where it is a JSON object."""

    time: str
    program: str
    instance: int
    stream: Literal["stdout", "stderr"]
    message: NotRequired[str]
    data: NotRequired[dict[str, Any]]


class Event(TypedDict):
    """One event of the log. Each kind has values of its own besides these; docs/operations.md lists them."""

    id: int
    """Ids rise by 1."""
    time: str
    level: Literal["info", "warning", "error"]
    event: str
    """Its name, such as program.exited."""
    program: str | None
    instance: NotRequired[int]
    """Where the program has several."""
    state: NotRequired[State]
    """The instance's state after the event, where it changes one."""
    health: NotRequired[Health]


class Process(TypedDict):
    pid: int
    ppid: int
    """0 where the parent is outside of the container."""
    state: str
    command: list[str]
    cpu_seconds: float
    """Including the children that it has waited for."""
    memory_bytes: int
    """Resident."""


class Branch(TypedDict):
    """The processes of one instance, of supinit itself, of a probe or command, or of nobody. Parents come first."""

    kind: Literal["program", "supinit", "probe", "command", "entered", "orphans"]
    program: str | None
    instance: int | None
    processes: list[Process]


class ProgramChange(TypedDict):
    program: str
    action: Literal["add", "remove", "restart", "change"]
    because: list[str]
    """The keys that changed."""


class SettingsChange(TypedDict):
    changed: list[str]
    needs_new_container: list[str]
    """Keys that changed but are used only when supinit starts."""


class Difference(TypedDict):
    """What an update changes."""

    applied: bool
    """False for a dry run."""
    programs: list[ProgramChange]
    settings: SettingsChange
    unchanged: int
    """Programs that stay as they are."""


class Verdict(TypedDict, total=False):
    """Whether a goal is met. The key is the goal: `ready`, `healthy` or `stopped`."""

    alive: bool
    ready: bool
    healthy: bool
    stopped: bool
    because: list[str]
    """What is in the way, a phrase each; empty if the goal is met."""
