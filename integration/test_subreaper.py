"""When not PID 1, supinit does the same for its own descendants, and for nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.conftest import Run
from integration.container import Stream, child
from integration.processes import alive_with
from integration.waiting import sleep_until


@pytest.fixture
def bystander() -> Iterator[Stream]:
    """A process of this machine that looks like one of the program's, and prints the signals it gets."""
    marks = {"SUPINIT_PROGRAM": "parent", "SUPINIT_INSTANCE": "1", "SUPINIT_ID": "someone-else"}
    with subprocess.Popen(child("witness.py", "--stay"), stdout=subprocess.PIPE, env=os.environ | marks) as process:
        assert process.stdout is not None
        stream = Stream(process.stdout)
        sleep_until(lambda: stream.has("ready"), 10)
        yield stream
        assert process.poll() is None, "the bystander is gone"
        process.kill()


def test_it_adopts_and_sweeps_a_daemon_and_leaves_no_process_and_no_bystander_touched(
    start: Run, tmp_path: Path, bystander: Stream
) -> None:
    word = f"daemon-of-{tmp_path.name}"
    container = start({"parent": {"command": child("daemon.py", word)}}, pid1=False)
    container.expect("parent | ready")
    assert len(alive_with(word)) == 2
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert alive_with(word) == []
    assert [line for line in bystander.lines if "got" in line] == []


def test_a_daemon_whose_program_has_crashed_is_swept(start: Run, tmp_path: Path, bystander: Stream) -> None:
    word = f"daemon-of-{tmp_path.name}"
    program = {"command": child("daemon.py", word), "signals": {"SIGUSR1": "SIGUSR1"}, "restart": "no"}
    container = start(
        {"parent": {**program, "shutdown_on": "never"}, "other": {"command": ["sleep", "1000"]}}, pid1=False
    )
    container.expect("parent | ready")
    container.signal(signal.SIGUSR1)
    container.expect("program.failed program=parent")
    assert alive_with(word) == []
    assert not container.has_ended
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert [line for line in bystander.lines if "got" in line] == []


def test_a_daemon_without_the_programs_variables_is_swept_at_the_end(start: Run, tmp_path: Path) -> None:
    word = f"daemon-of-{tmp_path.name}"
    command = ["env", "-i", *child("daemon.py", word)]
    container = start({"parent": {"command": command}}, pid1=False)
    container.expect("parent | ready")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert alive_with(word) == []


def test_the_failure_of_a_program_ends_it_with_its_code_and_leaves_no_process(start: Run, tmp_path: Path) -> None:
    word = f"daemon-of-{tmp_path.name}"
    script = ["/bin/sh", "-c", "sleep 0.5; exit 7"]
    table = {"parent": {"command": child("daemon.py", word)}, "failing": {"command": script, "restart": "no"}}
    container = start(table, pid1=False)
    assert container.end() == 7
    assert alive_with(word) == []


def test_a_supinit_inside_another_keeps_its_own_children(run: Run, tmp_path: Path) -> None:
    """The outer supinit leaves the inner one's processes alone, even after one of its own programs has ended."""
    from integration.container import SUPINIT

    inner = tmp_path / "inner.yaml"
    inner.write_text(
        f"supervisor: {{run_dir: {tmp_path}/inner}}\nprograms: {{deep: {{command: [sleep, '1000'], min_uptime: 0}}}}"
    )
    container = run(
        {
            "nested": {"command": [SUPINIT, "-c", str(inner)]},
            "brief": {"command": ["true"], "restart": "no", "depends_on": ["nested"]},
        }
    )
    container.expect("program.became_ready program=deep")
    container.expect("program.completed program=brief")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.err.has("nested | supinit | container.ended code=0")
