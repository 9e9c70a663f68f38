"""Every row of docs/coming-from-tini-and-dumb-init.md: both commands of it are run, and do the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from integration.container import BIN
from integration.inits import ENVIRONMENT
from supervisor.config.schema import PROGRAM

PAGE = Path(__file__).parent.parent / "docs/coming-from-tini-and-dumb-init.md"
ROW = re.compile(r"\| `(?P<theirs>[^`]*\b(?P<tool>tini|dumb-init)\b[^`]*)` \| (?:`(?P<ours>[^`]*)`)? ?\|.*\|")
ROWS = [match for line in PAGE.read_text().splitlines() if (match := ROW.fullmatch(line))]
VARIABLES = {
    "tini": {"TINI_SUBREAPER", "TINI_VERBOSITY", "TINI_KILL_PROCESS_GROUP"},
    "dumb-init": {"DUMB_INIT_SETSID", "DUMB_INIT_DEBUG"},
}


def run(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of a row; CMD prints hello and exits with 3."""
    script = re.sub(r"\bCMD$", "sh -c 'echo hello; exit 3'", command)
    environment = ENVIRONMENT | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=environment, timeout=30)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["theirs"])
def test_both_sides_of_a_row_do_the_same(row: re.Match[str]) -> None:
    if shutil.which(row["tool"]) is None:
        pytest.skip(f"{row['tool']} is not installed")
    theirs, runs_a_command = run(row["theirs"]), row["theirs"].endswith("CMD")
    assert theirs.returncode == (3 if runs_a_command else 0), theirs.stderr
    assert "hello" in theirs.stdout or not runs_a_command
    if row["ours"] and "supinit" in row["ours"]:
        ours = run(row["ours"])
        assert (ours.returncode, "hello" in ours.stdout) == (theirs.returncode, "hello" in theirs.stdout), ours.stderr
        assert "cannot" not in ours.stderr
    elif row["ours"]:
        assert row["ours"].partition(":")[0] in PROGRAM.keys


@pytest.mark.parametrize("tool", VARIABLES)
def test_every_option_and_variable_of_theirs_has_a_row(tool: str) -> None:
    """The options as their own help lists them."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    told = subprocess.run([tool, "-h"], capture_output=True, text=True, check=True)
    offered = set(re.findall(r"^ +(-\w|--\w+)\b", told.stdout + told.stderr, re.MULTILINE))
    words = {word.partition("=")[0] for row in ROWS if row["tool"] == tool for word in row["theirs"].split()}
    assert {"-h", "-v"} <= offered
    assert offered - words == set()
    assert VARIABLES[tool] == {word for word in words if re.match(r"[A-Z]+_", word)}
