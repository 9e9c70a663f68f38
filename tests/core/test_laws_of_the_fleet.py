"""The laws of all lives together, over random graphs, walks and processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf
from random import Random
from signal import SIGINT, SIGQUIT, SIGTERM

import pytest

from supervisor.core import fleet as fleet_rules
from supervisor.core.container import (
    STEPS,
    Asked,
    Batch,
    ClockSet,
    Closing,
    ContainerPhase,
    ContainerSwept,
    Draining,
    Fault,
    FilesLooked,
    FilesTouched,
    Fleet,
    FleetEvent,
    Happened,
    Over,
    Resumed,
    RollAsked,
    ScaleAsked,
    Serving,
    ShutdownAsked,
    ShuttingDown,
    TimePassed,
    Turn,
    Updated,
)
from supervisor.core.dependencies import meets
from supervisor.core.events import ProcessExited
from supervisor.core.fleet import advance, new_fleet, next_deadline
from supervisor.core.holds import count_holds
from supervisor.core.idle_shutdown import IdleShutdown
from supervisor.core.life import (
    Backoff,
    Claiming,
    Exited,
    Fatal,
    Goal,
    Life,
    Pending,
    Preparing,
    Running,
    Scheduled,
    Spawning,
    Starting,
    Stopping,
    Sweeping,
)
from supervisor.core.plan import Plan, critical_path
from supervisor.core.program import Condition, InstanceId, ProgramType, Settings
from supervisor.core.record import replace
from supervisor.core.restart_limits import RestartLimits
from supervisor.core.snapshot import project
from supervisor.core.stop_sequence import stop_time_left
from supervisor.core.verdict import Cause, Verdict
from supervisor.core.watch import WatchKey

from .chance import SECONDS, every_answer, random_request, random_successor, random_table
from .worlds import World, ignoring_all_but_sigkill, plan_of

PHASES = (Serving, Draining, ShuttingDown, Closing, Over)

SEEDS = range(200)


def _world(seed: int, steps: int = STEPS) -> tuple[World, Random]:
    rng = Random(seed)
    settings = Settings(
        drain_delay=rng.choice((0.0, 2.0)),
        start_timeout=rng.choice((None, 5.0)),
        shutdown_timeout=rng.choice((None, 3.0, 30.0)),
        idle_shutdown=IdleShutdown(20.0, (8080,)) if seed % 3 == 0 else None,
    )
    plan = plan_of(*random_table(rng), settings=settings)
    obeys = {name: tuple(rng.sample((SIGTERM, SIGINT, SIGQUIT), rng.randint(0, 3))) for name in plan.programs}
    unspawnable = {name: ("cannot be started", rng.choice((None, 127))) for name in plan.programs if rng.random() < 0.1}
    skipped = {name: "was done before" for name in plan.programs if rng.random() < 0.1}
    held = {name: rng.choice((0.5, 5.0)) for name in plan.programs if rng.random() < 0.1}
    world = World(plan, obeys=obeys, unspawnable=unspawnable, skipped=skipped, held=held, steps=steps)
    world.is_connected = seed % 2 == 0
    return world.begin(), rng


def _event(world: World, rng: Random) -> FleetEvent:
    if not world.fleet.lives:
        return rng.choice((TimePassed(), ShutdownAsked("SIGTERM")))
    instance = rng.choice(tuple(world.fleet.lives))
    generation = world.fleet.lives[instance].generation
    chance = rng.random()
    if chance < 0.3 and world.pids:
        victim = rng.choice(tuple(world.pids))
        return Happened(victim, world.death(victim, *rng.choice(((0, None), (7, None), (None, SIGTERM)))))
    if chance < 0.6:
        answers = every_answer(rng, generation + rng.choice((0, 0, -1)))
        return Happened(instance, rng.choice([answer for answer in answers if not isinstance(answer, ProcessExited)]))
    if chance < 0.8:
        some = rng.sample(tuple(world.fleet.lives), rng.randint(1, len(world.fleet.lives)))
        return Asked(tuple(some), random_request(rng))
    if chance < 0.81 and world.plan.watches:
        return _about_files(rng.choice(world.plan.watches), rng)
    if chance < 0.815:
        world.memory[instance] = rng.choice((50, 200))
        return TimePassed()
    if chance < 0.82:
        some = rng.sample(tuple(world.fleet.lives), rng.randint(1, len(world.fleet.lives)))
        return RollAsked(tuple(some))
    if chance < 0.83:
        return ScaleAsked(rng.choice(tuple(world.plan.programs)), rng.randint(0, 4))
    if chance < 0.86:
        successor = random_successor(rng, tuple(world.plan.programs.values()))
        return Updated(plan_of(*successor, settings=world.plan.settings))
    if chance < 0.90:
        return rng.choice((Resumed(rng.choice(SECONDS)), ShutdownAsked("SIGTERM"), Fault("a bug"), ContainerSwept()))
    if chance < 0.91:
        world.clock_offset += rng.choice((-20_000.0, -30.0, 0.0, 30.0, 20_000.0))
        return ClockSet()
    return TimePassed()


def _about_files(key: WatchKey, rng: Random) -> FleetEvent:
    problem = rng.choice(("", "", "cannot watch /certs: Permission denied"))
    looked = FilesLooked(key, rng.choice(((), ("tls.crt",))), rng.choice((None, 0.0, 10.0)), problem)
    return rng.choice((FilesTouched((key,)), looked))


def walk(seed: int, steps: int = STEPS) -> Iterator[World]:
    """Yield a world after each event of a random walk."""
    world, rng = _world(seed, steps)
    yield world
    for _ in range(rng.randint(5, 25)):
        deadline = next_deadline(world.fleet)
        late = deadline is not None and rng.random() < 0.5
        time = max(world.now, deadline) if late and deadline is not None else world.now + rng.choice(SECONDS)
        world.tell(_event(world, rng), at=time)
        yield world


def test_several_events_at_once_lead_to_what_each_of_them_leads_to() -> None:
    for seed in SEEDS[::4]:
        rng = Random(seed)
        for world in walk(seed, rng.choice((0, 1, STEPS))):
            events = tuple(_event(world, rng) for _ in range(rng.randint(2, 20)))
            together = advance(world.plan, world.fleet, Batch(events), world.now)
            plan, fleet, turns = world.plan, world.fleet, list[Turn]()
            for event in events:
                turns.append(advance(plan, fleet, event, world.now))
                plan, fleet = turns[-1].plan or plan, turns[-1].fleet
            assert (together.plan or world.plan, together.fleet) == (plan, fleet), (seed, events)
            assert together.orders == tuple(order for turn in turns for order in turn.orders), (seed, events)
            assert together.changes == tuple(change for turn in turns for change in turn.changes), (seed, events)


def _unspawned(world: World) -> list[str]:
    """The instances that wait though there is nothing left to wait for, or wait for what will never come."""
    lives, programs = world.fleet.lives, world.plan.programs
    wrong = []
    for (name, number), life in lives.items():
        if not isinstance(life.phase, Pending) or life.phase.held_until is not None or name in world.fleet.unsettled:
            continue
        missing = []
        for dependency in programs[name].depends_on:
            theirs = [lives[instance] for instance in _waited_for(world, dependency.program)]
            if any(isinstance(their.phase, Fatal) for their in theirs):
                wrong.append(f"{name}:{number} waits for {dependency.program}, which has failed")
            is_enough = any if programs[dependency.program].schedule is not None and theirs else all
            if not is_enough(meets(dependency.condition, their) for their in theirs):
                missing.append(dependency.program)
        if not missing or life.phase.on != tuple(missing):
            wrong.append(f"{name}:{number} waits for {life.phase.on} and lacks {missing}")
    return wrong


def _waited_for(world: World, name: str) -> tuple[InstanceId, ...]:
    """The instances of a program that its dependants wait for: not one that is being replaced, if there are more."""
    instances, roll = world.plan.programs[name].instances, world.fleet.rolls.get(name)
    if roll is None or not roll.is_active:
        return instances
    busy = {each.instance for each in roll.under_way if each.ready_at is None}
    return tuple(instance for instance in instances if instance not in busy) or instances


def _forgotten(world: World) -> list[object]:
    wanted = {i: life for i, life in world.fleet.lives.items() if life.goal is Goal.UP or life.again}
    return [
        life
        for instance, life in wanted.items()
        if not (life.is_alive or isinstance(life.phase, Pending | Preparing | Claiming | Backoff | Exited | Fatal))
        and not (isinstance(life.phase, Scheduled) and _has_a_due_time(world, instance[0]))
    ]


def _has_a_due_time(world: World, name: str) -> bool:
    is_served = isinstance(world.fleet.container_phase, Serving)
    return not is_served or world.fleet.schedules[name].due_at is not None


def _due_though_it_rests(world: World) -> list[str]:
    is_served, lives = isinstance(world.fleet.container_phase, Serving), world.fleet.lives
    return [
        name
        for name, state in world.fleet.schedules.items()
        if state.due_at is not None
        and not (is_served and any(lives[instance].is_wanted for instance in world.plan.programs[name].instances))
    ]


def _busier_than_allowed(world: World) -> list[str]:
    """A schedule never has more runs under way than `max_concurrent`, which an update may have lowered meanwhile."""
    runs: dict[str, int] = {}
    for (name, _), life in world.fleet.lives.items():
        runs[name] = runs.get(name, 0) + life.is_alive
    schedules = ((name, program.schedule) for name, program in world.plan.programs.items())
    return [
        name
        for name, schedule in schedules
        if schedule is not None and name not in world.fleet.leaving and runs.get(name, 0) > schedule.max_concurrent
    ]


def _early_change(world: World) -> object:
    deadline = next_deadline(world.fleet)
    times = [world.now + 1e9] if deadline is None else [t for t in (world.now, deadline - 1e-6) if t < deadline]
    for time in times:
        turn = advance(world.plan, world.fleet, TimePassed(), time)
        if (turn.fleet, turn.orders, turn.changes) != (world.fleet, (), ()):
            return turn
    return None


def _kept_while_going_down(world: World) -> list[object]:
    """What waits or will be started, though the programs are being stopped."""
    if isinstance(world.fleet.container_phase, Serving | Draining):
        return []
    lives = world.fleet.lives.values()
    return [life for life in lives if isinstance(life.phase, Pending | Backoff) or life.goal is Goal.UP or life.again]


def _begun_out_of_turn(world: World) -> list[str]:
    """What has begun to stop though something alive that is to stop, too, depends on it.

    Only the loss of its lease stops at once what is to stop later.
    """
    if world.was_updated:
        return []  # the steps before are those of another graph
    wrong, lives = [], dict(new_fleet(world.plan).lives)
    for change in world.changes:
        name, number = change.instance
        lives[change.instance] = change.after
        was_up, phase = isinstance(change.before.phase, Starting | Running), change.after.phase
        is_killed = isinstance(phase, Stopping) and phase.step_index == len(world.plan.programs[name].stop)
        lost = _lost_its_lease(change.after)
        if not was_up or not isinstance(phase, Stopping) or lost or change.after.goal is Goal.UP or is_killed:
            continue
        if holders := _holders(world.plan, lives, name):
            wrong.append(f"{name}:{number} stops before {holders}")
    return wrong


def _lost_its_lease(life: Life) -> bool:
    """Whether it is stopped because of its lease, which waits for nothing."""
    blame = life.phase.blame if isinstance(life.phase, Stopping) else None
    return blame is not None and "lease" in blame.sentence


def _holders(plan: Plan, lives: Mapping[InstanceId, Life], name: str) -> list[InstanceId]:
    """What is alive, is to stop, and depends on a program directly or through programs that are not running."""
    holders: list[InstanceId] = []
    for dependant in plan.dependants[name]:
        alive = [instance for instance in plan.programs[dependant].instances if lives[instance].is_alive]
        holders += [instance for instance in alive if lives[instance].goal is Goal.DOWN]
        if not alive:
            holders += _holders(plan, lives, dependant)
    return holders


def _miscounted_holds(world: World) -> object:
    expected = {name for name in world.plan.programs if _holders(world.plan, world.fleet.lives, name)}
    counted = count_holds(world.plan, world.fleet.lives)
    return world.fleet.held if world.fleet.held != counted or set(counted) != expected else None


def _rolls_beyond_their_places(world: World) -> list[object]:
    """Rolls with more instances on their way than `parallelism`, or with nothing to wait for."""
    return [
        (name, roll)
        for name, roll in world.fleet.rolls.items()
        if roll.is_active
        and (
            sum(each.takes_a_place for each in roll.under_way) > (roll.config.parallelism or roll.total)
            or not (roll.under_way or any(_is_being_stopped(world.fleet.lives[i]) for i in roll.pending))
            or not isinstance(world.fleet.container_phase, Serving)
        )
    ]


def _is_being_stopped(life: Life) -> bool:
    return life.is_alive and not life.is_wanted


def _strangers(world: World) -> object:
    """Lives that the plan does not know, or the other way round, and entries of instances that there are none of."""
    everyone = set(world.plan.everyone)
    return set(world.fleet.lives) ^ everyone or set(world.plan.entries) - everyone


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(_rolls_beyond_their_places, id="a roll keeps to parallelism, and waits for something"),
        pytest.param(_strangers, id="every instance of the plan has a life, and nothing else has"),
        pytest.param(_unspawned, id="what waits, waits for what it lacks"),
        pytest.param(_forgotten, id="a wanted program is never forgotten"),
        pytest.param(_due_though_it_rests, id="nothing is due of a schedule that rests"),
        pytest.param(_busier_than_allowed, id="a schedule has max_concurrent runs under way at most"),
        pytest.param(_early_change, id="a deadline that has not come changes nothing"),
        pytest.param(_kept_while_going_down, id="nothing is wanted once programs are being stopped"),
        pytest.param(_begun_out_of_turn, id="what is to stop waits for what depends on it and is to stop, too"),
        pytest.param(_miscounted_holds, id="what is held back is counted right"),
    ],
)
@pytest.mark.parametrize("steps", [1, STEPS])
def test_after_every_event_of_a_walk(
    wrong: Callable[[World], object], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a turn can start or stop one program only, and the rest follows in further turns."""
    monkeypatch.setattr(fleet_rules, "STEPS", steps)
    for seed in SEEDS:
        for world in walk(seed, steps):
            assert not wrong(world), (seed, wrong(world), world.fleet)


