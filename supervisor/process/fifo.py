"""Write to a FIFO that a program reads commands from, such as uWSGI's master-fifo."""

from __future__ import annotations

import os
import stat


def write_fifo(path: str, data: bytes) -> str | None:
    """Write `data` without waiting. Returns what went wrong, as a sentence.

    A FIFO without a reader is an error (ENXIO, fifo(7)), and so is any other kind of file.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                return f"cannot write to {path}: not a FIFO"
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"cannot write to {path}: {error.strerror}"
    return None
