"""Users and groups, against the accounts of this machine and against some that no machine has."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable

import pytest

from supervisor.config.accounts import MAX_ID, add_groups, parse_group, parse_user
from supervisor.core.program import Credentials

APP = pwd.struct_passwd(("app", "x", 7001, 7002, "", "/srv/app", "/bin/sh"))
WWW = grp.struct_group(("www", "x", 7003, ["app"]))


@pytest.fixture(autouse=True)
def _accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One account, `app`, in the groups 7002 (its own), www (7003) and 7004."""

    def only(entry: object, *names: object) -> Callable[[object], object]:
        def find(name: object) -> object:
            if name not in names:
                raise KeyError(name)
            return entry

        return find

    monkeypatch.setattr(pwd, "getpwnam", only(APP, "app"))
    monkeypatch.setattr(pwd, "getpwuid", only(APP, 7001))
    monkeypatch.setattr(grp, "getgrnam", only(WWW, "www"))
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 7003, 7004] if gid != 7003 else [7003, 7002, 7004])


@pytest.mark.parametrize(
    ("text", "gid", "groups"),
    [
        ("app", 7002, (7002, 7003, 7004)),
        ("7001", 7002, (7002, 7003, 7004)),
        ("app:www", 7003, (7003, 7002, 7004)),
        ("7001:7003", 7003, (7003, 7002, 7004)),
        ("app:1", 1, (1, 7003, 7004)),
    ],
)
def test_an_account_brings_its_groups_its_name_and_its_home(text: str, gid: int, groups: tuple[int, ...]) -> None:
    assert parse_user(text) == Credentials(7001, gid, groups, "app", "/srv/app", names_group=":" in text)


@pytest.mark.parametrize(
    ("text", "credentials"),
    [
        ("4711", Credentials(4711, 0, (0,))),
        ("4711:42", Credentials(4711, 42, (42,), names_group=True)),
        (f"{MAX_ID}:0", Credentials(MAX_ID, 0, (0,), names_group=True)),
    ],
)
def test_a_number_without_an_account_gets_the_given_group_or_0_as_in_docker(
    text: str, credentials: Credentials
) -> None:
    assert parse_user(text) == credentials


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nobody", "unknown user 'nobody'"),
        ("", "unknown user ''"),
        (":www", "unknown user ''"),
        ("app:", "unknown group ''"),
        ("app:staff", "unknown group 'staff'"),
        ("4294967295", "cannot be user ID 4294967295 (allowed: 0 to 4294967294)"),
        ("0:4294967295", "cannot be group ID 4294967295 (allowed: 0 to 4294967294)"),
        ("٧", "cannot be user ID ٧ (allowed: 0 to 4294967294)"),
    ],
)
def test_who_is_not_there_is_named(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_user(text)
    assert str(refusal.value) == sentence


def test_a_group_is_a_name_or_a_number() -> None:
    assert [parse_group("www"), parse_group("7003"), parse_group("0")] == [7003, 7003, 0]


def test_added_groups_stand_behind_the_account_s_own_and_none_is_there_twice() -> None:
    expected = Credentials(1, 2, (2, 3, 4), added_groups=(4, 3, 4))
    assert add_groups(Credentials(1, 2, (2, 3)), (4, 3, 4)) == expected
