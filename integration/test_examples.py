"""The tables of docs/examples are valid, and the one that runs anywhere runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from integration.container import SUPINIT, Stream
from integration.nginx_uwsgi import free_port
from integration.waiting import sleep_until

OF_THE_MACHINE = re.compile(r"on this file system|has no \.pyc files")
"""Warnings that are about this machine, and not about the table."""
EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


@pytest.mark.parametrize("table", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda table: str(table.relative_to(EXAMPLES)))
def test_every_example_is_valid_and_stops_within_what_docker_waits(table: Path, tmp_path: Path) -> None:
    environment = os.environ | {"GIT_HASH": "abc123", "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [SUPINIT, "--check", "-c", str(table)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    warnings = [line for line in result.stderr.splitlines() if not OF_THE_MACHINE.search(line)]
    assert warnings == []


def test_the_demo_comes_up_serves_and_stops_in_order_on_ctrl_c(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "DEMO_PORT": str(free_port())}
    command = [SUPINIT, "-c", str(EXAMPLES / "demo.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as demo:
        assert demo.stdout and demo.stderr
        out, err = Stream(demo.stdout), Stream(demo.stderr)
        try:
            sleep_until(lambda: out.has("worker | tick 1: it works"), 30, "the worker has reached the web server")
            assert out.position("prepare | prepared") < out.position("web | Serving") < out.position("worker | tick 1")
            demo.send_signal(signal.SIGINT)
            assert demo.wait(15) == 0
        finally:
            demo.terminate()
        out.finish(5)
        err.finish(5)
    assert err.position("program.exited program=worker") < err.position("program.stop_begun program=web")
    assert out.has("worker | the worker is done")
    assert not err.has("program.killed")
