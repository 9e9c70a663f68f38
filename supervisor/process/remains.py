"""What a supinit that was killed has left running, where it was not PID 1: the next one on the same run_dir ends it.

PID 1 takes its whole namespace with it. Any other supinit that gets SIGKILL leaves its programs behind, and the next
one would start everything a second time beside them. So each keeps a file of what belongs to it: its id, which its
processes carry in their environment, and the pid and start time of each main process, since a server may overwrite its
environment.
"""

from __future__ import annotations

import os
import time
from signal import SIGCONT, SIGKILL, SIGTERM

from supervisor.errors import StartError
from supervisor.process.environment import SECOND_LANE
from supervisor.process.procfs import descendants, read_process, read_processes, variables_of
from supervisor.process.sweep import signal_process
from supervisor.process.variables import IDENTITY
from supervisor.regular_file import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervisor.core.program import Signal
    from supervisor.process.procfs import Process

NAME = "processes"
MAX_BYTES = 1 << 20
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL, Compose's default for a stop."""
KILL_LIMIT = 5.0
INTERVAL = 0.05
SPARE_LINES = 1000
"""Lines about processes that are gone before the file is written anew."""


class Register:
    """The file of what belongs to this supinit. Where it cannot be written, supinit runs without it."""

    def __init__(self, run_dir: str, identity: str, mains: Callable[[], list[int]]) -> None:
        self._path = os.path.join(run_dir, NAME)
        self._identity = identity
        self._mains = mains
        self._lines = 0
        self.renew()

    def add(self, pid: int) -> None:
        """Note a new main process."""
        self._lines += 1
        if self._lines > SPARE_LINES:
            self.renew()
        else:
            self._write(os.O_APPEND, _line(pid))

    def renew(self) -> None:
        """Write the file anew, with what is alive."""
        self._lines = 0
        self._write(os.O_TRUNC, f"{self._identity}\n" + "".join(map(_line, self._mains())))

    def look_after(self) -> None:
        """Write the file anew where somebody has removed it."""
        if not os.path.exists(self._path):
            self.renew()

    def remove(self) -> None:
        """Remove the file: nothing is left."""
        try:
            os.unlink(self._path)
        except OSError:
            pass

    def _write(self, flag: int, text: str) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flag, 0o600)
            try:
                os.write(descriptor, text.encode())
            finally:
                os.close(descriptor)
        except OSError:
            pass


def _line(pid: int) -> str:
    process = read_process(pid)
    return "" if process is None else f"{pid} {process.started}\n"


def end_remains(run_dir: str) -> int:
    """End what an earlier supinit on this run_dir has left; return how many processes that was.

    SIGTERM first, and SIGKILL after GRACE. Raises StartError for what cannot be ended: nothing may run beside it.
    """
    known = _read(os.path.join(run_dir, NAME))
    if known is None:
        return 0
    left = _find(*known)
    count = len(left)
    for number, limit in ((SIGTERM, GRACE), (SIGKILL, KILL_LIMIT)):
        end = time.monotonic() + limit
        _signal_all(left, number)
        while left and time.monotonic() < end:
            time.sleep(INTERVAL)
            left = _find(*known)
            if number == SIGKILL:
                _signal_all(left, number)  # what was born meanwhile
    if left:
        pids = ", ".join(map(str, sorted(left)))
        raise StartError(f"cannot end what an earlier supinit has left running (pids {pids}; run_dir {run_dir})")
    return count


def _signal_all(processes: Mapping[int, Process], number: Signal) -> None:
    for process in processes.values():
        signal_process(process, number)
        signal_process(process, SIGCONT)


def _read(path: str) -> tuple[bytes, dict[int, int]] | None:
    """Return the mark and the main processes of an earlier supinit. None: there is no file, or it is another user's."""
    try:
        if os.lstat(path).st_uid not in (0, os.geteuid()):
            return None
        identity, *lines = read_regular_file(path, MAX_BYTES).decode().splitlines()
        mains = {int(pid): int(started) for pid, _, started in (line.partition(" ") for line in lines)}
    except (OSError, ValueError):
        return None
    return f"{IDENTITY}={identity}".encode(), mains


def _find(mark: bytes, mains: Mapping[int, int]) -> dict[int, Process]:
    """Return the living processes of an earlier supinit: main processes, their sessions, and what is below them."""
    processes = read_processes()
    leaders = {pid for pid, started in mains.items() if pid in processes and processes[pid].started == started}
    found = {pid for pid, process in processes.items() if leaders & {pid, process.group, process.session}}
    marks = {mark, mark + SECOND_LANE.encode()}
    found |= {pid for pid in processes if pid not in found and variables_of(pid) & marks}
    found |= descendants(processes, found)
    return {pid: processes[pid] for pid in found - _ancestors(processes) if not processes[pid].is_zombie}


def _ancestors(processes: Mapping[int, Process]) -> set[int]:
    """Return this process and all above it: whoever has started supinit may carry the mark, too."""
    above: set[int] = set()
    pid = os.getpid()
    while pid in processes and pid not in above:
        above.add(pid)
        pid = processes[pid].parent
    return above
