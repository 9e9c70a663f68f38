"""How a container ends, what its last line says, and what a program costs that keeps failing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Measured, Run
from integration.container import Container

NEVER = {"test": ["CMD", "false"], "interval": "50ms", "start_period": "1m"}
STORM = 10.0
"""Seconds during which a program fails at once, again and again."""
TICKS = os.sysconf("SC_CLK_TCK")


def script(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


def sleeper(**keys: Any) -> dict[str, Any]:
    return {"command": ["sleep", "1000"], **keys}


def verdict(container: Container) -> str:
    """Return the line that says how it ended."""
    lines = [line for line in container.err.lines if "container.ended" in line]
    assert len(lines) == 1 and lines[0] == container.err.lines[-1]
    return lines[0]


def test_75_says_everything_that_was_not_ready_and_why(run: Run) -> None:
    container = run(
        {
            "db": sleeper(healthcheck=NEVER),
            "web": sleeper(depends_on={"db": {"condition": "healthy"}}),
            "slow": sleeper(ready={"notify": "systemd", "timeout": "1m"}),
            "fine": sleeper(min_uptime=0),
            "extra": sleeper(shutdown_on="never", ready={"notify": "systemd", "timeout": "1m"}),
        },
        settings={"start_timeout": "600ms"},
    )
    assert container.end() == 75
    said = verdict(container)
    assert "code=75" in said
    assert "db" in said and "slow" in said and "web" in said
    assert "exited with code 1" in said or "unhealthy" in said or "health" in said, "what db's check has found"
    assert "waits for db" in said or "waiting for db" in said, "why web has not even started"
    assert "fine" not in said and "extra" not in said


def test_75_counts_a_crashing_program_as_not_ready(run: Run) -> None:
    crashing = {
        "command": script("exit 9"),
        "restart_delay": {"initial": "100ms", "max": "100ms"},
        "start_retries": None,
    }
    container = run({"app": crashing, "fine": sleeper(min_uptime=0)}, settings={"start_timeout": "700ms"})
    assert container.end() == 75
    assert "app" in verdict(container) and "9" in verdict(container)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [("exit 7", 7, "code 7"), ("kill -SEGV $$$$", 139, "SIGSEGV"), ("kill -KILL $$$$", 137, "SIGKILL")],
    ids=["code", "SIGSEGV", "SIGKILL"],
)
def test_the_verdict_names_the_program_and_how_it_ended(run: Run, command: str, code: int, said: str) -> None:
    failing = {"command": script(f"echo out of luck >&2; {command}"), "restart": "no"}
    container = run({"culprit": failing, "bystander": sleeper()})
    assert container.end() == code
    assert f"code={code}" in verdict(container)
    assert "culprit" in verdict(container) and said in verdict(container)
    assert "out of luck" in verdict(container)
    assert "bystander" not in verdict(container)


def test_the_code_of_a_oneshot_that_failed_is_the_container_s_and_its_dependants_never_ran(run: Run) -> None:
    migrate = {"command": script("echo no such table; exit 42"), "type": "oneshot"}
    container = run({"migrate": migrate, "web": sleeper(depends_on={"migrate": {"condition": "completed"}})})
    assert container.end() == 42
    assert "migrate" in verdict(container) and "42" in verdict(container) and "no such table" in verdict(container)
    assert not container.err.has("program.started program=web")


def test_a_oneshot_is_tried_as_often_as_the_table_says(run: Run, tmp_path: Path) -> None:
    count = tmp_path / "count"
    migrate = {
        "command": script(f"echo x >>{count}; exit 5"),
        "type": "oneshot",
        "restart": "on-failure:2",
        "restart_delay": {"initial": "20ms"},
    }
    assert run({"migrate": migrate}).end() == 5
    assert count.read_text().split() == ["x"] * 3


def test_a_oneshot_that_hangs_is_ended_at_its_timeout(run: Run) -> None:
    migrate = {"command": ["sleep", "1000"], "type": "oneshot", "ready": {"timeout": "300ms"}}
    container = run({"migrate": migrate, "web": sleeper(depends_on={"migrate": {"condition": "completed"}})})
    assert container.end() not in (0, 75)
    assert "migrate" in verdict(container)


def test_a_dependency_that_is_fatal_names_itself_in_the_reason_of_each_dependant(run: Run) -> None:
    broken = {"command": ["/no/such/program"], "shutdown_on": "never"}
    middle = sleeper(depends_on={"broken": {"condition": "healthy"}}, shutdown_on="never")
    last = sleeper(depends_on={"middle": {"condition": "started"}}, shutdown_on="never")
    container = run({"broken": broken, "middle": middle, "last": last, "web": sleeper()})
    container.await_state("last", "FATAL")
    programs = container.programs()
    assert {programs[name]["state"] for name in ("broken", "middle", "last")} == {"FATAL"}
    assert "broken" in programs["middle"]["reason"]
    assert "middle" in programs["last"]["reason"] or "broken" in programs["last"]["reason"]
    assert "broken" in container.supctl("status", "middle").stdout
    assert programs["web"]["state"] in ("STARTING", "RUNNING")


def test_an_unhealthy_program_that_ends_the_container_is_named_with_what_its_check_found(
    run: Run, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    check = {"file": {"path": str(gone)}, "interval": "50ms", "retries": 2, "on_unhealthy": "shutdown"}
    container = run({"web": sleeper(healthcheck=check), "other": sleeper()})
    assert container.end() == 1
    assert "web" in verdict(container) and "unhealthy" in verdict(container) and str(gone) in verdict(container)


def test_a_restart_storm_costs_pid_1_little(run: Run, measured: Measured) -> None:
    """With the default delays, and at a steady five a second."""
    eager = {"restart_delay": {"initial": "200ms", "max": "200ms"}, "start_retries": None}
    container = run({"failing": {"command": ["false"]}, "eager": {"command": ["false"], **eager}, "web": sleeper()})
    container.await_state("web", "RUNNING")
    before, began = cpu_seconds(container.init), time.monotonic()
    while time.monotonic() - began < STORM:
        time.sleep(0.2)
    spent = cpu_seconds(container.init) - before
    starts = container.err.text.count("program.started program=")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    measured(f"{starts} failing starts in {STORM:g} s cost PID 1 {spent:.2f} s of CPU")
    assert starts > 30
    assert spent < 0.5


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process (proc_pid_stat(5): utime and stime)."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS
