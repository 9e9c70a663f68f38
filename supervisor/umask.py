"""supinit's own umask, which Linux before 4.7 shows only to a process that sets another one (umask(2))."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket


def own_umask() -> int:
    """Return the umask. Meanwhile it is one that lets nobody else in, should another thread create a file."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def bind_with_mode(listener: socket, path: str, mode: int) -> None:
    """Bind a Unix socket whose file has this mode from the first moment (unix(7)). Raises OSError.

    A chmod(2) after the bind would follow a link that somebody has put in the place of the file.
    """
    umask = os.umask(0o777 & ~mode)
    try:
        listener.bind(path)
    finally:
        os.umask(umask)
