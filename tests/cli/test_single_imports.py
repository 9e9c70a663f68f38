"""A single command costs hardly more than tini: nothing is loaded that it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DENIED = {
    *("argparse", "asyncio", "ctypes", "dataclasses", "enum", "functools", "re", "select", "shutil", "signal"),
    *("socket", "subprocess", "threading", "typing", "warnings", "yaml"),
}
SCRIPT = """
import os, sys
sys.path.insert(0, sys.argv.pop(1))
def watched(*args, spawn=os.posix_spawn, **fields):
    sys.stderr.write(" ".join(sorted(sys.modules)))
    return spawn(*args, **fields)
os.posix_spawn = watched
from supervisor.cli.supinit import main
main()
"""


def loaded_before(*arguments: str) -> set[str]:
    """Return the modules that are there when the command is started."""
    command = [sys.executable, "-I", "-S", "-c", SCRIPT, str(Path(__file__).parents[2]), "--log-level", "error"]
    result = subprocess.run([*command, *arguments, "/bin/true"], capture_output=True, text=True, env={}, check=True)
    return set(result.stderr.split())


@pytest.mark.parametrize("options", [(), ("-g",), ("-r", "TERM:QUIT"), ("-r15:3", "-g")], ids=" ".join)
def test_no_module_is_loaded_that_is_not_needed(options: tuple[str, ...]) -> None:
    loaded = loaded_before(*options)
    assert "supervisor.process.single" in loaded
    assert DENIED & loaded == set()
    assert not any(module.startswith(("supervisor.core", "supervisor.config")) for module in loaded)


def test_ctypes_is_loaded_to_become_a_subreaper_and_only_then() -> None:
    assert "ctypes" in loaded_before("-s")
