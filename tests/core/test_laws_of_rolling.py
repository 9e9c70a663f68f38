"""What a rolling restart or update promises while nothing fails, over random configurations."""

from __future__ import annotations

from random import Random

import pytest

from supervisor.core.container import RollAsked
from supervisor.core.program import InstanceId, Program, SignalStep
from supervisor.core.record import replace
from supervisor.core.roll import Outcome
from supervisor.core.update_config import FailureAction, Order, UpdateConfig

from .worlds import World, plan_of


def _program(rng: Random, order: Order) -> Program:
    config = UpdateConfig(
        order=order,
        parallelism=rng.choice((1, 1, 2, 3, 0)),
        delay=rng.choice((0.0, 0.0, 2.0)),
        monitor=rng.choice((0.0, 5.0)),
        failure_action=rng.choice(tuple(FailureAction)),
    )
    stop = (SignalStep(rng.choice((15, 2)), rng.choice((0.0, 3.0))),)
    uptime = rng.choice((0.0, 1.0))
    return Program("web", ("true",), scale=rng.randint(1, 6), update_config=config, stop=stop, min_uptime=uptime)


def _roll(world: World, rng: Random) -> None:
    if rng.random() < 0.5:
        world.tell(RollAsked(world.plan.programs["web"].instances))
    else:
        world.update(replace(world.plan.programs["web"], command=(str(rng.random()),), second_lane=(), beside=()))


def _counts(world: World, before: dict[InstanceId, bool]) -> list[tuple[int, int]]:
    """Return how many instances were up, and how many had a process, after each step."""
    up, alive, counts = dict(before), set(before), []
    for change in world.changes:
        up[change.instance] = change.after.is_up
        alive.add(change.instance) if change.after.is_alive else alive.discard(change.instance)
        counts.append((sum(up.values()), len(alive)))
    return counts


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("seed", range(60))
def test_there_are_never_too_few_or_too_many(seed: int, order: Order) -> None:
    """stop-first: never fewer than N - parallelism are up. start-first: never fewer than N, nor more than N + it."""
    rng = Random(seed)
    world = World(plan_of(_program(rng, order))).begin().pass_to(10.0)
    program = world.plan.programs["web"]
    assert program.update_config is not None
    places = program.update_config.parallelism or program.scale
    for _ in range(2):
        world.changes.clear()
        serving = dict.fromkeys(world.plan.programs["web"].instances, True)
        _roll(world, rng)
        world.pass_to(world.now + 300.0)
        assert world.fleet.rolls["web"].outcome is Outcome.COMPLETED
        counts = _counts(world, serving)
        least, most = min(up for up, _ in counts), max(alive for _, alive in counts)
        if order is Order.STOP_FIRST:
            assert (least >= program.scale - places, most <= program.scale) == (True, True)
        else:
            assert (least >= program.scale, most <= program.scale + places) == (True, True)
        assert len({life.run.pid for life in world.fleet.lives.values() if life.run is not None}) == program.scale
        assert len(world.fleet.lives) == program.scale
