"""run: run a command as the program would. supctl executes it in its own place, so terminal and signals are its own."""

from __future__ import annotations

import json
from _socket import SO_PEERCRED, SOL_SOCKET
from os import chdir, environ, geteuid
from sys import byteorder

from supervisor.cli.ctl.call import FAILED, NOT_PERMITTED, Call, ask, complain, finish
from supervisor.client.wire import quote
from supervisor.core.program import Credentials, Limit
from supervisor.errors import SpawnError
from supervisor.process.spawn import Launch, turn_into

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any

CANNOT_EXECUTE = 126
"""Also if the context cannot be had: 1 would be the command's own code."""
HINTS = {
    127: "give its path",
    126: "make it executable, or run its interpreter",
    None: "the program itself could not start either",
}


def run(call: Call) -> int:
    """Execute the command; return only if that fails, with the exit code that a shell would have."""
    name, *command = call.words
    servers: list[int] = []
    response = ask(
        call, "GET", f"/v1/programs/{quote(name)}/context", meanwhile=lambda wire: servers.append(_user_of(wire))
    )
    if isinstance(response, int) or response.status != 200:
        code = finish(call, response)
        return CANNOT_EXECUTE if code == FAILED else code
    is_root = geteuid() == 0
    context = json.loads(response.body)
    if is_root and servers[0] not in (0, context["uid"]):
        why = f"supinit at {call.path} runs as uid {servers[0]}, which may not become uid {context['uid']}"
        return complain(f"cannot run {command[0]} in {name}: {why}; run supctl as uid {servers[0]}", NOT_PERMITTED)
    try:
        _enter(context["supinit_dir"])
        turn_into(_launch(context, tuple(command)))
    except SpawnError as error:
        reason = f"cannot run {command[0]} in {name}: {str(error).removeprefix('cannot be started: ')}"
        if error.code is None and isinstance(error.__cause__, PermissionError) and not is_root:
            return complain(f"{reason}; run supctl as root", NOT_PERMITTED)
        return complain(f"{reason}; {HINTS[error.code]}", error.code or CANNOT_EXECUTE)


def _user_of(connection: socket) -> int:
    """Return the user of the listening process (unix(7)). Root does nothing for it that it could not do itself."""
    peer = connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)
    return int.from_bytes(peer[4:8], byteorder)


def _enter(folder: str) -> None:
    """Enter supinit's own directory, where programs without a working_dir start, before the user changes."""
    try:
        chdir(folder)
    except OSError as error:
        raise SpawnError(f"cannot enter {folder}: {error.strerror}", None) from error


def _launch(context: dict[str, Any], command: tuple[str, ...]) -> Launch:
    environment: dict[str, str] = context["environment"]
    if "TERM" in environ:
        environment.setdefault("TERM", environ["TERM"])
    return Launch(
        command=command,
        environment=environment,
        stdin=0,
        stdout=1,
        stderr=2,
        working_dir=context["working_dir"],
        umask=int(context["umask"], 8),
        credentials=Credentials(context["uid"], context["gid"], tuple(context["groups"]), context["user"]),
        ulimits=tuple(Limit(name, limit["soft"], limit["hard"]) for name, limit in context["ulimits"].items()),
        nice=context["nice"],
        oom_score_adj=context["oom_score_adj"],
        cap_add=tuple(context["cap_add"]),
        cap_drop=tuple(context["cap_drop"]),
        no_new_privileges=context["no_new_privileges"],
    )
