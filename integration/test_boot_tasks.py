"""The example with boot tasks, as it is in docs/examples: nginx, uWSGI, a worker with a queue, and a migration."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.conftest import Run
from integration.container import SUPINIT, Container
from integration.nginx_uwsgi import free_port
from integration.servers.clients import ask_redis, status_of
from integration.servers.installed import folder_of, need, need_uwsgi, open_place
from integration.servers.tables import redis
from integration.waiting import sleep_until

EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "boot-tasks"


class Service:
    """The example with its files in one directory, its own port and its own queue."""

    def __init__(self, place: Path) -> None:
        need("nginx", "apt-get install nginx-light")
        need_uwsgi()
        self.port, self.queue_port, self.place = free_port(), free_port(), place
        folder_of("www-data", place / "run")
        (place / "redis").mkdir()
        self._paths = {
            "/run/app": f"{place}/run",
            "/run/nginx.pid": f"{place}/nginx.pid",
            "/srv/app": str(place),
            "/etc/app": str(place),
            "/shared": f"{place}/shared",
            "8080": str(self.port),
        }
        for file in EXAMPLE.iterdir():
            if file.is_file():
                (place / file.name).write_text(self._placed(file.read_text()))
        self.table: dict[str, Any] = yaml.safe_load((place / "supinit.yaml").read_text())

    def _placed(self, text: str) -> str:
        for path, own in self._paths.items():
            text = text.replace(path, own)
        return text

    def start(self, run: Run, revision: str = "abc123", **settings: object) -> Container:
        queue = f"127.0.0.1:{self.queue_port}"
        environment = {"GIT_HASH": revision, "QUEUE_ADDRESS": queue, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return run(self.table["programs"], settings=self.table["supervisor"] | settings, environment=environment)

    def start_queue(self, run: Run) -> Container:
        queue = run({"redis": redis(self.place / "redis", self.queue_port)})
        queue.await_health("redis", "healthy")
        return queue


@pytest.fixture
def service() -> Iterator[Service]:
    with open_place() as place:
        yield Service(place)


def await_healthy(container: Container) -> None:
    sleep_until(container.marker("healthy").exists, 30, "all is healthy")


def test_the_container_is_healthy_once_its_worker_has_its_queue_and_as_long_as_it_has(
    run: Run, service: Service
) -> None:
    container = service.start(run)
    for name in ("uwsgi", "nginx"):
        container.await_health(name, "healthy", 30)
    assert container.out.has("migrate | migrated")
    assert not container.marker("healthy").exists() and not container.marker("ready").exists()
    assert container.supctl("healthcheck").returncode == 1
    assert container.supctl("healthcheck", "nginx", "uwsgi").returncode == 0
    queue = service.start_queue(run)
    await_healthy(container)
    assert container.out.has("worker | connected to the queue")
    ask_redis(service.queue_port, "RPUSH", "jobs", "a letter")
    container.expect("worker | done: a letter")
    assert status_of(service.port, "/") == 200

    queue.signal(signal.SIGKILL)
    sleep_until(lambda: not container.marker("healthy").exists(), 15, "no queue, not healthy")
    assert container.marker("ready").exists()
    service.start_queue(run)
    await_healthy(container)

    container.signal(signal.SIGTERM)
    assert container.end() == 0
    log = container.err
    assert log.position("program.completed program=migrate") < log.position("program.started program=uwsgi")
    assert log.position("program.became_healthy program=uwsgi") < log.position("program.started program=nginx")
    assert log.position("program.exited program=nginx") < log.position("program.stop_begun program=uwsgi")
    assert not log.has("program.killed")


def test_a_stop_lets_the_worker_finish_in_its_own_time(run: Run, service: Service) -> None:
    service.start_queue(run)
    container = service.start(run)
    await_healthy(container)
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.out.has("worker | the worker is done")
    assert "code=0" in container.err.lines[container.err.position("program.exited program=worker")]


def test_one_release_is_migrated_once_by_all_its_containers_and_the_next_one_again(run: Run, service: Service) -> None:
    service.start_queue(run)
    ran = []
    for revision in ("one", "one", "two"):
        container = service.start(run, revision)
        await_healthy(container)
        ran.append(container.out.has(f"migrate | migrating to {revision}"))
        assert container.programs()["migrate"]["state"] == "EXITED"
        container.signal(signal.SIGTERM)
        assert container.end() == 0
    assert ran == [True, False, True]


def test_a_migration_that_fails_ends_the_container_with_its_code_before_anything_serves(
    run: Run, service: Service
) -> None:
    (service.place / "migrate.py").write_text("raise SystemExit(23)\n")
    container = service.start(run)
    assert container.end() == 23
    assert "migrate" in container.err.lines[-1]
    assert not container.err.has("program.started program=uwsgi")
    assert list((service.place / "shared").rglob("*.json")) == []


def test_without_its_queue_it_is_not_up_in_time(run: Run, service: Service) -> None:
    container = service.start(run, start_timeout="3s")
    assert container.end() == 75
    assert "worker" in container.err.lines[-1]
    assert "nginx" not in container.err.lines[-1] and "migrate" not in container.err.lines[-1]


@pytest.mark.parametrize("revision", [None, ""], ids=["not set", "empty"])
def test_without_its_revision_nothing_starts(tmp_path: Path, revision: str | None) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "GIT_HASH"}
    environment |= {"SUPINIT_RUN_DIR": str(tmp_path / "run")} | ({} if revision is None else {"GIT_HASH": revision})
    table = shutil.copy(EXAMPLE / "supinit.yaml", tmp_path)
    result = subprocess.run([SUPINIT, "-c", table], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 78
    assert "GIT_HASH" in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_example_passes_the_check_without_a_warning() -> None:
    result = subprocess.run(
        [SUPINIT, "--check", "-c", str(EXAMPLE / "supinit.yaml")],
        env=os.environ | {"GIT_HASH": "abc123"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.index("1. migrate") < result.stdout.index("2. uwsgi, worker") < result.stdout.index("3. nginx")
