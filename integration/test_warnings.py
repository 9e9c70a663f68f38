"""What `--check` warns of is in the log of a running container, too, once each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from integration.conftest import Run
from integration.container import SUPINIT

SLOW = {"command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"], "stop_grace_period": "60s"}
UNIX_SHELL = {"command": ["sh", "-c", "sleep 600"]}


def warned(text: str) -> list[str]:
    return [line.partition('reason="')[2].rstrip('"') for line in text.splitlines() if "container.warned" in line]


def checked(table: Path) -> list[str]:
    done = subprocess.run(
        [SUPINIT, "--check", "-c", str(table)], capture_output=True, text=True, timeout=30, check=True
    )
    lines = [line.removeprefix("warning: ") for line in done.stderr.splitlines()]
    return [line for line in lines if ".pyc" not in line]


def test_warnings_of_the_table_are_logged_at_start_and_new_ones_after_an_update(run: Run, tmp_path: Path) -> None:
    container = run({"slow": SLOW})
    table = tmp_path / "container-0.yaml"
    container.expect("container.warned")
    container.await_ready()
    first = checked(table)
    assert [warning for warning in first if "docker stop" in warning]
    programs = {"slow": SLOW, "shell": UNIX_SHELL}
    table.write_text(json.dumps({"supervisor": {"run_dir": str(container.run_dir)}, "programs": programs}))
    container.signal(signal.SIGHUP)
    container.expect("programs.shell: sh does not forward signals")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert warned(container.err.text) == [*first, *(warning for warning in checked(table) if warning not in first)]


def test_a_configuration_file_that_never_ends_holds_nothing_up(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "uwsgi.ini")
    odd = {"command": ["sh", "-c", "exec sleep 600"], "shutdown_on": "never"}
    web = {"command": ["uwsgi", str(tmp_path / "uwsgi.ini")], "shutdown_on": "never", "stop_grace_period": "200ms"}
    container = run({"web": web, "odd": odd})
    container.await_state("odd", "RUNNING")
    container.signal(signal.SIGTERM)
    assert container.end(5) == 0
