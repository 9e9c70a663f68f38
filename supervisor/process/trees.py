"""The process trees of the programs: signalled, and swept when their main process has ended.

Rule 1: a tree is read before anything of it is killed, and what was seen in it is remembered until nothing of it is
        left. A process that has left the process group and the session, and that has taken off the program's variables
        and pipes, is known by its ancestors only, and killing them first would make it an orphan.
Rule 2: a process gets each signal of a stop once: many servers take a second SIGTERM for "at once".
Rule 3: what could not be read is unknown. It is never taken for gone.
"""

from __future__ import annotations

import os
import signal
from functools import partial

from supervisor.core.program import Scope
from supervisor.core.record import Record
from supervisor.process.children import Main
from supervisor.process.procfs import EXHAUSTED, has_children, name_of, read_process
from supervisor.process.scan import Reserve, scan
from supervisor.process.sweep import are_all_known, is_alone, may_be_signalled, signal_group, signal_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from supervisor.core.program import InstanceId, Signal
    from supervisor.process.children import Children
    from supervisor.process.procfs import Process
    from supervisor.process.scan import Scan

LOOKS = 3
"""Looks at a tree in a row, so that what is started meanwhile is signalled, too."""


class Left(Record):
    """What one sweep of a tree has found. `commands` and `killed` are the names of commands, one for each process."""

    commands: tuple[str, ...] = ()
    """Of the processes that are left."""
    killed: tuple[str, ...] = ()
    """Of those that were killed since the last sweep."""
    signalled: tuple[str, ...] = ()
    """Of those that were sent another signal in this sweep."""
    refused: int = 0
    """How many of those left supinit may not signal."""
    unknown: str = ""
    """Why it cannot be seen what is left. Empty: it can."""
    is_lasting: bool = False
    """Whether it cannot be seen later either: /proc is not there at all."""


class _Tree:
    """What is remembered of a tree. Processes are known by pid and start."""

    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        self.reached: set[tuple[int, int]] = set()
        """The processes that have got the signal of the last step."""
        self.killed: set[tuple[int, int]] = set()
        self.left: list[Process] = []
        """Those that the last look of a sweep has found."""
        self.unreported: list[str] = []
        """The commands of leftovers that were killed while their main process was a zombie."""


