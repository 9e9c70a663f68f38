"""A pause is noticed by how late the loop wakes, and told before anything else."""

from __future__ import annotations

import os
import signal
import time

import pytest

from supervisor.pauses import THRESHOLD, PauseSelector

from .process.nursery import elsewhere

PAUSE = THRESHOLD + 0.5


def freeze_for(seconds: float) -> None:
    """Have another process stop this one, and wake it again."""
    pid = os.getpid()
    if os.fork() == 0:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
        os._exit(0)


def test_a_pause_in_a_sleep_is_told_before_what_has_arrived() -> None:
    def act() -> list[object]:
        seen: list[object] = []
        selector = PauseSelector(lambda seconds: seen.append(seconds >= PAUSE))
        read_end, write_end = os.pipe()
        os.write(write_end, b"x")
        selector.register(read_end, 1)
        freeze_for(PAUSE)
        time.sleep(0.05)
        selector.select(0)
        selector.unregister(read_end)
        freeze_for(PAUSE)
        selector.select(0.01)
        return seen

    assert elsewhere(act) in ([True], [True, True])


def test_a_pause_between_two_sleeps_is_told_and_the_next_sleep_is_none() -> None:
    def act() -> tuple[list[bool], bool]:
        seen: list[bool] = []
        selector = PauseSelector(lambda seconds: seen.append(seconds >= PAUSE))
        selector.select(0)
        time.sleep(PAUSE)
        begin = time.monotonic()
        selector.select(20)
        return seen, time.monotonic() - begin < 10

    assert elsewhere(act) == ([True], True)


@pytest.mark.parametrize("timeout", [0, 0.05, -1])
def test_a_sleep_as_long_as_it_was_meant_is_no_pause(timeout: float) -> None:
    seen: list[float] = []
    selector = PauseSelector(seen.append)
    for _ in range(3):
        selector.select(timeout)
    selector.close()
    assert seen == []
