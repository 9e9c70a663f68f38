"""A pipe that is a container's output: read when the test wants to, and as bytes, of which a million lines are few."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

BLOCK = 1 << 18


class Tap:
    """`outlet` is what the container writes to. Nobody reads it before `blocks` or `open` is called."""

    def __init__(self) -> None:
        self._inlet, self.outlet = os.pipe2(os.O_CLOEXEC)
        self.pieces: list[bytes] = []
        """What `open` has read."""
        self._thread: threading.Thread | None = None

    def blocks(self) -> Iterator[bytes]:
        """Yield what comes, until nobody holds the other end."""
        inlet, self._inlet = self._inlet, -1
        try:
            while data := os.read(inlet, BLOCK):
                yield data
        finally:
            os.close(inlet)

    def open(self) -> None:
        """Begin to read, beside the test."""
        self._thread = threading.Thread(target=lambda: self.pieces.extend(self.blocks()), daemon=True)
        self._thread.start()

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def finish(self, limit: float = 20.0) -> bytes:
        """Return everything, once nobody holds the other end."""
        if self._thread is None:
            self.open()
        assert self._thread is not None
        self._thread.join(limit)
        assert not self._thread.is_alive(), "somebody still holds the container's output"
        return self.data

    def close(self) -> None:
        """Let there be no reader, unless somebody has begun to read: then it is closed at the end."""
        if self._inlet >= 0:
            os.close(self._inlet)
            self._inlet = -1
