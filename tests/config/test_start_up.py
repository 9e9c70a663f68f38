"""What the configuration costs PID 1 before its first child."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import supervisor

NOT_BEFORE_THE_FIRST_CHILD = (
    "argparse", "asyncio", "contextlib", "dataclasses", "difflib", "fnmatch", "glob", "grp", "inspect", "json",
    "logging", "pathlib", "pwd", "re", "shlex", "socket", "subprocess", "textwrap", "traceback", "typing", "urllib",
    "yaml",
)  # fmt: skip

PROGRAM = """
import sys
sys.path[:0] = sys.argv[1].split(":")
from supervisor.config.load import load
table = load(sys.argv[2], {})
assert len(table.programs) == 2
print(*sorted(set(sys.argv[3:]) & set(sys.modules)))
"""

TABLE = """
supervisor: {shutdown_timeout: 1m, log: {level: debug}}
programs:
  db: {command: [postgres], stop: [{signal: INT, wait: 5s}], healthcheck: {test: [CMD, pg_isready]}}
  web:
    command: [nginx, -g, daemon off;]
    depends_on: {db: {condition: healthy}}
    environment: {PORT: "${PORT:-80}"}
    ulimits: {nofile: 1024}
"""


def test_a_table_is_loaded_without_the_modules_that_cost_most(tmp_path: Path) -> None:
    file = tmp_path / "supinit.yaml"
    file.write_text(TABLE)
    path = f"{Path(supervisor.__file__).parent.parent}:{':'.join(entry for entry in sys.path if 'packages' in entry)}"
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, path, file, *NOT_BEFORE_THE_FIRST_CHILD],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.stdout, answer.stderr) == ("\n", "")
