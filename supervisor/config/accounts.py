"""Look up users and groups by name or ID, in the container's passwd and group files, when the table is read.

This module, pwd and grp are imported only when a table names a user or group. The functions raise ValueError for
unknown names.
"""

from __future__ import annotations

import os

from supervisor.core.program import Credentials
from supervisor.core.quantities import parse_integer
from supervisor.core.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pwd import struct_passwd

MAX_ID = 2**32 - 2
"""The next number is (uid_t) -1, which means "do not change" (setresuid(2))."""


def parse_user(text: str) -> Credentials:
    """Resolve "app", "1000", "app:www" or "1000:1000".

    The groups are those of the account (getgrouplist(3)), with its primary group or the given one first. An ID without
    an account gets only the given group, or group 0, as in Docker.
    """
    user, colon, group = text.partition(":")
    account = _account(user)
    if account is None:
        gid = parse_group(group) if colon else 0
        return Credentials(uid=_number(user, "user"), gid=gid, groups=(gid,), names_group=bool(colon))
    gid = parse_group(group) if colon else account.pw_gid
    return Credentials(
        uid=account.pw_uid,
        gid=gid,
        groups=_gid_first(gid, os.getgrouplist(account.pw_name, gid)),
        name=account.pw_name,
        home=account.pw_dir,
        names_group=bool(colon),
    )


def own_user() -> Credentials:
    """Return the user and the groups of supinit itself."""
    gid = os.getegid()
    return Credentials(uid=os.geteuid(), gid=gid, groups=_gid_first(gid, os.getgroups()))


def parse_group(text: str) -> int:
    """Resolve a group name or ID."""
    if text.isdecimal():
        return _number(text, "group")
    import grp

    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise ValueError(f"unknown group {text!r}") from None


def add_groups(credentials: Credentials, groups: tuple[int, ...]) -> Credentials:
    """Return the user with the groups of `group_add` after its own, without duplicates."""
    return replace(credentials, groups=tuple(dict.fromkeys(credentials.groups + groups)), added_groups=groups)


def _account(user: str) -> struct_passwd | None:
    """Return the account of a user, or None for an ID without an account."""
    import pwd

    try:
        return pwd.getpwuid(_number(user, "user")) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        if user.isdecimal():
            return None
        raise ValueError(f"unknown user {user!r}") from None


def _number(text: str, what: str) -> int:
    number = parse_integer(text)
    if number is None or number > MAX_ID:
        raise ValueError(f"cannot be {what} ID {text} (allowed: 0 to {MAX_ID})")
    return number


def _gid_first(gid: int, groups: list[int]) -> tuple[int, ...]:
    return (gid, *(group for group in groups if group != gid))
