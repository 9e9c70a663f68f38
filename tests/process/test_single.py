"""What supinit sees of a single command at moments that no test from outside can choose."""

from __future__ import annotations

import os
import signal

import pytest

from supervisor.process.single import has_been_stopped

from .nursery import Nursery


@pytest.fixture
def sleeper(nursery: Nursery) -> int:
    return nursery.settle("sleep", "1000")


def test_a_command_that_runs_has_not_been_stopped(sleeper: int) -> None:
    assert not has_been_stopped(sleeper)


def test_a_command_that_has_been_stopped_is_seen_once(sleeper: int) -> None:
    os.kill(sleeper, signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper, os.WSTOPPED | os.WNOWAIT)
    assert has_been_stopped(sleeper)
    assert not has_been_stopped(sleeper)


def test_a_stopped_command_that_is_about_to_go_on_does_not_count(sleeper: int) -> None:
    os.kill(sleeper, signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper, os.WSTOPPED | os.WNOWAIT)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})
    try:
        os.kill(os.getpid(), signal.SIGCONT)
        assert not has_been_stopped(sleeper)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_a_command_that_has_ended_and_is_not_reaped_has_not_been_stopped(sleeper: int) -> None:
    """waitid(2) knows no such child when it is not asked for the dead."""
    os.kill(sleeper, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper, os.WEXITED | os.WNOWAIT)
    assert not has_been_stopped(sleeper)
