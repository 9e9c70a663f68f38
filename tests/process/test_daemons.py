"""Which of the processes that a command has left behind is the daemon."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supervisor.core.forking import NOTHING_LEFT
from supervisor.process.daemons import NoDaemon, find_daemon, is_daemon
from supervisor.process.procfs import Process

OWN = os.getpid()
FIRST = 1 << 23
"""Above the largest pid that the kernel gives, so nobody has it."""
A, B, C = FIRST, FIRST + 1, FIRST + 2
FOREIGN = FIRST + 9
LEFT = "that the command has left behind"


def _process(pid: int, parent: int = OWN) -> Process:
    return Process(pid, parent, pid, pid, False, 1)


def _find(*left: Process, strays: tuple[Process, ...] = (), pid_file: Path | None = None) -> int:
    return find_daemon(left, lambda: list(strays), None if pid_file is None else str(pid_file))


def _refused(*left: Process, strays: tuple[Process, ...] = (), pid_file: Path | None = None) -> tuple[str, bool]:
    with pytest.raises(NoDaemon) as refusal:
        _find(*left, strays=strays, pid_file=pid_file)
    return str(refusal.value), refusal.value.is_final


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "web.pid"


def test_the_only_process_left_is_the_daemon() -> None:
    assert _find(_process(A)) == A


def test_the_parent_of_all_that_are_left_is_the_daemon() -> None:
    assert _find(_process(B, A), _process(A), _process(C, B)) == A


def test_a_process_whose_marks_are_lost_is_the_daemon_where_nothing_else_is_left() -> None:
    assert _find(strays=(_process(A),)) == A


def test_a_stray_beside_what_is_left_may_be_anybody_s() -> None:
    assert _find(_process(A), strays=(_process(B),)) == A


def test_nothing_left_is_final() -> None:
    assert _refused() == (NOTHING_LEFT, True)


def test_several_side_by_side_are_named_and_looked_at_again() -> None:
    sentence = f"2 processes are left, ? ({A}), ? ({B}): set pid_file to tell which one is the daemon"
    assert _refused(_process(B), _process(A)) == (sentence, False)


def test_a_process_whose_parent_is_still_there_may_be_adopted_later() -> None:
    """Both parents have to be gone until supinit is the parent: the middle process of a double fork is on its way."""
    assert _refused(_process(B, A)) == (f"what is left, ? ({B}), has a parent that is still there", False)


@pytest.mark.parametrize("strays", [(), (_process(C),)], ids=["alone", "with a stray"])
def test_the_pid_file_tells_one_of_several(pid_file: Path, strays: tuple[Process, ...]) -> None:
    pid_file.write_text(f"{B}\n")
    assert _find(_process(A), _process(B), strays=strays, pid_file=pid_file) == B


def test_the_pid_file_may_name_a_process_whose_marks_are_lost(pid_file: Path) -> None:
    pid_file.write_text(f"{C}\n")
    assert _find(_process(A), strays=(_process(B), _process(C)), pid_file=pid_file) == C


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot read a pid from {path} (pid_file): No such file or directory"),
        ("", "cannot read a pid from {path} (pid_file): its first line is not a pid"),
        ("soon\n", "cannot read a pid from {path} (pid_file): its first line is not a pid"),
        (f"{FOREIGN}\n", f"{{path}} (pid_file) names process {FOREIGN}, which is not one {LEFT}"),
        ("1\n", "cannot read a pid from {path} (pid_file): its first line is not a pid"),
        (f"{B}\n", f"{{path}} (pid_file) names process {B}, which has a parent that is still there"),
    ],
    ids=["late", "empty", "no pid", "foreign", "init", "child"],
)
def test_a_pid_file_that_names_no_daemon_yet_is_looked_at_again(pid_file: Path, text: str | None, problem: str) -> None:
    if text is not None:
        pid_file.write_text(text)
    assert _refused(_process(A), _process(B, A), pid_file=pid_file) == (problem.format(path=pid_file), False)


def test_a_stale_pid_file_is_no_daemon_where_nothing_is_left(pid_file: Path) -> None:
    pid_file.write_text(f"{FOREIGN}\n")
    assert _refused(pid_file=pid_file) == (NOTHING_LEFT, True)


def test_a_command_that_its_own_pid_file_names_is_the_daemon(pid_file: Path) -> None:
    assert not is_daemon(A, str(pid_file))
    pid_file.write_text(f"{A}\n")
    assert is_daemon(A, str(pid_file))
    assert not is_daemon(B, str(pid_file))
    assert not is_daemon(A, None)
