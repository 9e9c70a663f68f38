"""`supervisor.syslog`: programs that only know syslog(3) are heard, each as itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.nginx_uwsgi import free_port
from integration.servers.installed import need, need_dev_log
from integration.waiting import sleep_until

SPEAKER = """
import os, signal, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
    speaker.connect(sys.argv[1])
    for text in sys.argv[2:]:
        speaker.send(text.encode())
    signal.pause()
"""
INVALID = 78


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="supinit-syslog-") as folder:
        yield f"{folder}/log"


def speaking(path: str, *texts: str, **keys: Any) -> dict[str, Any]:
    return {"command": [sys.executable, "-I", "-c", SPEAKER, path, *texts], **keys}


def test_each_message_is_a_line_of_its_sender(run: Run, path: str) -> None:
    info = "<14>Nov 30 02:46:01 job[3]: done"
    programs = {
        "a": speaking(path, info, "<11>1 2026-11-30T02:46:01Z host job 7 - - failed"),
        "b": speaking(path, info, log={"mode": "json"}),
    }
    container = run(programs, settings={"syslog": path})
    container.expect("a | job[7]: failed")
    container.expect('"message": "job[3]: done"')
    assert "a | job[3]: done" in container.out.lines
    assert "a | job[7]: failed" in container.err.lines
    line = json.loads(next(line for line in container.out.lines if line.startswith("{")))
    del line["time"]
    expected = {"program": "b", "instance": 1, "stream": "stdout", "severity": "info", "message": "job[3]: done"}
    assert line == expected
    assert "job[3]: done" in container.supctl("logs", "a").stdout


def test_the_real_logger_is_heard_although_it_has_exited(run: Run, path: str) -> None:
    if not shutil.which("logger"):
        pytest.skip("logger is not installed")
    script = f"logger -u {path} -t backup -p cron.err no space; exec sleep 1000"
    container = run({"a": {"command": ["sh", "-c", script]}}, settings={"syslog": path})
    container.expect("| backup: no space")
    assert {line.partition(" | ")[0] for line in container.err.lines if "no space" in line} <= {"syslog", "a"}


EARLY_SPEAKER = """
import os, socket, sys, time
path, pid_file, go = sys.argv[1:]
if os.fork():
    while not os.path.exists(go):
        time.sleep(0.01)
    sys.exit()
os.setsid()
if os.fork():
    os._exit(0)
while os.getppid() != 1:
    time.sleep(0.01)
with open(pid_file, "w") as file:
    file.write(str(os.getpid()))
