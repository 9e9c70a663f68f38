"""The exit code of supinit, and the verdict in its last line."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import SUPINIT, child

ONCE: dict[str, Any] = {"restart": "no"}
KEEPER = {"command": ["sleep", "1000"]}


def shell(script: str) -> dict[str, Any]:
    return {"command": ["/bin/sh", "-c", script.replace("$", "$$")], **ONCE}


BROUGHT_DOWN = {
    "0 when every program has ended well": ({"a": shell("exit 0"), "b": shell("exit 0")}, 0),
    "0 when every oneshot is done": ({"a": {"command": ["true"], "type": "oneshot"}}, 0),
    "0 for a code that counts as success": ({"a": {**shell("exit 4"), "success_exit_codes": [0, 4]}}, 0),
    "0 for a good end with shutdown_on exit": ({"a": {**shell("exit 0"), "shutdown_on": "exit"}, "b": KEEPER}, 0),
    "1 when it is unhealthy and on_unhealthy is shutdown": (
        {
            "a": {
                **KEEPER,
                "healthcheck": {"test": ["CMD", "false"], "interval": "50ms", "retries": 2, "on_unhealthy": "shutdown"},
            },
            "b": KEEPER,
        },
        1,
    ),
    "its own code": ({"a": shell("exit 7"), "b": KEEPER}, 7),
    "the code of a oneshot": ({"a": {"command": ["/bin/sh", "-c", "exit 9"], "type": "oneshot"}, "b": KEEPER}, 9),
    "the last code after the last retry": (
        {"a": {**shell("exit 5"), "restart": "on-failure:2", "restart_delay": {"initial": "10ms"}}, "b": KEEPER},
        5,
    ),
    "128 + SIGKILL": ({"a": shell("kill -KILL $$"), "b": KEEPER}, 137),
    "128 + SIGSEGV": ({"a": shell("kill -SEGV $$"), "b": KEEPER}, 139),
    "126 when it cannot be executed": ({"a": {"command": ["/etc/passwd"]}, "b": KEEPER}, 126),
    "127 when it was not found": ({"a": {"command": ["no-such-command"]}, "b": KEEPER}, 127),
    "127 when the path was not found": ({"a": {"command": ["/no/such/command"], **ONCE}, "b": KEEPER}, 127),
}


@pytest.mark.parametrize(("programs", "code"), list(BROUGHT_DOWN.values()), ids=list(BROUGHT_DOWN))
def test_the_exit_code_is(run: Run, programs: dict[str, Any], code: int) -> None:
    container = run(programs)
    assert container.end() == code
    verdict = container.err.lines[-1]
    assert "container.ended" in verdict and f"code={code} " in verdict
    if code not in (0,):
        assert "program=a" in verdict


def test_75_when_the_container_was_not_up_within_start_timeout(run: Run) -> None:
    never = {**KEEPER, "healthcheck": {"test": ["CMD", "false"], "interval": "50ms", "start_period": "1m"}}
    container = run(
        {"a": never, "b": {**KEEPER, "depends_on": {"a": {"condition": "healthy"}}}},
        settings={"start_timeout": "500ms"},
    )
    assert container.end() == 75
    assert not container.err.has("program.started program=b")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("programs: {a: {comand: [sleep, '1']}}", "command"),
        ("programs: {a: [}", "table.yaml:2:16:"),
        ("programs: {a: {command: [sleep, '1'], depends_on: [b]}}", "b"),
        ("programs: {a: {command: [x], depends_on: [b]}, b: {command: [x], depends_on: [a]}}", "a"),
        (
            "supervisor: {required_environment: [SURELY_NOT_SET]}\nprograms: {a: {command: [sleep, '1']}}",
            "SURELY_NOT_SET",
        ),
        ("supervisor: {run_dir: /proc/nowhere}\nprograms: {a: {command: [sleep, '1']}}", "/proc/nowhere"),
        ("supervisor: {run_dir: /etc/passwd}\nprograms: {a: {command: [sleep, '1']}}", "/etc/passwd"),
        ("programs: {}", "programs"),
    ],
    ids=[
        "unknown key",
        "broken YAML",
        "unknown dependency",
        "cycle",
        "required_environment",
        "run_dir that cannot be made",
        "run_dir that is a file",
        "no programs",
    ],
)
def test_78_and_nothing_started_when_the_configuration_cannot_be_used(
    tmp_path: Path, table: str, complaint: str
) -> None:
    file = tmp_path / "table.yaml"
    if "run_dir" not in table:
        table = table if "supervisor" in table else f"supervisor: {{run_dir: {tmp_path}/run}}\n{table}"
    file.write_text(table.replace("sleep, '1'", f"touch, {tmp_path}/started"))
    result = supinit("-c", str(file))
    assert result.returncode == 78
    assert complaint in result.stderr
    assert not (tmp_path / "started").exists()


def test_78_when_there_is_no_configuration_file(tmp_path: Path) -> None:
    result = supinit("-c", str(tmp_path / "none.yaml"))
    assert result.returncode == 78
    assert "none.yaml" in result.stderr


@pytest.mark.parametrize("arguments", [["--surely-not"], ["-c"], ["--log-level", "loud"]], ids=" ".join)
def test_64_for_wrong_use_of_the_command_line(arguments: list[str]) -> None:
    result = supinit(*arguments)
    assert result.returncode == 64
    assert "usage" in result.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["--schema"]], ids=" ".join)
def test_0_for_what_only_prints(arguments: list[str]) -> None:
    result = supinit(*arguments)
    assert result.returncode == 0
    assert result.stdout
    assert not result.stderr


def test_check_prints_the_plan_and_starts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "table.yaml"
    file.write_text(f"programs: {{a: {{command: [touch, {tmp_path}/started]}}, b: {{command: [x], depends_on: [a]}}}}")
    result = supinit("--check", "-c", str(file))
    assert result.returncode == 0
    assert result.stdout.index("1. a") < result.stdout.index("2. b")
    assert not (tmp_path / "started").exists()


def test_a_second_supinit_in_the_same_run_dir_is_refused(run: Run, tmp_path: Path) -> None:
    container = run({"a": {"command": child("witness.py")}})
    container.expect("a | ready")
    file = tmp_path / "second.yaml"
    file.write_text(
        f"supervisor: {{run_dir: {container.run_dir}}}\nprograms: {{a: {{command: [touch, {tmp_path}/x]}}}}"
    )
    assert supinit("-c", str(file)).returncode == 78
    assert not (tmp_path / "x").exists()
    assert not container.has_ended


def supinit(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SUPINIT, *arguments], capture_output=True, text=True, timeout=30, check=False)
