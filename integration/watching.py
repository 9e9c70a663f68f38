"""What happens to the files of a directory, in the order of the kernel (inotify(7))."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_HEADER = struct.Struct("iIII")
_MODIFIED, _ATTRIBUTES, _CLOSED = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATED, _DELETED = 0x40, 0x80, 0x100, 0x200
_QUEUE_OVERFLOW = 0x4000
_NON_BLOCKING = os.O_NONBLOCK | os.O_CLOEXEC
_WORDS = {_MOVED_TO: "+", _CREATED: "created", _DELETED: "-", _MOVED_FROM: "-", _ATTRIBUTES: "touched"}


class Watcher:
    """Collects what happens from now on in some directories, which must exist."""

    def __init__(self, *folders: Path) -> None:
        self._descriptor = _LIBC.inotify_init1(_NON_BLOCKING)
        assert self._descriptor >= 0, os.strerror(ctypes.get_errno())
        self._folders: dict[int, Path] = {}
        self._seen: list[tuple[str, Path]] = []
        for folder in folders:
            number = _LIBC.inotify_add_watch(self._descriptor, os.fsencode(folder), sum(_WORDS))
            assert number >= 0, os.strerror(ctypes.get_errno())
            self._folders[number] = folder

    def close(self) -> None:
        os.close(self._descriptor)

    def seen(self) -> list[tuple[str, Path]]:
        """Return all that has happened: "+" appeared in one piece, "-" was removed, "created", "touched"."""
        while True:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return list(self._seen)
            while data:
                number, mask, _, length = _HEADER.unpack_from(data)
                assert not mask & _QUEUE_OVERFLOW, "the kernel has dropped events"
                name = data[_HEADER.size : _HEADER.size + length].rstrip(b"\0").decode()
                data = data[_HEADER.size + length :]
                if number in self._folders and name:
                    self._seen += [(word, self._folders[number] / name) for bit, word in _WORDS.items() if mask & bit]
