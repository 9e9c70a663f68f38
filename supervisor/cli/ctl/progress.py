"""Progress while an answer is awaited: one line on the terminal, and the first failure of each program at once.

The failures come from the event stream, on a connection of its own; the line is refreshed a few times a second. Without
a terminal there is no line, and nothing is polled.
"""

from __future__ import annotations

import json
import sys
from os import get_terminal_size
from select import select
from time import monotonic

from supervisor.cli.ctl.call import ERASE, Call
from supervisor.client.wire import JSON, PIECE, TEXT, connect, get, query, receive, request
from supervisor.core.wording import printable, short_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any

INTERVAL = 0.2
"""Seconds between two refreshes; what takes less shows no progress."""
ROLLING = ("program.replaced", "program.replacement_failed", "program.rollback_begun")
"""Events that are shown as they come."""
VERBS = {"start": "starting", "stop": "stopping", "restart": "restarting", "reload": "reloading", "update": "updating"}


class Progress:
    """Watches the programs of a call; `target` is where their states are."""

    def __init__(self, call: Call, target: str) -> None:
        self._call = call
        self._target = target
        self._states_of: socket | None = None
        self._failures = Failures(call)
        self._has_line = sys.stderr.isatty()

    def show(self, answer: socket) -> None:
        """Return when the answer comes, and erase the line."""
        began = monotonic()
        try:
            while True:
                sources = [answer, *self._failures.sockets]
                ready = select(sources, [], [], INTERVAL if self._has_line else None)[0]
                if answer in ready:
                    break
                if ready:
                    self._tell(self._failures.read())
                elif self._has_line:
                    self._draw(monotonic() - began)
            while self._failures.sockets and select(self._failures.sockets, [], [], 0)[0]:
                self._tell(self._failures.read())  # what came together with the answer
        finally:
            self._tell([])
            self._failures.close()
            if self._states_of is not None:
                self._states_of.close()

    def _draw(self, seconds: float) -> None:
        states = f": {states}" if (states := self._states()) else ""
        what = " ".join((VERBS[self._call.command], *self._call.words))
        _write(ERASE + f"{what}{states} ({short_time(seconds)})"[: _width()])

    def _tell(self, lines: list[str]) -> None:
        """Print lines in the place of the line that shows progress."""
        _write((ERASE if self._has_line else "") + "".join(f"{line}\n" for line in lines))

    def _states(self) -> str:
        """Return "STOPPING" for one instance, "2 RUNNING, 1 STOPPING" for several, "" if there is no answer."""
        try:
            if self._states_of is None:
                self._states_of = connect(self._call.path, INTERVAL)
            response = get(self._states_of, self._target, TEXT)
        except OSError:
            return ""
        lines = response.body.decode("utf-8", "replace").splitlines() if response.status == 200 else []
        states = [line.partition(" is ")[2].partition(",")[0] for line in lines]
        counts = (f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        return ", ".join(counts) if len(states) > 1 else "".join(states)


class Failures:
    """Follows the events of the programs, and tells the first failure of each."""

    def __init__(self, call: Call) -> None:
        self._has_steps_only = call.command == "update"  # others may fail meanwhile; the answer names its own
        self.sockets: list[socket] = []
        """The connection, as long as there is one."""
        self._parser = receive()
        self._rest = b""
        self._exits: dict[object, dict[str, Any]] = {}
        self._told: set[object] = set()
        pairs = [("follow", "1"), ("n", "0"), *(("name", word) for word in call.words)]
        try:
            connection = connect(call.path, INTERVAL)
            self.sockets.append(connection)
            connection.sendall(request("GET", "/v1/events" + query(pairs), JSON))
            next(self._parser)
            self.read()  # the head of the answer: from now on nothing is missed
        except OSError:  # the answer of the request itself is what matters
            self.close()

    def read(self) -> list[str]:
        """Return the lines that tell new failures."""
        try:
            data = self.sockets[0].recv(PIECE)
            piece = self._parser.send(data) if data else None
            while piece:
                self._rest += piece
                piece = self._parser.send(b"")
        except (OSError, StopIteration):
            piece = None
        if piece is None:
            self.close()
        *lines, self._rest = self._rest.split(b"\n")
        return [told for line in lines for told in self._failure(json.loads(line))]

    def close(self) -> None:
        while self.sockets:
            self.sockets.pop().close()

    def _failure(self, event: dict[str, Any]) -> list[str]:
        who = event["program"], event.get("instance")
        if event["event"] in ROLLING:
            return [_step(event)]
        if self._has_steps_only:
            return []
        if event["event"] == "program.exited":
            self._exits[who] = event
        is_beside = "state" not in event  # a new process that will not take over: another line says that
        if event["event"] != "program.restart_delayed" or is_beside or who in self._told:
            return []
        self._told.add(who)
        exited = self._exits.get(who, {})
        name = who[0] if who[1] is None else f"{who[0]}:{who[1]}"
        ended = f"exited with code {exited['code']}" if "code" in exited else f"was killed by {exited.get('signal')}"
        reason = event.get("reason") or (ended if exited else "it ended")
        again = short_time(float(event.get("seconds") or 0.0))
        lines = exited.get("last_lines") or event.get("last_lines") or ()
        quoted = lines.splitlines() if isinstance(lines, str) else lines
        sentence = f"supctl: {name} has failed: {reason}; it is tried again in {again}"
        return [printable(sentence), *(f"    {printable(str(line))}" for line in quoted)]


def _step(event: dict[str, Any]) -> str:
    """Return the line for one step of a rolling restart."""
    name = f"{event['program']}:{event['instance']}" if "instance" in event else str(event["program"])
    match event["event"]:
        case "program.replaced":
            return printable(f"{name} replaced ({event['done']} of {event['instances']})")
        case "program.replacement_failed":
            return printable(f"{name} has failed: {event['reason']}")
        case _:
            return printable(f"{name} goes back to the old release: {event['reason']}")


def _width() -> int:
    try:
        return (get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
    except (OSError, ValueError):
        return 79


def _write(text: str) -> None:
    if text:
        sys.stderr.write(text)
        sys.stderr.flush()
