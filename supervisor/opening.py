"""The opening: the first programs of a compiled table start before most of supinit is loaded.

A compiled table lists the plain programs that the core starts first. To start them takes twenty small modules; the
engine takes ninety. So they are started first, and the engine is loaded while they start up.

Rule 1: the engine decides as if nothing had been started. When it orders one of these starts, the launcher uses the
        process that is there.
Rule 2: a start that fails leaves nothing behind and ends the opening. The engine does the rest, and reports what fails.
docs/decisions/0051-the-opening.md has the figures.
"""

from __future__ import annotations

import os

from supervisor.config.compiled import read_compiled
from supervisor.groundwork import Groundwork
from supervisor.logs.new_pipes import close_all, new_pipes
from supervisor.process.descriptors import shortage
from supervisor.process.executable import DEFAULT_PATH, find_executable
from supervisor.process.inherited import inherited_environment
from supervisor.process.posix_spawn import posix_spawn
from supervisor.process.subreaper import is_init
from supervisor.process.variables import inheritable, marks, put_together

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.config.compiled import Compiled, FirstStart


class Opened:
    """A process that an opening has started. supinit reads its `pipes`: stdout and, unless both share it, stderr."""

    __slots__ = ("pid", "pipes")

    def __init__(self, pid: int, pipes: list[int]) -> None:
        self.pid = pid
        self.pipes = pipes


class Opening:
    """What has been read and started before the engine is loaded."""

    def __init__(self) -> None:
        self.compiled: Compiled | None = None
        self.not_compiled = ""
        """Why a compiled table is there and not used. Empty: it is used, or there is none."""
        self.groundwork: Groundwork | None = None
        """None: nothing has been started."""
        self.opened: dict[tuple[str, int], Opened] = {}


def open_table(path: str) -> Opening:
    """Start the first programs of a table if it is compiled. Raises StartError if run_dir cannot be used."""
    opening = Opening()
    opening.compiled, opening.not_compiled = read_compiled(path, os.environ)
    if opening.compiled is None or not opening.compiled.head["first"] or not is_init():
        return opening
    head = opening.compiled.head
    ground = opening.groundwork = Groundwork(head["run_dir"], head["signals"])
    own = inheritable(inherited_environment())
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        for first in head["first"]:
            if shortage() is not None:
                break
            opening.opened[first["instance"]] = _start(first, own, null, ground)
    except Exception:  # whatever it is, such as a list that another build of supinit has made
        pass  # rule 2
    finally:
        os.close(null)
    return opening


def _start(first: FirstStart, own: Mapping[str, str], null: int, ground: Groundwork) -> Opened:
    """Start one process. If it raises anything, nothing is left of it."""
    environment = put_together(
        own if first["inherits_environment"] else {},
        first["environment"],
        own,
        marks(*first["instance"], ground.identity),
    )
    path = find_executable(first["command"][0], environment.get("PATH", DEFAULT_PATH))
    ours, theirs = new_pipes(first["pipes"], ground.epoll)
    streams = (null, 0), (theirs[0], 1), (theirs[-1], 2)
    try:
        pid = posix_spawn(
            path, first["command"], environment, streams, first["working_dir"], first["umask"], ground.nofile
        )
    except BaseException:
        close_all(ours)
        raise
    finally:
        close_all(theirs)
    return Opened(pid, ours)
