"""How often the kernel has killed in supinit's own memory cgroup because memory was short, and whether it just has.

The kernel counts its victims but does not name them: `oom_kill` in memory.events (cgroup v2) or memory.oom_control
(v1, since Linux 4.13). The count has risen before a victim can be reaped, so a main process that ended by a SIGKILL of
unknown origin is taken for the victim of a rise that nobody has claimed. A worker's death is nobody's claim, and is
forgotten once the rise is older than CLAIM_LIMIT.
"""

from __future__ import annotations

CLAIM_LIMIT = 1.0
"""Seconds after which a rise that has been seen belongs to nobody: its victim would have been reaped by then."""
KINDS = {b"cgroup2": ("", "memory.events"), b"cgroup": ("memory", "memory.oom_control")}
"""By type of file system: the controller in /proc/self/cgroup, and the file that counts (cgroups(7))."""


class OomKills:
    """The count of one cgroup. `path` is the file that has it; None: there is none, and nothing is ever claimed."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._count = self._read()
        self._unclaimed = 0
        self._rose_at = float("-inf")

    def look(self, now: float) -> int | None:
        """Return the kernel's count. None: it cannot be read."""
        count = self._read()
        if now - self._rose_at > CLAIM_LIMIT:
            self._unclaimed = 0
        if count is not None and self._count is not None and count > self._count:
            self._unclaimed += count - self._count
            self._rose_at = now
        self._count = count
        return count

    def claim(self, now: float) -> bool:
        """Whether a process that was just reaped is a victim; each rise is claimed once."""
        self.look(now)
        if not self._unclaimed:
            return False
        self._unclaimed -= 1
        return True

    def disclaim(self, now: float) -> None:
        """Forget what has risen until now: the next death by SIGKILL is asked for."""
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
    """Return the file that counts for supinit's own cgroup. None: there is none that can be seen.

    The second version comes first, but where both are mounted, memory may be in the hands of the first (hybrid mode).
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
    """Return the controller and the path of a line such as 4:memory:/app or 0::/app; of several, memory is meant."""
    _, controllers, path = line.split(b":", 2)
    return ("memory" if b"memory" in controllers.split(b",") else controllers.decode(), path)


def _below(path: bytes | None, root: bytes, place: bytes) -> str | None:
    """Return where the cgroup `path` is seen, if `root` of its hierarchy is mounted at `place`."""
    if path is None or not (path + b"/").startswith(root.rstrip(b"/") + b"/"):
        return None
    return (place + b"/" + path[len(root.rstrip(b"/")) :].strip(b"/")).rstrip(b"/").decode("utf-8", "surrogateescape")