class Trees:
    """The trees of all instances. `marks_of`: what the processes of an instance carry (procfs.carries)."""

    def __init__(self, children: Children, marks_of: Callable[[InstanceId], frozenset[bytes]]) -> None:
        self._children = children
        self._marks_of = marks_of
        self._trees: dict[InstanceId, _Tree] = {}
        self._scan: Scan | None = None
        self._is_alone: bool | None = None
        self._is_known: bool | None = None
        self._reserve = Reserve()

    def forget_scan(self) -> None:
        """Read /proc again at the next look. To be called after every kill, reap or wait."""
        self._scan = None
        self._is_alone = self._is_known = None

    def begin_step(self, instance: InstanceId, leader: int) -> None:
        """Remember the tree, before a step of the stop sequence."""
        tree = self._trees.setdefault(instance, _Tree())
        tree.reached.clear()
        try:
            # most programs are one process; to see that takes a list, or two short files, instead of all of /proc
            if tree.seen or not (self._are_all_known() or self._is_single(leader)):
                self._look(instance, leader, tree)
        except OSError:
            pass  # the sweep will say so

    def signal(self, instance: InstanceId, leader: int, number: Signal, scope: Scope) -> bool:
        """Signal a program whose main process, `leader`, is not reaped yet.

        False: supinit may not signal the main process. What it may not signal of the others is passed over.
        """
        tree = self._trees.setdefault(instance, _Tree())
        others = self._targets(instance, leader, tree, scope)
        noted = tree.killed if number == signal.SIGKILL else tree.reached
        for process in others:
            if scope is Scope.TREE:
                _try(process, number)
            noted.add(_identity(process))
        # its group has received it one by one then
        reaches_group = scope is Scope.GROUP or (scope is Scope.TREE and number == signal.SIGKILL)
        try:
            if reaches_group:
                signal_group(leader, number)
            os.kill(leader, 0 if reaches_group else number)
        except PermissionError:
            return False
        except ProcessLookupError:
            pass
        return True

    def _targets(self, instance: InstanceId, leader: int, tree: _Tree, scope: Scope) -> list[Process]:
        if scope is Scope.MAIN:
            return []
        try:
            others = self._look(instance, leader, tree)
            group = os.getpgid(leader)
        except OSError:
            return []
        return others if scope is Scope.TREE else [process for process in others if process.group == group]

    def meet_end(self, owner: Main, leader: int, number: Signal) -> None:
        """Take in that a main process is a zombie: its number is still its own, and its group's.

        `number` is the signal that its leftovers are to get. SIGKILL is sent at once.
        """
        tree = self._trees.setdefault(owner.instance, _Tree())
        try:
            left = [] if self._has_nobody() else self._look(owner.instance, leader, tree)
            if number == signal.SIGKILL:
                tree.unreported += self._kill(left, tree)
        except OSError:
            number = signal.SIGKILL  # what cannot be seen cannot be waited for; the sweep will say so
        if number == signal.SIGKILL:
            try:
                signal_group(leader, signal.SIGKILL)
            except PermissionError:
                pass

    def find_left(self, instance: InstanceId, leader: int) -> list[Process]:
        """Return what the command of a forking program has left behind. Raises OSError."""
        return self._look(instance, leader, self._trees.setdefault(instance, _Tree()))

    def find_strays(self, born: int) -> list[Process]:
        """Return supinit's adopted children that started at `born` or later and are of no known tree. Raises OSError.

        A daemon may be unrecognizable before it is seen first: its own session, its title over its environment, no
        output.
        """
        if self._scan is None:
            self._scan = self._reserve.spend(scan)
        instances = {owner.instance for owner in self._children.owners.values() if type(owner) is Main}
        marks = [self._marks_of(instance) for instance in instances | self._trees.keys()]
        strays = self._reserve.spend(partial(self._scan.strays, self._children.pids, born, marks))
        seen = {pid for tree in self._trees.values() for pid in tree.seen}
        return [process for process in strays if process.pid not in seen]

    def sweep(self, instance: InstanceId, leader: int, number: Signal) -> Left:
        """Signal what is left of a tree whose main process, `leader`, is reaped.

        Every process gets `number` once, and SIGKILL each time.
        """
        tree = self._trees.setdefault(instance, _Tree())
        killed, tree.unreported = tree.unreported, []
        signalled: list[str] = []
        try:
            if (
                number != signal.SIGKILL
                and (waiting := self._reserve.spend(partial(_first_alive, tree.left))) is not None
            ):
                return Left((name_of(waiting.pid),))
            tree.left = [] if self._has_nobody() else self._look(instance, leader, tree)
            if number == signal.SIGKILL:
                killed += self._kill(tree.left, tree)
            else:
                signalled = self._signal_left(instance, leader, number, tree)
        except OSError as error:
            unknown = f"cannot read /proc: {error.strerror}"
            return Left(killed=tuple(killed), unknown=unknown, is_lasting=error.errno not in EXHAUSTED)
        commands = tuple(name_of(process.pid) for process in tree.left)
        refused = sum(1 for process in tree.left if not may_be_signalled(process.pid))
        return Left(commands, tuple(killed), tuple(signalled), refused)

    def _signal_left(self, instance: InstanceId, leader: int, number: Signal, tree: _Tree) -> list[str]:
        """Signal those that are left and have not got the signal yet; return their commands. Raises OSError."""
        signalled: list[str] = []
        for _ in range(LOOKS):
            fresh = [process for process in tree.left if _identity(process) not in tree.reached]
            if not fresh:
                break
            signalled += [name_of(process.pid) for process in fresh]
            for process in fresh:
                _try(process, number)
                _try(process, signal.SIGCONT)  # a stopped process does not act on others (signal(7))
                tree.reached.add(_identity(process))
            self.forget_scan()
            tree.left = self._look(instance, leader, tree)
        return signalled

    def close(self) -> None:
        """Give up the descriptor that is kept for looks at /proc."""
        self._reserve.close()

    def forget(self, instance: InstanceId) -> None:
        """Forget a tree of which nothing is left."""
        self._trees.pop(instance, None)

    def _kill(self, processes: Iterable[Process], tree: _Tree) -> list[str]:
        """Kill processes; return the commands of those that had not been killed before and could be."""
        names = []
        for process in processes:
            name = name_of(process.pid)
            was_reached = self._reserve.spend(partial(_try, process, signal.SIGKILL))
            if was_reached and _identity(process) not in tree.killed:
                tree.killed.add(_identity(process))
                names.append(name)
        return names

    def _look(self, instance: InstanceId, leader: int, tree: _Tree) -> list[Process]:
        """Return the living processes of a tree but its main process, and remember them. Raises OSError."""
        if self._scan is None:
            self._scan = self._reserve.spend(scan)
        marks, started = self._marks_of(instance), self._children.pids
        found = self._reserve.spend(partial(self._scan.tree_of, leader, marks, started, tree.seen))
        tree.seen.update((process.pid, process.started) for process in found)
        return found

    def _has_nobody(self) -> bool:
        """Whether nothing can be left of any program whose main process is dead. Raises OSError."""
        if self._is_alone is None:
            self._is_alone = self._reserve.spend(lambda: is_alone(self._children.pids))
        return self._is_alone

    def _are_all_known(self) -> bool:
        """Whether supinit has started every process that there is, so that no tree has another one. Raises OSError."""
        if self._is_known is None:
            self._is_known = self._reserve.spend(lambda: are_all_known(self._children.pids))
        return self._is_known

    def _is_single(self, leader: int) -> bool:
        """Whether a living main process is all of its tree. Raises OSError."""
        return not has_children(leader) and self._has_nobody()


def _first_alive(processes: Iterable[Process]) -> Process | None:
    """Return one of the processes that has not ended. A short look while they are waited for. Raises OSError."""
    for process in processes:
        now = read_process(process.pid)
        if now is not None and now.started == process.started and not now.is_zombie:
            return process
    return None


def _identity(process: Process) -> tuple[int, int]:
    return process.pid, process.started


def _try(process: Process, number: Signal) -> bool:
    """Signal a process. False: it is gone, or supinit may not signal it. Raises OSError if no descriptor is left."""
    try:
        return signal_process(process, number)
    except PermissionError:
        return False
