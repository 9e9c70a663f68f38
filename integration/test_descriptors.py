"""supinit at the limit of its descriptors: it says so, serves its control socket, and forgets no program."""

from __future__ import annotations

import json
import os
import signal
import socket
from http.client import HTTPConnection

import pytest

from integration.conftest import Run
from integration.waiting import sleep_until

QUIET = {"command": ["sleep", "600"], "min_uptime": "0s", "restart_delay": {"initial": "10ms", "max": "10ms"}}
PRLIMIT = ("prlimit",)


@pytest.mark.parametrize("pid1", [True, False], ids=["PID 1", "subreaper"])
def test_the_soft_limit_is_raised_and_children_get_the_old_one_back(run: Run, pid1: bool) -> None:
    say = {"command": ["sh", "-c", "echo soft=$$(ulimit -Sn) hard=$$(ulimit -Hn)"], "restart": "no"}
    own = {**say, "ulimits": {"nofile": {"soft": 400, "hard": 500}}}
    table = {"inherits": say, "has-its-own": own, "web": QUIET}
    container = run(table, within=(*PRLIMIT, "--nofile=300:700"), pid1=pid1)
    container.expect("inherits | soft=300 hard=700")
    container.expect("has-its-own | soft=400 hard=500")
    with open(f"/proc/{container.init}/limits") as file:
        limits = next(line.split()[3:5] for line in file if line.startswith("Max open files"))
    assert limits == ["700", "700"]
    container.signal(signal.SIGTERM)
    assert container.end() == 0


def test_a_single_command_has_the_limits_that_supinit_was_started_with(run: Run) -> None:
    container = run({"web": QUIET}, "--", "sh", "-c", "echo soft=$(ulimit -Sn)", within=(*PRLIMIT, "--nofile=300:700"))
    container.expect("soft=300")
    assert container.end() == 0


def test_at_the_real_limit_starts_wait_and_everything_else_goes_on(run: Run) -> None:
    """400 programs need 800 pipes; there are 512 descriptors. Those that run are restarted when they end."""
    programs = {f"p{number}": QUIET for number in range(400)}
    container = run(programs, within=(*PRLIMIT, "--nofile=512:512"))
    container.expect("p399")
    states = [program["state"] for program in container.programs().values()]
    assert {"RUNNING", "PENDING"} == set(states)
    assert "all of supinit's 512 file descriptors are in use" in container.programs()["p399"]["reason"]
    before = container.programs()["p0"]["pid"]
    container.supctl("signal", "KILL", "p0")
    sleep_until(lambda: container.programs()["p0"]["pid"] not in (before, None), 20, "p0 runs again, or its place")
    assert container.supctl("healthcheck").returncode in (0, 1)
    assert not container.err.has("Traceback")
    container.signal(signal.SIGTERM)
    assert container.end(30) == 0


def test_without_a_free_descriptor_what_is_used_for_the_first_time_still_works(run: Run) -> None:
    """The lease of a oneshot needs parts of supinit that are loaded then. It cannot be asked for, which is said."""
    once = {"key": "k", "store": "redis://127.0.0.1:1/0"}
    oneshot = {"type": "oneshot", "command": ["true"], "once": once, "autostart": False, "shutdown_on": "never"}
    probed = QUIET | {"healthcheck": {"test": ["CMD", "true"], "interval": "100ms"}, "autostart": False}
    container = run({"web": QUIET, "oneshot": oneshot, "probed": probed}, within=(*PRLIMIT, "--nofile=64:64"))
    container.await_socket()
    client = HTTPConnection("supinit")
    client.sock = socket.socket(socket.AF_UNIX)
    client.sock.connect(str(container.socket))
    assert ask(client, "POST", "/v1/programs/probed/start")[0] == 202
    container.expect("program.became_healthy program=probed")
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(60)]
    try:
        for each in crowd:
            each.connect(str(container.socket))
            each.sendall(b"GET /v1/wait?for=stopped HTTP/1.1\r\nHost: x\r\n\r\n")
        container.expect("cannot accept connections: Too many open files")
        assert ask(client, "POST", "/v1/programs/oneshot/start")[0] == 202
        reason = "cannot use redis://127.0.0.1:1/0 for once: its helper cannot be started: Too many open files"
        container.expect(reason)
        container.expect("program.became_unhealthy program=probed")
        assert ask(client, "GET", "/v1/tree") == (503, "cannot answer: Too many open files; try again")
    finally:
        for each in crowd:
            each.close()
        client.close()
    container.expect("program.became_healthy program=probed")
    assert "supinit_internal_errors_total{" not in container.request("GET", "/metrics")[1]
    container.signal(signal.SIGTERM)
    assert container.end() == 0


def ask(client: HTTPConnection, method: str, path: str) -> tuple[int, str]:
    """Ask over a connection that is open; return the status and the message of an error."""
    client.request(method, path, b'{"wait": false}' if method == "POST" else None)
    reply = client.getresponse()
    answer = json.loads(reply.read())
    return reply.status, answer["error"]["message"] if "error" in answer else ""


def test_more_programs_than_the_old_soft_limit_allows_all_run(run: Run) -> None:
    programs = {f"p{number}": QUIET for number in range(520)}
    container = run(programs, within=(*PRLIMIT, f"--nofile=1024:{min(4096, os.sysconf('SC_OPEN_MAX'))}"))
    sleep_until(
        lambda: {program["state"] for program in container.programs().values()} == {"RUNNING"}, 60, "all are running"
    )
    container.signal(signal.SIGTERM)
    assert container.end(60) == 0
