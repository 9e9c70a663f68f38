"""Signals to PID 1: which begin the shutdown, in which order it goes, and which are handed on."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from integration.busyness import slowness
from integration.conftest import Run
from integration.container import Container, child
from integration.waiting import sleep_until

DEFAULTS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGPWR, signal.SIGRTMIN + 3]
CHAIN = {
    "front": {"command": child("witness.py", "--linger", 0.3), "depends_on": ["back"]},
    "back": {"command": child("witness.py", "--linger", 0.1)},
}


def start_chain(run: Run, **options: Any) -> Container:
    container = run(CHAIN, **options)
    container.expect("front | ready")
    container.expect("back | ready")
    return container


def assert_stopped_in_order(container: Container) -> None:
    assert container.end() == 0
    assert container.out.position("front | gone") < container.out.position("back | got SIGTERM")
    assert container.out.has("back | gone")
    assert container.err.position("program.exited program=front") < container.err.position(
        "program.stop_begun program=back"
    )
    assert container.left_in_namespace() == []


@pytest.mark.parametrize("number", DEFAULTS, ids=["SIGTERM", "SIGINT", "SIGQUIT", "SIGPWR", "SIGRTMIN+3"])
def test_each_default_shutdown_signal_stops_in_order(run: Run, number: int) -> None:
    container = start_chain(run)
    container.signal(number)
    assert_stopped_in_order(container)


def test_an_added_shutdown_signal_stops_in_order(run: Run) -> None:
    container = start_chain(run, settings={"shutdown_signals": ["SIGTERM", "SIGWINCH"]})
    container.signal(signal.SIGWINCH)
    assert_stopped_in_order(container)


def test_a_second_signal_a_second_later_kills_what_is_left_at_once(run: Run) -> None:
    rock = {"command": child("witness.py", "--stay"), "stop_grace_period": "1m"}
    container = run({"front": {**rock, "depends_on": ["back"]}, "back": rock})
    container.expect("front | ready")
    container.expect("back | ready")
    asked_at = container.signal(signal.SIGTERM)
    container.expect("front | got SIGTERM")
    sleep_until(lambda: time.monotonic() > asked_at + 1.05, 5)
    hurried_at = container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert time.monotonic() - hurried_at < 0.6 * slowness(hurried_at)
    assert container.left_in_namespace() == []


def test_a_second_signal_right_after_the_first_hurries_nothing(run: Run) -> None:
    container = run({"slow": {"command": child("witness.py", "--linger", 0.7)}})
    container.expect("slow | ready")
    container.signal(signal.SIGTERM)
    container.expect("slow | got SIGTERM")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.out.has("slow | gone")
    assert not container.err.has("program.killed")


def test_a_signal_during_start_up_stops_what_has_started_in_order(run: Run) -> None:
    container = run(
        {
            "base": {"command": child("witness.py", "--linger", 0.1)},
            "prepare": {
                "command": child("witness.py", "--linger", 0.2),
                "type": "oneshot",
                "depends_on": ["base"],
            },
            "late": {"command": child("witness.py"), "depends_on": {"prepare": {"condition": "completed"}}},
        }
    )
    container.expect("base | ready")
    container.expect("prepare | ready")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.out.position("prepare | gone") < container.out.position("base | got SIGTERM")
    assert container.out.has("base | gone")
    assert not container.out.has("late |")


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1], ids=lambda delay: f"{delay:g}s")
def test_a_signal_as_early_as_the_handlers_are_there_ends_it_well(run: Run, delay: float) -> None:
    """Before they are installed, the signal cannot reach PID 1 (pid_namespaces(7)), so it is sent until it ends."""
    container = run({"a": {"command": ["sleep", "1000"]}, "b": {"command": ["sleep", "1000"], "depends_on": ["a"]}})
    sleep_until(lambda: time.monotonic() > container.started_at + delay, 5)

    def ask() -> bool:
        if not container.has_ended:
            try:
                container.signal(signal.SIGTERM)
            except ProcessLookupError:
                pass
        return container.has_ended

    sleep_until(ask, 10, "supinit has ended")
    assert container.end() == 0
    assert container.err.has("container.ended code=0")


def test_a_mapped_signal_reaches_its_program_as_another(run: Run) -> None:
    container = run(
        {
            "mapped": {"command": child("witness.py"), "signals": {"SIGUSR1": "SIGUSR2", "HUP": "HUP"}},
            "other": {"command": child("witness.py")},
        }
    )
    container.expect("mapped | ready")
    container.expect("other | ready")
    container.signal(signal.SIGUSR1)
    container.expect("mapped | got SIGUSR2")
    container.signal(signal.SIGHUP)
    container.expect("mapped | got SIGHUP")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert [line for line in container.out.lines if "got" in line and "SIGTERM" not in line] == [
        "mapped | got SIGUSR2",
        "mapped | got SIGHUP",
    ]


def test_none_drops_a_signal(run: Run) -> None:
    container = run(
        {
            "deaf": {"command": child("witness.py"), "signals": {"SIGUSR1": "none"}},
            "other": {"command": child("witness.py"), "signals": {"SIGUSR1": "SIGUSR1"}},
        }
    )
    container.expect("deaf | ready")
    container.expect("other | ready")
    container.signal(signal.SIGUSR1)
    container.expect("other | got SIGUSR1")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert "deaf | got SIGUSR1" not in container.out.lines


def test_shutdown_timeout_cuts_every_sequence_short(run: Run) -> None:
    rock = {"command": child("witness.py", "--stay"), "stop_grace_period": "1m"}
    table = {"front": {**rock, "depends_on": ["back"]}, "back": rock}
    container = run(table, settings={"shutdown_timeout": "1s"})
    container.expect("front | ready")
    container.expect("back | ready")
    asked_at = container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert 0.9 < time.monotonic() - asked_at < 1 + 0.6 * slowness(asked_at)
    assert container.out.has("back | got SIGTERM")


def test_a_stop_step_that_cannot_be_done_leads_to_the_next(run: Run, tmp_path: Path) -> None:
    steps = [
        {"write": {"path": str(tmp_path / "none.fifo"), "data": "q"}, "wait": "30s"},
        {"command": ["/bin/sh", "-c", "exit 3"], "wait": "30s"},
        {"signal": "SIGTERM", "wait": "5s"},
    ]
    container = run({"a": {"command": child("witness.py"), "stop": steps}})
    container.expect("a | ready")
    asked_at = container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert time.monotonic() - asked_at < 3 * slowness(asked_at)
    assert container.out.has("a | gone")
