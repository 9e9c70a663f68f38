"""A pipe as a container's output. The test decides when it is read, as bytes: there may be a million lines."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

BLOCK = 1 << 18


class Tap:
    """`outlet` is the container's output. It is not read before `blocks` or `open` is called."""

    def __init__(self) -> None:
        self._inlet, self.outlet = os.pipe2(os.O_CLOEXEC)
        self.pieces: list[bytes] = []
        """What `open` has read."""
        self._thread: threading.Thread | None = None

    def blocks(self) -> Iterator[bytes]:
        """Yield what arrives, until the other end is closed."""
        inlet, self._inlet = self._inlet, -1
        try:
            while data := os.read(inlet, BLOCK):
                yield data
        finally:
            os.close(inlet)

    def open(self) -> None:
        """Begin to read, in a thread."""
        self._thread = threading.Thread(target=lambda: self.pieces.extend(self.blocks()), daemon=True)
        self._thread.start()

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def finish(self, limit: float = 20.0) -> bytes:
        """Return everything, once the other end is closed."""
        if self._thread is None:
            self.open()
        assert self._thread is not None
        self._thread.join(limit)
        assert not self._thread.is_alive(), "somebody still holds the container's output"
        return self.data

    def close(self) -> None:
        """Close the reading end, unless reading has begun: then it is closed at the end."""
        if self._inlet >= 0:
            os.close(self._inlet)
            self._inlet = -1
