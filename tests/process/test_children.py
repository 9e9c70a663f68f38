from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from supervisor.errors import SpawnError
from supervisor.process.children import BATCH, Children, Death, Main
from supervisor.process.procfs import own_children

from .nursery import LIMIT, Nursery, is_gone, open_descriptors, sleep_until

ORPHANS = """
import os, sys
if os.fork() == 0:
    for _ in range(int(sys.argv[1])):
        if os.fork() == 0:
            os._exit(9)
    os._exit(0)
os.wait()
"""
"""Leaves the given number of dead orphans at once."""

OWNER = Main(("web", 1), 1)


def reap_all(children: Children) -> list[Death]:
    """Reap until everything that is registered is gone."""
    deaths: list[Death] = []

    def reap() -> bool:
        while True:
            found, more = children.reap()
            deaths.extend(found)
            if not more:
                return not children.pids

    sleep_until(reap)
    return deaths


def test_every_exit_is_reported_to_its_owner(nursery: Nursery) -> None:
    children = Children()
    expected = {}
    for number in range(200):
        owner = Main(("web", number), 1)
        pid = children.spawn(owner, nursery.launch("sh", "-c", "exit 7"))
        expected[pid] = Death(owner, pid, 7, None)
    assert {death.pid: death for death in reap_all(children)} == expected


@pytest.mark.parametrize("code", [0, 1, 126, 127, 255])
def test_an_exit_code_is_reported_unchanged(nursery: Nursery, code: int) -> None:
    children = Children()
    pid = children.spawn(OWNER, nursery.launch("sh", "-c", f"exit {code}"))
    assert reap_all(children) == [Death(OWNER, pid, code, None)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGRTMIN + 3])
def test_a_signal_that_ended_a_process_is_reported(nursery: Nursery, number: int) -> None:
    children = Children()
    pid = children.spawn(OWNER, nursery.launch("sleep", "1000"))
    os.kill(pid, number)
    assert reap_all(children) == [Death(OWNER, pid, None, number)]


def test_a_stopped_process_is_not_reported_as_dead(nursery: Nursery) -> None:
    children = Children()
    pid = children.spawn(OWNER, nursery.launch("sleep", "1000"))
    os.kill(pid, signal.SIGSTOP)
    assert children.reap() == ([], False)
    assert list(children.pids) == [pid]
    os.kill(pid, signal.SIGKILL)
    assert reap_all(children) == [Death(OWNER, pid, None, signal.SIGKILL)]


def test_without_children_there_is_nothing_to_reap() -> None:
    assert Children().reap() == ([], False)


def test_a_process_that_cannot_be_started_is_not_registered(nursery: Nursery) -> None:
    children = Children()
    before = open_descriptors()
    with pytest.raises(SpawnError):
        children.spawn(OWNER, nursery.launch("no-such-command"))
    assert (list(children.pids), open_descriptors()) == ([], before)


def test_the_process_group_is_killed_before_its_leader_is_reaped(nursery: Nursery) -> None:
    children = Children()
    leader = children.spawn(OWNER, nursery.launch("sh", "-c", "trap '' TERM; sleep 1000 & echo $!; exit 3"))
    member = int(nursery.ear.line())
    assert not is_gone(member)
    assert reap_all(children) == [Death(OWNER, leader, 3, None)]
    sleep_until(lambda: is_gone(member))


@pytest.mark.usefixtures("adopting")
def test_five_thousand_orphans_are_reaped_and_counted_and_never_taken_for_an_exit(nursery: Nursery) -> None:
    """Their code is 9; the one process that is registered ends with 0."""
    children = Children()
    command = (sys.executable, "-I", "-S", "-c", ORPHANS, "5000")
    pid = children.spawn(OWNER, nursery.launch(*command))
    sleep_until(lambda: is_gone(pid))
    begin = time.monotonic()
    assert reap_all(children) == [Death(OWNER, pid, 0, None)]
    sleep_until(lambda: not children.reap()[1] and not own_children())
    assert children.orphans_reaped == 5000
    assert time.monotonic() - begin < LIMIT / 3


@pytest.mark.usefixtures("adopting")
def test_a_burst_of_orphans_is_reaped_in_batches(nursery: Nursery) -> None:
    children = Children()
    nursery.python(ORPHANS.replace("int(sys.argv[1])", str(BATCH + 1)))
    leader = nursery.pids[-1]
    sleep_until(lambda: len(own_children()) == BATCH + 2 and all(map(is_gone, own_children())))
    nursery.pids.remove(leader)
    assert children.reap() == ([], True)
    assert children.orphans_reaped == BATCH
    assert children.reap() == ([], False)
    assert children.orphans_reaped == BATCH + 2
