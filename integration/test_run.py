"""supctl run from outside: a command runs as the program would, and does not belong to the program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from integration.conftest import Run
from integration.container import SUPCTL, Container, child
from integration.processes import alive_with
from integration.test_tree import branches, commands, entered
from integration.waiting import sleep_until


@pytest.fixture
def container(run: Run, tmp_path: Path) -> Container:
    (tmp_path / "secret").write_text("s3cret\n")
    tmp_path.chmod(0o755)
    container = run(
        {
            "web": {
                "command": child("witness.py"),
                "environment": {"TOKEN": {"file": str(tmp_path / "secret")}},
                "working_dir": "/tmp",
                "umask": "027",
                "ulimits": {"nofile": {"soft": 100, "hard": 200}},
                "nice": 5,
                "min_uptime": 0,
            },
            "worker": {"command": ["sleep", "1000"], "user": "65534:65534", "group_add": ["7"], "scale": 2},
        }
    )
    container.await_socket()
    return container


def test_the_command_has_what_the_program_has(container: Container, tmp_path: Path) -> None:
    script = "echo $TOKEN $SUPINIT_PROGRAM $SUPINIT_INSTANCE id=$SUPINIT_ID; pwd; umask; ulimit -Sn; ulimit -Hn; nice"
    result = container.supctl("run", "web", "--", "sh", "-c", script)
    assert result.stdout.split("\n")[:-1] == ["s3cret web 1 id=", "/tmp", "0027", "100", "200", "5"], result.stderr
    (tmp_path / "secret").write_text("another\n")
    assert container.supctl("run", "web", "--", "sh", "-c", "echo $TOKEN").stdout == "another\n"


def test_the_command_is_the_user_that_the_program_is(container: Container) -> None:
    result = container.supctl("run", "worker:2", "--", "sh", "-c", "id -u; id -g; id -G; echo $SUPINIT_INSTANCE")
    assert result.stdout.split("\n")[:-1] == ["65534", "65534", "65534 7", "2"], result.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["web", "--", "sh", "-c", "exit 9"], 9),
        (["web", "--", "sh", "-c", "kill -9 $$"], -9),
        (["web", "--", "surely-not"], 127),
        (["web", "--", "/etc/passwd"], 126),
        (["surely-not", "--", "true"], 4),
        (["web"], 2),
    ],
)
def test_the_exit_code_is_the_commands_or_a_shells(container: Container, words: list[str], code: int) -> None:
    result = container.supctl("run", *words)
    assert (result.returncode, result.stderr.count("\n")) == (code, int(code in (127, 126, 4, 2)))


def test_a_missing_secret_is_126_and_named(container: Container, tmp_path: Path) -> None:
    (tmp_path / "secret").unlink()
    result = container.supctl("run", "web", "--", "true")
    assert (result.returncode, result.stderr.count("\n"), str(tmp_path / "secret") in result.stderr) == (126, 1, True)


def test_the_terminal_is_the_users(container: Container) -> None:
    if shutil.which("script") is None:
        pytest.skip("script is not installed (bsdutils)")
    inner = f"{SUPCTL} -s {container.socket} run web -- sh -c 'test -t 0 && test -t 1 && stty size && echo $TERM'"
    command = ["script", "-qec", f"stty rows 33 cols 77; {inner}", "/dev/null"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout
    assert "33 77" in result.stdout


def test_what_is_run_outlives_the_program_but_not_the_container(container: Container) -> None:
    mine, below = "12345.671", "12345.672"
    supctl = [SUPCTL, "-s", str(container.socket)]
    with entered(container, *supctl, "run", "web", "--", "sh", "-c", f"setsid sleep {below} & exec sleep {mine}"):
        sleep_until(lambda: alive_with(mine) and alive_with(below), 10, "both are there")
        sleep_until(lambda: f"sleep {mine}" in commands(branches(container)["entered"]), 10, "it is seen")
        pids = alive_with(mine), alive_with(below)
        assert container.supctl("restart", "web").returncode == 0
        assert (alive_with(mine), alive_with(below)) == pids
    sleep_until(lambda: f"sleep {below}" in commands(branches(container).get("orphans", [])), 10, "it is adopted")
    assert container.supctl("restart", "web").returncode == 0
    assert alive_with(below) == pids[1]
    assert container.supctl("shutdown").returncode == 0
    assert container.end() == 0
    assert container.left_in_namespace() == []
