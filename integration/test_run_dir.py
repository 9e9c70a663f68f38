"""run_dir and what is in it come back when somebody has removed them."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import Container
from integration.processes import children_of
from integration.waiting import sleep_until

SPEAK = """
import os, socket, sys, time
speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
speaker.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    try:
        speaker.sendto(b"WATCHDOG=1", os.environ["NOTIFY_SOCKET"])
    except FileNotFoundError:
        pass  # as libsystemd does: a failure to notify is ignored
    time.sleep(0.1)
"""
BEAT: dict[str, Any] = {
    "command": [sys.executable, "-I", "-c", SPEAK],
    "ready": {"notify": "systemd"},
    "restart_delay": {"initial": "100ms"},
}
PLAIN: dict[str, Any] = {"command": ["sleep", "600"], "min_uptime": "0s", "restart_delay": {"initial": "100ms"}}


@pytest.fixture
def container(run: Run) -> Container:
    container = run({"beat": BEAT, "plain": PLAIN})
    container.await_ready()
    container.await_socket()
    return container


def lose(container: Container, how: str) -> None:
    moved = Path(f"{container.run_dir}.away")
    if how == "control socket":
        container.socket.unlink()
    elif how == "removed":
        shutil.rmtree(container.run_dir)
    else:
        container.run_dir.rename(moved)
        container.run_dir.mkdir()


def is_whole(container: Container) -> bool:
    names = ("ready", "healthy", "health/beat", "health/plain", "control.sock", "notify/beat.1")
    return all((container.run_dir / name).exists() for name in names)


@pytest.mark.parametrize("how", ["removed", "replaced", "control socket"])
def test_everything_is_back_after_the_next_start(container: Container, how: str) -> None:
    """Both programs are killed from outside; the one that says that it is ready is ready again."""
    before = {name: program["pid"] for name, program in container.programs().items()}
    lose(container, how)
    container.signal(signal.SIGHUP)
    container.expect("container.files_restored")
    sleep_until(lambda: is_whole(container), 10, "run_dir is whole")
    for name in before:
        container.supctl("signal", "KILL", name)
        sleep_until(lambda: container.programs()[name]["pid"] not in (before[name], None), 10, f"{name} runs again")  # noqa: B023
        container.await_state(name, "RUNNING")
    sleep_until(lambda: is_whole(container), 10, "run_dir is whole")
    container.signal(signal.SIGTERM)
    assert container.end() == 0


@pytest.mark.parametrize("how", ["removed", "replaced", "control socket"])
def test_a_start_alone_brings_everything_back(container: Container, how: str) -> None:
    pids = children_of(container.init)
    lose(container, how)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    sleep_until(lambda: is_whole(container), 15, "run_dir is whole")
    container.await_state("beat", "RUNNING")
    container.await_state("plain", "RUNNING")
    container.signal(signal.SIGTERM)
    assert container.end() == 0


def test_a_watchdog_goes_on_after_the_notify_sockets_are_back(run: Run) -> None:
    container = run({"beat": {**BEAT, "watchdog": "3s"}})
    container.await_ready()
    container.await_socket()
    pid = container.programs()["beat"]["pid"]
    lose(container, "removed")
    container.signal(signal.SIGHUP)
    container.expect("container.files_restored")
    sleep_until(lambda: container.programs()["beat"]["uptime_seconds"] > 5, 20, "the watchdog's time has passed")
    assert container.programs()["beat"]["pid"] == pid
    container.signal(signal.SIGTERM)
    assert container.end() == 0


def test_a_run_dir_that_another_supinit_has_taken_meanwhile_is_left_to_it(run: Run, tmp_path: Path) -> None:
    first = run({"plain": PLAIN})
    first.await_state("plain", "RUNNING")  # the control socket is there, before which supinit repairs run_dir itself
    lose(first, "removed")
    second = run({"other": PLAIN}, settings={"run_dir": str(first.run_dir)})
    second.expect("container.became_ready")
    first.signal(signal.SIGHUP)
    first.expect("container.files_lost")
    assert not (first.run_dir / "health/plain").exists()
    assert (first.run_dir / "health/other").exists()
    for container in (first, second):
        container.signal(signal.SIGTERM)
        assert container.end() == 0


@pytest.mark.parametrize("is_compiled", [False, True], ids=["from the table", "compiled"])
def test_a_program_may_clear_run_dir_before_the_control_socket_is_there(
    run: Run, tmp_path: Path, is_compiled: bool
) -> None:
    """Such as an entrypoint script that begins with rm -rf /run/*."""
    clear = ["sh", "-c", f"rm -rf {tmp_path}/container-0; echo cleared; exec sleep 600"]
    container = run({"web": {"command": clear}}, is_compiled=is_compiled)
    container.expect("web | cleared")
    container.await_state("web", "RUNNING")
    assert not container.err.has("control.failed")
    container.signal(signal.SIGTERM)
    assert container.end() == 0, container.output