def _stands(verdict: Verdict | None, after: Verdict | None) -> bool:
    """A verdict stays; but a shutdown that went well until supinit itself has failed did not go well."""
    if verdict is None or after == verdict:
        return True
    return verdict.code == 0 and after == Verdict(Cause.INTERNAL, 70, "a bug")


def test_the_container_phase_only_moves_forward_and_the_verdict_stays() -> None:
    seen: set[type[ContainerPhase]] = set()
    for seed in SEEDS:
        container_phase, verdict = 0, None
        for world in walk(seed):
            fleet = world.fleet
            seen.add(type(fleet.container_phase))
            assert PHASES.index(type(fleet.container_phase)) >= container_phase, seed
            assert _stands(verdict, fleet.verdict), seed
            assert container_phase < PHASES.index(Over) or fleet.verdict == verdict, seed
            assert (fleet.verdict is None) == isinstance(fleet.container_phase, Serving), seed
            container_phase, verdict = PHASES.index(type(fleet.container_phase)), fleet.verdict
    assert seen >= {Serving, Draining, Over}


def _movable(fleet: Fleet) -> Fleet:
    """Return the fleet without what a pause does not move: the times of schedules, and the ages of processes."""
    limits = {name: replace(state, act_at=inf) for name, state in fleet.limits.items()}
    return replace(fleet, schedules={}, limits=limits)


