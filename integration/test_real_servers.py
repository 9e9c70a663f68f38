"""All the usual servers in one table: started in order by their health, and stopped by their own rules."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.children.slow_app import PIECE, PIECES
from integration.conftest import Measured, Run
from integration.container import Container
from integration.servers.clients import ask_redis, begin
from integration.servers.installed import need_postgres, open_place
from integration.servers.tables import Ports, ask_for_task, everything
from integration.waiting import sleep_until

ANSWER = PIECE * PIECES


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def await_up(container: Container, limit: float = 60.0) -> float:
    return sleep_until(container.marker("healthy").exists, limit, "all is healthy")


def assert_in_order(container: Container, table: dict[str, dict[str, object]]) -> None:
    """Nothing was started before its dependencies were healthy, or stopped after them."""
    log = container.err
    for name, entry in table.items():
        dependencies = entry.get("depends_on", {})
        assert isinstance(dependencies, dict)
        for other, how in dependencies.items():
            met = "became_healthy" if how["condition"] == "healthy" else "completed"
            assert log.position(f"program.{met} program={other}") < log.position(f"program.started program={name}")
            if met == "became_healthy":
                assert log.position(f"program.exited program={name}") < log.position(
                    f"program.stop_begun program={other}"
                )


def test_all_of_them_come_up_by_health_alone_and_end_without_losing_anything(
    run: Run, place: Path, measured: Measured
) -> None:
    ports = Ports()
    table = everything(place, ports)
    container = run(table)
    await_up(container)
    measured(f"nine real servers: healthy {time.monotonic() - container.started_at:.1f} s after the start")
    psql = [need_postgres("psql"), "-h", str(place / "postgres"), "-U", "postgres", "-c"]
    subprocess.run([*psql, "create table kept as select 1 as one"], check=True, capture_output=True)
    assert ask_redis(ports.redis, "SET", "kept", "yes") == "+OK\r\n"
    begun, release, done = (place / name for name in ("begun", "release", "done"))
    command, environment = ask_for_task(ports.redis, begun, release, done)
    subprocess.run(command, env=environment, check=True, timeout=30)
    sleep_until(begun.exists, 20, "celery is at its task")
    requests = [begin(ports.nginx, path) for path in ("/slow", "/gunicorn/slow", "/php/slow")]

    asked_at = container.signal(signal.SIGTERM)
    container.expect("program.stop_begun program=celery")
    container.expect("worker: Warm shutdown")
    assert not done.exists()
    release.touch()
    assert container.end(40) == 0
    measured(f"nine real servers: down {time.monotonic() - asked_at:.1f} s after SIGTERM, requests of 2 s in flight")

    for request in requests:
        request.join(5)
    assert [request.body == ANSWER for request in requests] == [True] * 3
    assert done.exists(), "celery has not finished its task"
    assert container.err.has("postgres | ") and container.err.has("database system is shut down")
    assert container.out.has("DB saved on disk")
    assert not container.err.has("program.killed")
    assert_in_order(container, table)
    assert container.left_in_namespace() == []

    kept = {name: table[name] for name in ("postgres", "redis", "initdb")}
    again = run(kept | {"initdb": kept["initdb"] | {"command": ["true"]}})
    await_up(again)
    assert ask_redis(ports.redis, "GET", "kept") == "$3\r\nyes\r\n"
    found = subprocess.run([*psql, "select one from kept", "-At"], check=True, capture_output=True, text=True)
    assert found.stdout == "1\n"
    assert not again.err.has("not properly shut down")
