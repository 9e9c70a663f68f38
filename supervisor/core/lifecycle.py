"""The life of one instance: the table (goal × phase, event → phase, actions), as a total function that never raises.

Rule 1: every event is accepted in every phase; one that means nothing there changes nothing.
Rule 2: a wanted program is never forgotten: it is alive, being spawned, waiting for a named thing, has a deadline, or
        has ended for good with a reason.
Rule 3: a stop always ends, at the latest with SIGKILL at the end of its stop sequence (ladder.py).
Rule 4: a deadline that has not come changes nothing.
"""

from __future__ import annotations

from math import inf
from signal import SIGKILL

from supervisor.core.actions import RunProbe, Spawn, Sweep
from supervisor.core.events import (
    BecameReady,
    DeadlinePassed,
    DependenciesChecked,
    DependencyFailed,
    Event,
    Hurried,
    MainChanged,
    Notified,
    Probed,
    ProcessExited,
    Redefined,
    RestartRequested,
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
from supervisor.core.health import Health, begin_health_checks, note_probe, start_probe
from supervisor.core.life import (
    Backoff,
    Blame,
    Exit,
    Exited,
    Fatal,
    Goal,
    Life,
    Pending,
    Run,
    Running,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.program import OnUnhealthy, Program, ProgramType
from supervisor.core.record import assert_never, replace
from supervisor.core.restart_policy import is_exhausted, restart_delay, run_sentence, wants_restart
from supervisor.core.stop_sequence import (
    KILL_INTERVAL,
    Transition,
    begin_stop,
    enter,
    extend,
    has_killed,
    shorten,
    skip_step,
    take_step,
)

SWEEP_LIMIT = 10.0
"""Seconds after which what not even SIGKILL removes (a process in uninterruptible sleep) is left behind."""
RELOADING = "reloading"
"""What a process is taken to say that reloads without words of its own, until it is ready again (sd_notify(3))."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.notice import Notice


def advance(program: Program, life: Life, event: Event, now: float) -> Transition:
    """Return the life after `event`, and what must be done now.

    The actions are in order. `now` never runs backwards; it may be later than any number of deadlines.
    """
    match event:
        case StartRequested():
            return _start(program, replace(life, goal=Goal.UP, again=False), now)
        case RestartRequested():
            return _restart(program, replace(life, goal=Goal.UP, again=False), now)
        case StopRequested(within):
            within = None if within is None else max(0.0, within)
            return _stop(program, replace(life, goal=Goal.DOWN), within, now)
        case StopAnnounced(again):
            return _retire(replace(life, goal=Goal.DOWN, again=again), now)
        case Hurried():
            return _kill(program, replace(life, goal=Goal.DOWN, again=False), now)
        case DependenciesChecked(missing):
            return _check_dependencies(life, missing, now)
        case DependencyFailed(reason):
            return _fail_waiting(life, reason, now)
        case DeadlinePassed():
            return _pass_deadline(program, life, now)
        case Redefined(has_new_check):
            return _redefine(program, life, has_new_check, now), ()
        case Spawned(generation, pid) if generation == life.generation:
            return _note_spawned(program, life, pid, now)
        case SpawnFailed(generation, reason, code, jitter) if generation == life.generation:
            return _note_spawn_failed(program, life, Blame(reason), code, jitter, now)
        case SpawnSkipped(generation, reason) if generation == life.generation:
            return _note_skipped(life, reason, now), ()
        case SpawnHeld(generation, until, reason) if generation == life.generation:
            return _note_held(life, until, reason, now), ()
        case BecameReady(generation) if generation == life.generation:
            return _note_ready(program, life, now)
        case Notified(generation, notice) if generation == life.generation:
            return _note_notice(program, life, notice, now)
        case MainChanged(generation, pid) if generation == life.generation:
            return _note_main(life, pid), ()
        case StartFailed(generation, reason) if generation == life.generation:
            return _blame(program, life, Blame(reason), now) if isinstance(life.phase, Starting) else (life, ())
        case Probed(generation, passed, detail) if generation == life.generation:
            return _note_probe(program, life, passed, detail, now)
        case StepFailed(generation, step_index) if generation == life.generation:
            return skip_step(program, life, step_index, now)
        case ProcessExited(generation, code, signal, short) if generation == life.generation:
            out_of_memory = short and signal == SIGKILL and not has_killed(program, life)
            return _note_exit(life, Exit(code, signal, now, out_of_memory), now)
        case Swept(generation, jitter) if generation == life.generation:
            return _note_swept(program, life, jitter, now)
        case Spawned() | SpawnFailed() | SpawnSkipped() | SpawnHeld() | BecameReady() | Notified() | MainChanged():
            return life, ()
        case StartFailed() | Probed() | StepFailed() | ProcessExited() | Swept():
            return life, ()
        case _:
            assert_never(event)


def next_deadline(life: Life) -> float | None:
    """Return the time at which DeadlinePassed will change something, unless something else does before."""
    match life.phase:
        case Starting(deadline=deadline):
            return _unless_never(min(deadline, _probe_due(life)))
        case Running(silent_until=silent_until):
            return _unless_never(min(inf if silent_until is None else silent_until, _probe_due(life)))
        case Pending(held_until=held_until):
            return held_until
        case Stopping(deadline=deadline) | Sweeping(deadline=deadline) | Backoff(until=deadline):
            return deadline
        case Stopped() | Spawning() | Exited() | Fatal():
            return None
        case _:
            assert_never(life.phase)


def _unless_never(deadline: float) -> float | None:
    return deadline if deadline < inf else None


# ---- what somebody asked for


def _start(program: Program, life: Life, now: float) -> Transition:
    match life.phase:
        case Stopped() | Exited() | Fatal():
            return enter(replace(life, failures=0, attempts=0), Pending(now), now), ()
        case Backoff():
            return enter(life, Pending(now), now), ()
        case Stopping() | Sweeping():
            return _expect_again(life), ()
        case Starting() | Running():
            return _watch_again(program, life, now), ()
        case Pending() | Spawning():
            return life, ()
        case _:
            assert_never(life.phase)


def _watch_again(program: Program, life: Life, now: float) -> Life:
    """Give back the deadline that it lost while it was to be stopped."""
    match life.phase:
        case Starting(deadline=deadline) if deadline == inf > program.start_patience:
            return replace(life, phase=replace(life.phase, deadline=now + program.start_patience))
        case Running(silent_until=None) if program.watchdog is not None:
            return replace(life, phase=replace(life.phase, silent_until=now + program.watchdog))
        case _:
            return life


def _expect_again(life: Life) -> Life:
    """Spawn anew once the process is gone, whatever it was stopped for."""
    match life.phase:
        case Stopping():
            return replace(life, phase=replace(life.phase, blame=None))
        case Sweeping():
            return replace(life, phase=replace(life.phase, asked=True, blame=None))
        case _:
            return life


def _restart(program: Program, life: Life, now: float) -> Transition:
    match life.phase:
        case Starting(run=run) | Running(run=run):
            return begin_stop(program, life, run, None, None, now)
        case _:
            return _start(program, life, now)


def _stop(program: Program, life: Life, within: float | None, now: float) -> Transition:
    match life.phase:
        case Starting(run=run) | Running(run=run):
            return begin_stop(program, life, run, within, None, now)
        case Stopping():
            return shorten(program, life, life.phase, within, now), ()
        case _:
            return _retire(life, now)


def _retire(life: Life, now: float) -> Transition:
    match life.phase:
        case Pending() | Backoff():
            return enter(life, Stopped(), now), ()
        case Stopped() | Exited() | Fatal() | Spawning() | Starting() | Running() | Stopping() | Sweeping():
            return life, ()
        case _:
            assert_never(life.phase)


def _kill(program: Program, life: Life, now: float) -> Transition:
    match life.phase:
        case Starting(run=run) | Running(run=run):
            life, _ = begin_stop(program, life, run, None, None, now)
            return _kill(program, life, now)
        case Stopping(step_index=step_index) if step_index < len(program.stop):
            return take_step(program, life, life.phase, len(program.stop), now)
        case _:
            return _retire(life, now)


def _redefine(program: Program, life: Life, has_new_check: bool, now: float) -> Life:
    """Measure a process by another entry. A health check that has changed is asked at once."""
    match life.phase:
        case Starting(run=run, deadline=deadline, is_ready=False) if deadline < inf:
            life = replace(life, phase=replace(life.phase, deadline=run.since + program.start_patience))
        case Starting() | Running():
            pass
        case _:
            return life
    if not has_new_check:
        return life
    if program.healthcheck is None:
        return replace(life, health_state=None)
    if life.health_state is None:
        return replace(life, health_state=begin_health_checks(now))
    is_under_way = life.health_state.due is None
    return replace(life, health_state=replace(life.health_state, failures=0, due=None if is_under_way else now))


# ---- what the dependencies say


def _check_dependencies(life: Life, missing: tuple[str, ...], now: float) -> Transition:
    if not isinstance(life.phase, Pending) or life.goal is Goal.DOWN or life.phase.held_until is not None:
        return life, ()
    if missing:
        return replace(life, phase=replace(life.phase, on=missing)), ()
    return _ask_spawn(life, Spawning(), now)


def _ask_spawn(life: Life, phase: Spawning, now: float) -> Transition:
    generation = life.generation + 1
    return enter(replace(life, generation=generation, status_text=""), phase, now), (Spawn(generation),)


def _fail_waiting(life: Life, reason: str, now: float) -> Transition:
    if not isinstance(life.phase, Pending):
        return life, ()
    return enter(life, Fatal(reason, 1), now), ()


# ---- what the process does


def _note_spawned(program: Program, life: Life, pid: int, now: float) -> Transition:
    if not isinstance(life.phase, Spawning):
        return life, ()
    run = Run(pid, since=now)
    if program.healthcheck is not None:
        life = replace(life, health_state=begin_health_checks(now))
    if life.goal is Goal.DOWN:
        return begin_stop(program, life, run, None, None, now)
    life = enter(life, Starting(run, deadline=now + program.start_patience), now)
    return _pass_deadline(program, life, now)


def _note_spawn_failed(
    program: Program, life: Life, blame: Blame, code: int | None, jitter: float, now: float
) -> Transition:
    if not isinstance(life.phase, Spawning):
        return life, ()
    if life.goal is Goal.DOWN:
        return enter(life, Stopped(), now), ()
    if code is not None:
        return enter(life, Fatal(blame.sentence, code), now), ()
    return _end_run(program, replace(life, failures=life.failures + 1), None, blame, jitter, now), ()


def _note_skipped(life: Life, reason: str, now: float) -> Life:
    if not isinstance(life.phase, Spawning):
        return life
    if life.goal is Goal.DOWN:
        return enter(life, Stopped(), now)
    return enter(replace(life, was_up=True), Exited(reason), now)


def _note_held(life: Life, until: float, reason: str, now: float) -> Life:
    if not isinstance(life.phase, Spawning):
        return life
    if life.goal is Goal.DOWN:
        return enter(life, Stopped(), now)
    since = life.since if life.phase.was_held else now
    return enter(life, Pending(since, held_until=until, held_by=reason), since)


def _note_main(life: Life, pid: int) -> Life:
    match life.phase:
        case Starting(run=run) | Running(run=run) | Stopping(run=run):
            return replace(life, phase=replace(life.phase, run=replace(run, pid=pid)))
        case _:
            return life


def _note_notice(program: Program, life: Life, notice: Notice, now: float) -> Transition:
    """Take in what the process says of itself; what it says while nobody waits for it changes its words at most."""
    if life.run is None:
        return life, ()
    if notice.status is not None:
        life = replace(life, status_text=notice.status)
    elif notice.reloading or notice.stopping:
        life = replace(life, status_text=RELOADING if notice.reloading else "stopping")
    elif notice.ready and life.status_text == RELOADING:
        life = replace(life, status_text="")
    if notice.extend_by is not None:
        life = extend(program, life, now + notice.extend_by)
    if notice.is_stuck:
        sentence = "said that it is stuck (WATCHDOG=trigger)"
        return _blame(program, life, Blame(sentence, asks_restart=program.watchdog is not None), now)
    if notice.is_alive and program.watchdog is not None and isinstance(life.phase, Running):
        life = replace(life, phase=replace(life.phase, silent_until=now + program.watchdog))
    is_ready = notice.ready and program.ready.notify == "systemd"
    return _note_ready(program, life, now) if is_ready else (life, ())


def _note_ready(program: Program, life: Life, now: float) -> Transition:
    """Count it as up; after a failed run not before `min_uptime`, lest what crashes soon looks up in between."""
    match life.phase:
        case Starting(run=run) if life.attempts and now < run.since + program.min_uptime:
            phase = replace(life.phase, deadline=run.since + program.min_uptime, is_ready=True)
            return replace(life, phase=phase), ()
        case Starting(run=run):
            life = replace(life, was_up=life.was_up or life.health in (Health.NONE, Health.HEALTHY))
            silent_until = None if program.watchdog is None else now + program.watchdog
            return enter(life, Running(replace(run, ready_at=now), silent_until), now), ()
        case _:
            return life, ()


def _note_probe(program: Program, life: Life, passed: bool, detail: str, now: float) -> Transition:
    check = program.healthcheck
    if check is None or life.health_state is None or not isinstance(life.phase, Starting | Running):
        return life, ()
    was_unhealthy = life.health is Health.UNHEALTHY
    life = replace(life, health_state=note_probe(check, life.health_state, passed, detail, now))
    if passed:
        life = replace(life, was_up=life.was_up or isinstance(life.phase, Running))
        waits_for_itself = program.ready.notify is not None or program.ready.log is not None
        return (life, ()) if waits_for_itself else _note_ready(program, life, now)
    turned = life.health is Health.UNHEALTHY and not was_unhealthy
    if turned and check.on_unhealthy is OnUnhealthy.RESTART:
        stopping, actions = _blame(program, life, Blame(f"was unhealthy ({detail})", asks_restart=True), now)
        return replace(
            stopping, health_state=life.health_state
        ), actions  # the probe that turned it is to be seen, and counted
    return life, ()


def _blame(program: Program, life: Life, blame: Blame, now: float) -> Transition:
    """End a run against the goal: it failed, though its process is still there.

    What is to be stopped anyway is left alone: its turn comes when nothing alive depends on it.
    """
    if life.goal is Goal.DOWN:
        return life, ()
    match life.phase:
        case Starting(run=run) | Running(run=run):
            return begin_stop(program, life, run, None, blame, now)
        case _:
            return life, ()


def _note_exit(life: Life, exit_: Exit, now: float) -> Transition:
    match life.phase:
        case Starting(run=run) | Running(run=run):
            asked, blame = False, None
        case Stopping(run=run, blame=blame):
            asked = blame is None
        case _:
            return life, ()
    phase = Sweeping(run, exit_, now + KILL_INTERVAL, now + SWEEP_LIMIT, asked=asked, blame=blame)
    life = replace(life, health_state=None, last_exit=exit_)
    return enter(life, phase, now), (Sweep(life.generation, run.pid),)


def _note_swept(program: Program, life: Life, jitter: float, now: float) -> Transition:
    match life.phase:
        case Sweeping(run=run, exit=exit_, asked=asked, blame=blame):
            if life.goal is Goal.DOWN and not life.again:
                return enter(life, Stopped(), now), ()
            if asked or life.goal is Goal.DOWN:
                life = replace(life, goal=Goal.UP, again=False)
                return enter(replace(life, failures=0, attempts=0), Pending(now), now), ()
            ran_for = exit_.at - run.since
            came_up = run.ready_at is not None and ran_for >= program.min_uptime
            life = replace(
                life,
                failures=0 if came_up else life.failures + 1,
                attempts=0 if ran_for >= program.restart_delay.reset_after else life.attempts,
            )
            return _end_run(program, life, exit_, blame, jitter, now), ()
        case _:
            return life, ()


def _end_run(program: Program, life: Life, exit_: Exit | None, blame: Blame | None, jitter: float, now: float) -> Life:
    """Decide what follows a run that ended against the goal: Done, Failed or Backoff."""
    succeeded = blame is None and exit_ is not None and exit_.code in program.success_exit_codes
    is_wanted = wants_restart(program, succeeded, blame)
    if succeeded and not is_wanted:
        return enter(replace(life, was_up=True), Exited(), now)
    if not is_wanted or is_exhausted(program, life):
        own_exit = exit_ if blame is None else None
        code = own_exit.shell_code if own_exit is not None else 1
        return enter(life, Fatal(run_sentence(program, life, exit_, blame), code or 1, own_exit), now)
    until = now + restart_delay(program.restart_delay, life.attempts, jitter)
    life = replace(life, attempts=life.attempts + 1, restarts=life.restarts + 1)
    return enter(life, Backoff(until), now)


# ---- what time does


def _probe_due(life: Life) -> float:
    return inf if life.health_state is None or life.health_state.due is None else life.health_state.due


def _pass_deadline(program: Program, life: Life, now: float) -> Transition:
    match life.phase:
        case Starting(deadline=deadline) if now >= deadline:
            if program.is_up_by_uptime or life.phase.is_ready:
                return _note_ready(program, life, now)
            if life.goal is Goal.DOWN:
                return replace(life, phase=replace(life.phase, deadline=inf)), ()
            what = "did not complete" if program.kind is ProgramType.ONESHOT else "was not ready"
            return _blame(program, life, Blame(f"{what} within {program.start_patience:g} s"), now)
        case Running(silent_until=silent_until) if silent_until is not None and now >= silent_until:
            if life.goal is Goal.DOWN:
                return replace(life, phase=replace(life.phase, silent_until=None)), ()
            blame = Blame(f"sent no WATCHDOG=1 for {program.watchdog:g} s", asks_restart=True)
            return _blame(program, life, blame, now)
        case Pending(held_until=held_until) if held_until is not None and now >= held_until:
            return _ask_spawn(life, Spawning(was_held=True), life.since)
        case Stopping(deadline=deadline, step_index=step_index) if now >= deadline:
            return take_step(program, life, life.phase, step_index + 1, now)
        case Sweeping(run=run, deadline=deadline, give_up=give_up) if now >= deadline:
            final = now >= give_up
            phase = replace(life.phase, deadline=now + KILL_INTERVAL)
            return replace(life, phase=phase), (Sweep(life.generation, run.pid, final),)
        case Backoff(until=until) if now >= until:
            return enter(life, Pending(now), now), ()
        case Starting() | Running() if life.health_state is not None and now >= _probe_due(life):
            return replace(life, health_state=start_probe(life.health_state, now)), (RunProbe(life.generation),)
        case _:
            return life, ()