def test_a_pause_moves_the_next_deadline_by_its_length_and_leads_to_nothing() -> None:
    for seed in SEEDS:
        for world in walk(seed):
            deadline = next_deadline(_movable(world.fleet))
            turn = advance(world.plan, world.fleet, Resumed(7.0), world.now + 7.0)
            runs = [life.phase for life in world.fleet.lives.values()]
            renewals = [p for p in runs if isinstance(p, Starting | Running | Stopping | Sweeping) and p.run.lease]
            if renewals:
                continue  # a store counts the time of a lease
            moved = None if deadline is None else pytest.approx(deadline + 7.0)
            after = next_deadline(_movable(turn.fleet))
            assert (after, turn.orders, turn.changes) == (moved, (), ()), seed
            assert turn.fleet.schedules == world.fleet.schedules, (seed, "what is due does not wait for a pause")
            assert advance(world.plan, world.fleet, Resumed(-1.0), world.now).fleet == world.fleet, seed


def test_a_view_that_reuses_parts_of_the_one_before_is_the_same_as_a_new_one() -> None:
    for seed in SEEDS:
        snapshot = None
        for world in walk(seed):
            snapshot = project(world.plan, world.fleet, snapshot)
            assert snapshot == project(world.plan, world.fleet), seed


def test_nothing_is_spawned_once_programs_are_being_stopped() -> None:
    for seed in SEEDS:
        spawned = None
        for world in walk(seed):
            if not isinstance(world.fleet.container_phase, Serving | Draining):
                spawned = len(world.spawned) if spawned is None else spawned
                assert len(world.spawned) == spawned, seed


