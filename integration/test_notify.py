"""Programs that report that they are ready, and supinit, which reports it for the whole container."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import Container
from integration.servers.installed import need, open_place, program
from integration.servers.tables import uwsgi
from integration.waiting import sleep_until

NOTIFY = {"notify": "systemd", "timeout": "30s"}
WEB: dict[str, Any] = {"command": ["sleep", "1000"], "min_uptime": 0}


def script(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


def await_status(container: Container, name: str, text: str) -> None:
    sleep_until(lambda: container.programs()[name]["status_text"] == text, 10, f"{name} says {text!r}")


# ---- programs


def test_systemd_notify_makes_its_program_ready_lets_dependants_start_and_its_status_is_shown(
    run: Run, tmp_path: Path
) -> None:
    notify, release = need("systemd-notify", "apt-get install systemd"), tmp_path / "release"
    first, then = f"{notify} --status='warming up'", f"{notify} --ready --status='on air'"
    wait = f"while [ ! -e {release} ]; do sleep 0.02; done"
    app = {"command": script(f"{first}; {wait}; {then}; exec sleep 1000"), "ready": NOTIFY}
    container = run({"app": app, "web": WEB | {"depends_on": {"app": {"condition": "healthy"}}}})
    await_status(container, "app", "warming up")
    programs = container.programs()
    assert (programs["app"]["state"], programs["web"]["state"]) == ("STARTING", "PENDING")
    assert programs["web"]["waiting_for"] == ["app"]
    assert "warming up" in container.supctl("status", "app").stdout
    assert not container.marker("ready").exists() and not container.marker("health/app").exists()
    release.touch()
    container.expect("program.became_ready program=app")
    container.await_state("web", "RUNNING")
    container.await_ready()
    assert "on air" in container.supctl("status", "app").stdout
    assert container.err.position("program.became_ready program=app") < container.err.position(
        "program.started program=web"
    )


def test_systemd_notify_is_answered_at_once(run: Run) -> None:
    """It waits until its descriptor is closed (BARRIER=1), for five seconds at most."""
    notify = need("systemd-notify", "apt-get install systemd")
    container = run({"app": {"command": script(f"{notify} --ready; echo answered; exec sleep 1000"), "ready": NOTIFY}})
    container.expect("app | answered", 3)


def test_a_program_that_speaks_over_the_raw_socket_is_ready_when_it_says_so_and_not_before(
    run: Run, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    container = run({"app": {"command": program("notifying.py", release), "ready": NOTIFY}})
    container.expect("app | loading")
    await_status(container, "app", "loading the model")
    assert container.programs()["app"]["state"] == "STARTING"
    release.touch()
    container.await_state("app", "RUNNING")
    await_status(container, "app", "serving 3 clients")
    assert "serving 3 clients" in container.supctl("status").stdout
    container.signal(signal.SIGTERM)
    assert container.end() == 0


def test_uwsgi_says_by_itself_that_it_is_ready(run: Run, tmp_path: Path) -> None:
    with open_place() as place:
        entry = uwsgi(place) | {"ready": NOTIFY}
        del entry["healthcheck"]
        container = run({"uwsgi": entry, "web": WEB | {"depends_on": {"uwsgi": {"condition": "healthy"}}}})
        container.await_ready(30)
        await_status(container, "uwsgi", "uWSGI is ready")
        assert (place / "uwsgi.sock").exists()
        log = container.err
        assert log.position("program.became_ready program=uwsgi") < log.position("program.became_ready program=web")


def test_a_stranger_cannot_make_a_program_ready(run: Run, tmp_path: Path) -> None:
    """Neither a process outside the container nor another program in it."""
    release = tmp_path / "release"
    app = {"command": program("notifying.py", release), "ready": NOTIFY}
    path = tmp_path / "container-0" / "notify" / "app.1"
    lie = f"from socket import *; socket(AF_UNIX, SOCK_DGRAM).sendto(b'READY=1\\nSTATUS=a lie', {str(path)!r})"
    other = WEB | {
        "command": script(f"python3 -c {shlex.quote(lie)} && echo lied; exec sleep 1000"),
        "depends_on": ["app"],
    }
    container = run({"app": app, "other": other}, "--log-level", "debug")
    await_status(container, "app", "loading the model")
    container.expect("other | lied")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outside:
        outside.sendto(b"READY=1\nSTATUS=a lie", str(path))
    release.touch()
    await_status(container, "app", "serving 3 clients")
    assert not container.err.has("a lie")
    ready = container.err.position("program.became_ready program=app")
    assert all("program=app" in line for line in container.err.lines[:ready] if "notice_refused" in line)
    assert container.err.has("program.notice_refused program=app")


USERS = [None, "65534:65534"]


@pytest.mark.parametrize("user", USERS, ids=["root", "user"])
@pytest.mark.parametrize(
    "helper",
    [
        "systemd-notify --ready",
        "systemd-notify --no-block --ready",
        "python3 -IS -c 'import os; from socket import *; "
        'socket(AF_UNIX, SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])\'',
    ],
    ids=["systemd-notify", "no-block", "python"],
)
def test_a_helper_of_a_script_that_has_exited_is_believed(
    run: Run, tmp_path: Path, helper: str, user: str | None
) -> None:
    """It is gone, and reaped by its script, before supinit reads what it has sent."""
    if helper.startswith("systemd-notify") and not shutil.which("systemd-notify"):
        pytest.skip("systemd-notify is not installed")
    if user is not None and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o711)  # so that the user comes to the socket
    app: dict[str, Any] = {"command": script(f"{helper}; exec sleep 1000"), "scale": 10, "restart": "no"}
    app |= {"ready": {"notify": "systemd", "timeout": "20s"}} | ({} if user is None else {"user": user})
    container = run({"app": app})
    container.await_ready(30)
    assert not container.err.has("notice_refused")


def test_a_datagram_that_is_refused_is_a_warning_once_in_a_run(run: Run, tmp_path: Path) -> None:
    app = {"command": ["sleep", "1000"], "ready": {"notify": "systemd", "timeout": "60s"}}
    path = tmp_path / "container-0" / "notify" / "app.1"
    lie = f"from socket import *; socket(AF_UNIX, SOCK_DGRAM).sendto(b'READY=1', {str(path)!r})"
    other = WEB | {
        "command": script(f"for i in 1 2 3; do python3 -c {shlex.quote(lie)}; done; echo lied; exec sleep 1000"),
        "depends_on": ["app"],
    }
    container = run({"app": app, "other": other})
    container.expect("other | lied")
    container.expect("program.notice_refused")
    container.signal(signal.SIGTERM)
    container.end()
    assert sum("program.notice_refused program=app" in line for line in container.err.lines) == 1


def test_a_program_that_never_says_ready_has_failed_to_start(run: Run) -> None:
    app = {"command": ["sleep", "1000"], "ready": {"notify": "systemd", "timeout": "300ms"}, "restart": "no"}
    container = run({"app": app})
    assert container.end() == 1
    verdict = container.err.lines[-1]
    assert "container.ended" in verdict and "app" in verdict and "ready" in verdict


# ---- supinit itself


class Manager:
    """The notify socket that systemd or podman gives a container."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.said: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def listen(self) -> list[dict[str, str]]:
        """Return all datagrams that were received, each as its fields."""
        try:
            while True:
                text = self._socket.recv(65536).decode()
                self.said.append(dict(line.split("=", 1) for line in text.splitlines()))
        except BlockingIOError:
            return self.said

    def has_heard(self, field: str) -> bool:
        return any(field in fields for fields in self.listen())

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    with open_place() as place:
        address = str(place / "notify.sock")
        manager = Manager(address if request.param == "a path" else f"@{address}")
        yield manager
        manager.close()