program = "import socket, signal, sys; socket.socket(1, 2).sendto(b'<14>early', sys.argv[1]); signal.pause()"
os.execve(sys.executable, [sys.executable, "-I", "-c", program, path], {})
"""


def test_a_daemon_is_heard_as_itself_as_soon_as_its_pid_file_names_it(run: Run, path: str, tmp_path: Path) -> None:
    """postfix empties the environment and logs before its command exits: nothing else tells whose the daemon is."""
    pid_file, go = tmp_path / "pid", tmp_path / "go"
    command = [sys.executable, "-I", "-c", EARLY_SPEAKER, path, str(pid_file), str(go)]
    container = run(
        {"early": {"command": command, "type": "forking", "pid_file": str(pid_file)}}, settings={"syslog": path}
    )
    container.expect("| early")
    assert container.programs()["early"]["state"] == "STARTING"
    go.touch()
    container.await_state("early", "RUNNING")
    assert container.out.lines == ["early | early"]


def test_a_real_daemon_is_heard_as_itself(run: Run, tmp_path: Path) -> None:
    """cron has /dev/log built in, so its own /dev is put together in a mount namespace."""
    if not shutil.which("cron"):
        pytest.skip("cron is not installed")
    need_dev_log()
    container = run({"cron": {"command": ["cron", "-f", "-L", "15"]}}, settings={"syslog": "/dev/log"})
    container.expect("cron | cron[")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert not os.path.lexists("/dev/log")


def test_sshd_sudo_and_haproxy_are_heard_as_themselves(run: Run, tmp_path: Path) -> None:
    """postfix is in test_daemons.py."""
    sshd = need("sshd", "apt-get install openssh-server")
    sudo, haproxy = need("sudo", "apt-get install sudo"), need("haproxy", "apt-get install haproxy")
    need_dev_log()
    os.makedirs("/run/sshd", exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    options = ("ListenAddress=127.0.0.1", f"Port={free_port()}", f"HostKey={tmp_path}/key", "PidFile=none")
    port = free_port()
    (tmp_path / "haproxy.cfg").write_text(
        "global\n  log /dev/log local0\ndefaults\n  log global\n  mode http\n  timeout client 5s\n"
        f"frontend web\n  bind 127.0.0.1:{port}\n  option httplog\n  http-request return status 204\n"
    )
    container = run(
        {
            "sshd": {"command": [sshd, "-D", "-f", "/dev/null", *(f"-o{option}" for option in options)]},
            "sudo": {"command": [sudo, "-u", "nobody", "sleep", "1000"]},
            "haproxy": {"command": [haproxy, "-db", "-f", str(tmp_path / "haproxy.cfg")], "min_uptime": "100ms"},
        },
        settings={"syslog": "/dev/log"},
    )
    container.expect("sshd | sshd[2]: Server listening on 127.0.0.1")
    container.expect("COMMAND=")
    assert container.out.lines[container.out.position("COMMAND=")].startswith("sudo | sudo: ")
    container.await_state("haproxy", "RUNNING")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/heard", timeout=20) as answer:
        assert answer.status == 204
    container.expect("GET /heard")
    assert container.out.lines[container.out.position("GET /heard")].startswith("haproxy | haproxy[")
    container.signal(signal.SIGTERM)
    assert container.end() == 0


def test_a_sender_never_waits_for_a_stalled_output(run: Run, path: str, tmp_path: Path) -> None:
    """Nobody reads the container's output; the sender sends far more than everything on the way can hold."""
    done = tmp_path / "done"
    flood = SPEAKER.replace("sys.argv[2:]", "sys.argv[3:] * 20_000").replace(
        "    signal.pause()", "    open(sys.argv[2], 'x').close()\n    signal.pause()"
    )
    program = {"command": [sys.executable, "-I", "-c", flood, path, str(done), "<14>x: " + "y" * 1000]}
    reader, outlet = os.pipe2(os.O_CLOEXEC)
    try:
        container = run({"flood": program}, settings={"syslog": path}, stdout=outlet)
        sleep_until(done.exists, 60, "the sender has sent everything")
        container.signal(signal.SIGTERM)
        assert container.end(20) == 0
        assert container.err.has("log.dropped program=flood")
    finally:
        os.close(reader)


def test_the_socket_is_for_everybody_and_is_removed_at_the_end(run: Run, path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stale:
        stale.bind(path)
    container = run({"a": {"command": ["sleep", "1000"]}}, settings={"syslog": path})
    container.await_socket()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert not os.path.lexists(path)


def test_a_socket_that_another_process_listens_on_is_left_alone(run: Run, path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        container = run({"a": {"command": ["sleep", "1000"]}}, settings={"syslog": path})
        assert container.end() == INVALID
        assert os.path.lexists(path)
    assert container.err.has(f"cannot listen on {path} (supervisor.syslog): another process listens on it")


def test_the_socket_is_made_again_unless_another_process_listens_there(run: Run, path: str) -> None:
    """The socket of the other process stays at the end, too."""
    container = run({"web": {"command": ["sleep", "600"]}}, settings={"syslog": path})
    container.await_socket()
    os.unlink(path)
    container.signal(signal.SIGHUP)
    container.expect(f"warning: container.files_restored path={path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        speaker.sendto(b"<14>app: after", path)
    container.expect("syslog | app: after")
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        container.signal(signal.SIGHUP)
        container.expect(f'error: container.files_lost path={path} reason="cannot listen on {path}')
        assert container.request("POST", "/v1/update", {})[0] == 200
        container.signal(signal.SIGTERM)
        assert container.end() == 0
        assert container.err.text.count("container.files_lost") == 1, "the same reason is told once"
        assert stat.S_ISSOCK(os.lstat(path).st_mode)
