from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from supervisor.process.procfs import (
    Process,
    carries,
    descendants,
    has_children,
    ignores,
    own_children,
    read_process,
    read_processes,
    would_end,
)

from .nursery import Nursery, elsewhere, is_gone, sleep_until


@pytest.mark.parametrize("name", ["a b", "a) Z 1 1", "((", ")) (", "1 2 3", "x\ny"])
def test_a_name_with_spaces_and_parentheses_is_read_correctly(nursery: Nursery, tmp_path: Path, name: str) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    shutil.copy(sleep, tmp_path / name)
    pid = nursery.settle(str(tmp_path / name), "1000")
    assert f"({name})" in Path(f"/proc/{pid}/stat").read_text()
    process = read_process(pid)
    assert process is not None
    assert process == Process(pid, os.getpid(), pid, pid, False, process.started, process.cpu_ticks, process.resident)


def test_a_dead_unreaped_process_is_a_zombie(nursery: Nursery) -> None:
    pid = nursery.start("true")
    sleep_until(lambda: is_gone(pid))
    process = read_process(pid)
    assert process is not None
    assert (process.is_zombie, process.parent) == (True, os.getpid())
    nursery.end(pid)
    assert read_process(pid) is None


def test_a_later_process_does_not_have_an_earlier_start_time(nursery: Nursery) -> None:
    first = read_process(nursery.start("sleep", "1000"))
    assert first is not None
    second = read_process(nursery.start("sleep", "1000"))
    assert second is not None
    assert first.started <= second.started


def test_all_processes_are_read(nursery: Nursery) -> None:
    pid = nursery.start("sleep", "1000")
    processes = read_processes()
    assert processes[pid] == read_process(pid)
    assert processes[os.getpid()].pid == os.getpid()
    assert 1 in processes


def test_own_children_are_the_same_as_in_a_full_scan(nursery: Nursery) -> None:
    living = [nursery.start("sleep", "1000") for _ in range(5)]
    dead = nursery.start("true")
    sleep_until(lambda: is_gone(dead))
    found = own_children()
    assert sorted(found) == sorted([*living, dead])
    own = os.getpid()
    assert sorted(found) == sorted(process.pid for process in read_processes().values() if process.parent == own)


def test_own_children_are_complete_however_many_there_are(nursery: Nursery, adopting: None) -> None:
    """The kernel writes its list page by page, and 1200 numbers need more than one page."""
    pids = [os.posix_spawn("/bin/true", ["true"], {}) for _ in range(1200)]
    assert sorted(own_children()) == sorted(pids)


@pytest.mark.usefixtures("adopting")
def test_adopted_orphans_are_own_children(nursery: Nursery) -> None:
    parent = nursery.start("sh", "-c", "setsid sleep 1000 & echo $!")
    orphan = int(nursery.ear.line())
    nursery.end(parent)
    assert own_children() == [orphan]


FORKS = "import os, time, _thread\n{}\nprint('ready', flush=True)\ntime.sleep(600)"
FORK = "os.fork() or time.sleep(600)"
IN_A_THREAD = (
    "import warnings\nwarnings.simplefilter('ignore')\n"  # Python 3.12 and newer advise against it
    "lock = _thread.allocate_lock()\nlock.acquire()\n"
    f"_thread.start_new_thread(lambda: ({FORK}, lock.release(), time.sleep(600)), ())\nlock.acquire()"
)


@pytest.mark.parametrize(
    ("script", "expected"),
    [("", False), (FORK, True), (IN_A_THREAD, True)],
    ids=["none", "a child", "the child of a thread"],
)
def test_a_process_says_whether_it_has_children(nursery: Nursery, script: str, expected: bool) -> None:
    pid = nursery.python(FORKS.format(script))
    assert nursery.ear.line() == "ready"
    assert has_children(pid) is expected


def test_of_a_process_that_is_gone_nobody_knows_whether_it_has_children(nursery: Nursery) -> None:
    pid = nursery.start("true")
    nursery.end(pid)
    assert has_children(pid)


def test_descendants_are_all_generations() -> None:
    def process(pid: int, parent: int) -> Process:
        return Process(pid, parent, pid, pid, False, 0)

    family = {pid: process(pid, parent) for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 2), (5, 4), (6, 1))}
    assert descendants(family, [2]) == {3, 4, 5}
    assert descendants(family, [2, 4]) == {3, 4, 5}
    assert descendants(family, [3, 99]) == set()
    assert descendants(family, []) == set()


def test_a_process_carries_marks_only_if_it_has_all_of_them_unabridged(nursery: Nursery) -> None:
    pid = nursery.settle("sleep", "1000", environment={"PATH": "/bin:/usr/bin", "A": "1", "B": "22"})
    assert carries(pid, frozenset((b"A=1",)))
    assert carries(pid, frozenset((b"A=1", b"B=22")))
    assert not carries(pid, frozenset((b"A=1", b"C=3")))
    assert not carries(pid, frozenset((b"B=2",)))
    os.kill(pid, signal.SIGKILL)
    nursery.end(pid)
    assert not carries(pid, frozenset((b"A=1",)))


def test_an_unreadable_environment_counts_as_empty(nursery: Nursery) -> None:
    pid = nursery.settle("sleep", "1000", environment={"PATH": "/bin:/usr/bin", "A": "1"})
    if os.geteuid() != 0:
        pytest.skip("only root has processes of which another user may not read the environment")
    assert not elsewhere(lambda: carries(pid, frozenset((b"A=1",))), user=65534)


def test_an_ignored_signal_is_told_from_a_handled_and_a_default_one(nursery: Nursery) -> None:
    pid = nursery.settle("sh", "-c", "trap '' TERM RTMIN+3; trap : INT; exec sleep 1000")
    sleep_until(lambda: ignores(pid, signal.SIGRTMIN + 3))
    numbers = (signal.SIGTERM, signal.SIGRTMIN + 3, signal.SIGINT, signal.SIGHUP)
    assert [ignores(pid, number) for number in numbers] == [True, True, False, False]


def test_a_signal_ends_a_process_that_neither_handles_nor_blocks_nor_ignores_it(nursery: Nursery) -> None:
    """SIGWINCH ends nobody."""
    script = (
        "import signal; signal.pthread_sigmask(0, [1]); signal.signal(2, print); signal.signal(10, 1); signal.pause()"
    )
    pid = nursery.settle(sys.executable, "-I", "-S", "-c", script)
    sleep_until(lambda: not would_end(pid, signal.SIGUSR1))
    sleep_until(lambda: would_end(pid, signal.SIGTERM))  # it is in pause(2) now
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGWINCH, signal.SIGTERM)
    assert [would_end(pid, number) for number in numbers] == [False, False, False, False, True]


def test_a_signal_does_not_end_a_process_that_waits_for_it(nursery: Nursery) -> None:
    script = "import signal; signal.pthread_sigmask(0, [1]); signal.sigwait([1])"
    pid = nursery.settle(sys.executable, "-I", "-S", "-c", script)
    sleep_until(lambda: not would_end(pid, signal.SIGHUP))
    sleep_until(lambda: Path(f"/proc/{pid}/wchan").read_text().startswith("do_sigtimedwait"))
    assert not would_end(pid, signal.SIGHUP)


def test_a_signal_does_not_end_what_is_gone(nursery: Nursery) -> None:
    pid = nursery.start("true")
    nursery.end(pid)
    assert not would_end(pid, signal.SIGTERM)


def test_a_process_that_is_gone_ignores_nothing(nursery: Nursery) -> None:
    pid = nursery.start("true")
    nursery.end(pid)
    assert not ignores(pid, signal.SIGTERM)