def test_supinit_tells_its_manager_when_all_is_ready_and_when_it_stops(
    run: Run, manager: Manager, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    app = {"command": program("notifying.py", release), "ready": NOTIFY}
    container = run({"app": app, "web": WEB}, environment={"NOTIFY_SOCKET": manager.address})
    container.await_state("web", "RUNNING")
    await_status(container, "app", "loading the model")
    assert not manager.has_heard("READY")
    release.touch()
    sleep_until(lambda: manager.has_heard("READY"), 10, "READY=1")
    assert container.marker("ready").exists()
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    said = manager.listen()
    assert [fields["READY"] for fields in said if "READY" in fields] == ["1"]
    assert [fields["STOPPING"] for fields in said if "STOPPING" in fields] == ["1"]
    (ready,) = (number for number, fields in enumerate(said) if "READY" in fields)
    (stopping,) = (number for number, fields in enumerate(said) if "STOPPING" in fields)
    assert ready < stopping
    assert said[ready]["STATUS"] and "SIGTERM" in said[stopping]["STATUS"]
    assert not any("goodbye" in value or "loading" in value for fields in said for value in fields.values())


def test_its_programs_do_not_get_that_socket(run: Run, manager: Manager) -> None:
    say = "echo socket=$${NOTIFY_SOCKET:-none}; exec sleep 1000"  # $$ is a $ in a table
    table = {"plain": WEB | {"command": script(say)}, "speaking": {"command": script(say), "ready": NOTIFY}}
    container = run(table, environment={"NOTIFY_SOCKET": manager.address})
    container.expect("plain | socket=none")
    container.expect("speaking | socket=")
    assert not container.out.has(manager.address)
    assert not manager.has_heard("READY")


def test_the_manager_hears_why_a_container_ends_that_never_was_ready(run: Run, manager: Manager) -> None:
    broken = {"command": script("exit 3"), "type": "oneshot"}
    container = run({"migrate": broken, "web": WEB}, environment={"NOTIFY_SOCKET": manager.address})
    assert container.end() == 3
    assert not manager.has_heard("READY")
    (status,) = (fields["STATUS"] for fields in manager.listen() if "STOPPING" in fields)
    assert "migrate" in status and "3" in status


def test_a_manager_that_does_not_listen_is_no_hindrance(run: Run, tmp_path: Path) -> None:
    container = run({"web": WEB}, environment={"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    container.await_ready()
    container.signal(signal.SIGTERM)
    assert container.end() == 0
