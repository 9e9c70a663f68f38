"""The laws of sockets, over random walks: what is needed is kept."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from signal import SIGTERM

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
from supervisor.core.life import Stopping, Sweeping
from supervisor.core.program import Program, Settings
from supervisor.core.record import replace
from supervisor.core.sockets import ListenSocket, SocketKey, in_use, wanted

from .chance import SECONDS, random_request, random_successor, random_table
from .worlds import World, plan_of


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
