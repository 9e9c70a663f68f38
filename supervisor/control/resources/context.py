"""What a command needs to run as a program does (`supctl run`). It contains secrets: only those who control get it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from supervisor.control.http.message import JSON, Request, RequestError, Response
from supervisor.control.resources.naming import resolve
from supervisor.errors import SpawnError
from supervisor.umask import own_umask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.control.console import Console
    from supervisor.core.program import InstanceId, Program


def context(console: Console, request: Request, name: str) -> Response:
    """Return the context of an instance, the first one of a program with several. Always JSON."""
    instances = resolve(console.container.plan, name.split(","))
    if not instances:
        raise RequestError(409, "not_running", f"cannot run in {name}: it has no instance (scale: 0)")
    if len({program for program, _ in instances}) > 1:
        raise RequestError(
            400, "ambiguous_name", f"cannot run in {name}: name one program, or one instance, such as web:2"
        )
    peer = request.peer
    console.log("info", "control.asked", action="run", program=name, peer_pid=peer.pid, peer_uid=peer.uid)
    try:
        environment = console.container.environment(instances[0])
    except SpawnError as error:
        raise RequestError(409, "failed", f"{error}; {name} needs it for its own next start, too") from None
    body = _body(console.container.plan.programs[instances[0][0]], instances[0], environment)
    return Response(200, json.dumps(body).encode("ascii") + b"\n", JSON)  # bytes that are not UTF-8 survive as \udcxx


def _body(program: Program, instance: InstanceId, environment: Mapping[str, str]) -> dict[str, object]:
    """What the table does not set is as with supinit itself; limits and priorities are left to the caller."""
    who = program.credentials
    return {
        "program": program.name,
        "instance": instance[1],
        "environment": environment,
        "supinit_dir": _own_folder(),
        "working_dir": program.working_dir,
        "user": None if who is None else who.name,
        "uid": os.geteuid() if who is None else who.uid,
        "gid": os.getegid() if who is None else who.gid,
        "groups": os.getgroups() if who is None else list(who.groups),
        "umask": f"{own_umask() if program.umask is None else program.umask:03o}",
        "ulimits": {limit.resource: {"soft": limit.soft, "hard": limit.hard} for limit in program.ulimits},
        "nice": program.nice,
        "oom_score_adj": program.oom_score_adj,
        "cap_add": list(program.cap_add),
        "cap_drop": list(program.cap_drop),
        "no_new_privileges": program.no_new_privileges,
    }


def _own_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # somebody has removed it
        return "/"
