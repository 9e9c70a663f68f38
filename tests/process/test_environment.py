from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.program import Credentials, Program, SecretFile
from supervisor.errors import SpawnError
from supervisor.process.environment import PRIVATE, make_environment, marks_of

MARKS = {"SUPINIT_PROGRAM": "web", "SUPINIT_INSTANCE": "2", "SUPINIT_ID": "own"}


def environment_of(own: dict[str, str] | None = None, **fields: Any) -> dict[str, str]:
    return make_environment(Program("web", ("true",), **fields), ("web", 2), "own", own or {})


def from_file(path: Path, text: str | bytes) -> dict[str, str]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    environment = environment_of(env_file=(str(path),))
    return {name: value for name, value in environment.items() if name not in MARKS}


# ---- sources


def test_a_process_carries_the_marks_of_its_instance() -> None:
    assert environment_of() == MARKS
    assert marks_of(("web", 2), "own") == {f"{name}={value}".encode() for name, value in MARKS.items()}


def test_later_sources_win(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("B=first\nC=first\nD=first\n")
    (tmp_path / "second").write_text("C=second\nD=second\n")
    environment = environment_of(
        {"A": "own", "B": "own", "C": "own", "D": "own", "SUPINIT_ID": "of the supinit around this one"},
        env_file=(str(tmp_path / "first"), str(tmp_path / "second")),
        environment=(("D", "table"), ("SUPINIT_PROGRAM", "table")),
    )
    assert environment == MARKS | {"A": "own", "B": "first", "C": "second", "D": "table"}


def test_without_inherit_environment_only_the_named_variables_are_set(tmp_path: Path) -> None:
    environment = environment_of(
        {"A": "own", "B": "own"}, inherit_environment=False, environment=(("B", None), ("C", None), ("D", "table"))
    )
    assert environment == MARKS | {"B": "own", "D": "table"}


def test_a_variable_without_a_value_is_supinits_own_even_where_a_file_sets_it(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=file\nB=file\n")
    environment = environment_of(
        {"A": "own"}, env_file=(str(tmp_path / "env"),), environment=(("A", None), ("B", None))
    )
    assert environment == MARKS | {"A": "own", "B": "file"}


@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("is_named", [False, True], ids=["by itself", "named without a value"])
def test_variables_meant_for_supinit_are_not_inherited(name: str, is_named: bool) -> None:
    assert environment_of({name: "meant for supinit"}, environment=((name, None),) if is_named else ()) == MARKS


def test_the_environment_of_supinit_itself_is_not_changed() -> None:
    own = {"A": "own", "NOTIFY_SOCKET": "/run/systemd/notify"}
    environment_of(own, environment=(("A", "table"),))
    assert own == {"A": "own", "NOTIFY_SOCKET": "/run/systemd/notify"}


# ---- the user


def test_a_named_user_has_its_home_and_name() -> None:
    credentials = Credentials(7, 7, name="app", home="/home/app")
    assert environment_of({"HOME": "/root", "USER": "root"}, credentials=credentials) == MARKS | {
        "HOME": "/home/app",
        "USER": "app",
        "LOGNAME": "app",
    }


def test_the_table_overrides_the_users_home() -> None:
    credentials = Credentials(7, 7, name="app", home="/home/app")
    assert environment_of(credentials=credentials, environment=(("HOME", "/srv"),))["HOME"] == "/srv"


def test_a_user_without_an_account_keeps_the_inherited_home() -> None:
    assert environment_of({"HOME": "/data"}, credentials=Credentials(7, 7)) == MARKS | {"HOME": "/data"}


# ---- env_file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("  A  =  b  ", "b"),
        ("export A=b", "b"),
        ('A="b c"', "b c"),
        ("A='b c'", "b c"),
        ('A="  b  "', "  b  "),
        ("A='\"b\"'", '"b"'),
        ("A=it's", "it's"),
        ("A='b", "'b"),
        ("A='", "'"),
        ("A=b=c", "b=c"),
        ("A=b # a comment", "b"),
        ("A=b# no comment", "b# no comment"),
        ("A=b#c", "b#c"),
        ('A="b # no comment"', "b # no comment"),
        ('A="b" # a comment', "b"),
        ("A='b' # it's a comment", "b"),
        ("A= # a comment", ""),
        ("A=$B ${C}", "$B ${C}"),
        ("A=b\\nc", "b\\nc"),
        ("A=ä", "ä"),
        ("A=b\r", "b"),
        ("A=one\u2028two\x0cthree\x85four", "one\u2028two\x0cthree\x85four"),
    ],
)
def test_a_line_of_an_env_file(tmp_path: Path, line: str, value: str) -> None:
    assert from_file(tmp_path / "env", f"# first\n\n{line}\n  # last\n") == {"A": value}


def test_the_last_line_of_an_env_file_needs_no_newline(tmp_path: Path) -> None:
    assert from_file(tmp_path / "env", "A=b\nC=d") == {"A": "b", "C": "d"}


def test_an_empty_env_file_sets_nothing(tmp_path: Path) -> None:
    assert from_file(tmp_path / "env", "") == {}


@pytest.mark.parametrize("line", ["A", "=b", "A B=c", "export A"])
def test_a_line_that_is_not_an_assignment_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(SpawnError) as caught:
        from_file(tmp_path / "env", f"X=y\n{line}\n")
    assert str(caught.value) == f"cannot read {tmp_path}/env:2: not a NAME=VALUE line"
    assert caught.value.code is None


def test_a_missing_file_is_a_temporary_failure(tmp_path: Path) -> None:
    with pytest.raises(SpawnError) as caught:
        environment_of(env_file=(f"{tmp_path}/env",))
    assert str(caught.value) == f"cannot read env_file {tmp_path}/env: No such file or directory"
    assert caught.value.code is None


@pytest.mark.parametrize("source", ["env_file", "environment"])
def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path, source: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"A=\xff\n")
    fields = {"env_file": (str(path),)} if source == "env_file" else {"environment": (("A", SecretFile(str(path))),)}
    with pytest.raises(SpawnError, match=f"^cannot read (env_file|secret) {path}: not UTF-8$"):
        environment_of(**fields)


# ---- secrets


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"secret\n", "secret"),
        (b"secret", "secret"),
        (b"secret\n\n", "secret\n"),
        (b"\n", ""),
        (b"", ""),
        (b" secret \n", " secret "),
        (b"secret\r\n", "secret"),
        (b"se\r\ncr\ret\n", "se\r\ncr\ret"),
    ],
)
def test_a_secret_is_its_file_without_one_newline_at_the_end(tmp_path: Path, content: bytes, value: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    assert environment_of(environment=(("S", SecretFile(str(path))),)) == MARKS | {"S": value}


def test_a_secret_is_read_at_each_start(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    program = Program("web", ("true",), environment=(("S", SecretFile(str(path))),))
    seen = []
    for secret in ("old", "new"):
        path.write_text(secret)
        seen.append(make_environment(program, ("web", 1), "own", os.environ)["S"])
    assert seen == ["old", "new"]
