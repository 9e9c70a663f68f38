"""A listening socket: it takes a few connections a turn, and keeps working when descriptors run out.

Rule 1: the kernel's queue is long, which costs nothing: a client whose connect does not block (curl, most libraries)
gets EAGAIN from a full one. Few are taken from it in one turn, so that turns are short.
Rule 2: RESERVE descriptors are held back. Where none are left, they serve a few clients; beyond those, the queue waits.
Rule 3: a failure is logged once, with its reason, and once more when it is over.
"""

from __future__ import annotations

import asyncio
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE = 1024
"""Connections that may wait in the kernel (listen(2); at most net.core.somaxconn)."""
AT_ONCE = 4
"""Connections that are taken in one turn of the loop, so that each is heard before it can lose its place."""
RESERVE = 8
"""Descriptors that are held back, one for a client."""
PAUSE = 0.5
"""Seconds after a failure before the next attempt."""


class Listener:
    """Gives each connection to `take`, until `close`. Must be made in a running loop; `log` writes one event."""

    def __init__(self, bound: socket.socket, take: Callable[[socket.socket], None], log: Callable[..., None]) -> None:
        self._socket = bound
        self._take = take
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._reserve: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._has_failed = False
        self._fill_reserve()
        bound.setblocking(False)
        bound.listen(QUEUE)
        self._loop.add_reader(bound.fileno(), self._accept)

    def note_end(self) -> None:
        """Hear that a connection is closed: its descriptors go back to the reserve."""
        if len(self._reserve) < RESERVE and self._socket.fileno() >= 0 and self._fill_reserve() and self._has_failed:
            self._has_failed = False
            self._log("info", "control.recovered")

    def close(self) -> None:
        """Stop listening. Works without a running loop."""
        if self._socket.fileno() < 0:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        while self._reserve:
            os.close(self._reserve.pop())

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._note_failure(error)
                if not self._reserve:
                    self._pause()
                    return
                os.close(self._reserve.pop())
            else:
                self._take(connection)

    def _note_failure(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            reason = f"cannot accept connections: {error.strerror}"
            self._log("warning", "control.exhausted", reason=reason)

    def _pause(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._timer = self._loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        self.note_end()
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _fill_reserve(self) -> bool:
        """Return whether the reserve is full again."""
        try:
            while len(self._reserve) < RESERVE:
                self._reserve.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            return False
        return True
