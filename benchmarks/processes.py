"""The processes of one contender: started in a folder of its own, and gone when it is over.

Their working directory tells which processes are a contender's: supervisors give their children sessions of their own,
but hardly one changes that. So whatever a contender leaves behind is found, and nobody else's process is ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

END_LIMIT = 10.0
"""Seconds until processes that were killed have to be gone."""
FOREIGN = ("SUPINIT_", "PYTHON", "NOTIFY_SOCKET", "VIRTUAL_ENV")
"""Variables that would change how a contender behaves."""


class Processes:
    """Everything that runs in `folder`. Used as a context: nothing of it runs any more afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self._errors = (folder / "errors").open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._errors.close()

    def start(self, command: Sequence[str], stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL) -> int:
        """Start a command in a session of its own, and return its pid. It is not reaped before the end."""
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=self._errors,
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)},
            start_new_session=True,
        )
        self._started.append(process)
        return process.pid

    @property
    def last_error(self) -> str:
        """The last line that was written to stderr; may be empty."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _end(self) -> None:
        for process in self._started:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        limit = monotonic() + END_LIMIT
        while (left := _running_in(self.folder)) and monotonic() < limit:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            sleep(0.002)
        for process in self._started:
            process.wait(max(0.1, limit - monotonic()))


def _running_in(folder: Path) -> list[int]:
    """Return the processes whose working directory it is; those that have ended have none."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _working_directory(name) == str(folder)]


def _working_directory(pid: str) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None
