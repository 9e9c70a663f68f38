"""A compiled table: its first programs start before most of supinit is loaded, and nobody can tell by anything else."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import child
from integration.waiting import sleep_until

SLEEP = {"command": ["sleep", "600"]}

WATCH = """
import os, sys
def watched(*args, call=os.posix_spawn, **fields):
    if not os.path.exists({seen!r}):
        with open({seen!r}, "w") as file:
            file.write("\\n".join(sorted(sys.modules)))
    return call(*args, **fields)
os.posix_spawn = watched
del sys.argv[0]
exec(open(sys.argv[0]).read())
"""

OF_SUPINIT = {
    "supervisor",
    *("cli", "cli.supinit", "config", "config.compiled", "core", "core.protocol", "errors", "groundwork", "health"),
    *("health.marker_folder", "logs", "logs.new_pipes", "opening", "process", "process.descriptors"),
    *("process.executable", "process.inbox", "process.inherited", "process.posix_spawn", "process.subreaper"),
    *("process.variables", "regular_file"),
}
"""What an opening takes."""
NOT_OF_PYTHON = {"_pickle", "asyncio", "collections", "enum", "functools", "json", "re", "signal", "typing", "yaml"}


def test_the_first_program_starts_when_a_fourth_of_supinit_is_loaded(run: Run, tmp_path: Path) -> None:
    seen = tmp_path / "modules"
    inside = (sys.executable, "-I", "-c", WATCH.format(seen=str(seen)))
    container = run({"web": {"command": ["true"], "restart": "no"}}, inside=inside, is_compiled=True)
    assert container.end() == 0, container.output
    modules = set(seen.read_text().split("\n"))
    own = {name for name in modules if name.partition(".")[0] == "supervisor"}
    assert {name.removeprefix("supervisor.") for name in own} == OF_SUPINIT
    assert modules & NOT_OF_PYTHON == set()


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"working_dir": "/tmp", "umask": "027", "environment": {"GREETING": "hi", "HOME": None, "PATH": "/bin"}},
        {"inherit_environment": False, "environment": {"A": "b"}, "log": {"mode": "raw", "redirect_stderr": True}},
    ],
    ids=["plain", "context", "without supinit's environment"],
)
def test_a_program_finds_what_it_finds_without_an_opening(run: Run, keys: dict[str, Any]) -> None:
    program = {"command": child("report.py"), "restart": "no", "log": {"mode": "raw"}, **keys}
    reports = []
    for is_compiled in (False, True):
        container = run({"a": program}, is_compiled=is_compiled, environment={"LISTEN_FDS": "1", "MORE": "enough"})
        assert container.end() == 0, container.output
        report = json.loads(container.out.lines[0])
        assert report["environment"].pop("SUPINIT_ID").startswith("1.")
        reports.append(report)
    assert reports[0] == reports[1]


def test_a_process_of_an_opening_is_supervised_like_any_other(run: Run) -> None:
    talk = ["sh", "-c", "echo out; echo err >&2; exec sleep 600"]
    table = {
        "web": {"command": talk, "ready": {"log": "^out$$"}, "scale": 2},
        "api": {**SLEEP, "depends_on": {"web": {"condition": "healthy"}}},
    }
    container = run(table, is_compiled=True)
    container.await_ready()
    for line in ("web:1 | out", "web:1 | err", "web:2 | out", "web:2 | err"):
        container.expect(line)
    assert {name: entry["state"] for name, entry in container.programs().items()} == {
        "web": "RUNNING", "web:2": "RUNNING", "api": "RUNNING",
    }  # fmt: skip
    assert sorted(container.supctl("logs", "web:2").stdout.split()) == ["err", "out"]
    assert container.supctl("signal", "KILL", "web:1").returncode == 0
    sleep_until(lambda: container.programs()["web"]["restarts"] == 1, 15, "web is restarted")
    container.signal(signal.SIGTERM)
    assert container.end() == 0, container.output
    assert container.left_in_namespace() == []


def test_what_ends_before_the_engine_is_there_has_run(run: Run) -> None:
    """They come after more programs than the core starts in one turn, so it looks for dead processes in between."""
    short = {f"short{number}": {"command": ["echo", "done"], "restart": "no"} for number in range(40)}
    container = run({f"long{number}": SLEEP for number in range(40)} | short, is_compiled=True)
    sleep_until(lambda: {container.programs()[name]["state"] for name in short} == {"EXITED"}, 15, "all have ended")
    assert {f"{name} | done" for name in short} == set(container.out.lines)
    container.signal(signal.SIGTERM)
    assert container.end() == 0, container.output


def test_a_program_may_stop_the_container_at_once(run: Run) -> None:
    """The signal comes long before there is a loop to hear it."""
    table = {"a": {"command": ["sh", "-c", "kill -TERM 1; exec sleep 600"]}, "b": SLEEP}
    container = run(table, is_compiled=True)
    assert container.end() == 0, container.output
    assert container.err.has("signal.received signal=SIGTERM does=shutdown")


def test_what_cannot_be_started_is_reported_by_the_engine(run: Run) -> None:
    broken = {"command": ["/no/such/program"], "shutdown_on": "never", "start_retries": 1}
    container = run({"a": SLEEP, "broken": broken, "b": SLEEP}, is_compiled=True)
    container.await_state("broken", "FATAL")
    container.await_state("b", "RUNNING")
    assert container.programs()["broken"]["reason"] == "cannot be started: /no/such/program: No such file or directory"
    assert container.programs()["a"]["restarts"] == 0
    container.signal(signal.SIGTERM)
    assert container.end() == 0, container.output


def test_a_list_that_is_not_understood_is_left_to_the_engine(run: Run) -> None:
    """Such as that of another build of supinit. The second start fails in the opening."""
    change = (
        "import sys; from supervisor.config.compiled import *; path = sys.argv[-1]\n"
        "compiled, _ = read_compiled(path, os.environ); compiled.head['first'][1].clear()\n"
        "open(path + '.compiled', 'wb').write(file_of(compiled))\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    container = run({"a": SLEEP, "b": SLEEP}, inside=(sys.executable, "-c", change), is_compiled=True)
    container.await_state("b", "RUNNING")
    assert "compiled_table_ignored" not in container.output
    container.signal(signal.SIGTERM)
    assert container.end() == 0, container.output


def test_what_the_core_does_not_want_any_more_is_ended(run: Run) -> None:
    """The container ends because of a program that no opening starts, before the core has come to the last ones."""
    broken = {"command": ["/no/such/program"], "nice": 0}
    container = run({"broken": broken} | {f"p{number}": SLEEP for number in range(80)}, is_compiled=True)
    assert container.end() == 127, container.output
    assert container.left_in_namespace() == []


def test_an_opening_leaves_descriptors_for_the_rest(run: Run) -> None:
    table = {f"p{number}": {"command": ["sleep", "600"], "shutdown_on": "never"} for number in range(40)}
    container = run(table, is_compiled=True, within=("prlimit", "--nofile=96:96"))
    container.expect("all of supinit's 96 file descriptors are in use")
    assert container.request("GET", "/livez")[0] == 200
    running = [entry for entry in container.programs().values() if entry["pid"]]
    assert 10 < len(running) < 40
    container.signal(signal.SIGTERM)
    assert container.end() == 0, container.output


def test_nothing_starts_where_run_dir_cannot_be_used(run: Run, tmp_path: Path) -> None:
    (tmp_path / "container-0").write_text("a file")
    container = run({"a": {"command": ["touch", str(tmp_path / "made")]}}, is_compiled=True)
    assert container.end() == 78
    assert container.err.lines[0].startswith(f"supinit: cannot write run_dir {tmp_path}/container-0: Not a directory;")
    assert not (tmp_path / "made").exists()