@pytest.mark.parametrize("patience", ["once", "hurried"])
def test_a_shutdown_ends_in_time_even_if_only_sigkill_works(patience: str) -> None:
    for seed in SEEDS:
        *_, world = walk(seed)
        if not isinstance(world.fleet.container_phase, Serving) or _runs_again(world):
            continue
        world.obeys = ignoring_all_but_sigkill(world.plan)
        begun_at, limit = world.now, critical_path(world.plan)[1]
        limit += _extensions(world)
        timeout = world.plan.settings.shutdown_timeout
        world.tell(ShutdownAsked("SIGTERM"))
        if patience == "hurried":
            world.pass_to(begun_at + 1.1).tell(ShutdownAsked("SIGTERM"))
            limit = min(limit, 1.1)
        world.run_out()
        ended_at = max((time for time, _ in world.deaths), default=0.0)
        assert ended_at <= begun_at + min(limit, timeout if timeout is not None else limit) + 1e-6, seed
        assert world.pids == {}, seed


def _runs_again(world: World) -> bool:
    """Whether somebody has started a dependency again that had completed: the critical path leaves it out."""
    lives, programs = world.fleet.lives, world.plan.programs
    alive = {name for name, program in programs.items() if any(lives[i].is_alive for i in program.everyone)}
    needed = [d for name in alive for d in programs[name].depends_on if d.condition is Condition.COMPLETED]
    return any(dependency.program in alive for dependency in needed)


