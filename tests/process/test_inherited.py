from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import supervisor

SAY = "from supervisor.process.inherited import inherited_environment as own; print(dict(own()))"


@pytest.mark.parametrize(
    "environment",
    [{"A": "1"}, {"A": "1", "LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"}, {"LANG": "C.UTF-8", "B": "\udcff=b"}, {}],
    ids=["no locale", "the C locale", "the locale that Python would set", "a locale", "empty"],
)
def test_the_environment_is_the_inherited_one_without_what_python_adds(environment: dict[str, str]) -> None:
    root = Path(supervisor.__file__).parent.parent
    said = subprocess.run([sys.executable, "-c", SAY], env=environment, cwd=root, capture_output=True, check=True)
    assert said.stdout.decode().strip() == repr(environment)


def test_what_was_changed_since_the_start_is_in_it() -> None:
    """The start script of the self-contained directory restores variables, in the C locale as well."""
    root = Path(supervisor.__file__).parent.parent
    change = f"import os; os.environ['A'] = os.environ.pop('KEPT_A'); {SAY}"
    command = [sys.executable, "-c", change]
    said = subprocess.run(command, env={"KEPT_A": "1"}, cwd=root, capture_output=True, check=True)
    assert said.stdout.decode().strip() == "{'A': '1'}"
