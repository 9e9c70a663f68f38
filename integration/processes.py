"""What /proc says about the processes of a container, seen from outside."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from integration.waiting import sleep_until

Stat = tuple[int, str, int]
"""pid, state letter, parent's pid."""


def stat_of(pid: int) -> Stat | None:
    """Return the state of a process. None: it does not exist."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    return pid, state, int(parent)


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def children_of(pid: int) -> list[int]:
    """Return the direct children, zombies too."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def family_of(pid: int) -> list[int]:
    """Return a process and everything below it, the youngest generation last."""
    family = [pid]
    for member in family:
        family += children_of(member)
    return family


def zombies_under(pid: int) -> list[int]:
    """Return the zombies among a process's children."""
    stats = (stat_of(child) for child in children_of(pid))
    return [stat[0] for stat in stats if stat is not None and stat[1] == "Z"]


def alive_with(word: str) -> list[int]:
    """Return the living processes that have `word` among their arguments."""
    return [pid for pid in all_pids() if word in arguments_of(pid) and is_alive(pid)]


def alive_in_namespace(namespace: str) -> list[int]:
    """Return the processes of a PID namespace, given as its link in /proc/PID/ns."""
    return [pid for pid in all_pids() if namespace_of(pid) == namespace]


def namespace_of(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def arguments_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    stat = stat_of(pid)
    return stat is not None and stat[1] not in "ZX"


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def descriptor_infos(pid: int) -> list[str]:
    """Return what proc(5) knows of each descriptor of a process (fdinfo). One that is closed meanwhile is left out."""
    infos = []
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            infos.append(path.read_text())
        except FileNotFoundError:
            pass
    return infos


def is_at_rest(pid: int) -> bool:
    """Whether a process has slept for half a second."""
    before = switches_of(pid)
    time.sleep(0.5)
    stat = stat_of(pid)
    return stat is not None and stat[1] == "S" and switches_of(pid) == before


def switches_of(pid: int) -> int:
    """Return how many context switches a process has made, over all of its threads."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        try:
            lines = status.read_text().splitlines()
        except OSError:
            continue  # the thread has just ended
        total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return total


def switches_at_rest(pid: int, seconds: float) -> int:
    """Return how many context switches a process makes in this time, once it is at rest."""
    sleep_until(lambda: is_at_rest(pid), 30, f"{pid} is at rest")
    before = switches_of(pid)
    time.sleep(seconds)  # the one thing that is measured by time: nothing happens in it
    return switches_of(pid) - before
