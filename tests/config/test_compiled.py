"""A compiled table: the same plan as the table's, and only as long as nothing has changed."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from supervisor.cli import supinit
from supervisor.config import compiler
from supervisor.config.compiled import Compiled, file_of, read_compiled
from supervisor.config.compiler import write_compiled
from supervisor.config.load import load
from supervisor.config.plan_pickle import load_plan
from supervisor.core.plan import Plan, make_plan
from supervisor.errors import ConfigError, StartError

from ..process.nursery import elsewhere

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").rglob("*.yaml"))
VARIABLES = {"PATH": "/bin", "GIT_HASH": "1234567", "DATABASE_URL": "postgres://db", "RELEASE": "7"}

TABLE = """
include: [more/*.yaml]
supervisor: {revision: "${GIT_HASH:-none}", shutdown_timeout: 1m}
programs:
  db: {command: [postgres], stop: [{signal: INT, wait: 5s}], healthcheck: {test: [CMD, pg_isready]}}
  web: {command: [nginx], preset: nginx, depends_on: {db: {condition: healthy}}, profiles: [web], log: {mode: json}}
  job: {type: oneshot, command: [true], ulimits: {nofile: 1024}, signals: {USR1: HUP}, user: root}
"""
ENVIRON = {"GIT_HASH": "1234567", "HOME": "/root"}


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A compiled table with an included file."""
    file = tmp_path / "supinit.yaml"
    file.write_text(TABLE)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "worker.yaml").write_text("programs: {worker: {command: [work, '${QUEUE}']}}")
    assert write_compiled(str(file), ENVIRON) == f"{file}.compiled"
    return str(file)


def reason(table: str, environ: Mapping[str, str] = ENVIRON) -> str:
    """Say why a compiled table is not used."""
    compiled, reason = read_compiled(table, environ)
    assert (compiled is None) == bool(reason)
    return reason


def compiled_plan(table: str, environ: Mapping[str, str]) -> Plan:
    compiled, reason = read_compiled(table, environ)
    assert compiled is not None, reason
    return load_plan(compiled.plan)


def test_the_compiled_plan_is_that_of_the_table(table: str) -> None:
    assert compiled_plan(table, ENVIRON) == make_plan(load(table, ENVIRON))


def test_one_that_was_killed_while_it_compiled_does_not_keep_the_next_from_it(table: str) -> None:
    """Both have the same pid, as PID 1 has in every container. The first one ends before its last step."""
    os.unlink(f"{table}.compiled")

    def is_killed() -> None:
        os.rename = lambda *_, **__: os._exit(9)
        write_compiled(table, ENVIRON)

    with pytest.raises(AssertionError, match="returned nothing"):
        elsewhere(is_killed)
    (leftover,) = Path(table).parent.glob("*.compiled.*")
    leftover.rename(f"{table}.compiled.{os.getpid()}")
    assert write_compiled(table, ENVIRON) == f"{table}.compiled"
    assert reason(table) == ""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_can_be_compiled(example: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(example.parent, tmp_path / "example")
    file = str(folder / example.name)
    plan = make_plan(load(file, VARIABLES))
    write_compiled(file, VARIABLES)
    assert compiled_plan(file, VARIABLES) == plan


def test_without_a_compiled_table_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert read_compiled(str(tmp_path / "supinit.yaml"), {}) == (None, "")


def test_a_table_with_a_problem_is_not_compiled(tmp_path: Path) -> None:
    file = tmp_path / "supinit.yaml"
    file.write_text("programs: {web: {comand: nginx}}")
    with pytest.raises(ConfigError):
        write_compiled(str(file), {})
    assert os.listdir(tmp_path) == ["supinit.yaml"]


def test_the_command_prints_the_name_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "supinit.yaml"
    file.write_text("programs: {web: {command: nginx}}")
    assert supinit._main(["--compile", "-c", str(file)]) == 0
    assert capsys.readouterr() == (f"{file}.compiled\n", "")
    tmp_path.chmod(0o777)
    assert supinit._main(["--compile", "-c", str(file)]) == 78
    ignored = f"supinit: {file}.compiled would be ignored: {tmp_path} can be written by other users\n"
    assert capsys.readouterr() == ("", ignored)
    assert supinit._main(["--compile", "-c", "/proc/self/no.yaml"]) == 78
    assert capsys.readouterr() == ("", "cannot read /proc/self/no.yaml: No such file or directory\n")


# ---- what it was made of has changed


def test_it_is_not_used_after_a_change_to_the_table(table: str) -> None:
    Path(table).write_text(TABLE + "\n# a comment")
    assert reason(table) == f"{table} has changed"


def test_it_is_not_used_without_the_table(table: str) -> None:
    os.unlink(table)
    assert reason(table) == f"{table} has changed"


def test_it_is_not_used_after_a_change_to_an_included_file(table: str) -> None:
    included = Path(table).parent / "more" / "worker.yaml"
    included.write_text("programs: {}")
    assert reason(table) == f"{included} has changed"


def test_it_is_not_used_when_another_file_is_included(table: str) -> None:
    (Path(table).parent / "more" / "another.yaml").write_text("programs: {}")
    assert reason(table) == "other files match more/*.yaml"


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"GIT_HASH": "7654321"}, "GIT_HASH"),
        ({"QUEUE": "mail"}, "QUEUE"),
        ({"SUPINIT_RUN_DIR": "/run/other"}, "SUPINIT_RUN_DIR"),
        ({"SUPINIT_PROFILES": "web"}, "SUPINIT_PROFILES"),
    ],
)
def test_it_is_not_used_with_other_values_of_its_variables(table: str, change: dict[str, str], variable: str) -> None:
    assert reason(table, ENVIRON | change) == f"variable {variable} has another value"


def test_it_is_not_used_where_a_variable_is_missing(table: str) -> None:
    assert reason(table, {}) == "variable GIT_HASH has another value"


def test_it_is_used_whatever_other_variables_are(table: str) -> None:
    assert reason(table, ENVIRON | {"HOME": "/home/app", "MORE": "1"}) == ""


@pytest.mark.parametrize("name", compiler.ACCOUNT_FILES)
def test_it_is_not_used_when_the_accounts_have_changed(
    table: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_bytes(Path(name).read_bytes())
    others = tuple(str(accounts) if file == name else file for file in compiler.ACCOUNT_FILES)
    monkeypatch.setattr(compiler, "ACCOUNT_FILES", others)
    write_compiled(table, ENVIRON)
    assert reason(table) == ""
    with accounts.open("a") as file:
        file.write("more:x:4242:4242::/:/bin/sh\n")
    assert reason(table) == f"{accounts} has changed"


def test_it_is_not_used_by_another_version(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.config.compiled.__version__", "0.0.9")
    assert reason(table).startswith("it was made by supinit ")


def test_it_is_not_used_under_another_name(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions in warnings begin with the name of the table."""
    monkeypatch.chdir(Path(table).parent)
    assert reason("supinit.yaml") == f"it was made of {table}"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it changes its groups")
@pytest.mark.parametrize(
    "keys", ["user: root", "pre_start: [{command: b, user: root}]", "pre_stop: [{command: b, user: root}]"]
)
def test_a_table_with_users_is_not_used_under_other_groups(table: str, keys: str) -> None:
    Path(table).write_text(f"programs: {{web: {{command: x, {keys}}}}}")
    write_compiled(table, ENVIRON)
    answer, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([4242])
        os.write(sender, read_compiled(table, ENVIRON)[1].encode())
        os._exit(0)
    os.close(sender)
    os.waitpid(child, 0)
    with open(answer, encoding="utf-8") as said:
        assert said.read() == "supinit runs as another user or with other capabilities"


# ---- who could have written it


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_can_write_is_not_used(table: str, mode: int) -> None:
    os.chmod(f"{table}.compiled", mode)
    assert reason(table) == f"{table}.compiled can be written by other users"


@pytest.mark.parametrize("mode", [0o1777, 0o775])
def test_a_directory_that_others_can_write_is_not_trusted(table: str, mode: int) -> None:
    os.chmod(Path(table).parent, mode)
    assert reason(table) == f"{Path(table).parent} can be written by other users"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it gives a file away")
def test_a_file_of_another_user_is_not_used(table: str) -> None:
    os.chown(f"{table}.compiled", 4242, 4242)
    assert reason(table) == f"{table}.compiled can be written by other users"


def test_a_fifo_is_not_read(table: str) -> None:
    os.unlink(f"{table}.compiled")
    os.mkfifo(f"{table}.compiled", 0o600)
    assert reason(table) == f"{table}.compiled is not a regular file"


def test_what_would_not_be_used_is_not_left_behind(table: str) -> None:
    os.chmod(Path(table).parent, 0o777)
    with pytest.raises(StartError, match=r"would be ignored: .* can be written by other users"):
        write_compiled(table, ENVIRON)
    assert not os.path.exists(f"{table}.compiled")


def test_it_is_as_readable_as_the_table(table: str) -> None:
    os.chmod(table, 0o640)
    write_compiled(table, ENVIRON)
    assert stat.S_IMODE(os.stat(f"{table}.compiled").st_mode) == 0o640


# ---- damage


def test_no_part_of_a_file_is_taken_for_the_whole(table: str) -> None:
    data = Path(f"{table}.compiled").read_bytes()
    for length in range(0, len(data), 7):
        Path(f"{table}.compiled").write_bytes(data[:length])
        assert reason(table) == "it is damaged, or another version of Python has made it"


def test_a_file_in_which_a_bit_has_changed_is_not_used(table: str) -> None:
    data = Path(f"{table}.compiled").read_bytes()
    for place in range(0, len(data), 11):
        flipped = bytes((data[place] ^ 1 << place % 8,))
        Path(f"{table}.compiled").write_bytes(data[:place] + flipped + data[place + 1 :])
        assert reason(table) == "it is damaged, or another version of Python has made it"


def test_it_is_not_used_by_another_version_of_python(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "hexversion", sys.hexversion + 1)
    assert reason(table) == "it is damaged, or another version of Python has made it"


def test_a_head_that_is_none_is_not_used(table: str) -> None:
    """Such as that of another build of the same version."""
    compiled, _ = read_compiled(table, ENVIRON)
    assert compiled is not None
    for head in ({}, {**compiled.head, "more": 1}, {key: compiled.head[key] for key in ("origin", "run_dir")}):
        Path(f"{table}.compiled").write_bytes(file_of(Compiled(head, compiled.plan)))  # type: ignore[arg-type]
        assert reason(table) == "another build of supinit has made it"


class Call:
    """A pickle of this calls a function when it is read."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.function, self.arguments


def test_nothing_but_values_comes_out_of_a_plan(table: str, tmp_path: Path) -> None:
    for call in (Call(os.mkdir, str(tmp_path / "made")), Call(write_compiled, table, {}), Call(load, table, {})):
        with pytest.raises(ValueError, match="it names "):
            load_plan(pickle.dumps(call))
    assert not (tmp_path / "made").exists()


def test_no_module_of_others_is_imported_for_a_plan() -> None:
    assert "colorsys" not in sys.modules
    with pytest.raises(ValueError, match=r"it names colorsys\.rgb_to_yiq"):
        load_plan(b"ccolorsys\nrgb_to_yiq\n.")
    assert "colorsys" not in sys.modules


def test_a_signal_that_is_pickled_by_its_own_name_is_read() -> None:
    """As Python 3.11.2 of Debian 12 does; later ones pickle the class and the number."""
    value: object = load_plan(b"\x80\x05\x8c\x06signal\x8c\x07SIGTERM\x93.")
    assert value is signal.SIGTERM


def test_a_function_is_not_read() -> None:
    with pytest.raises(ValueError, match=r"it names signal\.pause"):
        load_plan(b"\x80\x05\x8c\x06signal\x8c\x05pause\x93.")


def test_a_member_of_an_enumeration_is_read_by_its_name_and_nothing_else_of_a_class() -> None:
    """Python 3.11.2 pickles one as getattr(class, name)."""

    def attribute(name: bytes) -> bytes:
        words = (b"builtins", b"getattr"), (b"signal", b"Signals")
        found = [b"".join(b"\x8c" + bytes([len(word)]) + word for word in pair) + b"\x93" for pair in words]
        return b"\x80\x05" + found[0] + found[1] + b"\x8c" + bytes([len(name)]) + name + b"\x86R."

    value: object = load_plan(attribute(b"SIGTERM"))
    assert value is signal.SIGTERM
    with pytest.raises(KeyError):
        load_plan(attribute(b"mro"))
