"""What the process of an instance does, and what is found out about it: spawned, ready, probed, exited, swept.

`advance` in lifecycle.py has checked that a report is about the newest process.
"""

from __future__ import annotations

from signal import SIGKILL

from supervisor.core.actions import Sweep
from supervisor.core.forking import begin_search, daemon_patience, refused_start, seek_daemon
from supervisor.core.health import Health, begin_health_checks, note_probe
from supervisor.core.healthcheck import OnUnhealthy
from supervisor.core.hook import HookKind
from supervisor.core.hook_sequence import clean_up, note_prepared
from supervisor.core.life import (
    Backoff,
    Blame,
    Claiming,
    DaemonSearch,
    Exit,
    Exited,
    Fatal,
    Goal,
    Life,
    Pending,
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
from supervisor.core.program import ProgramType, ShutdownOn
from supervisor.core.record import replace
from supervisor.core.restart_policy import end_reason, is_exhausted, restart_delay, run_sentence, wants_restart
from supervisor.core.stop_sequence import (
    KILL_INTERVAL,
    KILL_LIMIT,
    Transition,
    begin_stop,
    end_search,
    enter,
    extend,
    leftovers_signal,
    skip_step,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.events import HookEnded
    from supervisor.core.notice import Notice
    from supervisor.core.program import Program

RELOADING = "reloading"
"""The status text of a process that reloads and sends no text of its own, until it is ready again (sd_notify(3))."""


# ---- the start


def note_spawned(program: Program, life: Life, pid: int, jitter: float, now: float) -> Transition:
    if not isinstance(life.phase, Spawning):
        return life, ()
    run = Run(pid, since=now, lease=life.phase.lease, jitter=jitter)
    if program.healthcheck is not None:
        life = replace(life, health_state=begin_health_checks(program.healthcheck, now))
    if life.goal is Goal.DOWN:
        return begin_stop(program, life, run, None, None, now)
    if program.kind is ProgramType.FORKING:
        return enter(life, Starting(run, now + daemon_patience(program), search=begin_search(program, now)), now), ()
    return enter(life, Starting(run, deadline=now + program.start_patience), now), ()


def note_spawn_failed(program: Program, life: Life, blame: Blame, code: int | None, jitter: float, now: float) -> Life:
    if not isinstance(life.phase, Spawning | Claiming):
        return life
    if life.goal is Goal.DOWN:
        return _stay_down(life, now)
    if code is not None:
        return end_for_good(program, life, Fatal(blame.sentence, code), now)
    return _end_run(program, replace(life, failures=life.failures + 1), None, blame, jitter, now)


def _stay_down(life: Life, now: float) -> Life:
    """Note that the process was not spawned because of a stop. Start it again if somebody has asked for that since."""
    if life.again:
        return enter(replace(life, goal=Goal.UP, again=False, failures=0, attempts=0), Pending(), now)
    return enter(life, Stopped(), now)


def note_skipped(life: Life, reason: str, now: float) -> Life:
    if not isinstance(life.phase, Spawning | Claiming):
        return life
    if life.goal is Goal.DOWN:
        return _stay_down(life, now)
    return enter(replace(life, was_up=True), Exited(reason), now)


def note_held(life: Life, until: float, reason: str, now: float) -> Life:
    if not isinstance(life.phase, Spawning):
        return life
    if life.goal is Goal.DOWN:
        return _stay_down(life, now)
    since = life.since if life.phase.was_held else now
    return enter(life, Pending(held_until=until, held_by=reason), since)


# ---- what a process says of itself, and what its probes say


def note_notice(program: Program, life: Life, notice: Notice, now: float) -> Transition:
    """Apply a notify datagram. If nothing in it applies now, only the status text changes."""
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
        return give_up(program, life, Blame(sentence, asks_restart=program.watchdog is not None), now)
    if notice.is_alive and program.watchdog is not None and isinstance(life.phase, Running):
        life = replace(life, phase=replace(life.phase, silent_until=now + program.watchdog))
    is_ready = notice.ready and program.ready.notify == "systemd"
    return (note_ready(program, life, now) if is_ready else life), ()


def note_ready(program: Program, life: Life, now: float) -> Life:
    """Make it RUNNING. After a failed run this waits for `min_uptime`, so that a crash loop never looks up."""
    match life.phase:
        case Starting(search=DaemonSearch()):
            return replace(life, phase=replace(life.phase, is_ready=True))
        case Starting(run=run) if life.attempts and now < run.since + program.min_uptime:
            phase = replace(life.phase, deadline=run.since + program.min_uptime, is_ready=True)
            return replace(life, phase=phase)
        case Starting(run=run):
            life = replace(life, was_up=life.was_up or life.health in (Health.NONE, Health.HEALTHY))
            silent_until = None if program.watchdog is None else now + program.watchdog
            return enter(life, Running(replace(run, ready_at=now), silent_until), now)
        case _:
            return life


def note_probe_result(program: Program, life: Life, passed: bool, detail: str, now: float) -> Transition:
    check = program.healthcheck
    if check is None or life.health_state is None or not isinstance(life.phase, Starting | Running):
        return life, ()
    life = replace(life, health_state=note_probe(check, life.health_state, passed, detail, now))
    if passed:
        life = replace(life, was_up=life.was_up or isinstance(life.phase, Running))
        waits_for_itself = program.ready.notify is not None or program.ready.log is not None
        return (life if waits_for_itself else note_ready(program, life, now)), ()
    if life.health is Health.UNHEALTHY and check.on_unhealthy is OnUnhealthy.RESTART:
        stopping, actions = give_up(program, life, Blame(f"was unhealthy ({detail})", asks_restart=True), now)
        # keep the failed probe, so that it is logged and counted
        return replace(stopping, health_state=life.health_state), actions
    return life, ()


def give_up(program: Program, life: Life, blame: Blame, now: float) -> Transition:
    """Stop a run although it is wanted, and count it as failed.

    A process that is to stop anyway is left alone: its turn comes when nothing alive depends on it.
    """
    if life.goal is Goal.DOWN:
        return life, ()
    match life.phase:
        case Starting(run=run) | Running(run=run):
            return begin_stop(program, life, run, None, blame, now)
        case _:
            return life, ()


# ---- the end


def note_exit(program: Program, life: Life, exit_: Exit, now: float) -> Transition:
    match life.phase:
        case Starting() if life.phase.waits_for_daemon:
            return life, ()
        case Starting() if program.kind is ProgramType.FORKING and exit_.code == 0:
            return seek_daemon(program, life, life.phase, exit_, now)
        case Starting(search=DaemonSearch()):
            return end_search(program, life, life.phase, exit_, None, refused_start(exit_), now)
        case Starting(run=run) | Running(run=run):
            asked, blame, pace = False, None, 1.0
        case Stopping(run=run, blame=blame, pace=pace):
            asked = blame is None
        case _:
            return life, ()
    signal = leftovers_signal(program, life)
    deadline = life.phase.deadline if isinstance(life.phase, Stopping) and signal != SIGKILL else now + KILL_INTERVAL
    phase = Sweeping(run, exit_, deadline, now + KILL_LIMIT, signal, asked, blame, pace=pace)
    life = replace(life, health_state=None, last_exit=exit_)
    return enter(life, phase, now), (Sweep(life.generation, run.pid, signal),)


def note_look(life: Life, reason: str) -> Life:
    """Note whether it can be seen what is left of the tree."""
    match life.phase:
        case Sweeping():
            return replace(life, phase=replace(life.phase, unknown=reason))
        case _:
            return life


def note_swept(program: Program, life: Life, jitter: float, now: float) -> Transition:
    """Run the post_stop hooks, or go on at once where there is none."""
    match life.phase:
        case Sweeping(hook="", tells_store=False):
            if program.post_stop and life.phase.pace > 0.0:
                return clean_up(program, life, life.phase, 0, jitter, now)
            return _conclude(program, life, life.phase, jitter, now)
        case _:
            return life, ()


def note_hook_ended(program: Program, life: Life, event: HookEnded, now: float) -> Transition:
    match life.phase:
        case Preparing(index=index) if event.kind is HookKind.PRE_START and event.index == index:
            if event.problem is None:
                return note_prepared(program, life, life.phase, now)
            return fail_preparation(program, life, Blame(event.problem), event.jitter, now), ()
        case Stopping() if event.kind is HookKind.PRE_STOP:
            return skip_step(program, life, event.index, now)
        case Sweeping(hook=hook, hook_index=index) if (
            hook and event.kind is HookKind.POST_STOP and event.index == index
        ):
            return end_hook(program, life, life.phase, now)
        case _:
            return life, ()


def fail_preparation(program: Program, life: Life, blame: Blame, jitter: float, now: float) -> Life:
    """Treat a pre_start hook that failed as a start that failed."""
    return _end_run(program, replace(life, failures=life.failures + 1), None, blame, jitter, now)


def end_hook(program: Program, life: Life, phase: Sweeping, now: float) -> Transition:
    """Run the next post_stop hook; after the last one, decide what follows the run."""
    if phase.hook_index + 1 < len(program.post_stop) and phase.pace > 0.0:
        return clean_up(program, life, phase, phase.hook_index + 1, phase.jitter, now)
    return _conclude(program, life, phase, phase.jitter, now)


def _conclude(program: Program, life: Life, phase: Sweeping, jitter: float, now: float) -> Transition:
    """Tell the store that the run was leased from how it has ended; without one, decide at once what follows it."""
    if phase.run.lease is None or phase.pace == 0.0:
        return follow_run(program, life, phase, jitter, now), ()
    from supervisor.core.leasing import tell_store

    return tell_store(program, life, phase, jitter, now)


def follow_run(program: Program, life: Life, phase: Sweeping, jitter: float, now: float) -> Life:
    """Decide what follows a run of which nothing is left."""
    if life.goal is Goal.DOWN and not life.again:
        return enter(life, Stopped(), now)
    if phase.asked or life.goal is Goal.DOWN:
        return enter(replace(life, goal=Goal.UP, again=False, failures=0, attempts=0), Pending(), now)
    ran_for = phase.exit.at - phase.run.since
    came_up = phase.run.ready_at is not None and ran_for >= program.min_uptime
    life = replace(
        life,
        failures=0 if came_up else life.failures + 1,
        attempts=0 if ran_for >= program.restart_delay.reset_after else life.attempts,
    )
    return _end_run(program, life, phase.exit, phase.blame, jitter, now)


def _end_run(program: Program, life: Life, exit_: Exit | None, blame: Blame | None, jitter: float, now: float) -> Life:
    """Decide what follows a run that nobody asked to end: Exited, Fatal or Backoff."""
    succeeded = blame is None and exit_ is not None and exit_.code in program.success_exit_codes
    is_wanted = wants_restart(program, succeeded, blame)
    if succeeded and not is_wanted:
        return end_for_good(program, replace(life, was_up=True), Exited(), now)
    if not is_wanted or is_exhausted(program, life):
        own_exit = exit_ if blame is None or blame.keeps_exit else None
        code = own_exit.shell_code if own_exit is not None and own_exit.shell_code else 1
        return end_for_good(program, life, Fatal(run_sentence(program, life, exit_, blame), code, own_exit), now)
    until = now + restart_delay(program.restart_delay, life.attempts, jitter)
    life = replace(life, attempts=life.attempts + 1, restarts=life.restarts + 1)
    return enter(life, Backoff(until, end_reason(exit_, blame)), now)


def end_for_good(program: Program, life: Life, phase: Exited | Fatal, now: float) -> Life:
    """Enter the phase, or wait for the next run where there is a schedule and this end is not the container's."""
    has_failed = isinstance(phase, Fatal)
    ends_container = program.shutdown_on is ShutdownOn.EXIT or (has_failed and program.is_essential)
    if program.schedule is None or ends_container:
        return enter(life, phase, now)
    return enter(life, Scheduled(phase.reason, phase.code) if isinstance(phase, Fatal) else Scheduled(), now)
