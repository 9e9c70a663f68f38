"""Whose process it is that has sent something: the instance it belongs to, by its ancestors or its environment."""

from __future__ import annotations

import os

from supervisor.core.lanes import other_lane
from supervisor.process.environment import SECOND_LANE
from supervisor.process.pid_files import read_pid
from supervisor.process.procfs import read_process, variables_of
from supervisor.process.variables import IDENTITY, INSTANCE, PROGRAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervisor.core.program import InstanceId


def find_instance(pid: int, mains: Mapping[int, InstanceId], identity: str) -> InstanceId | None:
    """Return the instance that a process belongs to. None: it is gone, or belongs to no program.

    `mains` are the main processes; `identity` is this supinit's own, which its programs' processes carry.
    """
    own = os.getpid()
    process = read_process(pid)
    while process is not None:
        for leader in (process.pid, process.group, process.session):
            if leader in mains:
                return mains[leader]
        if process.parent in (0, own):
            return _named(variables_of(process.pid), identity)
        process = read_process(process.parent)
    return None


def named_daemons(pid_files: Iterable[tuple[InstanceId, str]]) -> dict[int, InstanceId]:
    """Return the processes named by the pid files that can be read."""
    daemons = {}
    for instance, path in pid_files:
        try:
            daemons[read_pid(path)] = instance
        except OSError:
            continue
    return daemons


def _named(variables: set[bytes], identity: str) -> InstanceId | None:
    """Return the instance that an environment names."""
    values = dict(variable.decode(errors="replace").partition("=")[::2] for variable in variables)
    number = values.get(INSTANCE, "")
    marked = values.get(IDENTITY, "")
    if marked.removesuffix(SECOND_LANE) != identity or PROGRAM not in values or not number.isdecimal():
        return None
    instance = values[PROGRAM], int(number)
    return instance if marked == identity else other_lane(instance)
