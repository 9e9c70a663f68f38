"""The owner of every process that supinit starts, and the only place that waits for one.

Rule 1: a process is registered as soon as it is spawned, so its exit never precedes its registration.
Rule 2: the tree is dealt with before the main process is reaped: while that is a zombie, its process group keeps its
        number.
Rule 3: the exit of an unregistered process is an orphan's. It is counted and never mistaken for a program's exit.
"""

from __future__ import annotations

import os
import signal

from supervisor.core.record import Record
from supervisor.process.spawn import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Protocol, TypeAlias

    from supervisor.core.program import InstanceId
    from supervisor.core.tree import Owner
    from supervisor.process.remains import Register
    from supervisor.process.spawn import Launch

    class Helper(Protocol):
        """Owner of a process that runs beside the programs, such as a probe or a step of a stop sequence."""

        @property
        def name(self) -> Owner:
            """What its processes are listed under."""
            ...

        @property
        def marks(self) -> frozenset[bytes]:
            """What the processes of its tree carry (procfs.carries)."""
            ...

        def finish(self, death: Death) -> None:
            """Take in the end of its process."""
            ...

    ProcessOwner: TypeAlias = "Main | Helper"

NO_MARKS = frozenset((b"\0",))
"""Marks that no process carries: the tree is known by its session and its descendants only."""
BATCH = 256
"""Zombies reaped in one turn, so that a burst of them does not starve the rest of the loop."""
OWN_BATCH = 32
"""The same for registered processes, of which each costs a decision."""


class Main(Record):
    """Owner of the main process of an instance."""

    instance: InstanceId
    generation: int

    @property
    def marks(self) -> frozenset[bytes]:
        """None: only the launcher knows what the processes of a program carry."""
        return NO_MARKS

    @property
    def name(self) -> Owner:
        """What its processes are listed under."""
        from supervisor.core.tree import Owner, OwnerKind  # for `supctl tree` only

        return Owner(OwnerKind.PROGRAM, self.instance)


class Death(Record):
    """A registered process was reaped: its owner, and its exit code or its signal; the other one is None."""

    owner: ProcessOwner
    pid: int
    code: int | None
    signal: int | None


class Children:
    """The processes that supinit has started or adopted and not yet reaped, by pid."""

    def __init__(self) -> None:
        self._owners: dict[int, ProcessOwner] = {}
        self._spared: set[int] = set()
        self._deaths: list[Death] = []
        self.meet_end: Callable[[Main, int], None] | None = None
        """Called for the main process of a program while it is a zombie. None: its tree is killed."""
        self.is_childless = False
        """Whether the last `reap` found that supinit has no child at all."""
        self.register: Register | None = None
        """Where the main processes are noted for the next supinit; None: PID 1 leaves nothing behind."""
        self.orphans_reaped = 0

    @property
    def pids(self) -> Collection[int]:
        return self._owners.keys()

    @property
    def owners(self) -> Mapping[int, ProcessOwner]:
        return self._owners

    def spawn(self, owner: ProcessOwner, launch: Launch) -> int:
        """Start a process for `owner` and return its pid. Raises SpawnError."""
        pid = spawn(launch)
        self._own(pid, owner)
        return pid

    def _own(self, pid: int, owner: ProcessOwner) -> None:
        self._owners[pid] = owner
        if self.register is not None and isinstance(owner, Main):
            self.register.add(pid)

    def mains(self) -> list[int]:
        """Return the pids of the main processes."""
        return [pid for pid, owner in self._owners.items() if isinstance(owner, Main)]

    def pid_of(self, owner: ProcessOwner) -> int | None:
        """Return the pid of an owner's process. None: it has none."""
        return next((pid for pid, other in self._owners.items() if other == owner), None)

    def spare(self, pid: int) -> None:
        """Do not kill the process group when this process ends: it hands over to another process of the group."""
        self._spared.add(pid)

    def adopt(self, owner: ProcessOwner, pid: int) -> bool:
        """Register a process that was not started here for `owner`. False: it is not a child of supinit."""
        if pid in self._owners or not _is_child(pid):
            return False
        self._own(pid, owner)
        return True

    def reap(self) -> tuple[list[Death], bool]:
        """Reap what is dead, up to BATCH; return the deaths of registered processes and whether more may be dead.

        Deaths stay noted until they are returned, so that an error on the way loses none of them.
        """
        more = self._reap_batch()
        deaths, self._deaths = self._deaths, []
        return deaths, more

    def _reap_batch(self) -> bool:
        for _ in range(BATCH):
            try:
                zombie = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                self.is_childless = True
                return False
            self.is_childless = False
            if zombie is None:
                return False
            if zombie.si_pid in self._owners:
                was_spared = zombie.si_pid in self._spared
                self._reap_own(zombie.si_pid)
                if was_spared or len(self._deaths) >= OWN_BATCH:
                    return True  # if spared, its successor may be dead as well and must be adopted first
            else:
                os.waitpid(zombie.si_pid, 0)
                self.orphans_reaped += 1
        return True

    def _reap_own(self, pid: int) -> None:
        owner = self._owners[pid]
        if pid not in self._spared:
            if type(owner) is Main and self.meet_end is not None:
                self.meet_end(owner, pid)
            else:
                from supervisor.process.sweep import kill_tree

                kill_tree(pid, owner.marks, self._owners)
        self._spared.discard(pid)
        _, status = os.waitpid(pid, 0)
        del self._owners[pid]
        if os.WIFSIGNALED(status):
            self._deaths.append(Death(owner, pid, None, _as_signal(os.WTERMSIG(status))))
        else:
            self._deaths.append(Death(owner, pid, os.WEXITSTATUS(status), None))


def _is_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _as_signal(number: int) -> int:
    try:
        return signal.Signals(number)
    except ValueError:
        return number
