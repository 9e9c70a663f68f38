"""Users and groups by name or number, as the container's passwd and group files have them when the table is read.

pwd and grp are imported by the first table that names a user. Raises ValueError with a whole sentence for a name that
is not there.
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
"""One more is (uid_t) -1, which means "leave it as it is" (setresuid(2))."""


def parse_user(text: str) -> Credentials:
    """Resolve "app", "1000", "app:www" or "1000:1000".

    The groups are those the account is a member of (getgrouplist(3)), its own one or the given one first. A number
    without an account gets the given group, or 0 as in Docker, and no other.
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


def parse_group(text: str) -> int:
    """Resolve the name or the number of a group."""
    if text.isdecimal():
        return _number(text, "group")
    import grp

    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise ValueError(f"cannot find the group {text!r}") from None


def add_groups(credentials: Credentials, groups: tuple[int, ...]) -> Credentials:
    """Return the user with the groups of `group_add` after its own, without duplicates."""
    return replace(credentials, groups=tuple(dict.fromkeys(credentials.groups + groups)), added_groups=groups)


def _account(user: str) -> struct_passwd | None:
    """Find an account. None: the user is a number that has none."""
    import pwd

    try:
        return pwd.getpwuid(_number(user, "user")) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        if user.isdecimal():
            return None
        raise ValueError(f"cannot find the user {user!r}") from None


def _number(text: str, what: str) -> int:
    number = parse_integer(text)
    if number is None or number > MAX_ID:
        raise ValueError(f"cannot be the number of a {what}: {text} (allowed: 0 to {MAX_ID})")
    return number


def _gid_first(gid: int, groups: list[int]) -> tuple[int, ...]:
    return (gid, *(group for group in groups if group != gid))
