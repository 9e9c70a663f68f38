"""Descriptors to write to, such as a container's stdout can be, and what comes out at their other end."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import socket
import tty
from typing import TYPE_CHECKING

from supervisor.core.output import Output
from supervisor.logs.losses import Losses
from supervisor.logs.sink import Sink

if TYPE_CHECKING:
    from supervisor.logs.formats import Buffers


class Basket:
    """A place that takes everything."""

    def __init__(self) -> None:
        self.is_congested = False
        self.losses = Losses("basket")
        self.waiting = 0
        self._written: list[bytes] = []

    def write(self, buffers: Buffers, source: Output | None = None, size: int = 0) -> None:
        self._written += map(bytes, buffers)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        written = b"".join(self._written)
        self._written.clear()
        return written


class Drain:
    """A descriptor for a sink (`end`) and the reader at its other end."""

    def __init__(self, kind: str = "pipe") -> None:
        match kind:
            case "pipe":
                self.reader, self.end = os.pipe2(os.O_CLOEXEC)
                fcntl.fcntl(self.end, fcntl.F_SETPIPE_SZ, 4096)
            case "socket":
                self.reader, self.end = (end.detach() for end in socket.socketpair())
            case "terminal":
                self.reader, self.end = pty.openpty()
                tty.setraw(self.end)
            case _:
                raise ValueError(kind)
        self.sinks: list[Sink] = []

    def sink(self) -> Sink:
        self.sinks.append(Sink(self.end))
        return self.sinks[-1]

    def read(self, wait: float = 0.0) -> bytes:
        """Return what is there, after at most `wait` seconds. b"": nothing."""
        if self.reader < 0 or not select.select([self.reader], [], [], wait)[0]:
            return b""
        return os.read(self.reader, 1 << 16)

    def read_all(self) -> bytes:
        """Return everything that the sinks hold and the descriptor holds."""
        found = b""
        while data := self.read() or self._flush():
            found += data
        return found

    def _flush(self) -> bytes:
        for sink in self.sinks:
            sink.flush()
        return self.read(0.05)

    def hang_up(self) -> None:
        os.close(self.reader)
        self.reader = -1

    def close(self) -> None:
        for descriptor in {self.reader, self.end, *(sink.descriptor for sink in self.sinks)} - {-1}:
            os.close(descriptor)
