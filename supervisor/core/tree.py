"""Every process of the container, each with the owner that it belongs to."""

from __future__ import annotations

from enum import Enum

from supervisor.core.lanes import first_lane, in_second_lane
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.core.program import InstanceId


class OwnerKind(Enum):
    """The kinds of owners, in the order in which they are shown."""

    PROGRAM = "program"
    SUPINIT = "supinit"
    PROBE = "probe"
    """A health check's command."""
    COMMAND = "command"
    """A command that stops or reloads a program."""
    ENTERED = "entered"
    """A process that entered the container from outside, such as by `docker exec`."""
    ORPHANS = "orphans"
    """Processes whose parent has died and that belong to no program."""


class Owner(Record):
    """An owner of processes. `instance`: the instance of a program, a probe or a command; None for the others."""

    kind: OwnerKind
    instance: InstanceId | None = None


class Member(Record):
    """One process. `state` is a word, such as sleeping or zombie. `cpu_seconds` is as in `Usage`."""

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
    """What a tree uses. `cpu_seconds` includes children that have been waited for, since the main process started."""

    cpu_seconds: float
    memory_bytes: int
    """The sum of resident memory. Shared pages are counted once for each process."""
    processes: int


def add_up(a: Usage, b: Usage) -> Usage:
    return Usage(a.cpu_seconds + b.cpu_seconds, a.memory_bytes + b.memory_bytes, a.processes + b.processes)


def by_instance(usages: Mapping[InstanceId, Usage]) -> Mapping[InstanceId, Usage]:
    """Return what each instance uses: the old process and the new one together, while it has both."""
    if not any(map(in_second_lane, usages)):
        return usages
    found: dict[InstanceId, Usage] = {}
    for instance, used in usages.items():
        first = first_lane(instance)
        found[first] = add_up(found[first], used) if first in found else used
    return found


class Measurement(Record):
    """What the instances use at one moment. `processes`: how many were read for it, others included."""

    usages: Mapping[InstanceId, Usage]
    processes: int
