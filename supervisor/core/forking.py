"""The start of a forking program: from its command to the daemon that the command leaves behind.

Rule 1: while the command runs, it is the main process. A code other than 0 is a failed start.
Rule 2: once it has ended, the engine looks for the daemon (`FindDaemon`) every `LOOK_INTERVAL` seconds, for at most
        `ready.timeout`. During the search, the program has no main process.
Rule 3: a command that its own pid file names is the daemon itself: some servers, such as sshd, stay in the foreground
        where their parent is PID 1.
Rule 4: a process that was taken for the daemon and ends with 0 before it is RUNNING was a step on the way, as in a
        daemon that forks twice. The search goes on.
Rule 5: what ends the search ends what the command has left behind, with the signal of the first step of `stop`.
"""

from __future__ import annotations

from supervisor.core.actions import FindDaemon
from supervisor.core.life import Blame, DaemonSearch, Running, Starting, Stopping
from supervisor.core.program import READY_TIMEOUT
from supervisor.core.record import replace
from supervisor.core.restart_policy import exit_sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.life import Exit, Life
    from supervisor.core.program import Program
    from supervisor.core.stop_sequence import Transition

LOOK_INTERVAL = 0.1
"""Seconds between two looks for the daemon."""
NOTHING_LEFT = (
    "left no daemon behind: its command exited with code 0 and no process of it is left; "
    "if it stays in the foreground or completes, use type: service or type: oneshot"
)


def daemon_patience(program: Program) -> float:
    """Return the seconds from the start of the command within which the daemon must be known."""
    return program.ready.timeout if program.ready.timeout is not None else READY_TIMEOUT


def begin_search(program: Program, now: float) -> DaemonSearch:
    """Return the search of a command that has just been started."""
    return DaemonSearch() if program.pid_file is None else DaemonSearch(look_at=now + LOOK_INTERVAL)


def refused_start(exit_: Exit) -> Blame:
    """Return why a start has failed: its command did not exit with 0."""
    way_out = "see its output; with type: forking, the command must exit with code 0 when the daemon runs"
    return Blame(f"{exit_sentence(exit_)} before it left a daemon behind: {way_out}", keeps_exit=True)


def seek_daemon(program: Program, life: Life, phase: Starting, exit_: Exit, now: float) -> Transition:
    """Look for the daemon: what was the main process has ended well."""
    deadline = phase.deadline if phase.search is not None else max(now, phase.run.since + daemon_patience(program))
    search = DaemonSearch(exit_, now + LOOK_INTERVAL)
    phase = replace(phase, deadline=deadline, search=search)
    return replace(life, phase=phase), (FindDaemon(life.generation, phase.run.pid),)


def look_again(life: Life, phase: Starting, search: DaemonSearch, now: float) -> Transition:
    phase = replace(phase, search=replace(search, look_at=now + LOOK_INTERVAL))
    return replace(life, phase=phase), (FindDaemon(life.generation, phase.run.pid, phase.waits_for_daemon),)


def note_missed(life: Life, problem: str) -> Life:
    """Note why the last look has not found the daemon."""
    match life.phase:
        case Starting(search=DaemonSearch(exit=exit_) as search) if exit_ is not None:
            return replace(life, phase=replace(life.phase, search=replace(search, problem=problem)))
        case _:
            return life


def note_main(program: Program, life: Life, pid: int, now: float) -> Life:
    """Make another process the main one. If it is the daemon, it has `min_uptime` to show that it stays."""
    match life.phase:
        case Starting(run=run, search=DaemonSearch()):
            phase = replace(life.phase, run=replace(run, pid=pid), search=None)
            if program.is_up_by_uptime or phase.is_ready:
                phase = replace(phase, deadline=now + program.min_uptime)
            return replace(life, phase=phase)
        case Starting(run=run) | Running(run=run) | Stopping(run=run):
            return replace(life, phase=replace(life.phase, run=replace(run, pid=pid)))
        case _:
            return life


def missed_daemon(program: Program, search: DaemonSearch) -> Blame:
    """Return why a start has failed: its daemon was not found in time."""
    what = "left no daemon behind" if search.exit is not None else "did not go to the background"
    problem = search.problem or "it stays in the foreground; use type: service"
    return Blame(f"{what} within {daemon_patience(program):g} s: {problem}")
