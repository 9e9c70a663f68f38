"""Hooks and runtime directories with a real PID 1."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from integration.conftest import Run
from integration.container import Container
from integration.servers.installed import open_place
from integration.waiting import sleep_until

SERVE: dict[str, Any] = {"command": ["sleep", "1000"], "min_uptime": 0}


def script(text: str) -> list[str]:
    return ["/bin/sh", "-c", text.replace("$", "$$")]


def count_of(argument: str) -> int:
    """Return how many processes of this machine have this argument."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += f"\0{argument}\0".encode() in b"\0" + path.read_bytes()
        except OSError:
            pass  # it has just ended
    return count


def stop(container: Container) -> int:
    container.signal(signal.SIGTERM)
    return container.end()


def test_hooks_run_in_order_in_the_context_of_the_program_and_their_output_has_its_prefix(
    run: Run, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    note = f'>> {log}; echo "$SUPINIT_PROGRAM hook"'
    web = SERVE | {
        "command": script(f"echo serve >> {log}; trap 'echo trap >> {log}; exit 3' TERM; sleep 1000 & wait"),
        "working_dir": str(tmp_path),
        "restart": "no",
        "shutdown_on": "never",
        "pre_start": [script(f"echo pre_start 1 in $PWD {note}"), script(f"echo pre_start 2 {note}")],
        "post_start": [script(f"echo post_start $SUPINIT_MAINPID {note}")],
        "pre_stop": [{"command": script(f"echo pre_stop $X $SUPINIT_MAINPID {note}"), "environment": {"X": "x"}}],
        "post_stop": [script(f"echo post_stop $SUPINIT_EXIT_CODE {note}")],
    }
    container = run({"web": web, "db": SERVE})
    container.await_state("web", "RUNNING")
    sleep_until(lambda: log.exists() and "post_start" in log.read_text(), 10, "post_start has run")
    pid = log.read_text().split("post_start ")[1].split()[0]
    assert container.supctl("stop", "web").returncode == 0
    assert log.read_text().splitlines() == [
        f"pre_start 1 in {tmp_path}",
        "pre_start 2",
        "serve",
        f"post_start {pid}",
        f"pre_stop x {pid}",
        "trap",
        "post_stop 3",
    ]
    sleep_until(lambda: container.out.text.count("web | web hook") == 5, 10, "all hooks have said so")


def test_the_commands_of_a_reload_and_of_a_stop_know_the_main_process(run: Run) -> None:
    trap = (
        "trap 'echo reloaded' HUP; trap 'echo stopped; exit 0' USR2; echo serving; while :; do sleep 0.1 & wait; done"
    )
    web = {
        "command": script(trap),
        "ready": {"log": "serving"},
        "reload_command": script("kill -HUP $SUPINIT_MAINPID"),
        "stop": [{"command": script("kill -USR2 $SUPINIT_MAINPID"), "wait": "20s"}],
    }
    container = run({"web": web})
    container.await_state("web", "RUNNING")
    assert container.supctl("reload", "web").returncode == 0
    container.expect("web | reloaded")
    assert stop(container) == 0
    assert container.out.has("web | stopped")
    assert not container.err.has("program.killed")


def test_a_pre_start_hook_that_fails_is_a_failed_start_and_says_why(run: Run, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    web = SERVE | {
        "command": script(f"touch {ran}; sleep 1000"),
        "pre_start": [["false"]],
        "start_retries": 1,
        "shutdown_on": "never",
    }
    container = run({"web": web, "db": SERVE})
    container.await_state("web", "FATAL")
    assert container.programs()["web"]["reason"].startswith("pre_start false exited with code 1")
    container.expect('program.hook_failed program=web reason="pre_start false exited with code 1"')
    assert not ran.exists()


def test_a_hook_that_hangs_is_shown_and_ended_at_its_timeout_with_its_whole_tree(run: Run) -> None:
    mark = f"1000.{os.getpid()}"
    hang = f"setsid sleep {mark} & sleep {mark}"
    web = SERVE | {
        "pre_start": [{"command": script(hang), "timeout": "1500ms"}],
        "start_retries": 1,
        "shutdown_on": "never",
    }
    container = run({"web": web, "db": SERVE})
    sleep_until(lambda: count_of(mark) == 2, 10, "the hook runs")
    status = container.programs()["web"]
    assert (status["state"], status["reason"].startswith("pre_start /bin/sh -c setsid")) == ("STARTING", True)
    assert "pre_start /bin/sh" in container.supctl("status", "web").stdout
    container.await_state("web", "FATAL")
    assert "took longer than 1.5 s" in container.programs()["web"]["reason"]
    sleep_until(lambda: count_of(mark) == 0, 10, "its tree is gone")


def test_a_stop_ends_a_pre_start_hook_at_once(run: Run) -> None:
    web = SERVE | {"pre_start": [["sleep", "1000"]]}
    container = run({"web": web})
    container.expect("program.hook_begun")
    assert stop(container) == 0


def test_pre_stop_ends_at_its_timeout_and_the_stop_continues(run: Run) -> None:
    web = SERVE | {"pre_stop": [{"command": ["sleep", "1000"], "timeout": "500ms"}]}
    container = run({"web": web})
    container.await_state("web", "RUNNING")
    assert stop(container) == 0
    assert container.err.has('program.hook_failed program=web reason="pre_stop sleep 1000 took longer than 0.5 s"')


def test_a_container_ends_after_post_stop(run: Run, tmp_path: Path) -> None:
    done = tmp_path / "done"
    web = SERVE | {"post_stop": [script(f"sleep 0.3; echo $SUPINIT_EXIT_SIGNAL > {done}")]}
    container = run({"web": web})
    container.await_state("web", "RUNNING")
    assert stop(container) == 0
    assert done.read_text() == "SIGTERM\n"


def test_runtime_directories_belong_to_the_user_of_the_program(run: Run) -> None:
    with open_place() as place:
        new, old = place / "run/php", place / "old"
        old.mkdir(mode=0o700)
        (old / "kept").touch()
        web = SERVE | {
            "user": "4711:4712",
            "runtime_directory": [str(new), {"path": str(old), "mode": "0750"}],
            "pre_start": [["touch", str(new / "by-the-hook")]],
        }
        container = run({"web": web})
        container.await_state("web", "RUNNING")
        found = [(status.st_uid, status.st_gid, status.st_mode & 0o7777) for status in map(os.stat, (new, old))]
        assert found == [(4711, 4712, 0o755), (4711, 4712, 0o750)]
        assert (old / "kept").exists() and (new / "by-the-hook").exists()
