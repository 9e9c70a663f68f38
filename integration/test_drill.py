"""`supinit --drill`: it passes for a table that starts and stops as it should, and names what goes wrong otherwise."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from integration.busyness import slowness
from integration.container import SUPCTL, SUPINIT, child
from integration.nginx_uwsgi import free_port
from integration.servers.installed import need

Drill = Callable[..., subprocess.CompletedProcess[str]]
SLOW = ["sh", "-c", "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done"]
STUBBORN = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]


@pytest.fixture
def drill(tmp_path: Path) -> Drill:
    def run(
        programs: Mapping[str, Any], *options: str, settings: Mapping[str, Any] | None = None
    ) -> subprocess.CompletedProcess[str]:
        table = tmp_path / "supinit.yaml"
        supervisor = {"run_dir": str(tmp_path / "run"), **(settings or {})}
        table.write_text(json.dumps({"supervisor": supervisor, "programs": programs}))
        result = subprocess.run(
            [SUPINIT, "--drill", "-c", str(table), *options], capture_output=True, text=True, timeout=60, check=False
        )
        print(result.stdout, result.stderr, sep="\n")
        return result

    return run


def failures(result: subprocess.CompletedProcess[str]) -> list[str]:
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    return lines[lines.index("the drill has failed:") + 1 :]


def test_a_table_that_starts_and_stops_as_it_should_passes(drill: Drill, tmp_path: Path) -> None:
    result = drill(
        {
            "migrate": {"command": ["true"], "type": "oneshot"},
            "web": {
                "command": child("witness.py"),
                "depends_on": {"migrate": {"condition": "completed"}},
                "healthcheck": {"test": "true", "interval": "1s"},
            },
        }
    )
    assert result.returncode == 0
    assert result.stdout.startswith(f"drill of {tmp_path}/supinit.yaml\n\nready and healthy after ")
    assert result.stdout.endswith("killed: nothing\nleft: nothing\nexit code: 0\n\nthe drill has passed\n")
    assert "supinit | container.ended code=0" in result.stderr
    assert not (tmp_path / "run").exists(), "an image should not keep it"


def test_the_output_of_programs_is_on_stderr_and_the_report_alone_on_stdout(drill: Drill) -> None:
    result = drill({"web": {"command": ["echo", "hello"], "type": "oneshot"}})
    assert result.returncode == 0
    assert "web | hello" in result.stderr and "hello" not in result.stdout


def test_an_nginx_that_daemonizes_is_caught(drill: Drill, tmp_path: Path) -> None:
    nginx = need("nginx", "apt-get install nginx-light")
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"pid {tmp_path}/nginx.pid; error_log stderr; events {{}}"
        f" http {{ access_log off; server {{ listen 127.0.0.1:{free_port()}; }} }}"
    )
    found = failures(
        drill(
            {"nginx": {"command": [nginx, "-c", str(config), "-e", "stderr"], "start_retries": 2}}, "--timeout", "20s"
        )
    )
    assert any(line.startswith("- nginx had to be started again") for line in found)
    assert any(line.startswith("- nginx failed: ") for line in found)


def test_a_script_whose_child_has_to_be_killed_is_caught(drill: Drill, tmp_path: Path) -> None:
    """Without exec, the script ends on SIGTERM and its child stays."""
    script = tmp_path / "entry.sh"
    script.write_text(f"#!/bin/sh\n{shlex.join(STUBBORN)}\ntrue\n")
    script.chmod(0o755)
    found = failures(drill({"web": {"command": [str(script)], "stop_grace_period": "500ms"}}))
    assert any(line.startswith("- web left processes that were killed") for line in found)


def test_a_health_check_that_never_passes_is_caught(drill: Drill) -> None:
    result = drill(
        {"web": {"command": child("witness.py"), "healthcheck": {"test": "false", "start_period": "1m"}}},
        "--timeout",
        "2s",
    )
    assert any(line.startswith("- web was not up: STARTING and starting") for line in failures(result))
    assert "not everything was ready and healthy" in result.stdout


def test_a_program_that_needs_sigkill_is_caught(drill: Drill) -> None:
    result = drill({"web": {"command": STUBBORN, "stop_grace_period": "500ms"}})
    assert "- web was killed: it did not end within its stop sequence" in failures(result)
    assert "killed: web" in result.stdout


def test_a_daemon_that_a_program_leaves_is_caught(drill: Drill) -> None:
    """It has its own session, no variables of the program, and none of its pipes."""
    leave = "setsid env -i sleep 300 </dev/null >/dev/null 2>&1 & sleep 1"
    found = failures(
        drill({"job": {"command": ["sh", "-c", leave], "type": "oneshot"}, "web": {"command": ["sleep", "99"]}})
    )
    assert "- sleep 300 belonged to no program" in found


def test_a_shutdown_that_is_longer_than_its_budget_is_caught(drill: Drill) -> None:
    """It is cut short, so the program is killed."""
    found = failures(drill({"web": {"command": SLOW}}, settings={"shutdown_timeout": "500ms"}))
    assert "- web was killed: it did not end within its stop sequence" in found


def test_a_program_that_fails_without_ending_the_container_is_caught(drill: Drill) -> None:
    bad = {"command": ["sh", "-c", "exit 3"], "restart": "no", "shutdown_on": "never"}
    began = time.monotonic()
    found = failures(drill({"bad": bad, "web": {"command": ["sleep", "99"]}}))
    assert "- bad failed: exited with code 3" in found
    assert time.monotonic() - began < 15 * slowness(began), "what is FATAL is not waited for"


def test_the_table_is_compiled_once_the_drill_has_passed(drill: Drill, tmp_path: Path) -> None:
    file = tmp_path / "supinit.yaml.compiled"
    assert failures(drill({"web": {"command": STUBBORN, "stop_grace_period": "500ms"}}, "--compile"))
    assert not file.exists()
    result = drill({"web": {"command": ["sleep", "99"]}}, "--compile")
    assert result.returncode == 0
    assert result.stdout.endswith(f"the drill has passed\n{file}\n")
    assert file.exists()


def test_an_invalid_table_is_78_and_starts_nothing(drill: Drill) -> None:
    result = drill({"web": {"command": ["sleep", "99"], "surely_not": 1}})
    assert (result.returncode, result.stdout) == (78, "")
    assert "surely_not" in result.stderr


def test_a_run_dir_that_another_supinit_uses_is_named(drill: Drill, tmp_path: Path) -> None:
    """And it is not asked about its own programs, or told to stop."""
    table = tmp_path / "other.yaml"
    table.write_text(
        json.dumps(
            {"supervisor": {"run_dir": str(tmp_path / "run")}, "programs": {"other": {"command": ["sleep", "99"]}}}
        )
    )
    with subprocess.Popen([SUPINIT, "-c", str(table)], stderr=subprocess.PIPE, text=True) as other:
        try:
            assert other.stderr is not None
            for line in other.stderr:
                if "container.became_ready" in line:
                    break
            result = drill({"web": {"command": ["sleep", "99"]}})
            assert failures(result) == ["- supinit exited with code 78"]
            assert str(tmp_path / "run") in result.stderr
            assert other.poll() is None
        finally:
            other.terminate()


def test_nothing_of_the_drill_is_left_when_it_is_stopped(tmp_path: Path) -> None:
    table = tmp_path / "supinit.yaml"
    table.write_text(
        json.dumps(
            {
                "supervisor": {"run_dir": str(tmp_path / "run")},
                "programs": {
                    "web": {"command": ["sleep", "4321"], "healthcheck": {"test": "false", "start_period": 99}}
                },
            }
        )
    )
    command = [SUPINIT, "--drill", "-c", str(table)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "program.started" in line:
                break
        os.kill(running.pid, signal.SIGTERM)
        running.communicate(timeout=30)
        assert running.returncode == 1
    assert subprocess.run(["pgrep", "-f", "sleep 4321"], check=False, capture_output=True).returncode == 1


def test_a_program_on_demand_that_was_asked_for_and_waits_forever_is_caught(drill: Drill, tmp_path: Path) -> None:
    """Here its work is held by another container, which never ends it."""
    (tmp_path / "deploys" / "migrate").mkdir(parents=True)
    with (tmp_path / "deploys" / "migrate" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        migrate = {"command": ["true"], "type": "oneshot", "autostart": False}
        migrate |= {"once": {"key": "v1", "dir": str(tmp_path / "deploys")}}
        start = f"{SUPCTL} -s {tmp_path / 'run' / 'control.sock'} start --no-wait migrate"
        ask = {"command": ["sh", "-c", f"until {start}; do sleep 0.1; done"], "type": "oneshot"}
        result = drill({"migrate": migrate, "ask": ask}, "--timeout", "4s")
    assert failures(result) == ["- migrate was not up: PENDING (another container is running it)"]
