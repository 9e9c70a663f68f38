"""The four laws of one life, over random walks of random programs."""

from __future__ import annotations

from math import inf
from random import Random
from signal import SIGKILL

import pytest

from supervisor.core.actions import Action, Claim, RunHooks, SendSignal, Spawn, Sweep, TellStore
from supervisor.core.deadlines import next_deadline, postpone
from supervisor.core.events import (
    DeadlinePassed,
    DependenciesChecked,
    Event,
    HookEnded,
    Hurried,
    LeaseEnded,
    LeaseHeld,
    MainChanged,
    Notified,
    ProcessExited,
    Spawned,
    StartRequested,
    StopAnnounced,
    StopRequested,
    Swept,
)
from supervisor.core.hook import HookKind
from supervisor.core.hook_sequence import GRACE
from supervisor.core.life import (
    Backoff,
    Claiming,
    DaemonSearch,
    Exited,
    Fatal,
    Goal,
    Lease,
    Life,
    Pending,
    Phase,
    Preparing,
    Run,
    Running,
    Scheduled,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.lifecycle import advance
from supervisor.core.program import Program, ProgramType
from supervisor.core.record import Record, replace
from supervisor.core.stop_sequence import KILL_INTERVAL, KILL_LIMIT, stop_time_left

from .chance import SECONDS, every_answer, every_event, random_notice, random_program


class Stop(Record):
    """A place on a walk: a life that has come about by events, and its time."""

    seed: int
    program: Program
    life: Life
    now: float


@pytest.fixture(scope="module")
def stops() -> list[Stop]:
    """Every stop on many random walks. Half of the steps bring the life on, so that all phases are seen."""
    return [stop for seed in range(80) for stop in _walk(seed)]


def _walk(seed: int) -> list[Stop]:
    rng = Random(seed)
    program, life, now = random_program(rng), Life(), 0.0
    path = [Stop(seed, program, life, now)]
    for _ in range(rng.randint(5, 25)):
        offset = rng.choice((0, 0, 0, 0, -1, 1))
        event = _next_for(life) if rng.random() < 0.5 else rng.choice(every_event(rng, life.generation + offset))
        deadline = next_deadline(life)
        now = max(now, deadline) if deadline is not None and rng.random() < 0.5 else now + rng.choice(SECONDS)
        life, _ = advance(program, life, event, now)
        path.append(Stop(seed, program, life, now))
    return path


def _next_for(life: Life) -> Event:
    match life.phase:
        case Stopped() | Exited() | Fatal() | Scheduled():
            return StartRequested()
        case Pending():
            return DependenciesChecked()
        case Spawning():
            return Spawned(life.generation, 100 + life.generation)
        case Starting(run=Run(lease=Lease()), search=None):
            return ProcessExited(life.generation, 0)
        case Starting(waits_for_daemon=True):
            return MainChanged(life.generation, 200)
        case Starting(search=DaemonSearch()):
            return ProcessExited(life.generation, 0)
        case Starting() if next_deadline(life) is None:
            return ProcessExited(life.generation, 0)
        case Running() | Stopping():
            return ProcessExited(life.generation, 0)
        case Preparing(index=index):
            return HookEnded(life.generation, HookKind.PRE_START, index)
        case Claiming():
            return LeaseHeld(life.generation, life.since + 40.0)
        case Sweeping(tells_store=True):
            return LeaseEnded(life.generation)
        case Sweeping(hook=hook, hook_index=index) if hook:
            return HookEnded(life.generation, HookKind.POST_STOP, index)
        case Sweeping():
            return Swept(life.generation)
        case _:
            return DeadlinePassed()


def test_the_walks_see_every_phase(stops: list[Stop]) -> None:
    assert {type(stop.life.phase) for stop in stops} == set(Phase.__args__)


def test_the_walks_see_every_part_of_the_start_of_a_daemon(stops: list[Stop]) -> None:
    seen = [stop.life.phase for stop in stops if stop.program.kind is ProgramType.FORKING]
    starts = [phase for phase in seen if isinstance(phase, Starting)]
    parts = {(phase.search is not None, phase.waits_for_daemon) for phase in starts}
    assert parts == {(True, False), (True, True), (False, False)}


def test_every_event_is_accepted_in_every_phase(stops: list[Stop]) -> None:
    rng = Random(0)
    for stop in stops:
        for event in every_event(rng, stop.life.generation):
            after, actions = advance(stop.program, stop.life, event, stop.now)
            assert isinstance(after, Life), (stop, event)
            assert all(isinstance(action, Action) for action in actions), (stop, event)


def test_an_answer_about_another_process_changes_nothing(stops: list[Stop]) -> None:
    rng = Random(0)
    for stop in stops:
        for generation in (stop.life.generation - 1, stop.life.generation + 1):
            for answer in every_answer(rng, generation):
                assert advance(stop.program, stop.life, answer, stop.now) == (stop.life, ()), (stop, answer)


def test_a_wanted_program_is_never_forgotten(stops: list[Stop]) -> None:
    for stop in stops:
        life = stop.life
        if life.goal is Goal.UP:
            waits = Pending | Preparing | Claiming | Backoff | Exited | Fatal
            scheduled = isinstance(life.phase, Scheduled) and stop.program.schedule is not None
            assert life.is_alive or isinstance(life.phase, waits) or scheduled, stop
        if _has_a_deadline(stop):
            assert next_deadline(life) is not None, stop
        if isinstance(life.phase, Fatal):
            assert life.phase.reason and life.phase.code != 0, stop


def _lease_of(life: Life) -> Lease | None:
    return life.phase.run.lease if isinstance(life.phase, Starting | Running | Stopping | Sweeping) else None


def _has_a_deadline(stop: Stop) -> bool:
    """What has a process is not waited for, but for a oneshot that may take as long as it takes."""
    phase, is_wanted = stop.life.phase, stop.life.goal is Goal.UP
    match phase:
        case Claiming():
            return phase.deadline < inf
        case Starting(run=Run(lease=Lease())) | Running(run=Run(lease=Lease())):
            return True
        case Preparing() | Stopping() | Sweeping() | Backoff():
            return True
        case Starting(search=search) if search is not None:
            return is_wanted or phase.waits_for_daemon
        case Starting():
            return is_wanted and stop.program.start_patience < inf
        case Running():
            return is_wanted and stop.program.watchdog is not None
        case Pending():
            return phase.held_until is not None
        case _:
            return False


def test_what_is_not_wanted_waits_for_nothing(stops: list[Stop]) -> None:
    for stop in stops:
        assert stop.life.goal is Goal.UP or not isinstance(stop.life.phase, Pending | Preparing | Claiming | Backoff), (
            stop
        )


def test_a_process_has_a_pid_and_only_a_process_has_health(stops: list[Stop]) -> None:
    for stop in stops:
        phase = stop.life.phase
        is_between = isinstance(phase, Starting) and phase.waits_for_daemon
        has_process = isinstance(phase, Starting | Running | Stopping) and not is_between
        assert (stop.life.run is not None) == has_process, stop
        assert stop.life.health_state is None or stop.life.run is not None or is_between, stop


@pytest.mark.parametrize(
    "request_", [StopRequested(), StopRequested(3.0), StopRequested(0.0), Hurried()], ids=["stop", "3 s", "0 s", "now"]
)
@pytest.mark.parametrize("main_obeys", [False, True], ids=["main process", "leftovers"])
def test_a_stop_ends_within_its_sequence_even_if_only_sigkill_works(
    stops: list[Stop], request_: Event, main_obeys: bool
) -> None:
    for stop in stops:
        if isinstance(stop.life.phase, Spawning):
            continue
        extended = stop_time_left(stop.program, stop.life, stop.now)
        limit = 0.0 if isinstance(request_, Hurried) else max(stop.program.down_time, extended)
        grace = (GRACE + KILL_INTERVAL) * len(stop.program.post_stop)
        if isinstance(request_, StopRequested) and request_.within is not None:
            limit = min(limit, request_.within)
        life, ended_at = _stubborn_end(stop, request_, main_obeys)
        assert not life.is_alive, stop
        assert ended_at <= stop.now + limit + grace + 1e-6 or _was_at_its_last_step(stop, ended_at), (stop, ended_at)


def _was_at_its_last_step(stop: Stop, ended_at: float) -> bool:
    """SIGKILL had been sent, or the sweep begun, before the stop was asked for: it is only repeated."""
    phase = stop.life.phase
    at_kill = isinstance(phase, Stopping) and phase.step_index == len(stop.program.stop)
    hooks = sum(hook.timeout + GRACE for hook in stop.program.post_stop)
    hooks += 0.0 if stop.program.once is None else stop.program.once.tell_time
    return (at_kill or isinstance(phase, Sweeping)) and ended_at <= stop.now + KILL_INTERVAL + hooks


def _stubborn_end(stop: Stop, request_: Event, main_obeys: bool) -> tuple[Life, float]:
    """Stop a tree that ignores all but SIGKILL, with nothing but the passing of its deadlines.

    `main_obeys`: its main process ends at the first signal, only what it leaves behind is stubborn.
    """
    life, now = stop.life, stop.now
    life, actions = advance(stop.program, life, request_, now)
    for _ in range(20):
        answer: Event
        match actions:
            case (SendSignal(signal=signal), *_) if signal == SIGKILL or main_obeys:
                answer = ProcessExited(life.generation, None, signal)
            case (Sweep(signal=signal), *_) if signal == SIGKILL:
                answer = Swept(life.generation)
            case _:
                deadline = next_deadline(life)
                if not life.is_alive or deadline is None:
                    return life, now
                answer, now = DeadlinePassed(), max(now, deadline)
        life, actions = advance(stop.program, life, answer, now)
    return life, now


def test_a_stop_of_what_is_being_spawned_begins_with_its_process(stops: list[Stop]) -> None:
    for stop in stops:
        if isinstance(stop.life.phase, Spawning):
            life, actions = advance(stop.program, stop.life, StopRequested(), stop.now)
            assert actions == ()
            life, actions = advance(stop.program, life, Spawned(life.generation, 7), stop.now)
            assert isinstance(life.phase, Stopping)
            assert actions


def test_a_deadline_that_has_not_come_changes_nothing(stops: list[Stop]) -> None:
    for stop in stops:
        deadline = next_deadline(stop.life)
        if deadline is None:
            times = [stop.now, stop.now + 1e9]
        else:
            times = [time for time in (stop.now, (stop.now + deadline) / 2, deadline - 1e-6) if time < deadline]
        for time in times:
            assert advance(stop.program, stop.life, DeadlinePassed(), time) == (stop.life, ()), (stop, time)


def test_a_deadline_that_has_come_moves_on(stops: list[Stop]) -> None:
    """Or the loop would spin."""
    for stop in stops:
        life, deadline = stop.life, next_deadline(stop.life)
        if deadline is None:
            continue
        now = max(stop.now, deadline)
        for _ in range(len(stop.program.stop) + 2):
            life, _ = advance(stop.program, life, DeadlinePassed(), now)
            deadline = next_deadline(life)
            if deadline is None or deadline > now:
                break
        else:
            pytest.fail(f"{life} stays where it is at {now}: {stop}")


def test_a_pause_moves_every_deadline_by_its_length_and_nothing_else(stops: list[Stop]) -> None:
    for stop in stops:
        paused, deadline = postpone(stop.life, 7.0), next_deadline(stop.life)
        moved = None if deadline is None else pytest.approx(deadline + 7.0)
        if (lease := _lease_of(stop.life)) is not None:
            assert _lease_of(paused) == lease, stop  # the store counts its time
            continue
        assert next_deadline(paused) == moved, stop
        same = replace(paused, phase=stop.life.phase, health_state=stop.life.health_state)
        assert (same, type(paused.phase), paused.run) == (stop.life, type(stop.life.phase), stop.life.run), stop
        if deadline is not None and deadline > stop.now:
            assert advance(stop.program, paused, DeadlinePassed(), deadline) == (paused, ()), stop


def test_only_what_waits_is_spawned(stops: list[Stop]) -> None:
    for stop in stops:
        _, actions = advance(stop.program, stop.life, DependenciesChecked(), stop.now)
        waits = isinstance(stop.life.phase, Pending) and stop.life.phase.held_until is None
        generation = stop.life.generation + 1
        hooks = stop.program.pre_start[:1]
        leased = stop.program.once is not None
        process: Action = Claim(generation) if leased else Spawn(generation)
        begun: Action = RunHooks(generation, HookKind.PRE_START, 0, hooks) if hooks else process
        assert actions == ((begun,) if waits else ()), stop


def test_a_sweep_is_given_up_after_its_limit(stops: list[Stop]) -> None:
    for stop in stops:
        phase = stop.life.phase
        if isinstance(phase, Sweeping) and not phase.hook and not phase.tells_store and phase.run.lease is None:
            life, late = stop.life, max(phase.deadline, phase.give_up)
            if phase.signal != SIGKILL:
                life, actions = advance(stop.program, life, DeadlinePassed(), late)
                assert actions == (Sweep(life.generation, phase.run.pid),), stop
                late += KILL_LIMIT
            _, actions = advance(stop.program, life, DeadlinePassed(), late)
            would_start = bool(phase.unknown) and life.is_wanted
            assert actions == (Sweep(life.generation, phase.run.pid, final=not would_start),), stop


def test_an_announced_stop_leaves_a_process_alone(stops: list[Stop]) -> None:
    for stop in stops:
        for again in (False, True):
            after, actions = advance(stop.program, stop.life, StopAnnounced(again), stop.now)
            assert (after.run, after.goal, after.again, actions) == (stop.life.run, Goal.DOWN, again, ()), stop


def test_what_is_to_be_started_again_waits_for_its_dependencies_once_it_is_down(stops: list[Stop]) -> None:
    for stop in stops:
        if isinstance(stop.life.phase, Starting | Running | Stopping | Sweeping):
            life, _ = advance(stop.program, stop.life, StopAnnounced(again=True), stop.now)
            ended: Event = StopRequested() if stop.life.run is None else ProcessExited(life.generation, 7)
            life, _ = advance(stop.program, life, ended, stop.now)
            life, actions = advance(stop.program, life, Swept(life.generation), stop.now)
            while isinstance(life.phase, Sweeping):
                done: Event = HookEnded(life.generation, HookKind.POST_STOP, life.phase.hook_index)
                done = LeaseEnded(life.generation) if life.phase.tells_store else done
                life, actions = advance(stop.program, life, done, stop.now)
            assert (life.goal, life.phase, life.again, actions) == (Goal.UP, Pending(), False, ()), stop


def test_what_a_process_says_of_itself_never_makes_it_wanted_or_unwanted(stops: list[Stop]) -> None:
    rng = Random(0)
    for stop in stops:
        for _ in range(3):
            after, _ = advance(stop.program, stop.life, Notified(stop.life.generation, random_notice(rng)), stop.now)
            assert (after.goal, after.again, after.generation) == (
                stop.life.goal,
                stop.life.again,
                stop.life.generation,
            ), stop


# ---- leases


def test_nothing_with_a_store_is_spawned_without_a_lease(stops: list[Stop]) -> None:
    """Whatever happens: only the lease itself leads to a process."""
    rng = Random(0)
    for stop in stops:
        if stop.program.once is None:
            continue
        for event in every_event(rng, stop.life.generation):
            after, actions = advance(stop.program, stop.life, event, stop.now)
            if any(isinstance(action, Spawn) for action in actions):
                assert isinstance(stop.life.phase, Claiming), (stop, event)
                assert isinstance(event, LeaseHeld), (stop, event)
                assert isinstance(after.phase, Spawning), (stop, event)
                assert after.phase.lease is not None, (stop, event)


def test_when_a_lease_is_over_no_run_of_it_is_left_that_was_not_killed(stops: list[Stop]) -> None:
    """With nothing but the passing of deadlines, and a process that ignores all but SIGKILL."""
    seen = 0
    for stop in stops:
        life = stop.life
        lease = _lease_of(life)
        if lease is None or lease.renew_by == inf:
            continue  # there is none, or it is lost already
        if isinstance(life.phase, Sweeping) and (life.phase.signal == SIGKILL or life.phase.tells_store):
            continue
        seen += 1
        end = max(lease.until, stop.now)
        for _ in range(40):
            deadline = next_deadline(life)
            if deadline is None or max(deadline, stop.now) > end + 1e-6:
                break
            life, _ = advance(stop.program, life, DeadlinePassed(), max(deadline, stop.now))
        phase = life.phase
        is_killed = isinstance(phase, Stopping) and phase.step_index == len(stop.program.stop)
        is_swept = isinstance(phase, Sweeping) and (phase.signal == SIGKILL or phase.deadline <= end)
        assert is_killed or is_swept, (stop, life)
    assert seen > 20


def test_a_success_is_told_to_the_store_only_when_it_is_one_and_nothing_of_it_is_left(stops: list[Stop]) -> None:
    rng = Random(0)
    told = 0
    for stop in stops:
        for event in every_event(rng, stop.life.generation):
            _, actions = advance(stop.program, stop.life, event, stop.now)
            for action in actions:
                if isinstance(action, TellStore):
                    phase = stop.life.phase
                    assert isinstance(phase, Sweeping), (stop, event)
                    told += action.succeeded
                    is_own = not phase.asked and phase.blame is None and phase.exit.code == 0
                    assert action.succeeded == is_own, (stop, event)
    assert told
