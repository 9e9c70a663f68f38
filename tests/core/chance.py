"""Random programs, events and tables for the laws of the core.

`random` and not hypothesis: the laws want tens of thousands of steps a second, and a walk is short enough to be read as
it is. A walk is named by its seed, so a failure can be had again.
"""

from __future__ import annotations

from random import Random
from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM

from supervisor.core.events import (
    BecameReady,
    DaemonMissed,
    DeadlinePassed,
    DependenciesChecked,
    DependencyFailed,
    Event,
    HookEnded,
    Hurried,
    LeaseAwaited,
    LeaseEnded,
    LeaseHeld,
    LookFailed,
    MainChanged,
    Notified,
    Probed,
    ProcessExited,
    Redefined,
    RestartRequested,
    ScheduleResumed,
    SignalRefused,
    Spawned,
    SpawnFailed,
    SpawnHeld,
    SpawnSkipped,
    StartFailed,
    StartRequested,
    StepFailed,
    StopAnnounced,
    StopRequested,
    Swept,
)
from supervisor.core.healthcheck import HealthCheck, OnUnhealthy, TcpProbe
from supervisor.core.hook import Hook, HookKind, HookStep
from supervisor.core.notice import Notice
from supervisor.core.once import Once, Store
from supervisor.core.program import (
    CommandStep,
    Condition,
    Dependency,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartDelay,
    RestartWhen,
    Scope,
    ShutdownOn,
    SignalStep,
    Step,
    StopLeftovers,
    WriteStep,
)
from supervisor.core.record import replace
from supervisor.core.restart_limits import RestartLimits
from supervisor.core.schedule import Schedule
from supervisor.core.update_config import FailureAction, Order, UpdateConfig
from supervisor.core.watch import Watch, WatchAction

ONCE = Once("v1", store=Store("redis://:secret@db/0", "redis://db:6379/0"))

SECONDS = (0.0, 0.05, 0.5, 1.0, 2.0, 7.5, 60.0)


def random_step(rng: Random) -> Step:
    wait = rng.choice(SECONDS)
    match rng.randrange(6):
        case 2:
            return HookStep(Hook(("leave",), timeout=rng.choice((0.5, 7.5))))
        case 0:
            return WriteStep("/run/web.fifo", b"q", wait)
        case 1:
            return CommandStep(("web", "quit"), wait)
        case _:
            return SignalStep(rng.choice((SIGTERM, SIGINT, SIGQUIT, SIGKILL)), wait, rng.choice(tuple(Scope)))


def random_hooks(rng: Random) -> tuple[Hook, ...]:
    return tuple(Hook(("hook",), timeout=rng.choice((0.5, 7.5, 60.0))) for _ in range(rng.choice((0, 0, 0, 1, 2))))


def random_healthcheck(rng: Random) -> HealthCheck:
    return HealthCheck(
        TcpProbe("127.0.0.1", 8000),
        interval=rng.choice((0.5, 30.0)),
        retries=rng.choice((1, 3)),
        start_period=rng.choice((0.0, 20.0)),
        start_interval=rng.choice((0.5, 5.0)),
        on_unhealthy=rng.choice(tuple(OnUnhealthy)),
    )


def random_schedule(rng: Random) -> Schedule:
    timed = {"cron": rng.choice(("10", "60"))} if rng.random() < 0.5 else {"interval": rng.choice((0.5, 7.5, 60.0))}
    return Schedule(
        **timed,
        run_on_start=rng.random() < 0.5,
        max_concurrent=rng.choice((1, 1, 2)),
        starting_deadline=rng.choice((None, 0.05, 30.0)),
    )


def random_update_config(rng: Random) -> UpdateConfig:
    return UpdateConfig(
        order=rng.choice(tuple(Order)),
        parallelism=rng.choice((1, 1, 2, 0)),
        delay=rng.choice((0.0, 0.0, 2.0)),
        monitor=rng.choice((0.0, 5.0)),
        failure_action=rng.choice(tuple(FailureAction)),
    )


def random_program(rng: Random, name: str = "web", depends_on: tuple[Dependency, ...] = ()) -> Program:
    kind = rng.choice(tuple(ProgramType))
    schedule = random_schedule(rng) if kind is ProgramType.ONESHOT and rng.random() < 0.5 else None
    return Program(
        name,
        (name,),
        kind=kind,
        schedule=schedule,
        depends_on=depends_on,
        autostart=rng.random() < 0.8,
        scale=rng.choice((1, 1, 1, 2, 2, 0, 4)) if schedule is None else schedule.max_concurrent,
        update_config=rng.choice((None, random_update_config(rng))),
        restart=Restart(rng.choice(tuple(RestartWhen)), rng.choice((None, None, 0, 1, 3))),
        restart_delay=RestartDelay(
            initial=rng.choice((0.0, 0.1, 5.0)),
            max=rng.choice((0.0, 30.0)),
            factor=rng.choice((1.0, 2.0)),
            reset_after=rng.choice((0.0, 10.0)),
        ),
        start_retries=rng.choice((None, 0, 1, 3)),
        min_uptime=rng.choice((0.0, 1.0)),
        shutdown_on=rng.choice((*ShutdownOn, ShutdownOn.NEVER, ShutdownOn.NEVER)),
        pre_start=random_hooks(rng),
        post_start=random_hooks(rng),
        post_stop=random_hooks(rng),
        stop=tuple(random_step(rng) for _ in range(rng.randint(1, 3))),
        stop_leftovers=rng.choice(tuple(StopLeftovers)),
        ready=Readiness(
            notify=rng.choice((None, None, "systemd", 3)),
            log=rng.choice((None, None, "up")),
            timeout=rng.choice((None, 0.0, 5.0, 60.0)),
        ),
        watchdog=rng.choice((None, None, 0.5, 30.0)),
        pid_file=rng.choice((None, "/run/web.pid")),
        once=rng.choice((None, ONCE, ONCE)) if kind is ProgramType.ONESHOT else None,
        healthcheck=rng.choice((None, random_healthcheck(rng))),
        watch=random_watches(rng),
        restart_when=random_limits(rng) if kind is not ProgramType.ONESHOT else None,
    )


