"""Every process of the container, read once from /proc, and its owner.

A program owns its main process and everything that a sweep would kill (sweep.py). The result may be stale as soon as it
is returned. A process that ends while it is read is left out.
"""

from __future__ import annotations

import os

from supervisor.core.record import Record
from supervisor.core.tree import Branch, Member, Owner, OwnerKind
from supervisor.process.procfs import (
    Process,
    descendants,
    list_pids,
    make_process,
    outputs_of,
    pipes_among,
    read_stat,
    variables_of,
)
from supervisor.process.usage import attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from supervisor.core.program import InstanceId

SLICE = 16
"""Processes read in one slice."""
LONGEST_COMMAND = 4096
"""Bytes of a command line; the rest is not read."""
STATES = {
    "R": "running", "S": "sleeping", "D": "disk-sleep", "Z": "zombie", "T": "stopped", "t": "tracing-stop",
    "X": "dead", "x": "dead", "I": "idle", "P": "parked",
}  # fmt: skip
"""psutil's words for the state letters of proc(5)."""


class _Seen(Record):
    process: Process
    member: Member


class ProcessTree:
    """Read with `read`, then put together with `branches`."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._marked: dict[int, InstanceId | None] = {}
        """The instance whose marks each child carries that supinit did not start itself."""

    def read(self, marks: Mapping[InstanceId, frozenset[bytes]], started: Collection[int]) -> Iterator[None]:
        """Read all processes, and yield between slices so that the loop can do other work.

        `marks` identify the processes of each instance (procfs.carries). `started` are the pids of the processes that
        supinit started itself.
        """
        own, index = os.getpid(), _Index(marks)
        for number, pid in enumerate(list_pids()):
            seen = _look(pid)
            if seen is not None:
                self._seen[pid] = seen
                if seen.process.parent == own and pid not in started:
                    self._marked[pid] = index.find(pid)
            if number % SLICE == 0:
                yield

    def branches(self, owners: Mapping[int, Owner]) -> tuple[Branch, ...]:
        """Return the processes of each owner, given the owners of the processes that supinit started itself."""
        own = os.getpid()
        processes = {pid: seen.process for pid, seen in self._seen.items()}
        if own != 1:
            mine = descendants(processes, [own]) | {own}
            processes = {pid: process for pid, process in processes.items() if pid in mine}
        mains = {owner: pid for pid, owner in owners.items() if owner.kind is OwnerKind.PROGRAM}
        others = {own: Owner(OwnerKind.SUPINIT), **owners}
        leaders = set(mains.values())
        for pid, process in processes.items():
            if process.parent in (0, own) and leaders.isdisjoint((pid, process.group, process.session)):
                others.setdefault(pid, _owner_of_stray(process, self._marked.get(pid)))
        members: dict[Owner, list[Member]] = {}
        belonging = attribute(mains, processes, others)
        for pid in sorted(processes, key=lambda pid: (pid not in leaders, pid)):
            owner = belonging.get(pid, Owner(OwnerKind.ORPHANS))  # its parent has died meanwhile
            members.setdefault(owner, []).append(self._seen[pid].member)
        return tuple(Branch(owner, tuple(those)) for owner, those in members.items())


class _Index:
    """Finds the instance of a process by its marks, reading each process once for any number of instances."""

    def __init__(self, marks: Mapping[InstanceId, frozenset[bytes]]) -> None:
        self._by_pipe = {pipe: instance for instance in marks for pipe in pipes_among(marks[instance])}
        variables = {instance: marks[instance] - pipes_among(marks[instance]) for instance in marks}
        self._by_variables = {variables[instance]: instance for instance in marks}
        self._names = {_name(variable) for those in variables.values() for variable in those}

    def find(self, pid: int) -> InstanceId | None:
        for output in outputs_of(pid):
            if output in self._by_pipe:
                return self._by_pipe[output]
        variables = (variable for variable in variables_of(pid) if _name(variable) in self._names)
        return self._by_variables.get(frozenset(variables))


def _name(variable: bytes) -> bytes:
    return variable.partition(b"=")[0]


def _owner_of_stray(process: Process, marked: InstanceId | None) -> Owner:
    if marked is not None:
        return Owner(OwnerKind.PROGRAM, marked)
    return Owner(OwnerKind.ORPHANS if process.parent else OwnerKind.ENTERED)


def _look(pid: int) -> _Seen | None:
    stat = read_stat(pid)
    if stat is None:
        return None
    name, fields = stat
    process = make_process(pid, fields)
    state = fields[0].decode()
    return _Seen(
        process,
        Member(
            pid=pid,
            parent=process.parent,
            state=STATES.get(state, state),
            command=_read_command(pid) or (f"[{os.fsdecode(name)}]",),
            cpu_seconds=process.cpu_seconds,
            memory_bytes=process.memory_bytes,
        ),
    )


def _read_command(pid: int) -> tuple[str, ...]:
    """Return the arguments. Empty for a zombie."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
            line = file.read(LONGEST_COMMAND)
    except OSError:
        return ()
    return tuple(os.fsdecode(line.rstrip(b"\0")).split("\0")) if line.rstrip(b"\0") else ()
