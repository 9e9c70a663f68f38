"""The state machine of one instance.

`advance` takes a program, the state of one of its instances (`Life`), an event and the time, and returns the new state
and the actions that the engine must carry out. It is the only way in which an instance changes.

Rule 1: every event is accepted in every phase, and `advance` never raises. An event that means nothing in a phase
        changes nothing.
Rule 2: a wanted instance is never forgotten: it has a process, it waits for something that has a name, it has a
        deadline, or it has ended for good with a reason.
Rule 3: every stop ends, at the latest with the SIGKILL that follows its stop sequence (stop_sequence.py). What
        SIGKILL cannot end is stuck, and holds nothing back in a shutdown.
Rule 4: a deadline that has not come changes nothing.

The table. An instance has a goal (up or down) and a phase. The phases and the ways out of them:

    Stopped    start requested                     → Pending
    Pending    every dependency meets its condition → Preparing with pre_start hooks (action: RunHooks), else
                                                      Spawning (action: Spawn)
               a dependency is Fatal               → Fatal
    Preparing  the last hook has succeeded         → Spawning
               a hook has failed                   → Backoff or Fatal
               With `once.store`, Claiming (action: Claim) stands before Spawning, here and in Pending.
    Claiming   the lease is held                   → Spawning
               done before, so nothing to run      → Exited
               the store cannot be asked           → Backoff or Fatal
    Spawning   spawned                             → Starting, or Stopping if it was stopped meanwhile
               done before, so nothing to run      → Exited
               held back from outside              → Pending, with a time at which to look again
               could not be spawned                → Backoff, or Fatal where another try cannot help
    Starting   ready                               → Running
               the command of a forking program has exited with 0
                                                   → Starting (action: FindDaemon), until its daemon is found
               a stop, or a failure, meanwhile     → Sweeping, with the signal of the first step
               stop requested, not ready in time   → Stopping
    Running    stop requested, unhealthy, silent   → Stopping
    Stopping   the wait of a step is over          → Stopping, at the next step; SIGKILL is the last
    Starting, Running, Stopping
               the main process has exited         → Sweeping (action: Sweep)
    Sweeping   the wait of the step is over        → Sweeping, with SIGKILL; it begins with that unless a stop is on
               nothing of its tree is left         → Stopped, Pending, Backoff, Exited or Fatal (restart_policy.py)
               With a lease, the store is told first (action: TellStore), at the end of Sweeping.
    Backoff    its delay is over                   → Pending
    Exited, Fatal
               start requested                     → Pending

With a schedule, a run that has ended for good leads to Scheduled instead of Exited or Fatal, unless its end is the end
of the container:

    Scheduled  a run is due, or start requested    → Pending
    Stopped    its schedule begins or is resumed   → Scheduled

Spawning is left within the turn that enters it. The code is in four modules: requests.py for what somebody wants of an
instance, reports.py for what its process does, lease_reports.py for its lease, and deadlines.py for what time does.

Why a stop is announced first and requested later. Programs stop in the reverse order of their dependencies, and only
the fleet knows that order. So it tells every instance that is to stop at once (`StopAnnounced`), and requests the stop
of each one (`StopRequested`) when its turn comes. The announcement makes the goal DOWN and nothing else: the process
lives on and serves its dependants. It matters all the same. What waits to be started is dropped, and what crashes
before its turn comes is not started again. An announcement with `again` is a restart: once the instance is down, the
goal is UP again.

Considered and rejected:
- A list of pending stops in the fleet. A crash while on that list has to be told from any other crash, so the instance
  needs to know about it anyway.
- Entering Stopping at once and waiting there. Operators would read STOPPING for a program that serves as before, and
  the deadline of Stopping would have to be absent until the first step.
- A flag `restarting` beside the phase. Every event would have to clear or keep it. The goal says the same once.
- Timers started and cancelled by transitions. Here a deadline is a field of the phase, so leaving the phase drops it,
  and a call that comes early, late or twice is harmless.
"""

from __future__ import annotations

from signal import SIGKILL

from supervisor.core import forking, reports, requests
from supervisor.core.deadlines import pass_deadline
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
    Report,
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
from supervisor.core.hook_sequence import greet
from supervisor.core.life import Blame, Exit, Goal, Life, Running, Starting
from supervisor.core.record import assert_never, replace
from supervisor.core.stop_sequence import Transition, has_killed, note_refusal, skip_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import Program


