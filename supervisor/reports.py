"""Turn what processes report about themselves, and their ends, into events.

Rule 1: a death that was reaped is reported, whatever else fails meanwhile.
Rule 2: what a process reported before its death is decided on before its death.
"""

from __future__ import annotations

import time
from collections import deque
from signal import SIGKILL

from supervisor.core.container import Happened
from supervisor.core.events import BecameReady, MainChanged, Notified, ProcessExited
from supervisor.core.life import Running, Stopping
from supervisor.core.notice import parse_notice
from supervisor.health.notices import ReadinessNewline
from supervisor.launcher import pid_file_of
from supervisor.logs.tails import LAST_LINES
from supervisor.process.children import Main
from supervisor.process.procfs import read_process
from supervisor.process.successors import Successors
from supervisor.process.sweep import is_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.core.container import Fleet, FleetEvent
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Signal
    from supervisor.faults import Faults
    from supervisor.health.notices import Datagram, Notices
    from supervisor.launcher import Launcher
    from supervisor.logs.journal import Journal
    from supervisor.logs.pump import Pump
    from supervisor.process.children import Children, Death
    from supervisor.process.oom import OomKills


class Reports:
    """The reports of one container's processes."""

    def __init__(
        self, children: Children, launcher: Launcher, notices: Notices, pump: Pump, journal: Journal, faults: Faults
    ) -> None:
        self._children = children
        self._launcher = launcher
        self._notices = notices
        self._pump = pump
        self._journal = journal
        self._faults = faults
        self._successors = Successors(children)
        self._deaths: deque[Death] = deque()
        """Reaped, and not reported yet."""
        self._refused: dict[InstanceId, int] = {}
        """The run in which a datagram was refused last."""
        self.oom_kills: OomKills | None = None
        """Set by the loop, after the first programs have been started."""

    # ---- notices

    def take_notices(self, fleet: Fleet) -> Iterator[FleetEvent]:
        """Yield what programs have reported through their notify sockets and descriptors."""
        for notice in self._notices.take():
            if isinstance(notice, ReadinessNewline):
                yield Happened(notice.instance, BecameReady(notice.generation))
            else:
                yield from self._read(notice, fleet)

    def _read(self, said: Datagram, fleet: Fleet) -> Iterator[FleetEvent]:
        """Accept a datagram only if it comes from a process of the program whose socket it came through.

        A sender that has exited cannot be looked up any more. It is accepted if it knew the private socket.
        """
        life = fleet.lives.get(said.instance)
        notice = parse_notice(said.datagram)
        if notice is None or life is None:
            return
        if life.run is None or not self._is_from(said, life.run.pid):
            self._refuse(said, life.generation)
            return
        successor = notice.main_pid
        if successor is not None and successor != life.run.pid and self._is_of(said.instance, successor, life.run.pid):
            self._successors.add(said.instance, life.run.pid, successor)
        yield Happened(said.instance, Notified(life.generation, notice))

    def _is_from(self, said: Datagram, main_pid: int) -> bool:
        """Return whether a datagram was sent by the program."""
        if not said.is_gone and self._is_of(said.instance, said.pid, main_pid):
            return True
        return said.is_private and (said.is_gone or read_process(said.pid) is None)

    def _refuse(self, said: Datagram, generation: int) -> None:
        """Log that a datagram was not accepted: as a warning once in each run."""
        level = "debug" if self._refused.get(said.instance) == generation else "warning"
        self._refused[said.instance] = generation
        is_gone = said.is_gone or read_process(said.pid) is None
        reason = "its sender has exited" if is_gone else "its sender does not belong to the program"
        self._journal.write(level, "program.notice_refused", program=said.instance[0], sender=said.pid, reason=reason)

    def _is_of(self, instance: InstanceId, pid: int, main_pid: int) -> bool:
        return is_of(pid, main_pid, self._launcher.marks_of(instance), self._children.pids)

    def note_successor(self, owner: Main, pid: int, plan: Plan, fleet: Fleet) -> bool:
        """Whether the pid file of a daemon that has ended names another process: as MAINPID= does.

        To be called while the daemon, `pid`, is a zombie.
        """
        life, program = fleet.lives.get(owner.instance), plan.find(owner.instance)
        path = None if program is None else pid_file_of(program)
        if path is None or life is None or life.generation != owner.generation or not isinstance(life.phase, Running):
            return False
        from supervisor.process.pid_files import read_pid

        try:
            named = read_pid(path)
        except OSError:
            return False
        if named == pid or not self._is_of(owner.instance, named, pid):
            return False
        self._successors.add(owner.instance, pid, named)
        return True

    # ---- deaths

    def reap(self) -> bool:
        """Reap the dead. Returns whether more may be dead; `take_deaths` reports them."""
        deaths, more = self._children.reap()
        self._deaths += deaths
        return more

    def take_deaths(self, fleet: Fleet) -> Iterator[FleetEvent]:
        """Yield the ends of main processes, and pass the other deaths on to their owners."""
        while self._deaths:
            death = self._deaths[0]
            match death.owner:
                case Main() as owner:
                    event = self._read_death(owner, death, fleet)
                    self._deaths.popleft()
                    yield event
                case helper:
                    self._deaths.popleft()
                    self._faults.attempt("reap", helper.finish, death)

    def _read_death(self, owner: Main, death: Death, fleet: Fleet) -> FleetEvent:
        successor = self._faults.attempt("reap", self._hand_over, owner, fleet)
        if successor is not None:
            return Happened(owner.instance, MainChanged(owner.generation, successor))
        self._faults.attempt("output", self._pump.drain, owner.instance)
        if self._launcher.has_terminal(death.pid):
            self._faults.attempt("terminal", self._launcher.take_terminal_back)
        is_short = self._faults.attempt("reap", self._was_memory_short, death) or False
        lines = self._faults.attempt("output", self._last_lines, owner.instance, fleet) or ()
        return Happened(owner.instance, ProcessExited(owner.generation, death.code, death.signal, is_short, lines))

    def _last_lines(self, instance: InstanceId, fleet: Fleet) -> tuple[str, ...]:
        """Return the end of what an instance has written since its process was started."""
        life = fleet.lives.get(instance)
        run_since = life.run.since if life is not None and life.run is not None else time.monotonic()
        text = self._pump.last_lines(instance, time.time() - (time.monotonic() - run_since))
        return tuple(text.splitlines()[-LAST_LINES:])

    def disclaim(self, signal: Signal) -> None:
        """Note that somebody sends a signal, so that their SIGKILL is not counted as the kernel's."""
        if signal == SIGKILL and self.oom_kills is not None:
            self.oom_kills.disclaim(time.monotonic())

    def _was_memory_short(self, death: Death) -> bool:
        return death.signal == SIGKILL and self.oom_kills is not None and self.oom_kills.claim(time.monotonic())

    def _hand_over(self, owner: Main, fleet: Fleet) -> int | None:
        """Return the pid of the process that takes over from a main process that has ended. None: there is none.

        In a stop nobody takes over: the successor was never asked to end, so it would stay.
        """
        life = fleet.lives.get(owner.instance)
        if life is None or isinstance(life.phase, Stopping):
            self._successors.forget(owner.instance)
            return None
        return self._successors.take_over(owner)
