"""Switching users with more and with fewer privileges, in processes that really have them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.config.privileges import may_signal, obstacle_to, own_privileges
from supervisor.core.program import Credentials
from supervisor.process.credentials import switch_to

from .nursery import NOBODY, elsewhere

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

CLONE_NEWUSER = 0x10000000
Ids = tuple[int, int, frozenset[int]]
WWW = Credentials(33, 33, (33,), name="www-data")


def become(uid: int, gid: int, *groups: int) -> None:
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def switched(credentials: Credentials) -> Ids:
    switch_to(credentials)
    return os.getuid(), os.getgid(), frozenset(os.getgroups())


def refused(credentials: Credentials) -> str:
    """Return why it cannot be switched to, after the kernel has refused it as well."""
    sentence = obstacle_to(credentials, own_privileges())
    with pytest.raises(OSError):
        switch_to(credentials)
    assert sentence is not None
    return sentence


@pytest.mark.parametrize(
    ("uid", "gid", "groups", "credentials"),
    [
        (33, 33, (33, 2000), WWW),
        (33, 0, (0, 2000), WWW),
        (33, 33, (), WWW),
        (1000650000, 0, (0, 1000650000), Credentials(1000650000, 0, (0,))),
        (33, 33, (33, 2000), Credentials(33, 33, (33, 2000), added_groups=(2000,))),
        (33, 33, (2000,), Credentials(33, 33, (33,), names_group=True)),
    ],
    ids=["fsGroup", "runAsUser alone", "no groups", "OpenShift", "an added group that it has", "the named group"],
)
def test_the_user_that_supinit_is_needs_no_privileges(
    uid: int, gid: int, groups: tuple[int, ...], credentials: Credentials
) -> None:
    def act() -> tuple[str | None, Ids]:
        become(uid, gid, *groups)
        return obstacle_to(credentials, own_privileges()), switched(credentials)

    assert elsewhere(act) == (None, (uid, gid, frozenset(groups)))


def test_with_privileges_the_groups_are_those_of_the_account() -> None:
    def act() -> tuple[str | None, Ids]:
        os.setgroups([0, 2000])
        credentials = Credentials(33, 33, (33, 44))
        return obstacle_to(credentials, own_privileges()), switched(credentials)

    assert elsewhere(act) == (None, (33, 33, frozenset((33, 44))))


@pytest.mark.parametrize(
    ("credentials", "sentence"),
    [
        (
            WWW,
            "cannot switch to user www-data: supinit runs as uid 65534 without CAP_SETUID "
            "(start the container as root or as uid 33, or remove `user`)",
        ),
        (
            Credentials(NOBODY, 33, (33,), names_group=True),
            "cannot switch to user 65534: supinit runs with gid 65534 and has no CAP_SETGID to take on gid 33",
        ),
        (
            Credentials(NOBODY, NOBODY, (NOBODY, 44), added_groups=(44,)),
            "cannot switch to user 65534: setting its groups needs CAP_SETGID and a user namespace that allows it",
        ),
    ],
    ids=["another user", "a named group", "an added group"],
)
def test_what_cannot_be_switched_to_is_predicted(credentials: Credentials, sentence: str) -> None:
    def act() -> str:
        become(NOBODY, NOBODY, NOBODY)
        return refused(credentials)

    assert elsewhere(act) == sentence


def without(*capabilities: str) -> Callable[[], None]:
    """Return what takes capabilities off the running process (capset(2)), root or not."""

    def act() -> None:
        bits = {"kill": 5, "setgid": 6, "setuid": 7, "setpcap": 8}
        status = Path("/proc/self/status").read_text().splitlines()
        effective = int(next(line for line in status if line.startswith("CapEff")).split()[1], 16)
        for name in capabilities:
            effective &= ~(1 << bits[name])
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        data = (ctypes.c_uint32 * 6)(*(word for shift in (0, 32) for word in [effective >> shift & 0xFFFFFFFF] * 3))
        assert ctypes.CDLL(None).capset(header, data) == 0

    return act


def test_root_without_capabilities_cannot_switch() -> None:
    def act() -> tuple[str, str]:
        without("setgid")()
        groups = refused(Credentials(33, 33, (33,), name="www-data"))
        without("setuid", "setgid")()
        return groups, refused(WWW)

    assert elsewhere(act) == (
        "cannot switch to user www-data: supinit runs with gid 0 and has no CAP_SETGID to take on gid 33",
        "cannot switch to user www-data: supinit runs as uid 0 without CAP_SETUID "
        "(start the container as root or as uid 33, or remove `user`)",
    )


@pytest.mark.parametrize(
    ("has_kill", "user", "expected"),
    [
        (True, 33, True),
        (False, 33, False),
        (False, 0, True),
        (False, None, True),
    ],
)
def test_without_cap_kill_only_ones_own_user_can_be_signalled(has_kill: bool, user: int | None, expected: bool) -> None:
    def act() -> bool:
        if not has_kill:
            without("kill")()
        credentials = None if user is None else Credentials(user, user, (user,))
        return may_signal(credentials, own_privileges())

    assert elsewhere(act) is expected


def test_in_a_user_namespace_only_the_ids_that_are_mapped_exist() -> None:
    """Its setgroups is denied (user_namespaces(7)), so root keeps the groups that it has there."""

    def act() -> tuple[str | None, bool, str] | None:
        if ctypes.CDLL(None).unshare(CLONE_NEWUSER) != 0:
            return None
        for name, text in (("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
            Path(f"/proc/self/{name}").write_text(text)
        root = Credentials(0, 0, (0, 4), name="root")
        return obstacle_to(root, own_privileges()), switched(root)[:2] == (0, 0), refused(WWW)

    found = elsewhere(act)
    if found is None:
        pytest.skip("no user namespace can be created here")
    assert found == (
        None,
        True,
        "cannot switch to user www-data: uid 33 does not exist in this user namespace",
    )
