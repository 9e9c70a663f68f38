"""How fast the first program starts, and how quiet an idle container is."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from integration.conftest import Measured, Run
from integration.container import SUPINIT
from integration.nginx_uwsgi import free_port
from integration.processes import is_at_rest, switches_of
from integration.waiting import sleep_until

ROUNDS = 15
GOAL, LIMIT = 1.0, 1.5
"""Multiples of the reference's time: the goal, and the limit on a busy machine."""
IDLE = 10.0
IMPORTS = [sys.executable, "-I", "-c", "import asyncio, yaml"]


def test_the_first_child_runs_before_python_could_import_asyncio_and_yaml(tmp_path: Path, measured: Measured) -> None:
    """From exec of supinit until the child reads the clock, compared with the whole run of IMPORTS, in turn."""
    table = tmp_path / "table.yaml"
    program = {"command": ["/bin/date", "+%s.%N"], "type": "oneshot", "log": {"mode": "inherit"}}
    table.write_text(json.dumps({"supervisor": {"run_dir": str(tmp_path / "run")}, "programs": {"stamp": program}}))
    starts, imports = [], []
    for _ in range(ROUNDS):
        began = time.time()
        stamp = subprocess.run([SUPINIT, "-c", str(table)], capture_output=True, text=True, check=True).stdout
        starts.append(float(stamp) - began)
        began = time.time()
        subprocess.run(IMPORTS, check=True)
        imports.append(time.time() - began)
    first_child, reference = statistics.median(starts), statistics.median(imports)
    ratio = first_child / reference
    measured(
        f"exec of supinit to its first child's main {first_child * 1e3:.1f} ms, python3 -I -c 'import asyncio, yaml' "
        f"{reference * 1e3:.1f} ms (medians of {ROUNDS}): {ratio:.2f} x, the goal is {GOAL:.1f} x"
    )
    assert ratio < LIMIT


def test_an_idle_container_of_ten_programs_makes_no_system_call(run: Run, tmp_path: Path, measured: Measured) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    table: dict[str, dict[str, object]] = {f"p{number}": {"command": ["sleep", "1000"]} for number in range(10)}
    port = free_port()
    table["p0"]["sockets"] = {"http": {"listen": f"127.0.0.1:{port}"}}
    container = run(table)
    container.await_ready()
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]  # nobody accepts them
    sleep_until(lambda: is_at_rest(container.init), 20, "PID 1 is at rest")
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-o", str(trace), "-p", str(container.init)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        try:
            sleep_until(lambda: strace.poll() is not None or is_traced(container.init), 10, "strace is attached")
            if strace.poll() is not None:
                assert strace.stderr is not None
                pytest.skip(f"strace cannot attach here: {strace.stderr.read().strip()}")
            switches = switches_of(container.init)
            time.sleep(IDLE)  # the one thing that is measured by time: nothing happens in it
            switches = switches_of(container.init) - switches
        finally:
            strace.send_signal(signal.SIGINT)
    calls = trace.read_text().splitlines()
    assert len(calls) == 1 and "epoll_wait(" in calls[0] and calls[0].endswith("<detached ...>"), "\n".join(calls[:20])
    assert switches == 0
    for client in clients:
        client.close()
    measured(f"idle for {IDLE:g} s with ten children: {len(calls) - 1} system calls, {switches} context switches")


def is_traced(pid: int) -> bool:
    return "\nTracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()
