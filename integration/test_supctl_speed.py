"""How fast supctl is, as multiples of a Python that does nothing. They run in turn, under the same conditions."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from integration.conftest import Measured, Run
from integration.container import SUPCTL, Container
from integration.processes import children_of
from integration.waiting import sleep_until

ROUNDS = 15
SLACK = 1.6
"""How far a busy machine may miss a goal."""
NOTHING = [sys.executable, "-I", "-c", "pass"]
PAUSE = 1.0
"""Seconds before each status: CPU and memory are measured again after this time."""


def container_of(run: Run, programs: int) -> Container:
    container = run(
        {f"p{number}": {"command": ["sleep", "1000"], "min_uptime": 0} for number in range(programs)},
        settings={"log": {"level": "error"}},
    )
    sleep_until(lambda: len(children_of(container.init)) == programs, 30, "all are started")
    container.await_ready(60)
    container.await_socket()
    return container


@pytest.mark.parametrize(
    ("command", "programs", "goal", "pause"),
    [("healthcheck", 10, 1.5, 0.0), ("status", 10, 2.0, 0.0), ("status", 500, 3.0, PAUSE)],
)
def test_supctl_takes_little_more_than_python_itself(
    run: Run, command: str, programs: int, goal: float, pause: float, measured: Measured
) -> None:
    container = container_of(run, programs)
    asked, nothing = [], []
    for _ in range(ROUNDS):
        time.sleep(pause)
        asked.append(wall_time([SUPCTL, "-s", str(container.socket), command]))
        nothing.append(wall_time(NOTHING))
    took, reference = statistics.median(asked), statistics.median(nothing)
    measured(
        f"supctl {command} with {programs} programs {took * 1e3:.1f} ms, python3 -I -c pass {reference * 1e3:.1f} ms "
        f"(medians of {ROUNDS}): {took / reference:.2f} x, the goal is {goal:.1f} x"
    )
    assert took / reference < goal * SLACK


def test_supctl_is_installed_without_a_wrapper_that_takes_longer_than_itself() -> None:
    """However pip installs it: pyproject.toml has the script, not an entry point."""
    assert "import re" not in Path(SUPCTL).read_text().splitlines()


def wall_time(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