def _extensions(world: World) -> float:
    """The seconds that stops under way have asked for beyond what their sequences take."""
    programs = world.plan.programs
    lefts = ((programs[i[0]], stop_time_left(programs[i[0]], life, world.now)) for i, life in world.fleet.lives.items())
    return sum(max(0.0, left - program.stop_time) for program, left in lefts)


def test_a_shutdown_begun_by_a_program_ends_in_time_too() -> None:
    """What is being spawned in the very turn in which another program brings the container down is stopped, too."""
    ended = 0
    for seed in range(200):
        rng = Random(seed)
        settings = Settings(shutdown_timeout=2.0)
        plan = plan_of(*random_table(rng), settings=settings)
        culprit = rng.choice(tuple(plan.programs))
        unspawnable = {culprit: ("cannot be started", 127)}
        world = World(plan, obeys=ignoring_all_but_sigkill(plan), unspawnable=unspawnable).begin()
        if isinstance(world.fleet.container_phase, Serving) or world.verdict.code != 127:
            continue
        begun_at = world.now
        world.run_out()
        ended += 1
        assert all(time <= begun_at + 2.0 + 1e-6 for time, _ in world.deaths), seed
    assert ended > 20


def test_during_a_shutdown_a_program_stops_once_nothing_alive_depends_on_it() -> None:
    for seed in SEEDS:
        world, _ = _world(seed)
        if not isinstance(world.fleet.container_phase, Serving):
            continue
        world.changes.clear()
        world.tell(ShutdownAsked("SIGTERM")).run_out()
        assert _out_of_order(world.plan, world) == [], seed


def _below(plan: Plan, name: str) -> set[str]:
    """Everything that a program depends on, through whatever chain."""
    direct = {dependency.program for dependency in plan.programs[name].depends_on}
    return direct.union(*(_below(plan, dependency) for dependency in direct))


def _out_of_order(plan: Plan, world: World) -> list[str]:
    wrong = []
    first = {change.instance: change.before for change in reversed(world.changes)}
    alive = {instance for instance, before in first.items() if before.is_alive}
    for change in world.changes:
        name = change.instance[0]
        is_stop = isinstance(change.after.phase, Stopping) and change.after.phase.blame is None
        begins = is_stop and not isinstance(change.before.phase, Stopping)
        holders = [instance for instance in alive if name in _below(plan, instance[0])]
        if begins and holders and not isinstance(world.fleet.container_phase, Serving):
            wrong.append(f"{name} stops before {holders}")
        if not change.after.is_alive:
            alive.discard(change.instance)
    return wrong