def random_limits(rng: Random) -> RestartLimits | None:
    limits = RestartLimits(rng.choice((None, 100)), rng.choice((None, 5.0, 60.0)), rng.choice((1.0, 30.0)))
    return None if limits.memory is None and limits.age is None else rng.choice((None, limits))


def random_watches(rng: Random) -> tuple[Watch, ...]:
    paths = rng.sample(("/certs", "/conf"), rng.choice((0, 0, 1, 2)))
    return tuple(Watch(path, rng.choice(tuple(WatchAction)), rng.choice((0.0, 0.5, 5.0))) for path in paths)


def random_table(rng: Random, largest: int = 6) -> tuple[Program, ...]:
    """Return programs whose dependencies have no cycle, in an order that is not that of the graph."""
    names = [f"p{number}" for number in range(rng.randint(1, largest))]
    table = []
    for number, name in enumerate(names):
        needs = rng.sample(names[:number], rng.randint(0, min(3, number)))
        table.append(random_program(rng, name, tuple(Dependency(need, rng.choice(tuple(Condition))) for need in needs)))
    rng.shuffle(table)
    return tuple(table)


def random_successor(rng: Random, table: tuple[Program, ...]) -> tuple[Program, ...]:
    """Return another table: of each program that is in both, the same entry, one with a new stop, or another one."""
    before = {program.name: program for program in table}
    after = []
    for program in random_table(rng):
        old = before.get(program.name)
        if old is not None and rng.random() < 0.7:
            scale = rng.choice((old.scale, old.scale, program.scale)) if old.schedule is None else old.scale
            stop = rng.choice((old.stop, old.stop, program.stop))
            check = rng.choice((old.healthcheck, old.healthcheck, program.healthcheck))
            autostart = rng.choice((old.autostart, old.autostart, program.autostart))
            watch = rng.choice((old.watch, old.watch, program.watch))
            program = replace(
                old,
                command=rng.choice((old.command, old.command, ("another",))),
                depends_on=program.depends_on,
                autostart=autostart,
                scale=scale,
                stop=stop,
                healthcheck=check,
                watch=watch,
                restart_when=rng.choice((old.restart_when, old.restart_when, program.restart_when)),
            )
        after.append(program)
    return tuple(after)


def random_notice(rng: Random) -> Notice:
    return Notice(
        ready=rng.random() < 0.4,
        reloading=rng.random() < 0.2,
        stopping=rng.random() < 0.2,
        status=rng.choice((None, None, "", "serving")),
        is_alive=rng.random() < 0.4,
        is_stuck=rng.random() < 0.1,
        extend_by=rng.choice((None, None, 0.5, 100.0)),
    )


def random_request(rng: Random) -> Event:
    """Return what an operator may ask of an instance."""
    return rng.choice((StartRequested(), StopRequested(), StopRequested(2.0), RestartRequested()))


def every_event(rng: Random, generation: int) -> tuple[Event, ...]:
    """Return one event of each kind, as an answer about `generation` where it is an answer."""
    return (
        StartRequested(),
        ScheduleResumed(),
        StopRequested(rng.choice((None, -1.0, *SECONDS))),
        StopAnnounced(),
        StopAnnounced(again=True),
        RestartRequested(),
        Hurried(),
        DependenciesChecked(rng.choice(((), ("db",), ("db", "cache")))),
        DependencyFailed("depends on db, which exited with code 1"),
        Redefined(rng.random() < 0.5),
        DeadlinePassed(),
        *every_answer(rng, generation),
    )


def every_answer(rng: Random, generation: int) -> tuple[Event, ...]:
    """Return one event of each kind that names its process."""
    return (
        Spawned(generation, rng.randint(2, 9), rng.random()),
        SpawnFailed(generation, "cannot be started", rng.choice((None, 126, 127)), rng.random()),
        SpawnSkipped(generation, "was done before"),
        SpawnHeld(generation, rng.choice((0.0, 1.0, 100.0))),
        LeaseAwaited(generation, "another container is running it"),
        LeaseHeld(generation, rng.choice((0.0, 5.0, 40.0, 1000.0))),
        LeaseEnded(generation, "taken over", rng.random()),
        BecameReady(generation),
        Notified(generation, random_notice(rng)),
        MainChanged(generation, rng.randint(200, 209)),
        DaemonMissed(generation, rng.choice(("no pid file", "two processes are left"))),
        StartFailed(generation, "came up broken"),
        Probed(generation, rng.random() < 0.5, "refused"),
        StepFailed(generation, rng.randint(0, 4)),
        SignalRefused(generation),
        LookFailed(generation, rng.choice(("", "cannot read /proc"))),
        HookEnded(
            generation, rng.choice(tuple(HookKind)), rng.randint(0, 2), rng.choice((None, "hook failed")), rng.random()
        ),
        ProcessExited(generation, *rng.choice(((0, None), (7, None), (None, SIGTERM), (None, SIGKILL)))),
        Swept(generation, rng.random()),
    )
