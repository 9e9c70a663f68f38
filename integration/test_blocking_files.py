"""PID 1 never waits for a file that somebody has named: a FIFO, or a device without end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from integration.conftest import Run

SLEEP = {"command": ["sleep", "600"]}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("fifo", "not a regular file"), ("endless", "not a regular file"), ("large", "larger than 128 KiB")],
)
def test_a_secret_that_cannot_be_read_to_its_end_is_a_failed_start(
    run: Run, tmp_path: Path, kind: str, reason: str
) -> None:
    path = tmp_path / "secret"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"x" * (1 << 20))
    app = {**SLEEP, "environment": {"TOKEN": {"file": str(path)}}, "shutdown_on": "never", "start_retries": 1}
    container = run({"app": app, "other": SLEEP})
    container.await_state("other", "RUNNING")
    container.await_state("app", "FATAL")
    assert f"cannot read secret {path}: {reason}" in container.programs()["app"]["reason"]
    container.signal(signal.SIGTERM)
    assert container.end(5) == 0


def test_an_env_file_that_is_a_fifo_holds_nothing_up(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "env")
    app = {**SLEEP, "env_file": [str(tmp_path / "env")], "shutdown_on": "never", "start_retries": 1}
    orphans = {"command": ["sh", "-c", "while :; do (sleep 0.01 &); sleep 0.01; done"]}
    container = run({"app": app, "other": orphans})
    container.await_state("app", "FATAL")
    assert f"cannot read env_file {tmp_path}/env: not a regular file" in container.programs()["app"]["reason"]
    container.signal(signal.SIGTERM)
    assert container.end(5) == 0


def test_a_table_that_has_become_a_fifo_is_an_update_that_is_refused(run: Run, tmp_path: Path) -> None:
    container = run({"other": SLEEP})
    container.await_state("other", "RUNNING")
    table = tmp_path / "container-0.yaml"
    table.unlink()
    os.mkfifo(table)
    container.signal(signal.SIGHUP)
    container.expect(f"cannot read {table}: not a regular file")
    assert container.programs()["other"]["state"] == "RUNNING"
    container.signal(signal.SIGTERM)
    assert container.end(5) == 0
