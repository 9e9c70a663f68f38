"""Orphans, daemons, programs that ignore every signal, and programs that all exit at once."""

from __future__ import annotations

import os
import shlex
import signal
import time
from pathlib import Path

import pytest

from integration.busyness import slowness
from integration.conftest import Measured, Run
from integration.container import child
from integration.processes import alive_with, children_of, zombies_under
from integration.waiting import sleep_until

ORPHANS = 5000
PROGRAMS = 200
TOLERANCE = 0.6
"""Seconds that a stop may take longer than its stop sequence on a busy machine."""


def test_no_zombie_of_5000_orphans_that_exit_at_once_is_left_within_a_second(
    run: Run, tmp_path: Path, measured: Measured
) -> None:
    fifo = tmp_path / "gate"
    container = run({"nursery": {"command": child("orphans.sh", ORPHANS, fifo), "min_uptime": 0}})
    container.expect("nursery | ready", 60)
    nursery = container.programs()["nursery"]["pid"]
    assert nursery is not None
    sleep_until(lambda: len(children_of(container.init)) > ORPHANS, 60, "all orphans are supinit's")
    gate = os.open(fifo, os.O_WRONLY)
    began = time.monotonic()
    os.close(gate)
    sleep_until(
        lambda: len(zombies_under(container.init)) >= len(children_of(container.init)) - 1, 20, "all have exited"
    )
    exited = time.monotonic()
    sleep_until(lambda: len(children_of(container.init)) == 1, 20, "no orphan is left")
    gone = time.monotonic()
    assert zombies_under(container.init) == []
    measured(
        f"{ORPHANS} orphans told to exit at once: no zombie left {gone - exited:.2f} s after the last had exited, "
        f"{gone - began:.2f} s in all"
    )
    assert gone - exited < slowness(exited)
    assert container.programs()["nursery"]["pid"] == nursery
    metrics = container.request("GET", "/metrics")[1]
    (reaped,) = (line.split()[1] for line in metrics.splitlines() if line.startswith("supinit_orphans_reaped_total "))
    assert float(reaped) >= ORPHANS


def test_a_daemon_that_left_its_session_is_gone_when_its_program_has_crashed(run: Run, tmp_path: Path) -> None:
    word = f"daemon-of-{tmp_path.name}"
    parent = {"command": child("daemon.py", word), "restart": "no", "shutdown_on": "never"}
    container = run({"parent": parent, "other": {"command": ["sleep", "1000"]}})
    container.expect("parent | ready")
    assert len(alive_with(word)) == 2  # the parent and its daemon
    container.request("POST", "/v1/programs/parent/signal", {"signal": "SIGUSR1"})
    container.await_state("parent", "FATAL")
    assert alive_with(word) == []


def test_a_daemon_that_left_its_session_is_gone_when_its_program_is_stopped(run: Run, tmp_path: Path) -> None:
    word = f"daemon-of-{tmp_path.name}"
    container = run({"parent": {"command": child("daemon.py", word)}, "other": {"command": ["sleep", "1000"]}})
    container.expect("parent | ready")
    status, _ = container.request("POST", "/v1/programs/parent/stop", {})
    assert status == 200
    assert alive_with(word) == []
    assert container.programs()["other"]["restarts"] == 0


def test_each_run_of_a_crashing_program_takes_its_daemon_with_it(run: Run, tmp_path: Path) -> None:
    word = f"daemon-of-{tmp_path.name}"
    container = run({"parent": {"command": child("daemon.py", word), "restart_delay": {"initial": "10ms"}}})
    for round_ in range(3):
        sleep_until(lambda count=round_ + 1: container.out.text.count("ready") == count, 10, "another run")  # type: ignore[misc]
        sleep_until(lambda: len(alive_with(word)) == 2, 10, "a parent and its daemon, which is executed meanwhile")
        container.request("POST", "/v1/programs/parent/signal", {"signal": "SIGUSR1"})
    sleep_until(lambda: container.out.text.count("ready") == 4, 10, "the last run")
    sleep_until(lambda: len(alive_with(word)) == 2, 10, "the last parent and its daemon, and none of the others")


def test_a_program_that_ignores_every_signal_ends_with_its_stop_sequence(run: Run) -> None:
    sequence = [
        {"signal": "SIGTERM", "wait": "300ms"},
        {"signal": "SIGINT", "wait": "400ms", "scope": "group"},
        {"signal": "SIGQUIT", "wait": "500ms", "scope": "tree"},
    ]
    container = run({"rock": {"command": child("witness.py", "--stay"), "stop": sequence}})
    container.expect("rock | ready")
    asked_at = container.signal(signal.SIGTERM)
    assert container.end() == 0
    took = time.monotonic() - asked_at
    assert [line for line in container.out.lines if "got" in line] == [
        "rock | got SIGTERM",
        "rock | got SIGINT",
        "rock | got SIGQUIT",
    ]
    assert container.err.has("program.killed program=rock")
    assert 1.2 - 0.02 <= took <= 1.2 + TOLERANCE * slowness(asked_at)


def test_scopes_reach_the_main_process_the_group_and_the_whole_tree(run: Run) -> None:
    """The member shares the group of the main process; the stray has a session of its own."""
    main, member, stray = (
        shlex.join(child("witness.py", "--stay", "--name", name)) for name in ("main", "member", "stray")
    )
    script = f"{member} & setsid {stray} & exec {main}"
    sequence = [
        {"signal": "SIGTERM", "wait": "400ms"},
        {"signal": "SIGUSR1", "wait": "400ms", "scope": "group"},
        {"signal": "SIGUSR2", "wait": "400ms", "scope": "tree"},
    ]
    container = run({"family": {"command": ["/bin/sh", "-c", script], "stop": sequence}})
    for who in ("main", "member", "stray"):
        container.expect(f"{who}: ready")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    got = sorted(line.removeprefix("family | ") for line in container.out.lines if "got" in line)
    assert got == [
        "main: got SIGTERM",
        "main: got SIGUSR1",
        "main: got SIGUSR2",
        "member: got SIGUSR1",
        "member: got SIGUSR2",
        "stray: got SIGUSR2",
    ]


def test_200_programs_that_all_exit_7_are_all_reported_7(run: Run) -> None:
    failing = {
        f"p{number}": {"command": ["/bin/sh", "-c", "exit 7"], "restart": "no", "shutdown_on": "never"}
        for number in range(PROGRAMS)
    }
    container = run({"keeper": {"command": ["sleep", "1000"]}} | failing)
    sleep_until(lambda: all(container.programs()[name]["state"] == "FATAL" for name in failing), 30, "all have ended")
    programs = container.programs()
    assert {name: programs[name]["last_exit"]["code"] for name in failing} == dict.fromkeys(failing, 7)
    assert all("7" in programs[name]["reason"] for name in failing)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP], ids=["SIGSTOP", "SIGTSTP"])
def test_a_stopped_process_still_ends(run: Run, number: signal.Signals) -> None:
    container = run({"sleeper": {"command": ["sleep", "1000"], "stop_grace_period": "500ms", "min_uptime": 0}})
    container.await_state("sleeper", "RUNNING")
    container.request("POST", "/v1/programs/sleeper/signal", {"signal": number.name})
    asked_at = container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert time.monotonic() - asked_at < 0.5 + TOLERANCE * slowness(asked_at)
    assert container.left_in_namespace() == []