def test_the_code_is_that_of_the_main_programs_last_end() -> None:
    """But no failure ends with 0, and a start that took too long keeps its code."""
    seen: set[tuple[bool, bool]] = set()
    for seed in SEEDS:
        rng = Random(seed)
        first, *others = random_table(rng)
        world = World(plan_of(replace(first, is_main=True, scale=1, autostart=True), *others)).begin()
        for _ in range(20):
            event = _event(world, rng)
            if not isinstance(event, Updated):  # it would take the main program away
                world.tell(event, at=world.now + rng.choice(SECONDS))
        world.tell(ShutdownAsked("SIGTERM was received"))
        begun = world.verdict
        world.run_out()
        last = world.life(first.name).last_exit
        has_failed = begun.code != 0 or begun.cause is Cause.MAIN_ENDED
        own = begun.cause in (Cause.MAIN_ENDED, Cause.START_TIMEOUT, Cause.INTERNAL)
        passed_on = begun.code if own or last is None else last.shell_code or begun.code
        assert world.verdict.code == passed_on, seed
        seen.add((has_failed, last is None))
    assert seen == {(False, False), (False, True), (True, False), (True, True)}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_watch_of_the_table_is_kept_until_a_shutdown_and_no_other(seed: int) -> None:
    for world in walk(seed):
        is_serving = isinstance(world.fleet.container_phase, Serving)
        wanted = list(world.plan.watches) if is_serving else []
        assert sorted(map(repr, world.fleet.files)) == sorted(map(repr, wanted))
        assert world.watched.keys() == world.fleet.files.keys()
        assert not any(state.is_looking for state in world.fleet.files.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_memory_is_measured_only_while_a_process_runs_that_has_a_limit(seed: int) -> None:
    for world in walk(seed):
        is_serving = isinstance(world.fleet.container_phase, Serving)
        programs = world.plan.programs.values()
        limited = {program.name: program.restart_when for program in programs if program.restart_when is not None}
        assert set(world.fleet.limits) == (set(limited) if is_serving else set())
        for name, state in world.fleet.limits.items():
            lives = [world.fleet.lives[i] for i in world.plan.programs[name].instances if i in world.fleet.lives]
            is_measured = limited[name].memory is not None and any(isinstance(life.phase, Running) for life in lives)
            assert is_measured or state.look_at == inf, seed
            assert not state.is_looking, "every measurement is answered"


def _limited_world(seed: int) -> tuple[World, Random]:
    """A world in which every program that may have limits has small ones."""
    rng = Random(seed)
    table = []
    for program in random_table(rng):
        limits = RestartLimits(rng.choice((None, 100)), rng.choice((None, 3.0, 30.0)), 1.0)
        is_limited = program.kind is not ProgramType.ONESHOT and limits != RestartLimits(interval=1.0)
        table.append(replace(program, restart_when=limits if is_limited else None, once=None))
    return World(plan_of(*table)).begin(), rng


def test_a_limit_replaces_one_instance_of_a_program_at_a_time() -> None:
    reasons = set[str]()
    for seed in SEEDS:
        world, rng = _limited_world(seed)
        for _ in range(60):
            world.memory = {instance: rng.choice((50, 200, 200)) for instance in world.fleet.lives}
            deadline = next_deadline(world.fleet)
            world.restarts_due.clear()
            if rng.random() < 0.1:
                world.tell(_event(world, rng), at=world.now + rng.choice((0.0, 0.5)))
            else:
                world.tell(TimePassed(), at=world.now + 1.0 if deadline is None else max(world.now, deadline))
            for _, instance, reason in world.restarts_due:
                reasons.add(reason.split()[1])
                others = [life for i, life in world.fleet.lives.items() if i[0] == instance[0] and i != instance]
                roll = world.fleet.rolls.get(instance[0])
                successors = 0 if roll is None or not roll.is_active else 1
                coming = [life for life in others if isinstance(life.phase, Spawning | Starting | Sweeping)]
                assert len(coming) <= successors, seed
            due = [instance[0] for _, instance, _ in world.restarts_due]
            assert len(due) == len(set(due)), seed
            assert isinstance(world.fleet.container_phase, Serving) or not world.fleet.limits
    assert reasons == {"memory", "has"}


@pytest.mark.parametrize("seed", SEEDS)
def test_only_a_process_that_starts_waits_for_its_reload(seed: int) -> None:
    for world in walk(seed):
        for state in world.fleet.files.values():
            for instance, generation in state.owed:
                life = world.fleet.lives[instance]
                assert (type(life.phase), life.goal, life.generation) == (Starting, Goal.UP, generation)
