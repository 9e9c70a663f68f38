"""The law of events: who has the first status and every event since then has the current status."""

from __future__ import annotations

import pytest

from supervisor.core.log_events import describe_change
from supervisor.core.program import InstanceId
from supervisor.core.snapshot import state_of

from .test_laws_of_the_fleet import SEEDS, walk
from .worlds import World

Followed = dict[InstanceId, tuple[str, str]]
"""The state and the health of each instance."""


def _status(world: World) -> Followed:
    lives = world.fleet.lives
    return {i: (state_of(lives[i]).value, lives[i].health.value) for i in world.plan.instances}


@pytest.mark.parametrize("seed", SEEDS)
def test_events_alone_tell_the_state_and_health_of_every_instance(seed: int) -> None:
    """An update is told by an event of its own, after which a follower reads the status again."""
    followed: Followed | None = None
    for world in walk(seed):
        if followed is None or world.was_updated:
            followed, world.was_updated = _status(world), False
        for change in world.changes:
            program = world.plan.programs.get(change.instance[0])
            for note in describe_change(program, change) if program is not None and not change.is_beside else ():
                assert (note.state, note.health) != (None, None)
                followed[change.instance] = (note.state or "", note.health or "")
        world.changes.clear()
        removed = set(followed) - set(world.plan.instances)
        assert all(followed.pop(instance)[0] in ("STOPPED", "EXITED", "FATAL") for instance in removed)
        assert followed == _status(world)
