"""Pseudo-terminals: what is shown on one, and a command that runs on one of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence

from integration.processes import family_of, kill
from integration.waiting import NeverCame, sleep_until


class Screen:
    """A pseudo-terminal as its user sees it. `line` is the end on which commands run."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self._master, self.line = pty.openpty()
        self.resize(columns, lines)
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
    def text(self) -> str:
        return self.seen.decode()

    @property
    def modes(self) -> list[object]:
        return termios.tcgetattr(self._master)

    @property
    def foreground(self) -> int:
        """The process group that Ctrl-C reaches; 0: there is none."""
        return int.from_bytes(fcntl.ioctl(self._master, termios.TIOCGPGRP, bytes(4)), sys.byteorder)

    def expect(self, part: str, limit: float = 10.0) -> None:
        try:
            sleep_until(lambda: part in self.text, limit)
        except NeverCame:
            raise NeverCame(f"{part!r} is not on the terminal, where there is {self.text[-500:]!r}") from None

    def finish(self, limit: float = 10.0) -> None:
        """Read what is left, once no process has it open any more."""
        self._reader.join(limit)
        assert not self._reader.is_alive(), "somebody still has the terminal open"
        os.close(self._master)


class Terminal:
    """Runs a command in the foreground of a pseudo-terminal, so that Ctrl-C and a new size reach it."""

    def __init__(self, command: Sequence[str], columns: int = 80, lines: int = 24, **variables: str) -> None:
        self._screen = Screen(columns, lines)
        self.resize, self.type, self.expect = self._screen.resize, self._screen.type, self._screen.expect
        environment = {**os.environ, "TERM": "xterm", **variables}
        self._process = subprocess.Popen(
            command,
            stdin=self._screen.line,
            stdout=self._screen.line,
            stderr=self._screen.line,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(self._screen.line)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def text(self) -> str:
        return self._screen.text

    @property
    def modes(self) -> list[object]:
        return self._screen.modes

    def end(self, limit: float = 10.0) -> int:
        code = self._process.wait(limit)
        self._screen.finish(limit)
        return code

    def destroy(self) -> None:
        """Kill the command and everything below it, where it has not ended."""
        if self._process.returncode is None:
            for pid in family_of(self.pid):
                kill(pid)
            self.end()
