"""Hostile clients cost a bounded amount, lock nobody out, and delay neither reaping nor other answers."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.busyness import slowness
from integration.conftest import Measured, Run
from integration.container import CHILDREN, Container
from integration.processes import stat_of
from integration.waiting import sleep_until

ASKED, CRASHES = 100, 5
MEDIAN, SLOWEST, REAPED = 0.25, 2.0, 1.0
"""Seconds; on an idle machine, the median is below 0.1 s."""
KINDS = ["garbage", "huge heads", "pipelined", "slow", "half-closed", "deaf"]


@pytest.fixture
def container(run: Run) -> Container:
    often = {"restart_delay": {"initial": "10ms", "max": "10ms"}, "start_retries": None, "min_uptime": 0}
    programs = {f"p{number}": {"command": ["sleep", "1000"], **often} for number in range(10)}
    container = run(programs, settings={"log": {"level": "error"}})
    container.await_ready()
    container.await_socket()
    return container


@pytest.fixture(params=KINDS)
def attacked(request: pytest.FixtureRequest, container: Container) -> Iterator[Container]:
    command = [sys.executable, "-I", str(CHILDREN / "attacker.py"), request.param, str(container.socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as attacker:
        assert attacker.stdout is not None
        try:
            assert attacker.stdout.readline() == "at it\n"
            yield container
            assert attacker.poll() is None
        finally:
            attacker.kill()


def ask(path: Path, target: str) -> bytes:
    """Return the head of the response, which is read to its end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.settimeout(10)
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while data := client.recv(65536):
            answer += data
        return answer.partition(b"\r\n")[0]


def test_others_are_answered_and_the_dead_are_reaped(
    attacked: Container, measured: Measured, request: pytest.FixtureRequest
) -> None:
    answers, reaped, since = [], [], time.monotonic()
    for number in range(ASKED):
        began = time.monotonic()
        assert ask(attacked.socket, "/livez") == b"HTTP/1.1 200 OK"
        answers.append(time.monotonic() - began)
        if number % (ASKED // CRASHES) == 0:
            reaped.append(reaping_time(attacked))
    median, slowest = statistics.median(answers), max(answers)
    kind = request.node.callspec.params["attacked"]
    measured(
        f"{kind}: GET /livez {median * 1e3:.1f} ms (median of {ASKED}), {slowest * 1e3:.1f} ms at most; "
        f"reaped within {max(reaped) * 1e3:.1f} ms"
    )
    factor = slowness(since)
    assert median < MEDIAN * factor and slowest < SLOWEST * factor
    assert max(reaped) < REAPED * factor
    assert attacked.supctl("shutdown").returncode == 0
    assert attacked.end() == 0


def reaping_time(container: Container) -> float:
    """Kill a program and return how long it was a zombie."""
    pid = next(pid for pid in programs_of(container) if pid)
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    sleep_until(lambda: stat_of(pid) is None, 10, "it is reaped")
    return time.monotonic() - began


def programs_of(container: Container) -> list[int]:
    """Return the programs' pids as this machine sees them."""
    path = Path(f"/proc/{container.init}/task/{container.init}/children")
    return [int(pid) for pid in path.read_text().split()]


def test_a_thousand_status_calls_leave_the_memory_where_it_was(container: Container, measured: Measured) -> None:
    for _ in range(100):  # what is loaded and made once
        ask(container.socket, "/v1/status")
    before = resident_kib(container.init)
    for _ in range(1000):
        assert ask(container.socket, "/v1/status") == b"HTTP/1.1 200 OK"
    grown = resident_kib(container.init) - before
    measured(f"1000 status calls: the init's resident memory changes by {grown} KiB")
    assert abs(grown) <= 1024


def resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")
