"""Progress while an answer is awaited: one line on the terminal, refreshed a few times a second."""

from __future__ import annotations

import sys
from os import get_terminal_size
from select import select
from time import monotonic

from supervisor.cli.ctl.call import ERASE, Call
from supervisor.client.wire import TEXT, connect, get
from supervisor.core.wording import short_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

INTERVAL = 0.2
"""Seconds between two refreshes; what takes less shows no progress."""
VERBS = {"start": "starting", "stop": "stopping", "restart": "restarting", "reload": "reloading"}


class Progress:
    """Polls the programs of `target` on a connection of its own."""

    def __init__(self, call: Call, target: str) -> None:
        self._call = call
        self._target = target
        self._connection: socket | None = None

    def show(self, answer: socket) -> None:
        """Return when the answer comes, and erase the line."""
        began = monotonic()
        try:
            while not select([answer], [], [], INTERVAL)[0]:
                states = f": {states}" if (states := self._states()) else ""
                took = short_time(monotonic() - began)
                _write(ERASE + f"{VERBS[self._call.command]} {' '.join(self._call.words)}{states} ({took})"[: _width()])
        finally:
            _write(ERASE)
            if self._connection is not None:
                self._connection.close()

    def _states(self) -> str:
        """Return "STOPPING" for one instance, "2 RUNNING, 1 STOPPING" for several, "" if there is no answer."""
        try:
            if self._connection is None:
                self._connection = connect(self._call.path, INTERVAL)
            response = get(self._connection, self._target, TEXT)
        except OSError:
            return ""
        lines = response.body.decode("utf-8", "replace").splitlines() if response.status == 200 else []
        states = [line.partition(" is ")[2].partition(",")[0] for line in lines]
        counts = (f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        return ", ".join(counts) if len(states) > 1 else "".join(states)


def _width() -> int:
    try:
        return (get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
    except (OSError, ValueError):
        return 79


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
