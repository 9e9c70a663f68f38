"""Why a program is not up: in the first event, in the status and in what supctl prints."""

from __future__ import annotations

from pathlib import Path

from integration.conftest import Run

MISSING = "cannot change to /nonexistent: No such file or directory"


def test_a_start_that_fails_says_why_at_once_and_everywhere(run: Run) -> None:
    app = {"command": ["sleep", "1000"], "working_dir": "/nonexistent", "restart_delay": {"initial": "1m", "max": "1m"}}
    container = run({"app": app, "other": {"command": ["sleep", "1000"]}})
    container.expect("program.restart_delayed")
    first = next(line for line in container.err.lines if "program=app" in line)
    assert MISSING in first
    entry = container.programs()["app"]
    assert (entry["state"], entry["reason"], entry["last_lines"]) == ("BACKOFF", MISSING, [])
    assert MISSING in container.supctl("status", "app").stdout


def test_a_crash_shows_the_last_lines_of_its_own_run(run: Run) -> None:
    script = "for i in $$(seq 12); do echo line $$i; done; echo address already in use >&2; exit 3"
    app = {"command": ["sh", "-c", script], "restart_delay": {"initial": "1m", "max": "1m"}}
    container = run({"app": app, "other": {"command": ["sleep", "1000"]}})
    container.await_state("app", "BACKOFF")
    entry = container.programs()["app"]
    assert entry["reason"] == "exited with code 3"
    assert len(entry["last_lines"]) == 10
    assert "address already in use" in entry["last_lines"]


def test_a_silent_run_does_not_show_the_lines_of_the_run_before(run: Run, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"[ -e {mark} ] || {{ touch {mark}; echo first run; exit 3; }}; exit 4"
    app = {"command": ["sh", "-c", script], "start_retries": 2, "shutdown_on": "never"}
    container = run({"app": app, "other": {"command": ["sleep", "1000"]}})
    container.await_state("app", "FATAL")
    assert container.programs()["app"]["last_lines"] == []
