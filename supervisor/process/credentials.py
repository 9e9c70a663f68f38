"""Switching to the user of a program.

Rule 1: nothing is asked of the kernel that already holds.
Rule 2: where supinit already is the user, a group that the table does not name itself is not worth a failure. So
`user: www-data` works as www-data with other groups, as under Kubernetes' fsGroup or with OpenShift's group 0.
What cannot work is found when the table is read (config/privileges.py).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import Credentials


def switch_to(credentials: Credentials) -> None:
    """Run as the user from now on, with its groups. Raises OSError; some of it may be done then."""
    _set_groups(credentials)
    _set_gid(credentials)
    if not _is_user(credentials):
        os.setresuid(*[credentials.uid] * 3)


def _lacks_added_groups(credentials: Credentials, held: frozenset[int]) -> bool:
    return not held.issuperset(credentials.added_groups)


def _is_user(credentials: Credentials) -> bool:
    return os.getresuid() == (credentials.uid,) * 3


def _set_groups(credentials: Credentials) -> None:
    held = frozenset(os.getgroups())
    if held == frozenset(credentials.groups):
        return
    try:
        os.setgroups(credentials.groups)
    except PermissionError:
        if not _is_user(credentials) or _lacks_added_groups(credentials, held | {os.getegid()}):
            raise


def _set_gid(credentials: Credentials) -> None:
    gid = credentials.gid
    if os.getresgid() == (gid, gid, gid):
        return
    try:
        os.setresgid(gid, gid, gid)
    except PermissionError:
        if not _is_user(credentials) or credentials.names_group:
            raise
