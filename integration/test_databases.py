"""redis, PostgreSQL and a celery worker, each stopped by its own rules."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.conftest import Run
from integration.container import Container
from integration.nginx_uwsgi import free_port
from integration.processes import stat_of
from integration.servers.clients import ask_redis
from integration.servers.installed import need_postgres, open_place
from integration.servers.tables import ask_for_task, celery, healthy, postgres, redis
from integration.waiting import sleep_until


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def test_postgres_ends_cleanly_by_its_own_log_with_a_client_in_the_middle_of_a_query(run: Run, place: Path) -> None:
    container = run(postgres(place))
    container.await_ready(30)
    psql = [need_postgres("psql"), "-h", str(place / "postgres"), "-U", "postgres", "-c"]
    with subprocess.Popen([*psql, "select pg_sleep(1000)"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        asked = [
            *psql,
            "select count(*) from pg_stat_activity where query like '%pg_sleep(1000)%' and state = 'active'",
            "-At",
        ]
        sleep_until(lambda: _output(asked) == "2\n", 10, "the query runs")  # it and the question itself
        container.signal(signal.SIGTERM)
        assert container.end() == 0
        client.wait(10)
    log = container.err
    assert log.position("received fast shutdown request") < log.position("database system is shut down")
    assert "code=0" in log.lines[log.position("program.exited program=postgres")]
    assert not log.has("program.killed")
    control = _output([need_postgres("pg_controldata"), str(place / "postgres" / "data")])
    assert "shut down" in next(line for line in control.splitlines() if "cluster state" in line)


def test_postgres_runs_as_its_own_user(run: Run, place: Path) -> None:
    container = run(postgres(place))
    container.await_health("postgres", "healthy", 30)
    data = place / "postgres" / "data"
    assert data.owner() == "postgres"
    server = int((data / "postmaster.pid").read_text().split()[0])
    assert server == container.programs()["postgres"]["pid"]


def test_postgres_that_was_killed_is_up_again_and_healthy_only_after_its_recovery(run: Run, place: Path) -> None:
    container = run(postgres(place))
    container.await_ready(30)
    first = container.programs()["postgres"]["pid"]
    container.request("POST", "/v1/programs/postgres/signal", {"signal": "SIGKILL"})
    sleep_until(lambda: container.programs()["postgres"]["pid"] not in (first, None), 20, "another postgres")
    container.await_health("postgres", "healthy")
    log = container.err

    def was_said_twice(words: str) -> bool:
        return sum(words in line for line in list(log.lines)) == 2

    sleep_until(lambda: was_said_twice("ready to accept connections"), 10)
    sleep_until(lambda: was_said_twice("program.became_healthy program=postgres"), 10)
    assert log.has("automatic recovery in progress")


def test_redis_saves_when_it_is_stopped_and_has_it_after_a_restart(run: Run, place: Path) -> None:
    port = free_port()
    container = run({"redis": redis(place, port)})
    container.await_ready()
    assert ask_redis(port, "SET", "kept", "yes") == "+OK\r\n"
    assert not (place / "dump.rdb").exists()
    assert container.supctl("restart", "redis").returncode == 0
    assert (place / "dump.rdb").exists()
    assert ask_redis(port, "GET", "kept") == "$3\r\nyes\r\n"
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.out.has("DB saved on disk")


def test_celery_finishes_its_task_although_redis_depends_on_nobody(run: Run, place: Path) -> None:
    """SIGTERM reaches only celery's main process, and redis runs until celery has reported that the task is done."""
    container, release, done = _celery_at_work(run, place)
    container.signal(signal.SIGTERM)
    container.expect("worker: Warm shutdown")
    assert not done.exists()
    release.touch()
    assert container.end(30) == 0
    assert done.exists()
    log = container.err
    assert log.has("Task hold") and log.has("succeeded")
    assert "code=0" in log.lines[log.position("program.exited program=celery")]
    assert log.position("program.exited program=celery") < log.position("program.stop_begun program=redis")


def test_celery_told_as_a_group_loses_its_task_so_the_test_above_can_fail(run: Run, place: Path) -> None:
    stop = [
        {"signal": "SIGTERM", "wait": "2s", "scope": "group"},
        {"signal": "SIGQUIT", "wait": "5s", "scope": "group"},
    ]
    container, _, done = _celery_at_work(run, place, stop=stop)
    container.signal(signal.SIGTERM)
    container.end(30)
    assert not done.exists()
    assert not container.err.has("succeeded")


def test_a_celery_worker_whose_main_process_was_killed_leaves_no_worker_behind(run: Run, place: Path) -> None:
    container, *_ = _celery_at_work(run, place)
    pool = [pid for pid in container.left_in_namespace() if b"queue_tasks" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(pool) >= 3
    container.request("POST", "/v1/programs/celery/signal", {"signal": "SIGKILL"})
    container.expect("program.exited program=celery")
    sleep_until(lambda: not any(stat_of(pid) for pid in pool), 5, "nothing of the old worker is left")


def _celery_at_work(run: Run, place: Path, **keys: object) -> tuple[Container, Path, Path]:
    port = free_port()
    worker = celery(place, port) | {"depends_on": healthy("redis")} | keys
    container = run({"celery": worker, "redis": redis(place, port)})
    container.await_ready(30)
    log = container.err
    assert log.position("program.became_healthy program=redis") < log.position("program.started program=celery")
    begun, release, done = (place / name for name in ("begun", "release", "done"))
    command, environment = ask_for_task(port, begun, release, done)
    subprocess.run(command, env=environment, check=True, timeout=30)
    sleep_until(begun.exists, 20, "celery is at its task")
    return container, release, done


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
