"""completion: what may come next, by itself and as real shells show it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.cli import supctl
from supervisor.cli.ctl.completion import SCRIPTS, candidates

from ..control.dialogue import served
from ..control.steered import SteeredContainer, service

BASH = """
COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
compopt() { echo files; }
COMP_LINE=$1 COMP_POINT=${#1}
_supctl
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
_describe() { print -rl -- ${(P)2}; }
words=(${(s: :)1}); [[ $1 == *' ' ]] && words+=('')
CURRENT=${#words}; PREFIX=${words[-1]}
_files() { print files; }
_supctl
"""
CALLS = {
    "bash": ["bash", "--norc", "-c", SCRIPTS["bash"] + BASH, "bash"],
    "zsh": ["zsh", "-fc", "compdef() { :; }\n" + SCRIPTS["zsh"] + ZSH, "zsh"],
    "fish": ["fish", "--no-config", "-c", SCRIPTS["fish"] + "\ncomplete -C $argv[1]"],
}
SEPARATORS = {"bash": "$", "zsh": r"(?<!\\):", "fish": "\t"}
"""What stands between a word and what it is."""
NAMES = ["all", "web", "web:1", "web:2", "worker"]


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="supinit-") as directory:
        yield f"{directory}/control.sock"


def after(*words: str) -> list[str]:
    return [word for word, _ in candidates(words)]


def test_commands_come_first_with_what_they_do() -> None:
    assert dict(candidates([""])) == {name: command.summary for name, command in supctl.COMMANDS.items()}
    assert after() == after("help", "") == list(supctl.COMMANDS)
    assert after("sta") == ["status", "start"]
    assert after("--json", "versi") == ["version"]


def test_options_are_those_of_the_command() -> None:
    for name, command in supctl.COMMANDS.items():
        assert after(name, "--") == [f"--{option}" for option in ("socket", "json", "help", *command.options)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("wait", "--for", ""), ["ready", "healthy", "stopped"]),
        (("wait", "--for=st"), ["--for=stopped"]),
        (("logs", "--stream", "std"), ["stdout", "stderr"]),
        (("wait", "--timeout", ""), []),
        (("logs", "-n", ""), []),
        (("signal", "SIGUSR"), ["SIGUSR1", "SIGUSR2"]),
        (("completion", "z"), ["zsh"]),
        (("completion", "zsh", ""), []),
        (("metrics", ""), []),
        (("dance", ""), []),
        (("help", "stop", ""), []),
    ],
)
def test_words_are_those_of_their_place(words: tuple[str, ...], found: list[str]) -> None:
    assert after(*words) == found


def test_there_are_no_names_and_no_words_where_there_is_no_server(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supctl.main(["completion", "words", "--", "-s", path, "stop", ""]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("words", [("stop", ""), ("-s", "{path}", "signal", "HUP", ""), ("stop", "--no-wait", "")])
def test_names_are_those_of_the_live_container(
    path: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [word.format(path=path) for word in words]
    if "-s" not in words:
        monkeypatch.setenv("SUPINIT_SOCKET", path)
    assert asyncio.run(beside_a_container(path, after, *asked)) == NAMES
    assert asyncio.run(beside_a_container(path, after, *asked[:-1], "web", "w")) == ["web:1", "web:2", "worker"]


async def beside_a_container(path: str, function: object, *arguments: str) -> list[str]:
    assert callable(function)
    async with served(SteeredContainer(service("web", scale=2), service("worker")).begin(), path):
        found = await asyncio.to_thread(function, *arguments)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("words", "code"), [(("completion", "csh"), 2), (("completion", "bash", "zsh"), 2), (("completion",), 2)]
)
def test_a_shell_that_there_is_no_script_for_is_wrong_use(
    words: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supctl.main(words) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize("shell", CALLS)
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("supctl versi", ["version"]),
        ("supctl stop ", NAMES),
        ("supctl stop --no-wait web:", ["web:1", "web:2"]),
        ("supctl status wo", ["worker"]),
        ("supctl signal SIGUSR", ["SIGUSR1", "SIGUSR2"]),
        ("supctl wait --for=r", ["--for=ready"]),
        ("supctl wait --for r", ["ready"]),
        ("supctl status --js", ["--json"]),
        ("supctl metrics ", []),
    ],
)
def test_shells_complete(
    path: str, shell: str, line: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    monkeypatch.setenv("SUPINIT_SOCKET", path)
    monkeypatch.setenv("PATH", f"{installed(tmp_path)}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(line: str) -> list[str]:
        result = subprocess.run([*CALLS[shell], line], capture_output=True, text=True, check=False, timeout=30)
        assert result.stderr == ""
        words = [re.split(SEPARATORS[shell], line)[0] for line in result.stdout.splitlines()]
        return sorted(word.replace("\\:", ":") for word in words if word)

    if shell == "bash":  # which replaces only what follows its last word break
        found = [
            word.rpartition("=" if "=" in line else ":")[2] if ":" in line or "=" in line else word for word in found
        ]
    assert asyncio.run(beside_a_container(path, run, line)) == sorted(found)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_complete_files_for_a_socket(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    result = subprocess.run([*CALLS[shell], "supctl -s /"], capture_output=True, text=True, check=False, timeout=30)
    assert (result.stdout, result.stderr) == ("files\n", "")


def installed(folder: Path) -> Path:
    """Make a supctl of this interpreter and these sources."""
    file = folder / "supctl"
    root = Path(supctl.__file__).parents[2]
    file.write_text(f'#!/bin/sh\ncd {root} && exec {sys.executable} -m supervisor.cli.supctl "$@"\n')
    file.chmod(0o755)
    return folder
