"""run_dir as the folder of the marker files: it is opened and locked once, and changed through its open directories.

Rule 1: a marker is made with a rename, so that a reader sees the whole file or no file.
Rule 2: no marker is there when the first child starts; markers of an earlier supinit are removed.
Rule 3: no link is followed: where another user may write in run_dir, a link that is planted leads to no other file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from supervisor.errors import StartError


class MarkerFolder:
    """run_dir and its folder health/. A marker is named `healthy`, `ready` or `health/PROGRAM`."""

    def __init__(self, run_dir: str) -> None:
        self.path = run_dir
        self._lock: int | None = None
        """run_dir, open and locked."""
        self._health = -1
        """health/, open."""
        self._is_there = False
        """Whether both were found where they belong, when they were looked at last."""

    def open(self) -> None:
        """Make run_dir, take it for this supinit alone and remove old markers. Raises StartError."""
        try:
            os.makedirs(os.path.join(self.path, "health"), exist_ok=True)
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _close_to_others(self._lock)
            self._health = os.open(
                "health", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._lock
            )
            for folder in (self._lock, self._health):
                for name in os.listdir(folder):
                    if folder == self._health or name.removeprefix(".") in ("healthy", "ready"):
                        os.unlink(name, dir_fd=folder)
            self.look()
            self.make(".trial", None)
            os.unlink(".trial", dir_fd=self._lock)
        except BlockingIOError:
            self.close()
            raise StartError(
                f"cannot use run_dir {self.path}: another supinit is using it; "
                "give each its own with supervisor.run_dir or $SUPINIT_RUN_DIR"
            ) from None
        except OSError as error:
            self.close()
            raise StartError(
                f"cannot write run_dir {self.path}: {error.strerror}; mount a tmpfs there, or name a directory "
                f"that uid {os.geteuid()} can write with supervisor.run_dir or $SUPINIT_RUN_DIR"
            ) from None

    def reopen(self) -> None:
        """Make run_dir again, without markers, because somebody has removed or replaced it. Raises StartError."""
        self.close()
        self.open()

    @property
    def is_locked(self) -> bool:
        """Whether it is open. If not, it may belong to another supinit by now."""
        return self._lock is not None

    def look(self) -> bool:
        """Return whether both directories are where they belong. It takes four system calls.

        Until the next look, markers are made and removed according to this one.
        """
        try:
            self._is_there = (
                self._lock is not None
                and os.path.samestat(os.stat(self.path), os.fstat(self._lock))
                and os.path.samestat(os.lstat(os.path.join(self.path, "health")), os.fstat(self._health))
            )
        except OSError:
            self._is_there = False
        return self._is_there

    def make(self, name: str, passed_at: float | None) -> None:
        """Make a marker, with the time of the last passing check (monotonic clock) if there is one. Raises OSError."""
        folder, base = self._place(name)
        hidden = f".{base}"
        descriptor = _create(hidden, folder)
        try:
            os.write(descriptor, b"ok\n")
        finally:
            os.close(descriptor)
        _touch(hidden, folder, passed_at)
        os.rename(hidden, base, src_dir_fd=folder, dst_dir_fd=folder)

    def remove(self, name: str) -> None:
        """Remove a marker, unless somebody has done so. Raises OSError."""
        folder, base = self._place(name)
        try:
            os.unlink(base, dir_fd=folder)
        except FileNotFoundError:
            pass

    def touch(self, name: str, passed_at: float | None) -> None:
        """Set the time of a marker, or make it where somebody has removed it. Raises OSError."""
        try:
            folder, base = self._place(name)
            _touch(base, folder, passed_at)
        except FileNotFoundError:
            self.make(name, passed_at)

    def _place(self, name: str) -> tuple[int, str]:
        """Return the open directory of a marker, and its name there. Raises OSError."""
        folder = self._health if name.startswith("health/") else self._lock
        if folder is None or not self._is_there:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return folder, name.removeprefix("health/")

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._health >= 0:
            os.close(self._health)
            self._health = -1


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
