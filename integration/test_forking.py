"""type: forking with a real PID 1: real servers that daemonize, and a daemon that does everything that can go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import Container
from integration.nginx_uwsgi import free_port
from integration.servers.installed import need, need_uwsgi, program

FORKING: dict[str, Any] = {"type": "forking", "min_uptime": "200ms", "restart_delay": {"initial": "50ms"}}
ONE_TRY = FORKING | {"restart": "no", "shutdown_on": "never", "ready": {"timeout": "1s"}}


def daemon(*arguments: str) -> list[str]:
    return program("daemon.py", *arguments)


def pid_of(container: Container, name: str) -> int:
    return int(container.programs()[name]["pid"])


def reason_of(container: Container, name: str) -> str:
    container.await_state(name, "FATAL")
    return str(container.programs()[name]["reason"])


def stop(container: Container) -> int:
    container.signal(signal.SIGTERM)
    return container.end()


@pytest.mark.parametrize("with_pid_file", [False, True])
@pytest.mark.parametrize("through_shell", [False, True])
def test_sshd(run: Run, tmp_path: Path, with_pid_file: bool, through_shell: bool) -> None:
    sshd = need("sshd", "apt-get install openssh-server")
    if not through_shell and not with_pid_file:
        pytest.skip("sshd does not fork where its parent is PID 1, so only its pid file tells that it runs")
    os.makedirs("/run/sshd", exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    pid_file = tmp_path / "sshd.pid"
    config = tmp_path / "sshd_config"
    lines = ("ListenAddress 127.0.0.1", f"Port {free_port()}", f"HostKey {tmp_path}/key", f"PidFile {pid_file}")
    config.write_text("\n".join(lines) + "\n")
    command = ["sh", "-c", f"{sshd} -f {config}; exit $$?"] if through_shell else [sshd, "-f", str(config)]
    named = {"pid_file": str(pid_file)} if with_pid_file else {}
    container = run({"sshd": FORKING | {"command": command} | named})
    container.await_state("sshd", "RUNNING")
    assert pid_of(container, "sshd") == int(pid_file.read_text())
    assert stop(container) == 0


def test_uwsgi_that_daemonizes(run: Run, tmp_path: Path) -> None:
    command = [need_uwsgi(), "--master", "--processes", "2", "--socket", str(tmp_path / "socket")]
    command += ["--pidfile2", str(tmp_path / "pid"), "--daemonize", str(tmp_path / "log")]
    container = run({"uwsgi": FORKING | {"command": command, "stop_signal": "SIGQUIT"}})
    container.await_state("uwsgi", "RUNNING")
    assert pid_of(container, "uwsgi") == int((tmp_path / "pid").read_text())
    assert stop(container) == 0


@pytest.mark.parametrize("arguments", [(), ("slow=0.1",)], ids=["at once", "slow second fork"])
def test_the_stop_sequence_reaches_a_daemon_that_forks_twice(run: Run, arguments: tuple[str, ...]) -> None:
    container = run({"web": FORKING | {"command": daemon(*arguments)}})
    container.expect("web | daemon runs")
    container.await_state("web", "RUNNING")
    assert stop(container) == 0
    assert container.out.lines.count("web | daemon stops") == 1


def test_a_daemon_that_crashes_is_restarted_and_its_exit_code_is_known(run: Run) -> None:
    container = run({"web": FORKING | {"command": daemon("ends=0.5")}})
    container.expect(" code=7 ")
    container.expect("program.started program=web", limit=15)
    container.await_state("web", "RUNNING")
    assert container.programs()["web"]["last_exit"]["code"] == 7
    assert stop(container) == 0


def test_a_pid_file_that_is_stale_and_then_late_is_waited_for(run: Run, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    pid_file.write_text("1\n")
    container = run({"web": FORKING | {"command": daemon(f"pidfile={pid_file}", "late=1"), "pid_file": str(pid_file)}})
    container.await_state("web", "RUNNING")
    assert pid_of(container, "web") == int(pid_file.read_text())
    assert stop(container) == 0


def test_a_start_that_leaves_no_daemon_fails_with_the_reason_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    foreign, missing = tmp_path / "foreign", tmp_path / "missing"
    container = run(
        {
            "keeper": {"command": ["sleep", "1000"]},
            "bad": ONE_TRY | {"command": ["sh", "-c", "exit 5"]},
            "nothing": ONE_TRY | {"command": ["true"]},
            "foreign": ONE_TRY | {"command": daemon(f"pidfile={foreign}", "pid=1234"), "pid_file": str(foreign)},
            "missing": ONE_TRY | {"command": daemon(), "pid_file": str(missing)},
            "two": ONE_TRY | {"command": ["sh", "-c", "sleep 1000 & sleep 1000 &"]},
        }
    )
    assert reason_of(container, "bad").startswith("exited with code 5 before it left a daemon behind: ")
    assert reason_of(container, "nothing").startswith("left no daemon behind: its command exited with code 0")
    late = "left no daemon behind within 1 s: "
    assert reason_of(container, "foreign") == (
        f"{late}{foreign} (pid_file) names process 1234, which is not one that the command has left behind"
    )
    assert reason_of(container, "missing") == (
        f"{late}cannot read a pid from {missing} (pid_file): No such file or directory"
    )
    assert reason_of(container, "two").startswith(f"{late}2 processes are left, sleep (")
    tree = container.supctl("tree").stdout
    assert "daemon.py" not in tree
    assert tree.count("sleep 1000") == 1  # the keeper
    assert stop(container) == 0


def test_a_pid_file_that_names_another_process_when_the_daemon_ends_hands_over(run: Run, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    command = daemon(f"pidfile={pid_file}", "successor=1")
    container = run({"web": FORKING | {"command": command, "pid_file": str(pid_file)}})
    container.await_state("web", "RUNNING")
    first = pid_of(container, "web")
    container.expect("web | successor runs")
    assert container.supctl("signal", "SIGUSR1", "web").returncode == 0
    container.expect("web | first ends")
    second = int(pid_file.read_text())
    assert second != first
    assert stop(container) == 0
    assert container.out.lines.count("web | daemon stops") == 1
    assert f"pid={second} code=0" in container.err.text
