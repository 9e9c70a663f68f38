"""Handing a terminal to a process and taking it back, where supinit leads the session and below a shell."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from supervisor.core.record import replace
from supervisor.errors import SpawnError
from supervisor.process.handover import Handover, find_terminal
from supervisor.process.spawn import Launch, spawn

from .nursery import elsewhere, marks, sleep_until

T = TypeVar("T")


def on_terminal(act: Callable[[int], T], leads: bool = True) -> T:
    """Run `act` in the foreground of a new terminal, as the session leader or as its child."""

    def lead() -> T:
        os.setsid()
        _, line = pty.openpty()
        fcntl.ioctl(line, termios.TIOCSCTTY, 0)
        return act(line) if leads else elsewhere(lambda: follow(line))

    def follow(line: int) -> T:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(line, os.getpid())
        return act(line)

    return elsewhere(lead)


def launch_on(line: int, terminal: Handover | None, *command: str) -> Launch:
    return Launch(command or ("sleep", "1000"), marks(), line, line, line, terminal=terminal)


def handed(line: int) -> Handover:
    terminal = find_terminal(line)
    assert terminal is not None
    return terminal


def terminal_of(pid: int) -> tuple[int, int, int]:
    """Return the session and the group of a process, and the group in the foreground of its terminal."""
    session, group = os.getsid(pid), os.getpgid(pid)
    return session, group, int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[5])


@pytest.mark.parametrize("leads", [True, False], ids=["leader", "below a shell"])
def test_a_process_has_the_terminal_to_itself(leads: bool) -> None:
    def act(line: int) -> bool:
        terminal = handed(line)
        own_session = os.getsid(0)
        pid = spawn(launch_on(line, terminal))
        session = pid if leads else own_session
        assert terminal.holder == pid
        return terminal_of(pid) == (session, pid, pid)

    assert on_terminal(act, leads)


@pytest.mark.parametrize("leads", [True, False], ids=["leader", "below a shell"])
def test_the_terminal_can_be_taken_back_and_handed_over_again(leads: bool) -> None:
    def act(line: int) -> list[bool]:
        terminal = handed(line)
        found: list[bool] = []
        for _ in range(2):
            pid = spawn(launch_on(line, terminal))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            terminal.take_back()
            found.append(terminal.holder is None and os.tcgetpgrp(line) == os.getpgrp())
        return found

    assert on_terminal(act, leads) == [True, True]


def test_supinit_sees_no_signal_of_a_handover() -> None:
    def act(line: int) -> list[int]:
        heard: list[int] = []
        for number in (signal.SIGHUP, signal.SIGCONT):
            signal.signal(number, lambda number, _: heard.append(number))
        terminal = handed(line)
        spawn(launch_on(line, terminal))
        assert os.getsid(0) == os.getpid()
        return heard

    assert on_terminal(act) == []


def test_supinit_has_the_terminal_again_after_a_failed_start(tmp_path: Path) -> None:
    def act(line: int) -> bool:
        terminal = handed(line)
        with pytest.raises(SpawnError):
            spawn(launch_on(line, terminal, str(tmp_path)))
        terminal.take_back()
        return os.tcgetpgrp(line) == os.getpgrp()

    assert on_terminal(act)


def test_the_modes_of_the_terminal_are_restored() -> None:
    def act(line: int) -> bool:
        before = termios.tcgetattr(line)
        terminal = handed(line)
        tty.setraw(line)
        assert termios.tcgetattr(line) != before
        terminal.take_back()
        return termios.tcgetattr(line) == before

    assert on_terminal(act)


def test_only_a_terminal_of_this_session_is_handed_over() -> None:
    def act(line: int) -> tuple[Handover | None, Handover | None]:
        with open("/dev/null") as null:
            return find_terminal(null.fileno()), elsewhere(lambda: find_terminal(pty.openpty()[1]))

    assert on_terminal(act) == (None, None)


def test_handing_over_a_terminal_needs_a_fork() -> None:
    plain = launch_on(0, None)
    forked = on_terminal(lambda line: replace(plain, terminal=handed(line)).needs_fork)
    assert (plain.needs_fork, forked) == (False, True)


def test_a_dead_main_program_is_not_taken_for_a_stopped_one() -> None:
    def act(line: int) -> bool:
        terminal = handed(line)
        pid = spawn(launch_on(line, terminal))
        os.kill(pid, signal.SIGKILL)
        sleep_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
        terminal.share_stop()
        return terminal.holder == pid

    assert on_terminal(act, leads=False)
