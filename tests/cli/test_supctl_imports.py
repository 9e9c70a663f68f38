"""healthcheck runs every few seconds in every container: it loads nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest

from supervisor.cli.supctl import COMMANDS, load

DENIED = {
    "argparse",
    "asyncio",
    "enum",
    "http",
    "inspect",
    "json",
    "re",
    "select",
    "signal",
    "socket",
    "subprocess",
    "threading",
    "typing",
    "urllib",
}
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from supervisor.cli.supctl import main
main(["-s", "/nowhere", *sys.argv[2:]])
sys.stderr.write("|" + " ".join(sorted(sys.modules)))
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_function_of_every_command_is_there(name: str) -> None:
    function = load(COMMANDS[name].run)
    assert signature(function).return_annotation == "int"
    assert list(signature(function).parameters) == ["call"]


@pytest.mark.parametrize("words", [["healthcheck"], ["status"], ["restart", "web"], ["wait"], ["--help"]])
def test_no_module_is_loaded_that_is_not_needed(words: list[str]) -> None:
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-I", "-S", "-c", SCRIPT, root, *words]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stderr.rpartition("|")[2].split()
    assert "supervisor.cli.supctl" in loaded
    assert DENIED.isdisjoint(loaded)
