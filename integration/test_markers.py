"""The marker files in run_dir exist exactly while their conditions hold."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

from integration.conftest import Run
from integration.container import Container, child
from integration.waiting import sleep_until


def checked_by(file: Path) -> dict[str, Any]:
    """A program that is healthy while `file` is there."""
    check = {"file": {"path": str(file)}, "interval": "50ms", "timeout": "1s", "retries": 2}
    return {"command": ["sleep", "1000"], "healthcheck": check}


def markers(container: Container) -> set[str]:
    found = {name for name in ("healthy", "ready") if container.marker(name).exists()}
    try:
        return found | {f"health/{name}" for name in os.listdir(container.marker("health")) if name[0] != "."}
    except FileNotFoundError:
        return found  # before run_dir is there


def test_they_appear_when_all_is_up_vanish_with_the_first_failure_and_return(run: Run, tmp_path: Path) -> None:
    web_ok, worker_ok = tmp_path / "web.ok", tmp_path / "worker.ok"
    container = run({"web": checked_by(web_ok), "worker": checked_by(worker_ok)})
    container.expect("program.started program=worker")
    assert markers(container) == set()
    web_ok.touch()
    sleep_until(lambda: markers(container) == {"health/web"}, 5, "only web is healthy")
    worker_ok.touch()
    everything = {"healthy", "ready", "health/web", "health/worker"}
    sleep_until(lambda: markers(container) == everything, 5, "all is healthy")
    web_ok.unlink()
    sleep_until(lambda: markers(container) == {"ready", "health/worker"}, 5, "ready stays, healthy goes")
    web_ok.touch()
    sleep_until(lambda: markers(container) == everything, 5, "all is healthy again")


def test_they_are_gone_as_soon_as_the_shutdown_begins(run: Run) -> None:
    container = run({"slow": {"command": child("witness.py", "--linger", 0.7), "min_uptime": 0}})
    container.expect("slow | ready")
    sleep_until(lambda: markers(container) == {"healthy", "ready", "health/slow"}, 5, "all is healthy")
    container.signal(signal.SIGTERM)
    container.expect("slow | got SIGTERM")
    assert markers(container) == set()
    assert container.end() == 0


def test_ready_is_gone_during_the_drain_delay_while_the_programs_still_serve(run: Run) -> None:
    container = run({"web": {"command": child("witness.py"), "min_uptime": 0}}, settings={"drain_delay": "600ms"})
    container.expect("web | ready")
    container.await_ready()
    asked_at = container.signal(signal.SIGTERM)
    sleep_until(lambda: "ready" not in markers(container), 0.5, "ready is gone")
    container.expect("web | got SIGTERM")
    assert container.out.time_of("web | got SIGTERM") - asked_at >= 0.58
    assert container.end() == 0


def test_what_an_earlier_life_has_left_is_removed_before_the_first_child_starts(run: Run, tmp_path: Path) -> None:
    run_dir = tmp_path / "container-0"
    (run_dir / "health").mkdir(parents=True)
    for name in ("healthy", "ready", "health/web", "health/long-gone"):
        (run_dir / name).touch()
    container = run({"web": {"command": ["/bin/sh", "-c", f"ls -R {run_dir}; exec sleep 1000"]}})
    container.expect("web | ")
    container.expect(f"web | {run_dir}/health:")
    assert not [line for line in container.out.lines if line in ("web | healthy", "web | ready", "web | long-gone")]


def test_a_marker_vanishes_when_its_program_fails(run: Run) -> None:
    container = run(
        {
            "web": {"command": child("witness.py"), "min_uptime": 0},
            "worker": {
                "command": child("witness.py", "--code", 3),
                "min_uptime": 0,
                "signals": {"SIGUSR1": "SIGTERM"},
                "restart_delay": {"initial": "30s"},
            },
        }
    )
    container.expect("worker | ready")
    container.await_ready()
    container.signal(signal.SIGUSR1)
    container.expect("program.restart_delayed program=worker")
    assert markers(container) == {"ready", "health/web"}


def test_a_program_with_shutdown_on_never_holds_neither_healthy_nor_ready_back(run: Run) -> None:
    sick = {"command": ["false"], "shutdown_on": "never", "restart": "no"}
    container = run({"web": {"command": ["sleep", "1000"], "min_uptime": 0}, "extra": sick})
    sleep_until(lambda: markers(container) == {"healthy", "ready", "health/web"}, 5, "web alone decides")


def test_a_completed_oneshot_counts_as_healthy_for_the_whole(run: Run) -> None:
    container = run({"web": {"command": ["sleep", "1000"]}, "prepare": {"command": ["true"], "type": "oneshot"}})
    sleep_until(lambda: markers(container) == {"healthy", "ready", "health/web"}, 5, "all is healthy")


def test_the_modification_time_is_the_last_passing_check(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "web.ok"
    file.touch()
    container = run({"web": checked_by(file)})
    container.await_ready()
    marker = container.marker("health/web")
    first = marker.stat().st_mtime
    assert abs(first - time.time()) < 5
    sleep_until(lambda: marker.stat().st_mtime > first, 5, "the next check has passed")


def test_only_whole_markers_are_ever_seen(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "web.ok"
    container = run({"web": checked_by(file)})
    container.expect("program.started program=web")
    seen = set()
    for _ in range(5):
        file.touch()
        sleep_until(container.marker("healthy").exists, 5)
        seen.add(container.marker("healthy").read_bytes())
        file.unlink()
        sleep_until(lambda: not container.marker("healthy").exists(), 5)
    assert len(seen) == 1 and seen != {b""}


def test_a_marker_that_cannot_be_written_is_reported_once_and_when_it_is_over(run: Run, tmp_path: Path) -> None:
    """Every start and exit of the crashing program is a turn in which the marker is tried again."""
    go = tmp_path / "go"
    crash = {"command": ["false"], "restart_delay": {"initial": "10ms", "max": "10ms"}, "start_retries": None}
    healthy = {"command": ["sleep", "1000"], "healthcheck": {"file": {"path": str(go)}, "interval": "100ms"}}
    container = run({"crash": {**crash, "shutdown_on": "never"}, "web": healthy})
    container.await_socket()
    container.marker(".healthy").mkdir()
    go.touch()
    container.expect("marker.failed")
    before = len(container.err.lines)
    sleep_until(lambda: len(container.err.lines) > before + 200, 30, "there were many turns")
    container.marker(".healthy").rmdir()
    container.expect("marker.recovered")
    told = [line for line in container.err.lines if "marker." in line]
    assert (
        told[0] == f'supinit | error: marker.failed marker=healthy reason="cannot write {container.run_dir}/healthy: '
        'Is a directory"'
    )
    assert re.fullmatch(r"supinit \| marker.recovered marker=healthy failures=\d{2,}", told[1])
    assert len(told) == 2
