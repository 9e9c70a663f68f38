"""What has to hold all along, looked at from outside: in /proc of this machine and through the control socket.

A finding is something that is wrong in two looks at least `BOUND` apart, because nothing here is atomic: a process may
end between a look at the status and a look at /proc. The bound grows with the delay that this observer has itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from integration.container import Container
from integration.processes import alive_in_namespace, children_of, stat_of

ZOMBIE_BOUND = 0.1
"""Seconds that a child of PID 1 may be a zombie."""
BOUND = 1.0
"""Seconds that the status and /proc may differ, and that a process may outlive its program."""
DOWN = ("STOPPED", "EXITED", "FATAL", "BACKOFF")
Process = tuple[int, int]
"""A pid, and the time at which the process started."""


class Watch:
    """The threads that look. `broken` is the list of what was found; `oldest_zombie` is in seconds."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.broken: list[str] = []
        self.oldest_zombie = 0.0
        self.looks = 0
        self.most_processes = 0
        self.memory_by_time: list[int] = []
        self._lateness = 0.0
        self._since: dict[Hashable, float] = {}
        self._zombies: dict[int, float] = {}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._watch_zombies, self._watch_all)]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(60)

    # ---- zombies

    def _watch_zombies(self) -> None:
        pause = 0.03
        while True:
            began = time.monotonic()
            if self._over.wait(pause):
                return
            self._lateness = max(self._lateness * 0.9, time.monotonic() - began - pause)
            self._look_for_zombies()

    def _look_for_zombies(self) -> None:
        now = time.monotonic()
        stats = (stat_of(pid) for pid in children_of(self.container.init))
        dead = {stat[0] for stat in stats if stat is not None and stat[1] == "Z"}
        self._zombies = {pid: self._zombies.get(pid, now) for pid in dead}
        for pid, since in self._zombies.items():
            self.oldest_zombie = max(self.oldest_zombie, now - since)
            if now - since > ZOMBIE_BOUND + 10 * self._lateness + load():
                self.broken.append(f"process {pid} has been a zombie for {now - since:.3f} s")

    # ---- the status and /proc

    def _watch_all(self) -> None:
        while not self._over.wait(0.5):
            try:
                self.look()
            except Exception as error:
                self.broken.append(f"the container could not be looked at: {error!r}")
                return

    def look(self) -> None:
        before = self._status()
        found = self._processes()
        after = self._status()
        self.looks += 1
        self.memory_by_time.append(resident(self.container.init))
        self.most_processes = max(self.most_processes, len(found))
        wrong: set[Hashable] = set()
        pids = {inner for inner, _, _ in found.values()}
        for instance, entry in after.items():
            old = before.get(instance)
            if old is None or (old["pid"], old["since"]) != (entry["pid"], entry["since"]):
                continue
            if entry["pid"] is not None and entry["pid"] not in pids:
                wrong.add(
                    (f"{instance} is {entry['state']} with pid {entry['pid']}, which does not run", entry["since"])
                )
            if entry["state"] in DOWN:
                for process, (_, owner, words) in found.items():
                    if owner == instance:
                        wrong.add(
                            (f"{instance} is {entry['state']}, but {words} is left of it", process, entry["since"])
                        )
        for process, (_, owner, words) in found.items():
            if owner is None or (owner not in after and owner not in before):
                wrong.add((f"{words} belongs to nobody ({owner})", process))
        self._judge(wrong)

    def _judge(self, wrong: set[Hashable]) -> None:
        now = time.monotonic()
        self._since = {finding: self._since.get(finding, now) for finding in wrong}
        for finding, since in self._since.items():
            if now - since > BOUND * (1 + load() * 5):
                self.broken.append(f"for {now - since:.1f} s: {finding}")
                self._since[finding] = now + 3600  # said once

    def _status(self) -> dict[str, dict[str, Any]]:
        _, status = self.container._ask("GET", "/v1/status")
        return {f"{entry['name']}:{entry['instance']}": entry for entry in status["programs"]}

    def _processes(self) -> dict[Process, tuple[int, str | None, str]]:
        """Return the living processes below PID 1: the pid inside, the owner by its environment, and the command."""
        found: dict[Process, tuple[int, str | None, str]] = {}
        for pid in alive_in_namespace(self.container.namespace or ""):
            if pid == self.container.init:
                continue
            try:
                folder = Path(f"/proc/{pid}")
                text = (folder / "stat").read_text().rpartition(")")[2].split()
                environ = (folder / "environ").read_bytes()
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                inner = int((folder / "status").read_text().partition("NSpid:")[2].split("\n")[0].split()[-1])
            except (OSError, IndexError, ValueError):
                continue
            if text[0] not in "ZX":
                found[pid, int(text[19])] = (inner, owner_in(environ), words)
        return found

    # ---- what does not grow

    def memory(self) -> int:
        """Return the resident KiB of PID 1, the least of several looks."""
        looks = []
        for _ in range(5):
            looks.append(resident(self.container.init))
            time.sleep(0.1)
        return min(looks)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.container.init}/fd"))


def resident(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


def owner_in(environ: bytes) -> str | None:
    """Return NAME:NUMBER of the instance whose variables a process carries."""
    variables = dict(entry.partition(b"=")[::2] for entry in environ.split(b"\0"))
    name, number = variables.get(b"SUPINIT_PROGRAM"), variables.get(b"SUPINIT_INSTANCE")
    return f"{name.decode()}:{number.decode()}" if name and number else None


def load() -> float:
    """Return by how many seconds a second of work is late on this machine now, roughly."""
    return max(0.0, os.getloadavg()[0] / (os.cpu_count() or 1) - 1)
