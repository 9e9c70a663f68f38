"""The part of inotify(7) that supinit needs, over ctypes: Python has none of its own (docs/decisions/0039)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ATTRIB = 0x4
CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
Q_OVERFLOW = 0x4000
IGNORED = 0x8000
ONLYDIR = 0x1000000
EXCL_UNLINK = 0x4000000
MASK_ADD = 0x20000000

_HEAD = struct.Struct("iIII")
READ_SIZE = 65536
"""Bytes of events that are read at a time: about two thousand."""


class Inotify:
    """One inotify descriptor. `watch` may be called in a thread, and block on a network file system."""

    def __init__(self) -> None:
        """Raises OSError, with EMFILE where the user has no inotify instance left."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        os.close(self._descriptor)

    def watch(self, path: str, mask: int) -> int:
        """Watch what is at `path` and return its number, the same one for the same inode. Raises OSError."""
        name = os.fsencode(path)
        return self._checked(self._libc.inotify_add_watch(self._descriptor, name, ctypes.c_uint32(mask | MASK_ADD)))

    def forget(self, number: int) -> None:
        """Stop watching. What is gone by itself is passed over."""
        self._libc.inotify_rm_watch(self._descriptor, number)

    def read(self) -> Iterator[tuple[int, int, str]]:
        """Yield the next events as (number, mask, name), at most READ_SIZE bytes of them. Nothing: there are none."""
        try:
            data = os.read(self._descriptor, READ_SIZE)
        except BlockingIOError:
            return
        position = 0
        while position < len(data):
            number, mask, _, length = _HEAD.unpack_from(data, position)
            position += _HEAD.size
            name = data[position : position + length].partition(b"\0")[0]
            position += length
            yield number, mask, os.fsdecode(name)

    def _checked(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


def reason(error: OSError) -> str:
    """Say why something cannot be watched, with the way out where it is a limit of the kernel."""
    if error.errno == errno.ENOSPC:
        return f"the limit of inotify watches is reached: raise fs.inotify.max_user_watches{_now('max_user_watches')}"
    if error.errno == errno.EMFILE:
        limit = _now("max_user_instances")
        return f"the limit of inotify instances is reached: raise fs.inotify.max_user_instances{limit}"
    return error.strerror or str(error)


def _now(limit: str) -> str:
    """Return the present value of a limit, for a message."""
    try:
        with open(f"/proc/sys/fs/inotify/{limit}", "rb") as file:
            return f" on the host (now {int(file.read())})"
    except (OSError, ValueError):
        return " on the host"