def advance(program: Program, life: Life, event: Event, now: float) -> Transition:
    """Return the state after `event`, and the actions to carry out, in order.

    `now` never runs backwards; it may be later than any number of deadlines.
    """
    after, actions = _advance(program, life, event, now)
    if program.post_start and isinstance(after.phase, Running) and not isinstance(life.phase, Running):
        return after, (*actions, greet(program, after, after.phase.run))
    return after, actions


def _advance(program: Program, life: Life, event: Event, now: float) -> Transition:
    match event:
        case StartRequested():
            return requests.start(program, replace(life, goal=Goal.UP, on_demand=False, again=False), now)
        case ScheduleResumed() if program.schedule is None:
            return life, ()
        case ScheduleResumed():
            return requests.resume_schedule(replace(life, goal=Goal.UP, on_demand=False, again=False), now), ()
        case RestartRequested():
            return requests.restart(program, replace(life, goal=Goal.UP, on_demand=False, again=False), now)
        case StopRequested(within):
            within = None if within is None else max(0.0, within)
            return requests.stop(program, replace(life, goal=Goal.DOWN), within, now)
        case StopAnnounced(again):
            return requests.retire(replace(life, goal=Goal.DOWN, again=again), now)
        case Hurried():
            return requests.kill(program, replace(life, goal=Goal.DOWN, again=False), now)
        case DependenciesChecked(missing):
            return requests.check_dependencies(program, life, missing, now)
        case DependencyFailed(reason):
            return requests.fail_pending(program, life, reason, now)
        case Redefined(has_new_check):
            return requests.redefine(program, life, has_new_check, now), ()
        case DeadlinePassed():
            return pass_deadline(program, life, now)
        case _ if event.generation == life.generation:
            return _take_report(program, life, event, now)
        case _:
            return life, ()  # it is about a start that is over


def _take_report(program: Program, life: Life, event: Report, now: float) -> Transition:
    match event:
        case Spawned(pid=pid, jitter=jitter):
            life, actions = reports.note_spawned(program, life, pid, jitter, now)
            is_starting = isinstance(life.phase, Starting)
            return pass_deadline(program, life, now) if is_starting else (life, actions)  # the first probe is due
        case SpawnFailed(reason=reason, code=code, jitter=jitter):
            return reports.note_spawn_failed(program, life, Blame(reason), code, jitter, now), ()
        case SpawnSkipped(reason=reason):
            return reports.note_skipped(life, reason, now), ()
        case SpawnHeld(until=until, reason=reason):
            return reports.note_held(life, until, reason, now), ()
        case LeaseAwaited() | LeaseHeld() | LeaseEnded():
            from supervisor.core.lease_reports import note_lease

            return note_lease(program, life, event, now)
        case BecameReady():
            return reports.note_ready(program, life, now), ()
        case Notified(notice=notice):
            return reports.note_notice(program, life, notice, now)
        case MainChanged(pid=pid):
            return forking.note_main(program, life, pid, now), ()
        case DaemonMissed(problem=problem):
            return forking.note_missed(life, problem), ()
        case StartFailed(reason=reason):
            is_starting = isinstance(life.phase, Starting)
            return reports.give_up(program, life, Blame(reason), now) if is_starting else (life, ())
        case Probed(passed=passed, detail=detail):
            return reports.note_probe_result(program, life, passed, detail, now)
        case StepFailed(step_index=step_index):
            return skip_step(program, life, step_index, now)
        case ProcessExited(code=code, signal=signal, memory_was_short=short, last_lines=lines):
            out_of_memory = short and signal == SIGKILL and not has_killed(program, life)
            return reports.note_exit(program, life, Exit(code, signal, now, out_of_memory, lines), now)
        case SignalRefused():
            return note_refusal(program, life, now)
        case LookFailed(reason=reason):
            return reports.note_look(life, reason), ()
        case HookEnded():
            return reports.note_hook_ended(program, life, event, now)
        case Swept(jitter=jitter):
            return reports.note_swept(program, life, jitter, now)
        case _:
            assert_never(event)
