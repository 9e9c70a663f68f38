"""However many programs there are, the loop turns: deaths are reaped and signals heard while all of them change."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from integration.busyness import slowness
from integration.conftest import Measured, Run
from integration.container import CHILDREN, Container
from integration.waiting import sleep_until

COUNT = 1000
LIMIT = 0.15
"""Seconds of CPU time on any machine that runs tests; it was 0.05 where this was written."""


def table(value: int) -> dict[str, Any]:
    sleep = {"command": ["sleep", "600"], "min_uptime": "0s", "environment": {"VALUE": str(value)}}
    return {f"p{number}": sleep for number in range(COUNT)}


def rewrite(container: Container, programs: dict[str, Any]) -> None:
    text = json.dumps({"supervisor": {"run_dir": str(container.run_dir)}, "programs": programs})
    Path(f"{container.run_dir}.yaml").write_text(text)


def test_no_turn_is_long_while_a_thousand_programs_are_updated_and_stopped(
    run: Run, tmp_path: Path, measured: Measured
) -> None:
    path = tmp_path / "longest"
    container = run(table(0), inside=(sys.executable, str(CHILDREN / "turns.py"), str(path)))
    container.await_ready(60)
    turns: dict[str, float] = {}
    path.unlink(missing_ok=True)
    rewrite(container, table(1))
    container.signal(signal.SIGHUP)
    container.expect("container.updated restarted=", 30)
    sleep_until(lambda: container.err.text.count("program.became_ready") == 2 * COUNT, 120, "all run again")
    turns["update"] = float(path.read_text())
    path.unlink(missing_ok=True)
    begin = time.monotonic()
    container.signal(signal.SIGTERM)
    container.expect("container.shutdown_begun", 5)
    begun_after = time.monotonic() - begin
    assert container.end(60) == 0
    turns["stop"] = float(path.read_text())
    measured(f"longest turn with {COUNT} programs: {turns}, shutdown begun after {begun_after:.3f} s")
    assert {phase: seconds for phase, seconds in turns.items() if seconds > LIMIT} == {}


def test_a_shutdown_begins_at_once_in_the_middle_of_an_update_of_everything(run: Run) -> None:
    container = run(table(0))
    container.await_ready(60)
    rewrite(container, table(1))
    container.signal(signal.SIGHUP)
    container.expect("container.updated restarted=", 30)
    begin = time.monotonic()
    container.signal(signal.SIGTERM)
    container.expect("container.shutdown_begun", 5)
    assert time.monotonic() - begin < 5 * slowness(begin)
    assert container.end(60) == 0
    assert container.left_in_namespace() == []
