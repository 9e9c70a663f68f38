"""Run a oneshot once per key among all containers that share a directory, such as a migration once per deploy.

Rule 1: supinit and the oneshot both hold the program's lock (flock(2)), and the kernel releases it with the last of
them. A crash leaves neither a lock nor a record, and a oneshot that survives a killed supinit still excludes others.
Rule 2: success is recorded atomically, before the program counts as completed.
Rule 3: if the directory cannot be used, the oneshot does not run.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from supervisor.core.once import reason_to_skip
from supervisor.core.record import Record
from supervisor.trusted_path import open_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.once import Once
    from supervisor.core.program import InstanceId

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_MAX_NAME = 200
_CODEC = "utf-8", "surrogatepass"
_MAX_RECORD = 64 * 1024


class Granted(Record):
    """This container may run it."""


class Skipped(Record):
    """It need not run. `reason` says why."""

    reason: str


class Busy(Record):
    """Another container is running it now."""


class Claims:
    """The locks held by this supinit."""

    def __init__(self) -> None:
        self._held: dict[InstanceId, tuple[int, float]] = {}
        """The locked descriptor, and when it was locked (monotonic clock)."""

    def claim(self, instance: InstanceId, once: Once) -> Granted | Skipped | Busy:
        """Try to take the program's lock. Raises OSError where the directory cannot be used; no lock is held then."""
        self.release(instance)
        folder = _open(once, instance, make=True)
        try:
            # others may write to a shared directory: a link there must not lead supinit, as root, to another file
            lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                reason = _reason_to_skip(folder, once, instance)
            except BlockingIOError:
                os.close(lock)
                return Busy()
            except BaseException:
                _unlock(lock)
                raise
        finally:
            os.close(folder)
        if reason is not None:
            _unlock(lock)
            return Skipped(reason)
        self._held[instance] = lock, time.monotonic()
        return Granted()

    def record(self, instance: InstanceId, once: Once) -> None:
        """Record success and release the lock. Raises OSError; the oneshot will run again then."""
        import json

        _, started_at = self._held[instance]
        content = {
            "program": instance[0],
            "key": once.key,
            "order": once.order,
            "completed_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "duration_seconds": round(time.monotonic() - started_at, 3),
            "host": os.uname().nodename,
        }
        try:
            folder = _open(once, instance)
            try:
                _write_whole(folder, f"{_file_name(once.key)}.json", json.dumps(content) + "\n")
            finally:
                os.close(folder)
        finally:
            self.release(instance)

    def lock_of(self, instance: InstanceId) -> int | None:
        """Return the descriptor of the lock held for an instance."""
        held = self._held.get(instance)
        return None if held is None else held[0]

    def release(self, instance: InstanceId) -> None:
        """Release the lock, if it is held."""
        held = self._held.pop(instance, None)
        if held is not None:
            _unlock(held[0])


def _unlock(lock: int) -> None:
    """Unlock explicitly: closing is not enough while a child between fork and exec shares the lock (flock(2))."""
    try:
        fcntl.flock(lock, fcntl.LOCK_UN)
    finally:
        os.close(lock)


def _folder(once: Once, instance: InstanceId) -> str:
    return os.path.join(once.dir or "", instance[0])


def _open(once: Once, instance: InstanceId, make: bool = False) -> int:
    """Open the directory of a program; `make` it if it is missing. Raises OSError, also for a link of another user."""
    return open_folder(os.path.abspath(_folder(once, instance)), make)


def _reason_to_skip(folder: int, once: Once, instance: InstanceId) -> str | None:
    """Return the reason to skip the run, or None if it must run."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    is_recorded = f"{_file_name(once.key)}.json" in names
    paths = [os.path.join(_folder(once, instance), name) for name in names]
    orders = (order for path in paths if (order := _recorded_order(folder, path)) is not None)
    return reason_to_skip(once.key, once.order, is_recorded, orders)


def _recorded_order(folder: int, path: str) -> str | None:
    import json

    # others who share the directory must not be able to hang supinit with a FIFO or fill its memory
    descriptor = os.open(os.path.basename(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        data = os.read(descriptor, _MAX_RECORD)
    except BlockingIOError:
        data = b""
    finally:
        os.close(descriptor)
    try:
        order = json.loads(data)["order"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise OSError(errno.EINVAL, f"{path} is not a record written by supinit") from None
    return None if order is None else str(order)


def _file_name(key: str) -> str:
    """Return a file name, valid on any file system, that only this key has. A key need not be valid UTF-8."""
    name = "".join(c if c in _PLAIN else "".join(f"%{byte:02X}" for byte in c.encode(*_CODEC)) for c in key)
    if len(name) <= _MAX_NAME:
        return name
    from hashlib import sha256

    return f"{name[:100]}%-{sha256(key.encode(*_CODEC)).hexdigest()}"  # an escaped short key never contains %-


def _write_whole(folder: int, name: str, text: str) -> None:
    """Write a file atomically: after a crash it is complete or absent (rename(2), fsync(2))."""
    draft = f"{name}.new"
    try:
        os.unlink(draft, dir_fd=folder)
    except FileNotFoundError:
        pass
    # O_EXCL: never through a link
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
