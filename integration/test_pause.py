"""A pause of supinit itself is nobody's fault: what has arrived meanwhile is read first, and deadlines move by it."""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

from integration.conftest import Run
from integration.waiting import sleep_until

PAUSE = 4.0
BEAT = """
import os, socket, time
speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
speaker.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    speaker.sendto(b"WATCHDOG=1", os.environ["NOTIFY_SOCKET"])
    time.sleep(0.2)
"""
BEATING: dict[str, Any] = {"command": [sys.executable, "-I", "-c", BEAT], "ready": {"notify": "systemd"}}


def test_what_came_during_a_pause_is_read_before_time_is_judged(run: Run) -> None:
    """A watchdog's datagrams, a line that says ready, and a health check that was under way."""
    container = run(
        {
            "beat": {**BEATING, "watchdog": "1500ms"},
            "late": {
                "command": ["sh", "-c", "sleep 2; echo serving; exec sleep 600"],
                "ready": {"log": "serving", "timeout": "3s"},
            },
            "probed": {
                "command": ["sleep", "600"],
                "healthcheck": {
                    "test": ["CMD", "sleep", "1"], "timeout": "2s", "interval": "100ms", "retries": 1,
                    "on_unhealthy": "restart",
                },
            },
        }
    )  # fmt: skip
    container.await_state("beat", "RUNNING")
    container.await_health("probed", "healthy")
    before = {name: program["pid"] for name, program in container.programs().items()}
    container.signal(signal.SIGSTOP)
    time.sleep(PAUSE)
    container.signal(signal.SIGCONT)
    container.expect("container.resumed paused_for=")
    container.await_state("late", "RUNNING")
    time.sleep(2)  # a deadline that was only put off by too little would have passed by now
    after = container.programs()
    assert {name: program["pid"] for name, program in after.items()} == before
    assert {program["restarts"] for program in after.values()} == {0}
    assert after["probed"]["health"] == "healthy"
    container.signal(signal.SIGTERM)
    assert container.end() == 0


def test_a_program_that_is_silent_after_the_pause_is_still_restarted(run: Run) -> None:
    container = run({"beat": {**BEATING, "watchdog": "1s"}})
    container.await_state("beat", "RUNNING")
    pid = container.programs()["beat"]["pid"]
    container.signal(signal.SIGSTOP)
    time.sleep(2)
    container.signal(signal.SIGCONT)
    container.expect("container.resumed")
    container.supctl("signal", "STOP", "beat")
    sleep_until(lambda: container.programs()["beat"]["pid"] not in (pid, None), 15, "it is restarted")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
