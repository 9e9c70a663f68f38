"""The sockets that supinit binds for programs and keeps: what each is, its descriptor, and how long it is needed.

Rule 1: a socket is known by its type and its address. Programs may pass it on to each other in an update, and a new
        name, backlog, mode or owner does not make it another socket.
Rule 2: it is kept while its program is in the table, whether that runs or not. In a shutdown it is closed when the stop
        of its program begins, so that clients are refused and can connect elsewhere.
"""

from __future__ import annotations

from enum import Enum

from supervisor.core.container import Draining, Serving
from supervisor.core.life import Running, Spawning, Starting
from supervisor.core.record import Record
from supervisor.core.wording import address_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.core.container import Fleet
    from supervisor.core.plan import Plan
    from supervisor.core.program import Program

FIRST = 3
"""Number of the first passed descriptor (SD_LISTEN_FDS_START in sd_listen_fds(3))."""


class SocketType(Enum):
    STREAM = "stream"
    DATAGRAM = "datagram"


class ListenSocket(Record):
    """One socket of a program. `address`: the path of a Unix socket, or an IP address and a port."""

    name: str
    address: str | tuple[str, int]
    kind: SocketType = SocketType.STREAM
    backlog: int = 4096
    mode: int = 0o666
    uid: int | None = None
    """Owner of a Unix socket. None: the program's user, else supinit's own."""
    gid: int | None = None

    @property
    def listen(self) -> str:
        """The address as in the table."""
        if isinstance(self.address, str):
            return self.address
        return address_text(*self.address)

    @property
    def key(self) -> SocketKey:
        """What makes it this socket and not another one."""
        return self.kind, self.address


SocketKey = tuple[SocketType, str | tuple[str, int]]


class Backlog(Record):
    """Connections that wait in the kernel for a process of the program to accept them."""

    program: str
    socket: str
    waiting: int


class DescriptorText(Record):
    """Value of a variable that contains the number of a descriptor: only the main process has it."""

    text: str


def numbered(program: Program) -> Iterator[tuple[int, ListenSocket]]:
    """Yield the sockets of a program, in the table's order, each with its descriptor in the main process."""
    yield from enumerate(program.sockets, FIRST)


def passed_alike(old: Program, new: Program) -> bool:
    """Whether processes of both get the same sockets, under the same names and numbers."""
    return [(s.name, s.key) for s in old.sockets] == [(s.name, s.key) for s in new.sockets]


def wanted(plan: Plan, fleet: Fleet) -> tuple[Program, ...]:
    """Return the programs whose sockets have to be bound before the plan applies.

    Those of a program that does not start with the container are bound at its first start.
    """
    running = {name for (name, _), life in fleet.lives.items() if life.is_wanted or life.is_alive}
    programs = (program for program in plan.programs.values() if program.sockets)
    return tuple(p for p in programs if (p.starts_by_itself and p.scale) or p.name in running)


def in_use(plan: Plan, fleet: Fleet) -> dict[SocketKey, tuple[Program, ListenSocket]]:
    """Return the sockets to keep, each with its program. Where an update is under way, the new entry has precedence."""
    if isinstance(fleet.container_phase, Serving | Draining):
        entries = [*plan.programs.values(), *plan.entries.values(), *_entries_to_come(fleet)]
    else:
        serving = (i for i, life in fleet.lives.items() if isinstance(life.phase, Spawning | Starting | Running))
        entries = [plan.program_of(instance) for instance in serving]
    return {socket.key: (program, socket) for program in entries for socket in program.sockets}


def _entries_to_come(fleet: Fleet) -> Iterator[Program]:
    """Yield the entries that programs are about to have, or may have again, in an update that is under way."""
    for going in fleet.leaving.values():
        if going.becomes is not None:
            yield going.becomes
    for roll in fleet.rolls.values():
        if roll.becomes is not None and (roll.is_active or roll.can_go_on):
            yield from (entry for entry in (roll.before, roll.becomes) if entry is not None)
