"""A program that the kernel kills because memory ran out. The container runs in its own memory cgroup."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from integration.conftest import Run
from integration.container import Container
from integration.processes import arguments_of
from integration.waiting import sleep_until

LIMIT = 96 * 1024 * 1024
ROOTS = {"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"}
"""The paths of the memory controller (v1, v2), and the file with its limit."""
HOG = "hoard = []\nwhile True: hoard.append(b'x' * 2**20)"


def make_cgroup() -> Path:
    """Make a memory cgroup with a small limit. Skips where that is not possible."""
    problem = "no memory controller is mounted"
    for root, limit in ROOTS.items():
        path = Path(root) / f"supinit-test-{os.getpid()}"
        try:
            path.mkdir()
        except OSError as error:
            problem = str(error)
            continue
        try:
            (path / limit).write_text(str(LIMIT))
            return path
        except OSError as error:
            path.rmdir()
            problem = str(error)
    pytest.skip(f"no memory cgroup can be made here: {problem}")


@pytest.fixture
def cgroup() -> Iterator[Path]:
    path = make_cgroup()
    yield path
    sleep_until(lambda: not (path / "cgroup.procs").read_text(), 10, "the cgroup is empty")
    path.rmdir()


def test_a_program_that_the_kernel_kills_is_told_from_one_that_somebody_kills(cgroup: Path, run: Run) -> None:
    once = {"restart": "no", "shutdown_on": "never", "min_uptime": 0}
    container = run(
        {
            "hog": {"command": [sys.executable, "-I", "-c", HOG], **once},
            "calm": {"command": ["sleep", "1001"], **once},
            "asked": {"command": ["sleep", "1000"], **once},
            "keeper": {"command": ["sleep", "1000"]},
        },
        within=["/bin/sh", "-c", f'echo 0 >{cgroup}/cgroup.procs && exec "$0" "$@"'],
    )
    container.await_state("hog", "FATAL", limit=30)
    assert "out of memory" in container.programs()["hog"]["reason"]
    assert container.programs()["hog"]["last_exit"]["out_of_memory"] is True
    assert container.supctl("signal", "KILL", "asked").returncode == 0
    container.await_state("asked", "FATAL")
    (calm,) = (pid for pid in container.left_in_namespace() if arguments_of(pid)[:2] == ["sleep", "1001"])
    os.kill(calm, signal.SIGKILL)
    container.await_state("calm", "FATAL")
    assert counted(container) == {"": 1, "hog": 1, "calm": 0, "asked": 0, "keeper": 0}
    container.expect("program.exited program=hog")
    assert 'reason="out of memory"' in container.err.lines[container.err.position("program.exited program=hog")]


def counted(container: Container) -> dict[str, float]:
    """Return the kernel's count by program; the empty name is the whole container."""
    _, text = container.request("GET", "/metrics")
    samples = (s for f in text_string_to_metric_families(text) for s in f.samples if s.name.endswith("oom_kills_total"))
    return {sample.labels.get("program", ""): sample.value for sample in samples}
