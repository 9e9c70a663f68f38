"""Count the out-of-memory kills in supinit's memory cgroup, and attribute them to programs.

The kernel counts its victims but does not name them: `oom_kill` in memory.events (cgroup v2) or memory.oom_control
(v1, since Linux 4.13). The count rises before the victim can be reaped. So a main process that was ended by a SIGKILL
of unknown origin is taken for the victim of a rise that no other process has claimed. A rise caused by a worker is not
claimed, and is forgotten after CLAIM_LIMIT.
"""

from __future__ import annotations

CLAIM_LIMIT = 1.0
"""Seconds after which a rise is forgotten: its victim would have been reaped by then."""
KINDS = {b"cgroup2": ("", "memory.events"), b"cgroup": ("memory", "memory.oom_control")}
"""By file system type: the controller in /proc/self/cgroup, and the file with the counter (cgroups(7))."""


class OomKills:
    """The counter of one cgroup. `path` is its file; None: there is none, and no kill is ever attributed."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._count = self._read()
        self._unclaimed = 0
        self._rose_at = float("-inf")

    def look(self, now: float) -> int | None:
        """Read and return the kernel's count. None: it cannot be read."""
        count = self._read()
        if now - self._rose_at > CLAIM_LIMIT:
            self._unclaimed = 0
        if count is not None and self._count is not None and count > self._count:
            self._unclaimed += count - self._count
            self._rose_at = now
        self._count = count
        return count

    def claim(self, now: float) -> bool:
        """Claim a kill for a process that was just reaped. False: there is no unclaimed kill."""
        self.look(now)
        if not self._unclaimed:
            return False
        self._unclaimed -= 1
        return True

    def disclaim(self, now: float) -> None:
        """Forget all unclaimed kills: the next SIGKILL is supinit's own."""
        self.look(now)
        self._unclaimed = 0

    def _read(self) -> int | None:
        if self._path is None:
            return None
        try:
            with open(self._path, "rb", buffering=0) as file:
                lines = file.read(4096).splitlines()
        except OSError:
            return None
        return next((int(line[9:]) for line in lines if line.startswith(b"oom_kill ")), None)


def find_counter(proc: str = "/proc/self") -> str | None:
    """Return the counter file of supinit's own cgroup. None: none is visible.

    Version 2 is tried first. Where both are mounted, version 1 may control memory (hybrid mode).
    """
    try:
        with open(f"{proc}/cgroup", "rb") as file:
            paths = dict(_membership(line) for line in file.read().splitlines())
        with open(f"{proc}/mountinfo", "rb") as file:
            mounts = [line.split() for line in file.read().splitlines()]
    except (OSError, ValueError):
        return None
    for kind, (controller, name) in KINDS.items():
        for fields in mounts:
            root, place, (type_, _, options) = fields[3], fields[4], fields[fields.index(b"-") + 1 :][:3]
            if type_ != kind or (controller and controller.encode() not in options.split(b",")):
                continue
            path = _below(paths.get(controller), root, place)
            if path is not None and OomKills(f"{path}/{name}").look(0.0) is not None:
                return f"{path}/{name}"
    return None


def _membership(line: bytes) -> tuple[str, bytes]:
    """Return controller and path of a line such as 4:memory:/app or 0::/app. Of several controllers, prefer memory."""
    _, controllers, path = line.split(b":", 2)
    return ("memory" if b"memory" in controllers.split(b",") else controllers.decode(), path)


def _below(path: bytes | None, root: bytes, place: bytes) -> str | None:
    """Return where the cgroup `path` is visible, given that `root` of its hierarchy is mounted at `place`."""
    if path is None or not (path + b"/").startswith(root.rstrip(b"/") + b"/"):
        return None
    return (place + b"/" + path[len(root.rstrip(b"/")) :].strip(b"/")).rstrip(b"/").decode("utf-8", "surrogateescape")
