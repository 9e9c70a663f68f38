"""A oneshot that is not run: because it was done before, or because another container is running it."""

from __future__ import annotations

import pytest

from supervisor.core.actions import Spawn
from supervisor.core.deadlines import next_deadline
from supervisor.core.events import (
    OTHER_CONTAINER,
    DeadlinePassed,
    DependenciesChecked,
    DependencyFailed,
    Event,
    Hurried,
    RestartRequested,
    Spawned,
    SpawnHeld,
    SpawnSkipped,
    StartRequested,
    StopAnnounced,
    StopRequested,
)
from supervisor.core.life import Exited, Fatal, Goal, Pending, Spawning, Starting, Stopped
from supervisor.core.program import Condition, Program, ProgramType, Restart, RestartWhen, ShutdownOn
from supervisor.core.record import replace

from .worlds import OneLife, World, plan_of, program

MIGRATE = Program("migrate", ("migrate",), kind=ProgramType.ONESHOT, restart=Restart(RestartWhen.NEVER))


def _spawning() -> OneLife:
    return OneLife(MIGRATE).tell(StartRequested(), DependenciesChecked())


def _held(until: float = 5.0) -> OneLife:
    return _spawning().tell(SpawnHeld(1, until), at=1.0)


def test_what_has_nothing_to_run_has_completed_and_was_up() -> None:
    migrate = _spawning().tell(SpawnSkipped(1, "was done before for abc"), at=1.0)
    assert (migrate.phase, migrate.life.was_up, migrate.life.run) == (Exited("was done before for abc"), True, None)
    assert (migrate.life.last_exit, migrate.actions, migrate.life.is_alive) == (None, (), False)


def test_what_another_container_runs_is_looked_at_again_at_its_time() -> None:
    migrate = _held()
    assert (migrate.phase, next_deadline(migrate.life)) == (Pending(held_until=5.0, held_by=OTHER_CONTAINER), 5.0)
    migrate.now = 4.9
    assert migrate.refuses(DeadlinePassed())
    migrate.tell(DeadlinePassed(), at=5.0)
    assert (migrate.phase, migrate.actions) == (Spawning(was_held=True), (Spawn(2),))
    assert isinstance(migrate.tell(Spawned(2, 100)).phase, Starting)


def test_it_may_be_held_back_again_and_again() -> None:
    migrate = _held().tell(DeadlinePassed(), at=5.0).tell(SpawnHeld(2, 6.0), at=5.0)
    assert migrate.phase == Pending(held_until=6.0, held_by=OTHER_CONTAINER)
    migrate.tell(DeadlinePassed(), at=6.0).tell(SpawnSkipped(3, "was done before"))
    assert migrate.phase == Exited("was done before")


@pytest.mark.parametrize(
    "event", [DependenciesChecked(), DependenciesChecked(("db",)), StartRequested(), RestartRequested()], ids=repr
)
def test_what_is_held_back_is_not_looked_at_before_its_time(event: Event) -> None:
    assert _held().refuses(event)


@pytest.mark.parametrize("event", [StopRequested(), StopAnnounced(), Hurried()], ids=repr)
def test_what_is_held_back_is_down_at_once(event: Event) -> None:
    migrate = _held().tell(event)
    assert (migrate.phase, migrate.life.goal, next_deadline(migrate.life)) == (Stopped(), Goal.DOWN, None)


@pytest.mark.parametrize("answer", [SpawnSkipped(1, "was done before"), SpawnHeld(1, 5.0)], ids=repr)
def test_what_is_not_wanted_any_more_stays_down(answer: Event) -> None:
    migrate = _spawning().tell(StopRequested(), answer)
    assert (migrate.phase, migrate.life.was_up) == (Stopped(), False)


@pytest.mark.parametrize("answer", [SpawnSkipped(1, "was done before"), SpawnHeld(1, 5.0)], ids=repr)
def test_an_answer_that_nobody_waits_for_changes_nothing(answer: Event) -> None:
    assert _spawning().tell(Spawned(1, 100)).refuses(answer)
    assert _spawning().tell(Spawned(1, 100)).end(0, at=1.0).refuses(answer)
    assert _held().tell(DeadlinePassed(), at=5.0).refuses(answer)


def test_what_is_held_back_fails_with_its_dependency() -> None:
    migrate = _held().tell(DependencyFailed("depends on db, which exited with code 1"))
    assert migrate.phase == Fatal("depends on db, which exited with code 1", 1)


def test_a_start_of_what_was_skipped_looks_again() -> None:
    migrate = _spawning().tell(SpawnSkipped(1, "was done before"), StartRequested(), DependenciesChecked())
    assert (migrate.phase, migrate.actions) == (Spawning(), (Spawn(2),))


# ---- in a fleet


WEB = program("web", "migrate", condition=Condition.COMPLETED)


def test_what_waits_for_its_completion_starts_where_there_is_nothing_to_run() -> None:
    world = World(plan_of(MIGRATE, WEB), skipped={"migrate": "was done before"}).begin()
    assert (world.alive, world.pass_to(1.0).fleet.ready_at) == (["web"], 1.0)


def test_what_waits_for_its_completion_waits_while_another_container_runs_it() -> None:
    world = World(plan_of(MIGRATE, WEB), held={"migrate": 0.5}).begin().pass_to(60.0)
    assert (world.alive, world.phase("web"), world.fleet.ready_at) == ([], Pending(("migrate",)), None)
    world.held, world.skipped = {}, {"migrate": "was done before"}
    assert world.pass_to(61.0).alive == ["web"]


def test_what_another_container_runs_is_ours_to_run_once_that_one_has_failed() -> None:
    world = World(plan_of(MIGRATE, WEB), held={"migrate": 0.5}).begin().pass_to(60.0)
    world.held = {}
    assert world.pass_to(61.0).alive == ["migrate"]
    assert world.exits("migrate", 0).alive == ["web"]


def test_a_container_in_which_one_is_held_back_has_not_ended() -> None:
    """Every other program may have: it is still to come."""
    job = replace(MIGRATE, name="job", shutdown_on=ShutdownOn.NEVER)
    world = World(plan_of(MIGRATE, job), held={"migrate": 0.5}).begin().exits("job", 0).pass_to(10.0)
    assert world.fleet.verdict is None
