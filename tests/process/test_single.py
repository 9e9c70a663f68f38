"""Whether a single command counts as stopped, at moments that no test from outside can choose."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from supervisor.process.single import has_been_stopped, run

from .nursery import Nursery, elsewhere
from .syscalls import CLONE3, refuse


@pytest.fixture
def sleeper(nursery: Nursery) -> int:
    return nursery.settle("sleep", "1000")


def test_a_running_command_has_not_been_stopped(sleeper: int) -> None:
    assert not has_been_stopped(sleeper)


def test_a_stop_is_reported_once(sleeper: int) -> None:
    os.kill(sleeper, signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper, os.WSTOPPED | os.WNOWAIT)
    assert has_been_stopped(sleeper)
    assert not has_been_stopped(sleeper)


def test_a_stopped_command_with_a_pending_sigcont_does_not_count(sleeper: int) -> None:
    os.kill(sleeper, signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper, os.WSTOPPED | os.WNOWAIT)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})
    try:
        os.kill(os.getpid(), signal.SIGCONT)
        assert not has_been_stopped(sleeper)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_a_dead_unreaped_command_has_not_been_stopped(sleeper: int) -> None:
    """waitid(2) fails with ECHILD for it unless WEXITED is given."""
    os.kill(sleeper, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper, os.WEXITED | os.WNOWAIT)
    assert not has_been_stopped(sleeper)


def test_where_clone3_is_refused_the_command_is_started_by_a_fork() -> None:
    def act() -> int:
        refuse(CLONE3, errno.EPERM)
        return run(("sh", "-c", "exit 7"), {}, in_session=False)

    assert elsewhere(act) == 7
