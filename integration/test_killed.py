"""SIGKILL of a supinit that is not PID 1: its programs live on until the next one on the same run_dir ends them."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import Container
from integration.processes import children_of
from integration.waiting import sleep_until

HIDDEN = """
import ctypes, os, sys, time
if os.fork() == 0:
    os.setsid()
print("hidden", os.getpid(), flush=True)
time.sleep(600)
"""
"""A program whose worker changes its session."""
WEB: dict[str, Any] = {"command": ["sleep", "600"], "min_uptime": "0s"}
STRAY: dict[str, Any] = {"command": [sys.executable, "-I", "-c", HIDDEN]}
BARE: dict[str, Any] = {"command": ["env", "-i", "/bin/sleep", "600"]}
"""Its process carries nothing in its environment."""
STUBBORN: dict[str, Any] = {"command": ["sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"]}


def exists(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill(container: Container) -> list[int]:
    """Kill a supinit, and return what it leaves."""
    left = list(children_of(container.init))
    left += [int(line.split()[-1]) for line in container.out.lines if "hidden" in line]
    os.kill(container.init, signal.SIGKILL)
    sleep_until(lambda: container.has_ended, 10, "supinit is gone")
    return left


def test_the_next_supinit_on_the_same_run_dir_ends_what_is_left_before_it_starts_anything(start: Run) -> None:
    first = start({"web": WEB, "stray": STRAY, "bare": BARE}, pid1=False)
    first.await_socket()
    sleep_until(lambda: first.out.text.count("hidden") == 2, 15, "both processes of stray have spoken")
    left = kill(first)
    assert len(set(left)) == 4
    assert all(map(exists, left))
    second = start({"web": WEB}, pid1=False, settings={"run_dir": str(first.run_dir)})
    second.expect("container.remains_ended processes=4")
    second.expect("program.started program=web")
    assert not any(map(exists, left))
    second.signal(signal.SIGTERM)
    assert second.end() == 0
    assert not (first.run_dir / "processes").exists()


def test_a_program_that_does_not_obey_is_killed(start: Run) -> None:
    first = start({"web": STUBBORN}, pid1=False)
    first.await_socket()
    left = kill(first)
    second = start({"web": WEB}, pid1=False, settings={"run_dir": str(first.run_dir)})
    second.expect("container.remains_ended", 30)
    sleep_until(lambda: not any(map(exists, left)), 5, "nothing is left")
    second.signal(signal.SIGTERM)
    assert second.end() == 0


@pytest.mark.parametrize("how", ["another run_dir", "ended well"])
def test_nobody_else_is_touched(start: Run, how: str) -> None:
    first = start({"web": WEB}, pid1=False)
    first.await_socket()
    if how == "ended well":
        first.signal(signal.SIGTERM)
        assert first.end() == 0
    else:
        left = kill(first)
    settings = {"run_dir": str(first.run_dir)} if how == "ended well" else {}
    second = start({"web": WEB}, pid1=False, settings=settings)
    second.expect("program.started program=web")
    assert "remains_ended" not in second.err.text
    if how == "another run_dir":
        assert all(map(exists, left))
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    second.signal(signal.SIGTERM)
    assert second.end() == 0


def test_pid_1_leaves_nothing_behind_and_keeps_no_file(run: Run) -> None:
    container = run({"web": WEB})
    container.await_ready()
    assert not (container.run_dir / "processes").exists()
    container.signal(signal.SIGTERM)
    assert container.end() == 0
