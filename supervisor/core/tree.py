"""Every process of the container, each put down to whom it belongs."""

from __future__ import annotations

from enum import Enum

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import InstanceId


class OwnerKind(Enum):
    """What a branch is, in the order in which they are shown."""

    PROGRAM = "program"
    SUPINIT = "supinit"
    PROBE = "probe"
    """A command that asks how a program is."""
    COMMAND = "command"
    """A command that stops or reloads a program."""
    ENTERED = "entered"
    """What has come into the container from outside, such as `docker exec`."""
    ORPHANS = "orphans"
    """Whose parent has died, and who belongs to no program."""


class Owner(Record):
    """To whom processes belong; `instance` is the one that a program, a probe or a command is of."""

    kind: OwnerKind
    instance: InstanceId | None = None


class Member(Record):
    """One process. `state` is a word, such as sleeping or zombie; CPU as in `Usage`."""

    pid: int
    parent: int
    state: str
    command: tuple[str, ...]
    cpu_seconds: float
    memory_bytes: int


class Branch(Record):
    """The processes of one owner, the main process first."""

    owner: Owner
    members: tuple[Member, ...]


class Usage(Record):
    """`cpu_seconds` counts the tree's processes and the children that they have waited for, since the main's start."""

    cpu_seconds: float
    memory_bytes: int
    """Resident memory, summed: what processes share counts once for each."""
    processes: int
