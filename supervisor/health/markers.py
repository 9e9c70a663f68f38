"""The marker files in run_dir, which follow the snapshot.

Rule 1: a marker is made with a rename, so that a reader sees the whole file or no file.
Rule 2: no marker is there when the first child starts; markers of an earlier supinit are removed.
Rule 3: the modification time of health/NAME is the program's last passing check.
Rule 4: run_dir and health/ are reached through their open directories, and no link is followed: where another user may
        write there, a link that is planted leads to no other file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from functools import partial

from supervisor.core.trouble import Troubles
from supervisor.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.log_events import LogEvent
    from supervisor.core.snapshot import Snapshot


class Markers:
    """The marker files of one container."""

    def __init__(self, run_dir: str) -> None:
        self._run_dir = run_dir
        self._standing: dict[str, float | None] = {}
        self._applied: Snapshot | None = None
        """The last one whose markers are all as they should be."""
        self._lock: int | None = None
        """run_dir, open and locked."""
        self._health = -1
        """health/, open."""
        self._is_there = False
        """Whether both were found where they belong, when the files were looked at last."""
        self._troubles = Troubles("marker", "marker.failed", "marker.recovered")
        self._lease_troubles = Troubles("marker", "marker.failed", "marker.recovered")
        """Of `renew`, which says nothing about the other changes."""

    def prepare(self) -> None:
        """Make run_dir, take it for this supinit alone and remove old markers. Raises StartError."""
        health = os.path.join(self._run_dir, "health")
        try:
            os.makedirs(health, exist_ok=True)
            self._lock = os.open(self._run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _close_to_others(self._lock)
            self._health = os.open(
                "health", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._lock
            )
            for folder in (self._lock, self._health):
                for name in os.listdir(folder):
                    if folder == self._health or name.removeprefix(".") in ("healthy", "ready"):
                        os.unlink(name, dir_fd=folder)
            self._is_there = self._is_whole()
            self._make(".trial", None)
            os.unlink(".trial", dir_fd=self._lock)
        except BlockingIOError:
            self._release()
            raise StartError(
                f"cannot use run_dir {self._run_dir}: another supinit is using it; "
                "give each its own with supervisor.run_dir or $SUPINIT_RUN_DIR"
            ) from None
        except OSError as error:
            self._release()
            raise StartError(
                f"cannot write run_dir {self._run_dir}: {error.strerror}; mount a tmpfs there, or name a directory "
                f"that uid {os.geteuid()} can write with supervisor.run_dir or $SUPINIT_RUN_DIR"
            ) from None

    def repair(self) -> bool:
        """Make run_dir again where somebody has removed or replaced it. Returns whether that was so. Raises StartError.

        No marker stands then; `apply` makes those that are due.
        """
        if self._is_whole():
            return False
        self._release()
        self._standing.clear()
        self._applied = None
        self.prepare()
        return True

    def _is_whole(self) -> bool:
        try:
            return (
                self._lock is not None
                and os.path.samestat(os.stat(self._run_dir), os.fstat(self._lock))
                and os.path.samestat(os.lstat(os.path.join(self._run_dir, "health")), os.fstat(self._health))
            )
        except OSError:
            return False

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._health >= 0:
            os.close(self._health)
            self._health = -1

    def apply(self, snapshot: Snapshot) -> list[LogEvent]:
        """Make the files match the snapshot, removals first. Returns the trouble that is new, or over.

        Without run_dir's lock nothing is written: it may belong to another supinit by now (`repair`).
        """
        if self._lock is None or (self._applied is not None and _have_same_markers(self._applied, snapshot)):
            return []
        wanted: dict[str, float | None] = {
            f"health/{name}": passed_at for name, passed_at in snapshot.healthy_programs.items()
        }
        if snapshot.healthy:
            wanted["healthy"] = None
        if snapshot.ready:
            wanted["ready"] = None
        self._is_there = self._is_whole()  # once for all files: it takes four system calls
        events: list[LogEvent] = []
        for name in sorted(self._standing.keys() - wanted.keys(), key=lambda name: (name.startswith("health/"), name)):
            if self._attempt(name, self._remove, self._troubles, events):
                del self._standing[name]
        for name, passed_at in wanted.items():
            if name not in self._standing:
                act = partial(self._make, passed_at=passed_at)
            elif self._standing[name] != passed_at:
                act = partial(self._touch, passed_at=passed_at)
            else:
                continue
            if self._attempt(name, act, self._troubles, events):
                self._standing[name] = passed_at
        for name in self._troubles.failing:
            if self._standing.get(name) == wanted.get(name) and (name in self._standing) == (name in wanted):
                _note(self._troubles, name, None, events)
        # a failure that is only counted for now is not among the failing, so the files themselves are compared
        self._applied = snapshot if self._standing == wanted and not self._troubles.failing else None
        return events

    def renew(self) -> list[LogEvent]:
        """Touch `healthy` and `ready` if they are there: their age shows that supinit is alive (marker_lease)."""
        self._is_there = self._is_whole()
        events: list[LogEvent] = []
        for name in self._standing.keys() & {"healthy", "ready"}:
            touch = partial(self._touch, passed_at=time.monotonic())
            self._attempt(name, touch, self._lease_troubles, events)
        return events

    def _attempt(self, name: str, act: Callable[[str], None], troubles: Troubles, events: list[LogEvent]) -> bool:
        """Change one file. False: it failed, and the next snapshot tries again."""
        reason = None
        try:
            act(name)
        except OSError as error:
            reason = f"cannot write {os.path.join(self._run_dir, name)}: {error.strerror}"
        _note(troubles, name, reason, events)
        return reason is None

    def _make(self, name: str, passed_at: float | None) -> None:
        folder, base = self._place(name)
        hidden = f".{base}"
        descriptor = _create(hidden, folder)
        try:
            os.write(descriptor, b"ok\n")
        finally:
            os.close(descriptor)
        _touch(hidden, folder, passed_at)
        os.rename(hidden, base, src_dir_fd=folder, dst_dir_fd=folder)

    def _remove(self, name: str) -> None:
        folder, base = self._place(name)
        try:
            os.unlink(base, dir_fd=folder)
        except FileNotFoundError:
            pass

    def _touch(self, name: str, passed_at: float | None) -> None:
        try:
            folder, base = self._place(name)
            _touch(base, folder, passed_at)
        except FileNotFoundError:
            self._make(name, passed_at)

    def _place(self, name: str) -> tuple[int, str]:
        """Return the open directory of a marker, and its name there. Raises OSError."""
        folder = self._health if name.startswith("health/") else self._lock
        if folder is None or not self._is_there:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return folder, name.removeprefix("health/")


def _create(name: str, folder: int) -> int:
    """Open a file that is new, whatever was there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(name, flags, 0o666, dir_fd=folder)
    except FileExistsError:
        os.unlink(name, dir_fd=folder)
        return os.open(name, flags, 0o666, dir_fd=folder)


def _touch(name: str, folder: int, passed_at: float | None) -> None:
    if passed_at is not None:
        wall = time.time() - (time.monotonic() - passed_at)
        os.utime(name, (wall, wall), dir_fd=folder, follow_symlinks=False)


def _close_to_others(run_dir: int) -> None:
    """Remove other users' write permission: it would let them replace the control socket.

    Such a directory is usual: a Kubernetes emptyDir has mode 0777. One with the sticky bit, such as /tmp, is not
    supinit's own and stays.
    """
    status = os.fstat(run_dir)
    if status.st_uid == os.geteuid() and status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        os.fchmod(run_dir, stat.S_IMODE(status.st_mode) & ~0o022)


def _have_same_markers(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots ask for the same markers. One look at an unchanged mapping is enough (`project`)."""
    is_same = one.healthy_programs is other.healthy_programs
    return is_same and (one.healthy, one.ready) == (other.healthy, other.ready)


def _note(troubles: Troubles, name: str, reason: str | None, events: list[LogEvent]) -> None:
    event = troubles.note(name, reason, time.monotonic())
    if event is not None:
        events.append(event)
