"""Read a file that somebody named in the configuration, without ever waiting for it.

Opening a FIFO blocks until somebody writes to it, and a device may never end; PID 1 can afford neither. So the file is
opened without blocking, must be a regular one, and is read up to a limit only.
"""

from __future__ import annotations

import errno
import os
import stat


def read_regular_file(path: str, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes. Raises OSError; its `strerror` says why."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return read_to_end(descriptor, limit)
    finally:
        os.close(descriptor)


def read_to_end(descriptor: int, limit: int) -> bytes:
    """Return what is left to be read, at most `limit` bytes. Raises OSError."""
    data = bytearray()
    while chunk := os.read(descriptor, min(65536, limit + 1 - len(data))):
        data += chunk
        if len(data) > limit:
            raise OSError(errno.EFBIG, f"larger than {describe_size(limit)}")
    return bytes(data)


def describe_size(size: int) -> str:
    """Return a size in binary units: "128 KiB"."""
    return f"{size >> 20} MiB" if size % (1 << 20) == 0 else f"{size >> 10} KiB"
