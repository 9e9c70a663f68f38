"""The socket file: it has its mode and group before anybody can connect, and only its owner removes it."""

from __future__ import annotations

import errno
import os
import socket
import stat

from supervisor.core.protocol import MAX_SOCKET_PATH
from supervisor.file_identity import identity_of
from supervisor.umask import bind_with_mode


class SocketFile:
    """A bound Unix socket that does not listen yet."""

    def __init__(self, path: str, mode: int, group: int | None) -> None:
        """Bind it, replacing one that nobody listens on. Raises OSError; then nothing of ours is left behind."""
        self.path = path
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            raise OSError(
                errno.ENAMETOOLONG, f"the path is longer than {MAX_SOCKET_PATH} bytes, the kernel's limit", path
            )
        _remove_stale(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            bind_with_mode(self.socket, path, mode)
            self._identity = identity_of(path)
        except OSError:
            self.socket.close()
            raise
        try:
            if group is not None:
                os.chown(path, -1, group, follow_symlinks=False)
        except OSError:
            self.socket.close()
            self.remove()
            raise

    @property
    def is_lost(self) -> bool:
        """Whether the file was removed or replaced, so that nobody can connect any more."""
        return identity_of(self.path) != self._identity

    def remove(self) -> None:
        """Remove the file, unless another one has taken its place."""
        try:
            if identity_of(self.path) == self._identity:
                os.unlink(self.path)
        except OSError:
            pass


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on, such as one that a killed container left in a volume."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "there is a file that is not a socket; move it, or set `socket`", path)
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:  # its queue is full, so somebody listens
            pass
    raise OSError(errno.EADDRINUSE, "another process listens on it; set another run_dir or `socket`", path)
