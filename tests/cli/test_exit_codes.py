"""The exit codes that every command has: 2 wrong use, 4 no such program, 69 not reached, 77 not permitted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import pytest

from supervisor.cli import supctl
from supervisor.cli.supctl import COMMANDS

from ..control.dialogue import served
from .test_supctl import path as path  # a fixture
from .test_supctl import up

ASKING = [name for name in COMMANDS if name not in ("completion", "top")]
"""Those that need a supervisor, and no terminal."""
NAMING = [name for name in ASKING if "NAME" in COMMANDS[name].words]


def words_of(name: str, *programs: str) -> list[str]:
    """Return the command with the words that it needs at least; a signal comes before the programs."""
    command = COMMANDS[name]
    words = [*(["HUP"] if command.words.startswith("SIGNAL") else []), *programs]
    words += ["web"] * (command.least_words - len(words))
    return [name, *(f"{word}=2" for word in words)] if command.words == "NAME=N..." else [name, *words]


def run_beside(path: str, words: Sequence[str], mode: int = 0o600, uid: int = 0) -> int:
    async def scenario() -> int:
        async with served(up(), path, mode=mode):
            await asyncio.to_thread(int)  # imports what another user may not be able to read
            os.chmod(os.path.dirname(path), 0o755)
            if uid:
                os.seteuid(uid)
            try:
                return await asyncio.to_thread(supctl.main, ["-s", path, *words])
            finally:
                if uid:
                    os.seteuid(0)

    return asyncio.run(scenario())


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_that_it_does_not_have_is_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert supctl.main([*words_of(name), "--surely-not"]) == 2
    expected = f"supctl: unknown option --surely-not of {name}; see supctl --help\n"
    assert capsys.readouterr() == ("", expected)


@pytest.mark.parametrize("name", [name for name in COMMANDS if COMMANDS[name].least_words])
def test_words_that_it_lacks_are_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert supctl.main([name]) == 2
    expected = f"supctl: {name} needs {COMMANDS[name].words}; see supctl --help\n"
    assert capsys.readouterr() == ("", expected)


@pytest.mark.parametrize("name", NAMING)
@pytest.mark.parametrize("unknown", ["nobody", "x*", "web:9"])
def test_a_program_that_there_is_none_of_is_4(
    path: str, name: str, unknown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_beside(path, words_of(name, unknown)) == 4
    out, err = capsys.readouterr()
    assert (out + err).count("\n") == 1 and "cannot find " in out + err


@pytest.mark.parametrize("name", ASKING)
def test_a_supervisor_that_is_not_there_is_69_but_for_healthcheck(
    path: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supctl.main(["-s", path, *words_of(name)]) == (1 if name == "healthcheck" else 69)
    out, err = capsys.readouterr()
    assert (out + err).count("\n") == 1
    assert f"cannot reach supinit at {path}: no such file or directory; is supinit running? -s or" in out + err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("mode", [0o600, 0o666], ids=["by the file's mode", "by the server"])
def test_a_stranger_is_77(path: str, name: str, mode: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_beside(path, words_of(name), mode, 65534) == 77
    out, err = capsys.readouterr()
    assert (out + err).count("\n") == 1 and ("as root" in out + err or "only root" in out + err)
