"""Compare supinit's own privileges with the users and capabilities of the table.

The rules are those of process/credentials.py and process/capabilities.py, which do it.
"""

from __future__ import annotations

import os

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import Credentials

CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP = 5, 6, 7, 8
"""Bits of CapEff in /proc/PID/status (capabilities(7))."""


class Privileges(Record):
    """What a process may do about users and groups. `uids` and `gids` are the real, effective and saved ones."""

    uids: tuple[int, int, int]
    gids: tuple[int, int, int]
    groups: frozenset[int]
    may_set_uid: bool
    may_set_gid: bool
    may_set_groups: bool
    may_kill: bool
    """Whether it may signal processes of every user."""
    may_drop: bool = True
    """Whether it may take capabilities out of its bounding set."""
    permitted: int = 0
    bounding: int = 0
    """Sets of capabilities (`core.capabilities`)."""


def own_privileges() -> Privileges:
    """Return what this process may do. Where /proc cannot be read, only root may do everything."""
    capabilities = _capabilities("CapEff")
    may_set_gid = bool(capabilities >> CAP_SETGID & 1)
    return Privileges(
        uids=os.getresuid(),
        gids=os.getresgid(),
        groups=frozenset(os.getgroups()),
        may_set_uid=bool(capabilities >> CAP_SETUID & 1),
        may_set_gid=may_set_gid,
        may_set_groups=may_set_gid and _read("/proc/self/setgroups").strip() != b"deny",
        may_kill=bool(capabilities >> CAP_KILL & 1),
        may_drop=bool(capabilities >> CAP_SETPCAP & 1),
        permitted=_capabilities("CapPrm"),
        bounding=_capabilities("CapBnd"),
    )


def obstacle_to(credentials: Credentials, own: Privileges) -> str | None:
    """Return why a process with these privileges cannot switch to the user, or None if it can."""
    who = f"user {credentials.name or credentials.uid}"
    is_user = own.uids == (credentials.uid,) * 3
    if not is_user:
        if not own.may_set_uid and credentials.uid not in own.uids:
            return (
                f"cannot switch to {who}: supinit runs as uid {own.uids[1]} without CAP_SETUID "
                f"(start the container as root or as uid {credentials.uid}, or remove `user`)"
            )
        if not _is_mapped("uid", credentials.uid):
            return f"cannot switch to {who}: uid {credentials.uid} does not exist in this user namespace"
    names_group = credentials.names_group or not is_user
    if names_group and own.gids != (credentials.gid,) * 3:
        if not own.may_set_gid and credentials.gid not in own.gids:
            return (
                f"cannot switch to {who}: supinit runs with gid {own.gids[1]} and has no CAP_SETGID "
                f"to take on gid {credentials.gid}"
            )
        if not _is_mapped("gid", credentials.gid):
            return f"cannot switch to {who}: gid {credentials.gid} does not exist in this user namespace"
    if is_user:
        lacks_groups = _lacks_added_groups(credentials, own.groups | {own.gids[1]})
    else:
        lacks_groups = own.groups != frozenset(credentials.groups)
    if lacks_groups and not own.may_set_groups:
        return f"cannot switch to {who}: setting its groups needs CAP_SETGID and a user namespace that allows it"
    return None


def obstacle_to_capabilities(
    add: tuple[str, ...], drop: tuple[str, ...], credentials: Credentials | None, own: Privileges, is_sealed: bool
) -> tuple[str, str] | None:
    """Return the key that a process with these privileges cannot apply, with the reason; None if it can apply both.

    `is_sealed`: no_new_privileges is set.
    """
    from supervisor.core.capabilities import ALL, added, dropped, names_in

    if both := [name for name in add if name in drop]:
        return "cap_drop", f"cannot drop {both[0]}, which cap_add adds: remove it from one of the two"
    uid = own.uids[1] if credentials is None else credentials.uid
    having = own.bounding if uid == 0 else own.bounding & own.permitted
    if missing := () if ALL in add else names_in(added(add, drop) & ~having):
        names = ", ".join(missing)
        return "cap_add", (
            f"cannot add {names}: supinit does not have it itself (start the container with it, such as docker run "
            f"--cap-add {missing[0]}, as root)"
        )
    if (kept := names_in(own.bounding & dropped(add, drop))) and not own.may_drop and not is_sealed:
        return "cap_drop", (
            f"cannot drop {', '.join(kept[:3])}{' …' if len(kept) > 3 else ''}: supinit has no CAP_SETPCAP to take it "
            "out of the bounding set (add no_new_privileges: true, with which no program can get it back)"
        )
    return None


def may_signal(credentials: Credentials | None, own: Privileges) -> bool:
    """Whether a process with these privileges may signal a program of this user (kill(2))."""
    return credentials is None or own.may_kill or credentials.uid in own.uids[:2]


def _lacks_added_groups(credentials: Credentials, held: frozenset[int]) -> bool:
    return not held.issuperset(credentials.added_groups)


def _capabilities(field: str) -> int:
    for line in _read("/proc/self/status").splitlines():
        if line.startswith(field.encode() + b":"):
            return int(line.split()[1], 16)
    return -1 if os.geteuid() == 0 else 0


def _is_mapped(kind: str, number: int) -> bool:
    """Whether an id exists in this user namespace (user_namespaces(7)). True where that cannot be read."""
    ranges = [line.split() for line in _read(f"/proc/self/{kind}_map").splitlines()]
    return not ranges or any(int(first) <= number < int(first) + int(count) for first, _, count in ranges)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(4096)
    except OSError:
        return b""
