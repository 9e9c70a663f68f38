from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.program import Credentials, EnvFile, Program, SecretFile
from supervisor.errors import SpawnError
from supervisor.process.environment import make_environment, marks_of
from supervisor.process.variables import PRIVATE

MARKS = {"SUPINIT_PROGRAM": "web", "SUPINIT_INSTANCE": "2", "SUPINIT_ID": "own"}


def environment_of(own: dict[str, str] | None = None, **fields: Any) -> dict[str, str]:
    return make_environment(Program("web", ("true",), **fields), ("web", 2), "own", own or {})


# ---- sources


def test_a_process_carries_the_marks_of_its_instance() -> None:
    assert environment_of() == MARKS
    assert marks_of(("web", 2), "own") == {f"{name}={value}".encode() for name, value in MARKS.items()}


def test_later_sources_win(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("B=first\nC=first\nD=first\n")
    (tmp_path / "second").write_text("C=second\nD=second\n")
    environment = environment_of(
        {"A": "own", "B": "own", "C": "own", "D": "own", "SUPINIT_ID": "of the supinit around this one"},
        env_file=(EnvFile(str(tmp_path / "first")), EnvFile(str(tmp_path / "second"))),
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
        {"A": "own"}, env_file=(EnvFile(str(tmp_path / "env")),), environment=(("A", None), ("B", None))
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


def test_a_missing_file_that_is_not_required_sets_nothing(tmp_path: Path) -> None:
    assert environment_of(env_file=(EnvFile(f"{tmp_path}/env", is_required=False),)) == MARKS


def test_variables_in_a_file_come_from_supinit_then_from_the_files_before(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("A=first\nB=first\n")
    (tmp_path / "second").write_text("C=$A-$B\n")
    files = EnvFile(str(tmp_path / "first")), EnvFile(str(tmp_path / "second"))
    assert environment_of({"A": "own"}, env_file=files) == MARKS | {"A": "first", "B": "first", "C": "own-first"}


def test_a_raw_file_is_taken_literally(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A='$B' # no comment\n# a comment\nOWN\n")
    file = EnvFile(str(tmp_path / "env"), is_raw=True)
    environment = environment_of({"OWN": "own"}, inherit_environment=False, env_file=(file,))
    assert environment == MARKS | {"A": "'$B' # no comment", "OWN": "own"}


def test_a_missing_file_is_a_temporary_failure(tmp_path: Path) -> None:
    with pytest.raises(SpawnError) as caught:
        environment_of(env_file=(EnvFile(f"{tmp_path}/env"),))
    assert str(caught.value) == f"cannot read env_file {tmp_path}/env: No such file or directory"
    assert caught.value.code is None


@pytest.mark.parametrize("source", ["env_file", "environment"])
def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path, source: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"A=\xff\n")
    env_file, secret = EnvFile(str(path)), SecretFile(str(path))
    fields = {"env_file": (env_file,)} if source == "env_file" else {"environment": (("A", secret),)}
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
