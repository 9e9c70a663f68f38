"""Which sockets are bound, and how long each is needed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from signal import SIGTERM, SIGUSR1

from supervisor.core.container import (
    Asked,
    Draining,
    FleetEvent,
    Happened,
    Serving,
    ShutdownAsked,
    TimePassed,
    Updated,
)
from supervisor.core.events import StartRequested
from supervisor.core.life import Stopping, Sweeping
from supervisor.core.program import Dependency, Program, Settings
from supervisor.core.record import replace
from supervisor.core.sockets import ListenSocket, SocketKey, SocketType, in_use, wanted
from supervisor.core.update import UpdateAction, compare

from .chance import SECONDS, random_request, random_successor, random_table
from .worlds import World, plan_of

HTTP = ListenSocket("http", ("0.0.0.0", 80))
API = ListenSocket("api", "/run/api.sock")
WEB = Program("web", ("web",), sockets=(HTTP, API))


def used(world: World) -> list[str]:
    return sorted(socket.name for _, socket in in_use(world.plan, world.fleet).values())


def test_what_starts_with_the_container_is_bound_before() -> None:
    programs = (
        WEB,
        Program("late", ("x",), autostart=False, sockets=(replace(HTTP, address=("0.0.0.0", 81)),)),
        Program("other", ("x",), is_enabled=False, profiles=("p",), sockets=(HTTP,)),
        Program("none", ("x",), scale=0, sockets=(replace(HTTP, address=("0.0.0.0", 82)),)),
        Program("plain", ("x",)),
    )
    world = World(plan_of(*programs))
    assert [program.name for program in wanted(world.plan, world.fleet)] == ["web"]


def test_a_program_that_was_started_by_hand_has_its_sockets_bound_in_an_update() -> None:
    world = World(plan_of(replace(WEB, autostart=False))).begin()
    assert wanted(world.plan, world.fleet) == ()
    world.ask(StartRequested(), "web")
    assert [program.name for program in wanted(world.plan, world.fleet)] == ["web"]


def test_a_socket_is_kept_while_its_program_is_stopped() -> None:
    world = World(plan_of(WEB)).begin().pass_to(5.0)
    world.stop("web").pass_to(60.0)
    assert world.pids == {}
    assert used(world) == ["api", "http"]


def test_a_socket_that_an_update_removes_is_kept_until_its_program_is_gone() -> None:
    world = World(plan_of(WEB), obeys={"web": (SIGUSR1,)}).begin().pass_to(5.0)
    world.update(replace(WEB, sockets=(HTTP,)))
    assert used(world) == ["api", "http"]
    world.pass_to(60.0)
    assert used(world) == ["http"]
    assert world.pids != {}


def test_a_socket_that_an_update_adds_is_needed_while_the_old_process_is_still_there() -> None:
    world = World(plan_of(replace(WEB, sockets=(HTTP,))), obeys={"web": (SIGUSR1,)}).begin().pass_to(5.0)
    world.update(WEB)
    assert used(world) == ["api", "http"]


def test_in_a_shutdown_a_socket_is_closed_when_the_stop_of_its_program_begins() -> None:
    """What depends on it still has it: nginx passes its last requests on to a server that is still there."""
    app = Program("app", ("app",), sockets=(API,))
    nginx = Program("nginx", ("nginx",), sockets=(HTTP,), depends_on=(Dependency("app"),))
    settings = Settings(drain_delay=5.0)
    world = World(plan_of(app, nginx, settings=settings), obeys={"nginx": (SIGUSR1,), "app": (SIGUSR1,)})
    world.begin().pass_to(5.0)
    world.tell(ShutdownAsked("asked"))
    assert used(world) == ["api", "http"]
    world.pass_to(10.5)
    assert used(world) == ["api"]
    world.pass_to(21.0)
    assert used(world) == []


def test_a_changed_backlog_mode_or_owner_needs_no_new_process() -> None:
    changed = replace(WEB, sockets=(replace(HTTP, backlog=5), replace(API, mode=0o600, uid=1, gid=2)))
    [change] = compare(plan_of(WEB), {}, plan_of(changed)).programs
    assert (change.action, change.because) == (UpdateAction.CHANGE, ("sockets",))


def test_another_address_name_type_or_order_needs_a_new_process() -> None:
    for sockets in (
        (HTTP,),
        (API, HTTP),
        (replace(HTTP, name="web"), API),
        (replace(HTTP, address=("0.0.0.0", 81)), API),
        (replace(HTTP, kind=SocketType.DATAGRAM), API),
    ):
        [change] = compare(plan_of(WEB), {}, plan_of(replace(WEB, sockets=sockets))).programs
        assert (change.action, change.because) == (UpdateAction.RESTART, ("sockets",))


# ---- the laws, over random walks


def with_sockets(rng: Random, programs: tuple[Program, ...]) -> tuple[Program, ...]:
    """Give programs sockets of a few addresses, some of which an update keeps, moves, changes or removes."""
    ports = rng.sample(range(80, 90), 10)
    return tuple(
        replace(
            program,
            sockets=tuple(
                ListenSocket(rng.choice("ab") + str(n), ("0.0.0.0", ports.pop()), backlog=rng.choice((1, 2)))
                for n in range(rng.choice((0, 0, 1)))
            ),
        )
        for program in programs
    )


def walk(seed: int) -> Iterator[World]:
    rng = Random(seed)
    table = with_sockets(rng, random_table(rng))
    obeys = {name: rng.choice(((), (SIGTERM,))) for name in (program.name for program in table)}
    world = World(plan_of(*table, settings=Settings(drain_delay=rng.choice((0.0, 2.0)))), obeys=obeys).begin()
    yield world
    for _ in range(rng.randint(5, 20)):
        event: FleetEvent = TimePassed()
        chance = rng.random()
        if chance < 0.3:
            successor = random_successor(rng, tuple(world.plan.programs.values()))
            event = Updated(plan_of(*with_sockets(rng, successor), settings=world.plan.settings))
        elif chance < 0.5 and world.pids:
            victim = rng.choice(tuple(world.pids))
            event = Happened(victim, world.death(victim, 1))
        elif chance < 0.7 and world.fleet.lives:
            event = Asked((rng.choice(tuple(world.fleet.lives)),), random_request(rng))
        elif chance < 0.75:
            event = ShutdownAsked("SIGTERM")
        world.tell(event, at=world.now + rng.choice(SECONDS))
        yield world


def test_what_a_process_was_started_with_is_kept_until_it_is_gone_or_stops_in_a_shutdown() -> None:
    for seed in range(100):
        given: dict[tuple[str, int, int], set[SocketKey]] = {}
        for world in walk(seed):
            kept = set(in_use(world.plan, world.fleet))
            is_up = isinstance(world.fleet.container_phase, Serving | Draining)
            for (name, number), life in world.fleet.lives.items():
                if life.run is None or (isinstance(life.phase, Stopping | Sweeping) and not is_up):
                    continue
                now = {socket.key for socket in world.plan.program_of((name, number)).sockets}
                assert given.setdefault((name, number, life.generation), now) <= kept, (seed, name, life)


def test_what_is_wanted_before_an_update_applies_is_kept_after_it() -> None:
    for seed in range(100):
        for world in walk(seed):
            if isinstance(world.fleet.container_phase, Serving):
                needed = {socket.key for program in wanted(world.plan, world.fleet) for socket in program.sockets}
                assert needed <= set(in_use(world.plan, world.fleet)), seed


def test_in_the_end_no_socket_is_kept() -> None:
    for seed in range(50):
        *_, world = walk(seed)
        world.tell(ShutdownAsked("SIGTERM"), at=world.now + 1.0)
        world.run_out()
        assert in_use(world.plan, world.fleet) == {}, seed
