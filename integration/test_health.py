"""Each kind of health check makes a program healthy, unhealthy and healthy again."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import child
from integration.nginx_uwsgi import free_port

PACE = {"interval": "50ms", "timeout": "1s", "retries": 2}
SIGNALS = {"SIGUSR1": "SIGUSR1", "SIGUSR2": "SIGUSR2"}


def server(kind: str, place: object, check: dict[str, Any]) -> dict[str, Any]:
    return {"command": child("health.py", kind, place), "signals": SIGNALS, "healthcheck": check | PACE}


@pytest.mark.parametrize("kind", ["tcp", "unix", "http"])
def test_a_server_that_stops_answering_is_unhealthy_until_it_answers_again(run: Run, tmp_path: Path, kind: str) -> None:
    port, path = free_port(), tmp_path / "app.sock"
    servers: dict[str, tuple[object, dict[str, Any]]] = {
        "tcp": (port, {"tcp": f"127.0.0.1:{port}"}),
        "unix": (path, {"unix": str(path)}),
        "http": (port, {"http": {"url": f"http://127.0.0.1:{port}/healthz"}}),
    }
    place, check = servers[kind]
    container = run({"web": server(kind, place, check)})
    container.await_health("web", "healthy")
    assert container.marker("health/web").exists()
    container.signal(signal.SIGUSR1)
    container.await_health("web", "unhealthy")
    assert not container.marker("health/web").exists()
    assert container.programs()["web"]["health_detail"]
    container.signal(signal.SIGUSR2)
    container.await_health("web", "healthy")


@pytest.mark.parametrize("form", ["CMD", "CMD-SHELL", "string", "file"])
def test_a_program_is_as_healthy_as_its_file_says(run: Run, tmp_path: Path, form: str) -> None:
    file = tmp_path / "ok"
    check: dict[str, dict[str, Any]] = {
        "CMD": {"test": ["CMD", "test", "-f", str(file)]},
        "CMD-SHELL": {"test": ["CMD-SHELL", f"test -f {file} && exit 0; echo sick; exit 1"]},
        "string": {"test": f"[ -f {file} ] || exit 1"},
        "file": {"file": {"path": str(file)}},
    }
    file.touch()
    container = run({"web": {"command": ["sleep", "1000"], "healthcheck": check[form] | PACE}})
    container.await_health("web", "healthy")
    file.unlink()
    container.await_health("web", "unhealthy")
    file.touch()
    container.await_health("web", "healthy")
    assert container.programs()["web"]["restarts"] == 0


def test_a_file_that_is_too_old_is_unhealthy(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ok"
    file.touch()
    check = {"file": {"path": str(file), "max_age": "800ms"}}
    container = run({"web": {"command": ["sleep", "1000"], "healthcheck": check | PACE}})
    container.await_health("web", "healthy")
    container.await_health("web", "unhealthy")
    file.touch()
    container.await_health("web", "healthy")


def test_a_check_that_hangs_is_ended_with_all_its_processes_and_is_a_failure(run: Run) -> None:
    check = {"test": ["CMD-SHELL", "sleep 987 & sleep 987; true"], "interval": "50ms", "timeout": "100ms", "retries": 1}
    container = run({"web": {"command": ["sleep", "1000"], "healthcheck": check}})
    container.await_health("web", "unhealthy")
    container.signal(signal.SIGTERM)
    assert container.end() == 0


def test_an_unhealthy_program_is_started_anew_where_the_table_says_so(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ok"
    file.touch()
    check = {"file": {"path": str(file)}, "on_unhealthy": "restart"} | PACE
    command = ["/bin/sh", "-c", f"touch {file}; exec sleep 1000"]
    container = run({"web": {"command": command, "healthcheck": check, "restart_delay": {"initial": "10ms"}}})
    container.await_health("web", "healthy")
    first = container.programs()["web"]["pid"]
    file.unlink()
    container.await_state("web", "STOPPING", "BACKOFF", "STARTING")
    container.await_health("web", "healthy")
    assert container.programs()["web"]["pid"] != first


def test_a_dependant_starts_once_its_dependency_is_healthy(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ok"
    check = {"file": {"path": str(file)}, "start_period": "1m", "start_interval": "50ms"} | PACE
    container = run(
        {
            "web": {"command": child("witness.py"), "depends_on": {"db": {"condition": "healthy"}}},
            "db": {"command": ["sleep", "1000"], "healthcheck": check},
        }
    )
    container.await_health("db", "starting")
    assert container.programs()["web"]["state"] == "PENDING"
    assert container.programs()["web"]["waiting_for"]
    file.touch()
    container.expect("web | ready")


def test_a_server_that_needs_a_moment_is_healthy_soon_with_every_key_at_its_default(run: Run, tmp_path: Path) -> None:
    """The second probe comes after start_interval (1 s), not after interval (30 s)."""
    file = tmp_path / "ok"
    command = ["bash", "-c", f"sleep 0.5; touch {file}; exec sleep 1000"]
    container = run({"web": {"command": command, "healthcheck": {"test": ["CMD", "test", "-f", str(file)]}}})
    container.await_health("web", "healthy", 10)
