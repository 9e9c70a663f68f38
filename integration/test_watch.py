"""`watch` with a real PID 1: nginx and its certificate, floods of events, and limits of the kernel."""

from __future__ import annotations

import hashlib
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import Container, child
from integration.nginx_uwsgi import free_port
from integration.processes import descriptor_infos
from integration.servers.installed import need
from integration.servers.nginx import write_nginx
from integration.waiting import sleep_until

SLEEP: dict[str, Any] = {"command": ["sleep", "1000"], "min_uptime": 0}
NGINX = """
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {place}/secret/tls.crt;
    ssl_certificate_key {place}/secret/tls.key;
    root {place};
    location /slow {{ limit_rate 100k; }}
  }}
"""
SLOW = b"x" * 400_000
"""Takes nginx four seconds."""


class Secret:
    """A TLS Secret in the form in which the kubelet mounts it, and renews it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number = 0
        path.mkdir()

    def renew(self) -> bytes:
        """Put a new certificate in place and return its fingerprint."""
        openssl = need("openssl", "apt-get install openssl")
        self._number += 1
        folder = self.path / f"..2026_11_30_{self._number}"
        folder.mkdir()
        names = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
        kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
        subprocess.run([openssl, "req", *kind, *names, "-subj", "/CN=localhost"], check=True, capture_output=True)
        (self.path / "..data_tmp").symlink_to(folder.name)
        (self.path / "..data_tmp").rename(self.path / "..data")
        for name in ("tls.crt", "tls.key"):
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")
        if self._number > 1:
            shutil.rmtree(self.path / f"..2026_11_30_{self._number - 1}")
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert((folder / "tls.crt").read_text())).digest()


@contextmanager
def connected(port: int) -> Iterator[ssl.SSLSocket]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 20) as plain, context.wrap_socket(plain) as secure:
        yield secure


def certificate_of(connection: ssl.SSLSocket) -> bytes:
    return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").digest()


def served_certificate(port: int) -> bytes:
    with connected(port) as connection:
        return certificate_of(connection)


def stop(container: Container) -> int:
    container.signal(signal.SIGTERM)
    return container.end()


def test_nginx_serves_a_renewed_certificate_and_cuts_no_connection(run: Run, tmp_path: Path) -> None:
    nginx, port = need("nginx", "apt-get install nginx-light"), free_port()
    secret = Secret(tmp_path / "secret")
    old = secret.renew()
    config = write_nginx(tmp_path / "nginx.conf", NGINX.format(place=tmp_path, port=port))
    (tmp_path / "slow").write_bytes(SLOW)
    command = [nginx, "-c", str(config), "-e", "stderr"]
    check = {"tcp": f"127.0.0.1:{port}", "start_interval": "50ms"}
    web = {"preset": "nginx", "command": command, "healthcheck": check, "watch": [str(secret.path)]}
    container = run({"nginx": web})
    container.await_ready()
    pid = container.programs()["nginx"]["pid"]
    with connected(port) as slow:
        assert certificate_of(slow) == old
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = slow.recv(65536)
        assert received.startswith(b"HTTP/1.1 200")
        new = secret.renew()
        sleep_until(lambda: served_certificate(port) == new, 20, "new handshakes get the new certificate")
        while chunk := slow.recv(65536):
            received += chunk
    assert received.partition(b"\r\n\r\n")[2] == SLOW
    assert container.programs()["nginx"]["pid"] == pid
    container.expect(f"program.files_changed program=nginx path={secret.path} changed=tls.crt,tls.key does=reload")
    (watch,) = container.programs()["nginx"]["watch"]
    assert watch.pop("changed_at")
    assert watch == {"path": str(secret.path), "action": "reload", "problem": None}
    counted = 'supinit_program_watch_actions_total{action="reload",instance="1",outcome="done",program="nginx"} 1.0'
    assert counted in container.supctl("metrics").stdout
    assert stop(container) == 0


def test_thousands_of_events_are_one_reload(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    watch = [{"path": str(folder), "debounce": "2s"}]
    web = {"command": child("rereads.py", folder), "min_uptime": 0, "reload_signal": "SIGHUP", "watch": watch}
    container = run({"web": web})
    container.expect("web | 0 files")
    container.await_ready()
    for number in range(5000):  # each is five events, which is more than the kernel keeps
        (folder / "new").write_text(str(number))
        (folder / "new").rename(folder / str(number))
    container.expect("web | 5000 files", limit=40)
    assert stop(container) == 0
    assert container.out.lines == ["web | 0 files", "web | 5000 files"]


def test_a_restart_is_a_new_process_and_what_was_stopped_stays_so(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "conf"
    watch = {"watch": [{"path": str(file), "action": "restart", "debounce": "50ms"}]}
    container = run({"web": SLEEP | watch, "idle": SLEEP | watch, "db": SLEEP})
    container.await_ready()
    container.await_socket()
    assert container.supctl("stop", "idle").returncode == 0
    before = {name: entry["pid"] for name, entry in container.programs().items()}
    assert before["idle"] is None
    file.write_text("new")
    container.expect("program.files_changed program=web")
    container.expect(f"program.files_changed program=idle path={file} does=nothing")
    sleep_until(lambda: container.programs()["web"]["pid"] not in (None, before["web"]), 15, "web is restarted")
    after = {name: entry["pid"] for name, entry in container.programs().items()}
    assert (after["idle"], after["db"]) == (None, before["db"])
    assert container.programs()["web"]["restarts"] == 0, "somebody has asked for it"
    assert stop(container) == 0


def test_an_update_adds_and_removes_watches_without_a_new_process(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    web = {"command": child("rereads.py", folder), "min_uptime": 0, "reload_signal": "SIGHUP"}
    folder.mkdir()
    container = run({"web": web})
    container.await_ready()
    pid = container.programs()["web"]["pid"]
    table = tmp_path / "container-0.yaml"
    without = table.read_text()
    watched = without.replace('"reload_signal"', f'"watch": [{{"path": "{folder}", "debounce": 0}}], "reload_signal"')
    table.write_text(watched)
    assert container.supctl("update").returncode == 0
    container.expect("container.updated changed=web")
    sleep_until(lambda: inotify_watches(container) > 0, 10, "the directory is watched")
    (folder / "a").touch()
    container.expect("web | 1 files")
    table.write_text(without)
    assert container.supctl("update").returncode == 0
    sleep_until(lambda: inotify_watches(container) == 0, 10, "nothing is watched")
    (folder / "b").touch()
    assert container.programs()["web"]["pid"] == pid
    assert stop(container) == 0
    assert [line for line in container.out.lines if "files" in line] == ["web | 0 files", "web | 1 files"]


def inotify_watches(container: Container) -> int:
    """Return how many inotify watches supinit has."""
    return sum(info.count("inotify wd:") for info in descriptor_infos(container.init))


def test_a_program_that_its_reload_signal_would_end_is_left_alone(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "conf"
    container = run({"web": SLEEP | {"watch": [{"path": str(file), "debounce": "10ms"}]}})
    container.await_ready()
    pid = container.programs()["web"]["pid"]
    file.write_text("new")
    container.expect('program.reload_failed program=web reason="SIGHUP would end process')
    assert container.programs()["web"]["pid"] == pid
    assert stop(container) == 0


def test_a_hook_that_writes_what_is_watched_does_not_restart_the_program_for_ever(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "conf"
    hook = ["sh", "-c", f"date +%s%N > {file}"]
    web = SLEEP | {"pre_start": [hook], "watch": [{"path": str(file), "action": "restart", "debounce": "200ms"}]}
    container = run({"web": web})
    container.await_ready()
    container.expect(f"program.files_changed program=web path={file} does=nothing")
    pid = container.programs()["web"]["pid"]
    file.write_text("by somebody else")
    container.expect(f"program.files_changed program=web path={file} does=restart")

    def has_written_again() -> bool:  # the first write may be seen in two parts
        lines = list(container.err.lines)
        return any("does=nothing" in line for line in lines[container.err.position("does=restart") :])

    sleep_until(has_written_again, 15, "the hook has written again")
    sleep_until(lambda: container.programs()["web"]["pid"] not in (None, pid), 15, "it runs again")
    assert container.err.text.count("program.started program=web") == 2
    assert stop(container) == 0


LIMITED = ("unshare", "--user", "--map-root-user", "sh", "-c", 'echo $0 > /proc/sys/user/$1; shift; exec "$@"')


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("max_inotify_watches", "the limit of inotify watches"),
        ("max_inotify_instances", "the limit of inotify instances"),
    ],
)
def test_a_limit_of_the_kernel_is_said_and_ends_nothing(run: Run, tmp_path: Path, limit: str, words: str) -> None:
    trial = subprocess.run([*LIMITED, "0", limit, "true"], capture_output=True, check=False)
    if trial.returncode != 0:
        pytest.skip("no user namespace may be made here")
    web = SLEEP | {"watch": [{"path": str(tmp_path), "action": "restart"}]}
    container = run({"web": web}, within=(*LIMITED, "0", limit))
    container.expect(f'program.watch_failed program=web reason="cannot watch {tmp_path}: {words} is reached: raise fs.')
    assert container.supctl("status").returncode == 0
    assert f"cannot watch {tmp_path}: {words}" in container.supctl("status").stdout
    assert 'supinit_program_watches_failed{program="web"} 1' in container.supctl("metrics").stdout
    assert stop(container) == 0
