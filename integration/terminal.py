"""A command on a terminal of its own, and what has appeared there."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Sequence

from integration.processes import family_of, kill
from integration.waiting import sleep_until


class Terminal:
    """Runs a command in the foreground of a pseudo-terminal, so that Ctrl-C and a new size reach it."""

    def __init__(self, command: Sequence[str], columns: int = 80, lines: int = 24, **variables: str) -> None:
        self._master, slave = pty.openpty()
        self.resize(columns, lines)
        environment = {**os.environ, "TERM": "xterm", **variables}
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.seen = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: nobody has it open any more
                return
            self.seen += data

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def text(self) -> str:
        return self.seen.decode()

    def expect(self, part: str, limit: float = 10.0) -> None:
        sleep_until(lambda: part in self.text, limit, f"{part!r} on the terminal, where there is {self.text[-500:]!r}")

    def end(self, limit: float = 10.0) -> int:
        code = self._process.wait(limit)
        self._reader.join(limit)
        os.close(self._master)
        return code

    def destroy(self) -> None:
        """Kill the command and everything below it, where it has not ended."""
        if self._process.returncode is None:
            for pid in family_of(self.pid):
                kill(pid)
            self.end()
