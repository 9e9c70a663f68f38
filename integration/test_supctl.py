"""supctl from outside the container: what it does, and its exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from integration.conftest import Run
from integration.container import SUPCTL, Container, child
from integration.waiting import sleep_until


@pytest.fixture
def container(run: Run, tmp_path: Path) -> Container:
    """Two witnesses, and a file by which `web` is healthy."""
    (tmp_path / "ok").touch()
    check = {"file": {"path": str(tmp_path / "ok")}, "interval": "50ms", "retries": 1}
    container = run(
        {
            "web": {"command": child("witness.py"), "healthcheck": check},
            "worker": {"command": child("witness.py"), "scale": 2, "min_uptime": 0},
        },
        settings={"revision": "abc123"},
    )
    container.await_ready()
    sleep_until(lambda: container.out.text.count("ready (pid") == 3, 10, "all witnesses are ready")
    return container


def test_status_shows_every_instance_and_is_0_when_all_is_up(container: Container) -> None:
    result = container.supctl("status")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        ["web", "RUNNING"],
        ["worker:1", "RUNNING"],
        ["worker:2", "RUNNING"],
    ]


def test_status_is_3_when_something_is_down_and_0_for_the_others(container: Container) -> None:
    assert container.supctl("stop", "worker").returncode == 0
    assert container.supctl("status").returncode == 3
    assert container.supctl("status", "web").returncode == 0
    assert container.supctl("status", "worker:2").returncode == 3


def test_status_is_3_when_something_is_unhealthy(container: Container, tmp_path: Path) -> None:
    (tmp_path / "ok").unlink()
    container.await_health("web", "unhealthy")
    assert container.supctl("status").returncode == 3


def test_json_is_what_the_api_returns(container: Container) -> None:
    result = container.supctl("--json", "status")
    assert result.returncode == 0
    answer = json.loads(result.stdout)
    assert {(p["name"], p["instance"], p["state"]) for p in answer["programs"]} == {
        ("web", 1, "RUNNING"),
        ("worker", 1, "RUNNING"),
        ("worker", 2, "RUNNING"),
    }
    assert answer["ready"] and answer["healthy"] and answer["pid"] == 1


def test_stop_start_and_restart_wait_for_the_result(container: Container) -> None:
    before = container.programs()
    assert container.supctl("stop", "web").returncode == 0
    assert container.programs()["web"]["state"] == "STOPPED"
    assert container.programs()["web"]["pid"] is None
    assert container.supctl("start", "web").returncode == 0
    started = container.programs()["web"]
    assert (started["state"], started["health"]) == ("RUNNING", "healthy")
    assert container.supctl("restart", "web").returncode == 0
    assert container.programs()["web"]["pid"] not in (None, started["pid"], before["web"]["pid"])
    assert container.programs()["worker"]["pid"] == before["worker"]["pid"]


def test_all_means_all(container: Container) -> None:
    assert container.supctl("stop", "all").returncode == 0
    assert {program["state"] for program in container.programs().values()} == {"STOPPED"}
    assert container.supctl("start", "all").returncode == 0
    assert {program["state"] for program in container.programs().values()} == {"RUNNING"}


def test_start_is_1_when_it_has_failed(run: Run) -> None:
    brief = {"command": ["/bin/sh", "-c", "exit 7"], "restart": "no", "shutdown_on": "never"}
    container = run({"web": {"command": ["sleep", "1000"]}, "brief": brief})
    container.await_state("brief", "FATAL")
    result = container.supctl("start", "brief")
    assert result.returncode == 1
    assert "7" in result.stdout + result.stderr


def test_signal_reaches_the_main_process_of_every_instance_named(container: Container) -> None:
    assert container.supctl("signal", "USR1", "worker").returncode == 0
    container.expect("worker:1 | got SIGUSR1")
    container.expect("worker:2 | got SIGUSR1")
    assert container.supctl("signal", "SIGUSR2", "worker:2").returncode == 0
    container.expect("worker:2 | got SIGUSR2")
    assert not container.out.has("worker:1 | got SIGUSR2")
    assert not container.out.has("web | got")


def test_signal_is_1_when_there_is_no_process(container: Container) -> None:
    assert container.supctl("stop", "worker").returncode == 0
    assert container.supctl("signal", "USR1", "worker").returncode == 1


def test_healthcheck_is_one_line_and_0_or_1(container: Container, tmp_path: Path) -> None:
    result = container.supctl("healthcheck")
    assert (result.returncode, result.stdout.count("\n")) == (0, 1)
    assert container.supctl("healthcheck", "web", "--max-age", "10s").returncode == 0
    (tmp_path / "ok").unlink()
    container.await_health("web", "unhealthy")
    result = container.supctl("healthcheck")
    assert result.returncode == 1
    assert len((result.stdout + result.stderr).splitlines()) == 1
    assert "web" in result.stdout + result.stderr
    assert container.supctl("healthcheck", "worker").returncode == 0
    assert container.supctl("healthcheck", "surely-not").returncode != 0


def test_healthcheck_is_1_when_supinit_cannot_be_reached_or_hangs(container: Container, tmp_path: Path) -> None:
    result = subprocess.run(
        [SUPCTL, "-s", str(tmp_path / "none.sock"), "healthcheck"], capture_output=True, check=False
    )
    assert result.returncode == 1


def test_metrics_are_prometheus_text(container: Container) -> None:
    result = container.supctl("metrics")
    assert result.returncode == 0
    assert 'supinit_program_state{instance="1",program="web",state="RUNNING"} 1.0' in result.stdout
    assert "supinit_ready 1.0" in result.stdout


def test_version_shows_the_revision(container: Container) -> None:
    result = container.supctl("version")
    assert result.returncode == 0
    assert "abc123" in result.stdout


def test_shutdown_is_as_sigterm(container: Container) -> None:
    assert container.supctl("shutdown").returncode == 0
    assert container.end() == 0
    assert container.out.text.count("gone") == 3
    assert container.left_in_namespace() == []


@pytest.mark.parametrize(
    "arguments", [["surely-not"], ["signal", "USR1"], ["stop"], ["status", "--surely-not"], []], ids=str
)
def test_wrong_use_is_2(container: Container, arguments: list[str]) -> None:
    assert container.supctl(*arguments).returncode == 2


@pytest.mark.parametrize("verb", ["status", "stop", "restart", "start", "signal"])
def test_an_unknown_name_among_others_is_4_and_nothing_is_touched(container: Container, verb: str) -> None:
    before = container.programs()
    arguments = ["USR1"] if verb == "signal" else []
    assert container.supctl(verb, *arguments, "web", "surely-not").returncode == 4
    assert {n: p["pid"] for n, p in container.programs().items()} == {n: p["pid"] for n, p in before.items()}


@pytest.mark.parametrize("verb", [["status"], ["stop", "web"], ["version"], ["metrics"], ["shutdown"]], ids=" ".join)
def test_no_supervisor_is_69(tmp_path: Path, verb: list[str]) -> None:
    result = subprocess.run([SUPCTL, "-s", str(tmp_path / "none.sock"), *verb], capture_output=True, check=False)
    assert result.returncode == 69


def test_another_user_is_77(container: Container) -> None:
    """The user nobody, who can read everything (the interpreter may be in root's home) but not use root's socket."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed (util-linux)")
    rights = ["--inh-caps", "-all,+dac_read_search", "--ambient-caps", "-all,+dac_read_search"]
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *rights]
    command = [*user, SUPCTL, "-s", str(container.socket), "status"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if "setpriv:" in result.stderr:
        pytest.skip(f"no other user can be had: {result.stderr.strip()}")
    assert result.returncode == 77, result.stderr


def test_the_socket_is_found_by_its_variable(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPINIT_SOCKET", str(container.socket))
    assert subprocess.run([SUPCTL, "status"], capture_output=True, check=False).returncode == 0
