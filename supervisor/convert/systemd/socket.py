"""Convert a socket unit to the sockets of the service that it starts.

Source: systemd.socket(5).
"""

from __future__ import annotations

import re

from supervisor.config.sockets import LISTEN
from supervisor.convert.document import Block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.document import Flow
    from supervisor.convert.draft import Draft
    from supervisor.convert.systemd.unit import Assignment, Unit

AT_ONCE = "the program starts with the container, not with the first connection"
_KINDS = {"ListenStream": "stream", "ListenDatagram": "datagram"}
_KEYS = {"SocketMode": "mode", "SocketUser": "user", "SocketGroup": "group"}
_NOT_NEEDED = {"ListenStream", "ListenDatagram", "Backlog", "FileDescriptorName", "Service", "Accept", *_KEYS,
               "NoDelay", "DeferTrigger", "RemoveOnStop", "MaxConnections", "TriggerLimitIntervalSec",
               "TriggerLimitBurst", "PollLimitIntervalSec", "PollLimitBurst"}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def set_sockets(unit: Unit, block: Block, draft: Draft) -> None:
    """Give a program the sockets of a socket unit."""
    if unit.last("Socket.Accept").lower() in ("yes", "true", "on", "1"):
        _lose(unit, "Accept", "supinit does not start a process for each connection", block, draft)
        return
    sockets = block.entries.get("sockets")
    if not isinstance(sockets, Block):
        sockets = Block()
    named = unit.last("Socket.FileDescriptorName")
    stem = named if _NAME.fullmatch(named) else re.sub(r"[^A-Za-z0-9_-]+", "-", unit.name).lstrip("_-") or "socket"
    for kind in _KINDS:
        for assignment in unit.all(f"Socket.{kind}"):
            entry = _entry(unit, kind, assignment, block, draft)
            if entry is not None:
                sockets.entries[_free(stem, sockets)] = entry
    if sockets.entries:
        block.entries["sockets"] = sockets
        draft.mention(unit.place, f"{unit.file_name}: {AT_ONCE}", block, "sockets")
    for key in unit.keys:
        section, _, name = key.partition(".")
        if section == "Socket" and name not in _NOT_NEEDED:
            _lose(unit, name, "supinit has no such setting of a socket", block, draft)


def _entry(unit: Unit, kind: str, assignment: Assignment, block: Block, draft: Draft) -> Flow | None:
    address = assignment.value
    if address.isdigit():
        address = f"[::]:{address}"
    try:
        if LISTEN.parse(address) is None:
            raise ValueError("is not an IP address with a port or an absolute path")
    except ValueError as error:
        draft.lose(assignment.place, f"{unit.file_name}: {kind}={assignment.value}: {error}", block, "sockets")
        return None
    entry: dict[str, Flow] = {"listen": address}
    if kind == "ListenDatagram":
        entry["type"] = "datagram"
    elif unit.last("Socket.Backlog").isdigit() and int(unit.last("Socket.Backlog")) in range(1, 1 << 31):
        entry["backlog"] = int(unit.last("Socket.Backlog"))
    if address.startswith("/"):
        entry |= {key: value for name, key in _KEYS.items() if (value := unit.last(f"Socket.{name}"))}
    return entry


def _free(stem: str, sockets: Block) -> str:
    name, number = stem, 1
    while name in sockets.entries:
        number += 1
        name = f"{stem}-{number}"
    return name


def _lose(unit: Unit, name: str, reason: str, block: Block, draft: Draft) -> None:
    place = unit.all(f"Socket.{name}")[-1].place if unit.all(f"Socket.{name}") else unit.place
    draft.lose(place, f"{unit.file_name}: {name}: {reason}", block, "sockets")
