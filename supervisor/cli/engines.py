"""`supinit --check --engine NAME`: the settings of a container engine that fit a table.

Rule 1: a grace period is longer than the worst case of a shutdown, by RESERVE, since machines are busy when they stop
        many containers.
Rule 2: a readiness probe notices the end of readiness before the drain is over.
Rule 3: a start may take longer than supinit's own limit, so that supinit's reason is seen.
"""

from __future__ import annotations

from math import ceil

from supervisor.core.plan import critical_path
from supervisor.core.program import Settings
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.core.plan import Plan

ENGINES = ("compose", "ecs", "kubernetes", "nomad")
RESERVE = 10.0
"""Seconds by which a grace period exceeds the worst case, at least."""
STEP = 10
"""Grace periods are multiples of this."""
START = 60
"""Seconds for a start without start_timeout."""
MOST_ECS_STOP = 120
MOST_ECS_START = 300
NOMAD_KILL = 30
"""The default of a Nomad client's max_kill_timeout."""
_PACES = ((5.0, 2, 2), (3.0, 1, 2), (2.0, 1, 1))
"""The drain, in seconds, with the period and the failures that a readiness probe of one second may have then."""


class Numbers(Record):
    """The numbers that follow from a table, in seconds."""

    worst_case: float
    grace: int
    start: int
    has_start_timeout: bool
    drain: float
    period: int
    failures: int
    port: int | None
    """The port of a listener that others can reach, or None."""
    run_dir: str
    socket: str | None
    """The path of the control socket if it is not in run_dir."""

    @property
    def notices_drain(self) -> bool:
        return self.drain >= _PACES[-1][0]

    def supctl(self, *words: str) -> str:
        """Return a supctl command as a flow sequence, for an engine that does not know run_dir."""
        socket = self.socket or (f"{self.run_dir}/control.sock" if self.run_dir != Settings().run_dir else None)
        return ", ".join(("supctl", *(("-s", socket) if socket else ()), *words))


def numbers_of(plan: Plan) -> Numbers:
    settings = plan.settings
    worst = critical_path(plan)[1]
    if settings.shutdown_timeout is not None:
        worst = min(worst, settings.shutdown_timeout)
    _, period, failures = next((pace for pace in _PACES if settings.drain_delay >= pace[0]), _PACES[0])
    listen = settings.metrics_listen
    is_reachable = listen is not None and listen[0] not in ("127.0.0.1", "::1", "localhost")
    return Numbers(
        worst_case=worst,
        grace=ceil((worst + RESERVE) / STEP) * STEP,
        start=START if settings.start_timeout is None else ceil(settings.start_timeout) + 5,
        has_start_timeout=settings.start_timeout is not None,
        drain=settings.drain_delay,
        period=period,
        failures=failures,
        port=listen[1] if listen is not None and is_reachable else None,
        run_dir=settings.run_dir,
        socket=settings.socket,
    )


def snippet(engine: str, plan: Plan) -> Iterator[str]:
    """Yield the lines of the snippet for one of ENGINES."""
    numbers = numbers_of(plan)
    makers = {"compose": _compose, "ecs": _ecs, "kubernetes": _kubernetes, "nomad": _nomad}
    yield f"# The worst case of a shutdown is {numbers.worst_case:g}s, and a start may take {numbers.start}s."
    if not numbers.has_start_timeout:
        yield f"# {START}s is a guess: set supervisor.start_timeout to the longest start."
    if engine in ("kubernetes", "nomad") and not numbers.notices_drain:
        yield f"# drain_delay is {numbers.drain:g}s. With less than 2s, requests arrive after the shutdown has begun."
    yield from makers[engine](numbers)


def _compose(numbers: Numbers) -> Iterator[str]:
    yield "services:"
    yield "  app:"
    yield f"    stop_grace_period: {numbers.grace}s"
    yield "    healthcheck:"
    yield f"      test: [CMD, {numbers.supctl('healthcheck')}]"
    yield "      interval: 10s"
    yield "      timeout: 5s"
    yield "      retries: 3"
    yield f"      start_period: {numbers.start}s"


def _kubernetes(numbers: Numbers) -> Iterator[str]:
    ready = f"exec: {{command: [test, -f, {numbers.run_dir}/ready]}}"
    yield "spec:"
    yield f"  terminationGracePeriodSeconds: {numbers.grace}"
    yield "  containers:"
    yield "    - name: app"
    if numbers.port is not None:
        yield "      ports:"
        yield f"        - {{name: metrics, containerPort: {numbers.port}}}"
    yield "      startupProbe:"
    yield f"        {ready}"
    yield "        periodSeconds: 1"
    yield f"        failureThreshold: {numbers.start}"
    yield "      readinessProbe:"
    yield f"        {'httpGet: {path: /readyz, port: metrics}' if numbers.port is not None else ready}"
    yield f"        periodSeconds: {numbers.period}"
    yield "        timeoutSeconds: 1"
    yield f"        failureThreshold: {numbers.failures}"
    yield "      livenessProbe:"
    yield f"        exec: {{command: [{numbers.supctl('version')}]}}"
    yield "        periodSeconds: 10"
    yield "        timeoutSeconds: 5"
    yield "        failureThreshold: 3"


def _ecs(numbers: Numbers) -> Iterator[str]:
    if numbers.grace > MOST_ECS_STOP:
        most = MOST_ECS_STOP - int(RESERVE)
        yield f"# Fargate stops after {MOST_ECS_STOP}s at most: set supervisor.shutdown_timeout to {most}s or less."
    yield "ContainerDefinitions:"
    yield "  - Name: app"
    yield f"    StopTimeout: {min(numbers.grace, MOST_ECS_STOP)}"
    yield "    HealthCheck:"
    yield f"      Command: [CMD, {numbers.supctl('healthcheck')}]"
    yield "      Interval: 10"
    yield "      Timeout: 5"
    yield "      Retries: 3"
    yield f"      StartPeriod: {min(numbers.start, MOST_ECS_START)}"
    yield "    LinuxParameters:"
    yield "      InitProcessEnabled: false"


def _nomad(numbers: Numbers) -> Iterator[str]:
    if numbers.grace > NOMAD_KILL:
        yield f"# The client's max_kill_timeout is {NOMAD_KILL}s by default: raise it to {numbers.grace}s."
    yield 'task "app" {'
    yield '  kill_signal  = "SIGTERM"'
    yield f'  kill_timeout = "{numbers.grace}s"'
    yield ""
    yield "  service {"
    if numbers.port is None:
        yield "    # set supervisor.metrics.listen to an address that Nomad reaches, for a check on /readyz"
    else:
        yield "    check {"
        yield '      type     = "http"'
        yield '      port     = "metrics" # of the network, to = ' + str(numbers.port)
        yield '      path     = "/readyz"'
        yield f'      interval = "{numbers.period}s"'
        yield '      timeout  = "1s"'
        yield "    }"
    yield "  }"
    yield "}"
