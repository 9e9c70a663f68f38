"""supctl events from outside: what happens, as it happens."""

from __future__ import annotations

import json
import signal
import subprocess

from integration.conftest import Run
from integration.container import SUPCTL, Container, Stream, child
from supervisor.client import Client


def follow(container: Container, *arguments: str) -> tuple[subprocess.Popen[bytes], Stream]:
    command = [SUPCTL, "-s", str(container.socket), *arguments]
    follower = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert follower.stdout
    return follower, Stream(follower.stdout)


def test_a_life_is_told_from_its_start_to_the_end_of_the_container(run: Run) -> None:
    """Even if the log is silent. A follower gets the last event, too."""
    container = run({"web": {"command": child("witness.py"), "min_uptime": 0}}, settings={"log": {"level": "error"}})
    container.await_ready()
    container.await_socket()
    follower, stream = follow(container, "--json", "events", "-f")
    assert container.supctl("restart", "web").returncode == 0
    container.supctl("shutdown")
    assert container.end() == 0
    assert follower.wait(10) == 0
    stream.finish(5)
    events = [json.loads(line) for line in stream.lines]
    assert [event["event"] for event in events if event["event"] != "program.became_ready"] == [
        "container.started",
        "program.started",
        "container.became_ready",
        "control.asked",
        "program.stop_begun",
        "program.exited",
        "program.started",
        "control.asked",
        "container.shutdown_begun",
        "program.stop_begun",
        "program.exited",
        "program.stopped",
        "container.ended",
    ]
    assert [event["program"] for event in events][:2] == [None, "web"]
    assert container.err.lines == []


def test_text_is_the_log_with_the_time_before_it(run: Run) -> None:
    container = run({"web": {"command": child("witness.py"), "min_uptime": 0}, "db": {"command": ["sleep", "1000"]}})
    container.await_ready()
    container.await_socket()
    lines = container.supctl("events").stdout.splitlines()
    assert [f"supinit | {line.partition('Z ')[2]}" for line in lines] == container.err.lines
    assert [line.split()[1] for line in container.supctl("events", "-n", "1", "web").stdout.splitlines()] == [
        "program.became_ready"
    ]


def test_a_reader_that_stands_still_holds_nothing_up(run: Run) -> None:
    brief = {"command": ["true"], "restart_delay": {"initial": "1ms", "max": "1ms"}, "start_retries": None}
    container = run({f"brief{number}": brief | {"shutdown_on": "never"} for number in range(20)})
    container.await_socket()
    follower, stream = follow(container, "events", "-f", "-n0")
    follower.send_signal(signal.SIGSTOP)
    for _ in range(20):
        assert container.supctl("stop", "brief0").returncode == 0
        assert container.supctl("start", "--no-wait", "brief0").returncode == 0
    follower.kill()
    follower.wait(10)
    stream.finish(5)
    assert container.supctl("shutdown").returncode == 0
    assert container.end() == 0


def test_a_mirror_follows_the_container_to_its_end(run: Run) -> None:
    """From one status and the events alone, with a crash, a restart and a shutdown."""
    crash = {"command": ["sh", "-c", "sleep 0.2; exit 3"], "shutdown_on": "never", "restart_delay": {"initial": 60}}
    container = run({"web": {"command": ["sleep", "1000"], "min_uptime": 0}, "crash": crash})
    container.await_socket()
    states: list[tuple[str, str]] = []
    for mirror in Client(str(container.socket)).mirror():
        now = mirror.entry("web")["state"], mirror.entry("crash")["state"]
        if not states or states[-1] != now:
            states.append(now)
        if now == ("RUNNING", "BACKOFF") and mirror.status["ready"] and not mirror.status["stopping"]:
            assert mirror.entry("crash")["reason"] == "exited with code 3"
            container.signal(signal.SIGTERM)
    assert ("RUNNING", "BACKOFF") in states
    assert mirror.status["stopping"]
    assert container.end() == 0
