"""The marker files from start to end, as inotify reports them and as the programs themselves see them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.busyness import slowness
from integration.conftest import Measured, Run
from integration.container import Container
from integration.nginx_uwsgi import free_port
from integration.servers.clients import status_of
from integration.servers.installed import program
from integration.waiting import sleep_until
from integration.watching import Watcher

PROMPT = 0.5
"""Seconds within which the marker of a crashed program is removed, on a busy machine."""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """The run_dir of the first container; created here, so that it can be watched from the start."""
    path = tmp_path / "container-0"
    (path / "health").mkdir(parents=True)
    return path


@pytest.fixture
def watcher(run_dir: Path) -> Iterator[Watcher]:
    watcher = Watcher(run_dir, run_dir / "health")
    yield watcher
    watcher.close()


def honest(run_dir: Path, name: str, ok: Path) -> dict[str, Any]:
    """A program that is healthy while the file `ok` exists. It creates the file, and prints which markers exist."""
    check = {"file": {"path": str(ok)}, "interval": "50ms", "timeout": "2s", "retries": 2}
    command = program("honest.py", run_dir / "health" / name, run_dir / "healthy", "--touch", ok)
    return {
        "command": command,
        "healthcheck": check,
        "clear_before_start": [str(ok)],
        "restart_delay": {"initial": "20ms"},
    }


def standing(run_dir: Path, watcher: Watcher) -> list[set[str]]:
    """Return the markers that existed, one set for each change."""
    names = {run_dir / "healthy", run_dir / "ready"}
    moments: list[set[str]] = [set()]
    for what, path in watcher.seen():
        if (path in names or path.parent.name == "health") and not path.name.startswith("."):
            assert what != "created", f"{path} was there before it was whole"
            name = str(path.relative_to(run_dir))
            if what == "+":
                moments.append(moments[-1] | {name})
            elif what == "-":
                moments.append(moments[-1] - {name})
    return [moment for before, moment in zip([{"?"}, *moments], moments, strict=False) if moment != before]


def assert_coherent(moments: list[set[str]], *programs: str) -> None:
    """`healthy` never existed without the marker of each program."""
    each = {f"health/{name}" for name in programs}
    lies = [moment for moment in moments if "healthy" in moment and not each <= moment]
    assert not lies, moments


def marks(container: Container) -> set[str]:
    names = ("healthy", "ready", *(f"health/{name}" for name in os.listdir(container.marker("health"))))
    return {name for name in names if container.marker(name).exists() and not Path(name).name.startswith(".")}


def test_no_marker_stands_for_a_program_that_is_down_in_a_whole_life(
    run: Run, tmp_path: Path, run_dir: Path, watcher: Watcher
) -> None:
    """Up, unhealthy, healthy, restarted, crashed, drained, stopped."""
    web_ok, db_ok = tmp_path / "web.ok", tmp_path / "db.ok"
    web, db = honest(run_dir, "web", web_ok), honest(run_dir, "db", db_ok)
    container = run({"web": web, "db": db}, settings={"drain_delay": "400ms"})
    everything = {"health/web", "health/db", "healthy", "ready"}
    sleep_until(lambda: marks(container) == everything, 10, "all is healthy")
    web_ok.unlink()
    sleep_until(lambda: marks(container) == {"health/db", "ready"}, 5, "web is unhealthy")
    web_ok.touch()
    sleep_until(lambda: marks(container) == everything, 5, "web is healthy again")
    assert container.supctl("restart", "web").returncode == 0
    sleep_until(lambda: marks(container) == everything, 5, "web is healthy after a restart")
    container.request("POST", "/v1/programs/web/signal", {"signal": "SIGKILL"})
    container.expect("program.restart_delayed program=web")
    sleep_until(lambda: marks(container) == everything, 5, "web is healthy after a crash")
    container.signal(signal.SIGTERM)
    assert container.end() == 0

    said = [line.partition(" | ")[2] for line in container.out.lines if line.startswith("web | ")]
    assert said == [
        "start: none stand",
        "end: none stand",  # the restart
        "gone: none stand",
        "start: none stand",  # and the crash after it
        "start: none stand",
        "end: none stand",  # the shutdown
        "gone: none stand",
    ]
    moments = standing(run_dir, watcher)
    assert moments[0] == moments[-1] == set()
    assert_coherent(moments, "web", "db")
    lives = [moment for moment in moments if "health/web" not in moment]
    assert all("healthy" not in moment for moment in lives)
    readiness = ["ready" in moment for moment in moments]
    assert readiness == sorted(readiness[: readiness.index(True)]) + sorted(
        readiness[readiness.index(True) :], reverse=True
    ), "ready came once and went once"


def test_a_crash_is_seen_in_the_files_at_once_and_before_the_next_start(
    run: Run, tmp_path: Path, run_dir: Path, measured: Measured
) -> None:
    ok = tmp_path / "ok"
    container = run({"web": honest(run_dir, "web", ok) | {"restart_delay": {"initial": "20s"}}})
    container.await_ready()
    pid = container.programs()["web"]["pid"]
    container.request("POST", "/v1/programs/web/signal", {"signal": "SIGKILL"})
    began = time.monotonic()
    sleep_until(lambda: marks(container) == {"ready"}, 5, "its markers are gone")
    took = time.monotonic() - began
    measured(f"a marker is gone {took * 1000:.0f} ms after its program was killed")
    assert took < PROMPT * slowness(began)
    assert container.programs()["web"]["pid"] != pid


@pytest.mark.parametrize(
    "check",
    [None, {"file": {"path": "@OK@"}}, {"test": ["CMD", "sleep", "30"]}],
    ids=["no check", "a file that it never touches", "a check that hangs"],
)
def test_a_worker_that_crashes_shortly_after_its_start_is_never_healthy_between_crashes(
    run: Run, tmp_path: Path, run_dir: Path, watcher: Watcher, check: dict[str, Any] | None
) -> None:
    worker: dict[str, Any] = {
        "command": program("honest.py", run_dir / "health/worker", run_dir / "healthy", "--crash-after", 0.2),
        "restart_delay": {"initial": "50ms", "max": "100ms"},
        "start_retries": None,
    }
    if check is not None:
        if "file" in check:
            check = {"file": {"path": str(tmp_path / "never")}}
        worker["healthcheck"] = check | {"interval": "20ms"}
    container = run({"worker": worker, "web": {"command": ["sleep", "1000"], "min_uptime": 0}})
    answers: set[tuple[int, bool]] = set()

    def has_crashed_often() -> bool:
        answers.add((container.request("GET", "/healthz")[0], container.marker("healthy").exists()))
        return container.err.text.count("program.exited program=worker") >= 6

    sleep_until(has_crashed_often, 20, "six crashes")
    assert answers == {(503, False)}
    told = container.supctl("healthcheck")
    assert (told.returncode, len(told.stdout.splitlines())) == (1, 1)
    assert "worker" in told.stdout
    assert container.supctl("healthcheck", "web").returncode == 0
    assert all(moment <= {"health/web"} for moment in standing(run_dir, watcher))
    assert {line for line in container.out.lines if line.startswith("worker")} == {"worker | start: none stand"}


def test_a_marker_file_of_the_run_before_does_not_make_a_crashing_worker_healthy(
    run: Run, tmp_path: Path, run_dir: Path, watcher: Watcher
) -> None:
    """The worker touched its own marker once, long ago. Later runs crash before they do."""
    ok = tmp_path / "worker.ok"
    ok.touch()
    worker = {
        "command": program("honest.py", run_dir / "healthy", "--crash-after", 0.2),
        "restart_delay": {"initial": "50ms", "max": "100ms"},
        "healthcheck": {"file": {"path": str(ok), "max_age": "60s"}, "interval": "20ms"},
        "clear_before_start": [str(ok)],
    }
    container = run({"worker": worker})
    sleep_until(lambda: container.err.text.count("program.exited program=worker") >= 4, 20, "four crashes")
    assert standing(run_dir, watcher) == [set()]


def test_during_the_drain_delay_ready_is_gone_health_stays_and_requests_are_answered(
    run: Run, run_dir: Path, watcher: Watcher
) -> None:
    port = free_port()
    web = {
        "command": ["python3", "-m", "http.server", "--bind", "127.0.0.1", str(port)],
        "healthcheck": {"http": {"url": f"http://127.0.0.1:{port}/"}, "start_period": "10s", "start_interval": "50ms"},
        "stop_signal": "SIGINT",
    }
    container = run({"web": web}, settings={"drain_delay": "1s"})
    container.await_ready()
    asked_at = container.signal(signal.SIGTERM)
    sleep_until(lambda: marks(container) == {"healthy", "health/web"}, 0.5, "ready alone is gone")
    assert (container.request("GET", "/readyz")[0], container.request("GET", "/healthz")[0]) == (503, 200)
    assert container.supctl("healthcheck").returncode == 0
    answers = set()
    while time.monotonic() - asked_at < 0.8:
        answers.add(status_of(port, "/"))
        assert marks(container) == {"healthy", "health/web"}
    assert answers == {200}
    assert container.end() == 0
    assert container.err.time_of("program.stop_begun program=web") - asked_at >= 0.98
    assert_coherent(standing(run_dir, watcher), "web")


def test_a_lease_keeps_the_markers_young_as_long_as_the_init_is_alive(run: Run, run_dir: Path) -> None:
    container = run({"web": {"command": ["sleep", "1000"], "min_uptime": 0}}, settings={"marker_lease": "100ms"})
    container.await_ready()

    def times() -> list[float]:
        return [(run_dir / name).stat().st_mtime for name in ("healthy", "ready")]

    first = times()
    sleep_until(lambda: all(new > old for old, new in zip(first, times(), strict=True)), 5, "both are refreshed")
    second = times()
    sleep_until(lambda: all(new > old for old, new in zip(second, times(), strict=True)), 5, "and again")
    assert all(abs(moment - time.time()) < 5 for moment in times())
    container.signal(signal.SIGSTOP)
    frozen = times()
    time.sleep(0.5)  # five leases in which nothing may come
    assert times() == frozen
    container.signal(signal.SIGCONT)
    sleep_until(lambda: all(new > old for old, new in zip(frozen, times(), strict=True)), 5, "it continues")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert not list(run_dir.glob("*ready")) and not list(run_dir.glob("*healthy"))


def test_without_a_lease_a_marker_keeps_the_time_at_which_it_was_made(
    run: Run, run_dir: Path, watcher: Watcher
) -> None:
    container = run({"web": {"command": ["sleep", "1000"], "min_uptime": 0}})
    container.await_ready()
    made = (run_dir / "ready").stat().st_mtime
    container.supctl("restart", "web")
    assert (run_dir / "ready").stat().st_mtime == made
    assert [path.name for what, path in watcher.seen() if what == "touched" and path.name == "ready"] == []
