"""uWSGI, gunicorn and php-fpm: probed in their own protocols, and stopped with a request in flight."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.children.slow_app import PIECE, PIECES
from integration.conftest import Run
from integration.nginx_uwsgi import free_port
from integration.servers.clients import begin, status_of
from integration.servers.installed import open_place
from integration.servers.tables import PACE, Ports, gunicorn, healthy, nginx, php_fpm, uwsgi

ANSWER = PIECE * PIECES


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def behind_nginx(place: Path, ports: Ports) -> dict[str, dict[str, Any]]:
    table = {"uwsgi": uwsgi(place), "gunicorn": gunicorn(ports.gunicorn), "php-fpm": php_fpm(place)}
    return table | {"nginx": nginx(place, ports.nginx, ports.gunicorn) | {"depends_on": healthy(*table)}}


@pytest.mark.parametrize(
    ("name", "path"), [("uwsgi", "/slow"), ("gunicorn", "/gunicorn/slow"), ("php-fpm", "/php/slow")]
)
def test_an_app_server_that_is_stopped_alone_answers_its_request_in_flight(
    run: Run, place: Path, name: str, path: str
) -> None:
    ports = Ports()
    container = run(behind_nginx(place, ports))
    container.await_ready(30)
    request = begin(ports.nginx, path)
    assert container.supctl("stop", name).returncode == 0
    request.join(10)
    assert request.body == ANSWER
    log = container.err
    assert "code=0" in log.lines[log.position(f"program.exited program={name}")]
    assert not log.has("program.killed")
    assert container.programs()[name]["state"] == "STOPPED"
    assert status_of(ports.nginx, path) == 502


def test_the_preset_of_uwsgi_lets_it_answer_its_request_in_flight(run: Run, place: Path) -> None:
    """Its second SIGTERM comes in the middle of the answer."""
    ports = Ports()
    table = behind_nginx(place, ports)
    table["uwsgi"] = {key: value for key, value in table["uwsgi"].items() if key != "stop"} | {"preset": "uwsgi"}
    container = run(table)
    container.await_ready(30)
    request = begin(ports.nginx, "/slow")
    assert container.supctl("stop", "uwsgi").returncode == 0
    request.join(10)
    assert request.body == ANSWER
    log = container.err
    assert "code=0" in log.lines[log.position("program.exited program=uwsgi")]
    assert not log.has("program.killed")


def test_gunicorn_answers_its_request_in_flight_when_the_container_stops(run: Run) -> None:
    port = free_port()
    container = run({"gunicorn": gunicorn(port)})
    container.await_ready(30)
    request = begin(port, "/slow")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    request.join(5)
    assert request.body == ANSWER
    assert not container.err.has("program.killed")


def test_php_fpm_is_healthy_by_its_ping_and_runs_as_its_own_user(run: Run, place: Path) -> None:
    container = run({"php-fpm": php_fpm(place)})
    container.await_ready(30)
    assert container.programs()["php-fpm"]["health_detail"] == "status 200"
    pid = next(pid for pid in container.left_in_namespace() if b"php-fpm: master" in _arguments(pid))
    assert Path(f"/proc/{pid}").owner() == "www-data"


def test_php_fpm_without_a_ping_page_is_unhealthy(run: Run, place: Path) -> None:
    entry = php_fpm(place)
    config = place / "php" / "php-fpm.conf"
    config.write_text(config.read_text().replace("ping.path = /ping\n", ""))
    container = run({"php-fpm": entry | {"healthcheck": entry["healthcheck"] | {"start_period": "0s", "retries": 1}}})
    container.await_health("php-fpm", "unhealthy", 30)
    assert container.programs()["php-fpm"]["health_detail"] in ("status 404", "status 403")


def test_a_log_file_of_a_php_fpm_of_another_user_can_be_its_own_stderr(run: Run, place: Path) -> None:
    """As in PHP's own images: what it opens through /proc is a pipe that supinit made."""
    entry = php_fpm(place)
    config = place / "php" / "php-fpm.conf"
    config.write_text(config.read_text().replace(str(place / "php" / "php.log"), "/proc/self/fd/2"))
    container = run({"php-fpm": entry | {"start_retries": 1}})
    container.expect("program.became_healthy program=php-fpm")
    assert container.err.has("php-fpm | ")


def test_every_program_may_open_its_own_outputs_by_name_whatever_its_user(run: Run, place: Path) -> None:
    script = "echo one >/dev/stdout; echo two >/dev/stderr; echo three >/proc/self/fd/1"
    entry = {"command": ["/bin/sh", "-c", script], "type": "oneshot", "user": "www-data", "working_dir": str(place)}
    container = run({"writer": entry})
    assert container.end() == 0
    assert container.out.has("writer | one") and container.out.has("writer | three")
    assert container.err.has("writer | two")


def test_uwsgi_that_answers_in_its_own_language_is_healthy_without_a_web_server(run: Run, place: Path) -> None:
    container = run({"uwsgi": uwsgi(place)})
    container.await_ready(30)
    assert container.programs()["uwsgi"]["health_detail"] == "status 200"


def test_a_uwsgi_without_its_application_is_up_and_unhealthy(run: Run, place: Path) -> None:
    """Without need-app it keeps running without an application, and answers 500."""
    entry = uwsgi(place, module="broken_app", need_app=False)
    check = entry["healthcheck"] | PACE | {"interval": "100ms", "start_period": "0s"}
    container = run({"uwsgi": entry | {"healthcheck": check}})
    container.await_health("uwsgi", "unhealthy", 30)
    program = container.programs()["uwsgi"]
    assert (program["health_detail"], program["restarts"]) == ("status 500", 0)
    assert program["pid"] is not None
    assert not container.marker("healthy").exists() and not container.marker("ready").exists()
    answer = container.supctl("healthcheck")
    assert answer.returncode == 1
    assert "uwsgi" in answer.stdout and len(answer.stdout.splitlines()) == 1


def test_the_preset_of_uwsgi_ends_an_empty_shell_with_a_verdict(run: Run, place: Path) -> None:
    """It uses SIGTERM, because a uWSGI that is just starting its workers sometimes loses a q in the FIFO.

    With SIGTERM, it sometimes forgets one of the workers and waits for it. SIGKILL ends it then, after 35 s.
    """
    entry = uwsgi(place, module="broken_app", need_app=False) | {"preset": "uwsgi", "restart": "no"}
    del entry["stop"]
    container = run({"uwsgi": entry})
    assert container.end(45) == 1
    assert "uwsgi" in container.err.lines[-1]
    assert not container.err.has("container.became_ready")


def _arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
