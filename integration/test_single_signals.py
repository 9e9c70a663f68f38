"""Signals in single-command mode, compared with tini and dumb-init."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest

from integration.container import SUPINIT, child
from integration.inits import TO_CHILD, TO_GROUP, Options, available, running
from integration.processes import stat_of
from integration.waiting import sleep_until

SUSPENDING = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
FAULTS = {signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS}
FORWARDED = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, *SUSPENDING}
CLAIMED = {
    "supinit": FORWARDED,
    "tini": FORWARDED - FAULTS,
    "dumb-init": {number for number in FORWARDED if number < 32},
}
"""What each forwards. tini does not forward the faults, dumb-init does not forward real-time signals."""


def state(pid: int) -> str:
    stat = stat_of(pid)
    return stat[1] if stat is not None else "gone"


def send(pid: int, *numbers: int) -> None:
    for number in numbers:
        os.kill(pid, number)


@pytest.mark.parametrize("name", TO_CHILD)
def test_every_signal_that_can_be_caught_reaches_only_the_child(name: str) -> None:
    with running([*available(TO_CHILD[name]), *child("ears.py")]) as run:
        run.expect(f"leader is {run.child}")
        for number in sorted(CLAIMED[name]):
            os.kill(run.pid, number)
            run.expect(f"leader {number}")
        os.killpg(os.getpgid(run.child), signal.SIGWINCH)
        run.expect(f"member {signal.SIGWINCH}")
        assert [line for line in run.out.lines if line.startswith("member") and "is" not in line] == ["member 28"]


@pytest.mark.parametrize("name", TO_GROUP)
def test_every_signal_that_can_be_caught_reaches_the_whole_group(name: str) -> None:
    with running([*available(TO_GROUP[name]), *child("ears.py")]) as run:
        run.expect(f"leader is {run.child}")
        for number in sorted(CLAIMED[name]):
            os.kill(run.pid, number)
            run.expect(f"leader {number}")
            run.expect(f"member {number}")
        assert os.getpgid(run.child) == run.child


def test_with_g_the_command_leads_a_session_and_without_it_only_a_group() -> None:
    for mode, own_session in (("-g", True), ("--single-child", False)):
        with running([SUPINIT, mode, *child("ears.py")]) as run:
            run.expect(f"leader is {run.child}")
            assert os.getpgid(run.child) == run.child
            assert (os.getsid(run.child) == run.child) is own_session


def test_real_time_signals_are_forwarded_as_often_as_they_came() -> None:
    with running([SUPINIT, *child("ears.py")]) as run:
        run.expect(f"leader is {run.child}")
        os.kill(run.pid, signal.SIGSTOP)
        sleep_until(lambda: state(run.pid) == "T")
        send(run.pid, *[signal.SIGRTMIN + 3] * 5)
        os.kill(run.pid, signal.SIGCONT)
        os.kill(run.pid, signal.SIGRTMAX)
        run.expect(f"leader {signal.SIGRTMAX}")
        heard = [line for line in run.out.lines if "is" not in line]
        assert heard == ["leader 18", *[f"leader {signal.SIGRTMIN + 3}"] * 5, f"leader {signal.SIGRTMAX}"]


@pytest.mark.parametrize("number", SUSPENDING, ids=lambda number: number.name)
@pytest.mark.parametrize(
    "init",
    [TO_CHILD["supinit"], TO_GROUP["supinit"], TO_GROUP["dumb-init"]],
    ids=["supinit", "supinit -g", "dumb-init"],
)
def test_what_stops_the_command_stops_the_init_too_and_cont_wakes_both(init: Options, number: signal.Signals) -> None:
    """tini is not stopped."""
    with running([*available(init), "sleep", "1000"]) as run:
        both = (run.pid, run.child)
        for _ in range(3):
            os.kill(run.pid, number)
            sleep_until(lambda: [state(pid) for pid in both] == ["T", "T"], 10, "both are stopped")
            os.kill(run.pid, signal.SIGCONT)
            sleep_until(lambda: [state(pid) for pid in both] == ["S", "S"], 10, "both go on")
        os.kill(run.pid, signal.SIGTERM)
        assert run.end() == 143


@pytest.mark.parametrize("number", SUSPENDING, ids=lambda number: number.name)
def test_a_stop_signal_that_is_dropped_or_means_something_else_does_not_stop_supinit(number: signal.Signals) -> None:
    """dumb-init would be stopped and miss the command's end."""
    for sent in (0, signal.SIGUSR1):
        with running([SUPINIT, "-r", f"{number.name}:{sent:d}", *child("ears.py")]) as run:
            run.expect(f"leader is {run.child}")
            os.kill(run.pid, number)
            os.kill(run.pid, signal.SIGRTMIN)
            run.expect(f"leader {signal.SIGRTMIN}")
            heard = [line for line in run.out.lines if "is" not in line]
            assert heard == [f"leader {number}" for number in (sent, signal.SIGRTMIN) if number]
            assert state(run.pid) == "S"


@pytest.mark.parametrize(
    "options",
    [["-r", "15:3"], ["-r15:3"], ["--rewrite", "15:3"], ["--rewrite=15:3"], ["-r", "15:3", "-r", "10:0"]],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["supinit", "dumb-init"])
def test_a_signal_is_rewritten_or_dropped(name: str, options: list[str]) -> None:
    init = available(TO_CHILD[name])[:-1]
    with running([*init, *options, "--", *child("ears.py")]) as run:
        run.expect(f"leader is {run.child}")
        os.kill(run.pid, signal.SIGTERM)
        run.expect(f"leader {signal.SIGQUIT}")
        send(run.pid, signal.SIGUSR1, signal.SIGUSR2)
        run.expect(f"leader {signal.SIGUSR2}")
        heard = [line for line in run.out.lines if "is" not in line]
        assert heard == ["leader 3", *(["leader 10"] if "10:0" not in options else []), "leader 12"]


@pytest.mark.parametrize("options", [["-gr", "TERM:SIGQUIT"], ["-sgrterm:quit"], ["-r15:RTMIN+3"]], ids=" ".join)
def test_short_options_can_be_combined_in_one_word(options: list[str]) -> None:
    with running([SUPINIT, *options, *child("ears.py")]) as run:
        run.expect(f"leader is {run.child}")
        os.kill(run.pid, signal.SIGTERM)
        run.expect(f"leader {signal.SIGRTMIN + 3 if 'RTMIN' in options[0] else 3}")


@pytest.mark.parametrize("name", TO_GROUP)
def test_leftovers_get_sigterm_where_that_is_promised(name: str) -> None:
    """supinit -g signals the whole session including the jobs of a shell, dumb-init its group, tini nothing."""
    with running([*available(TO_GROUP[name]), *child("ears.py", "--left")]) as run:
        assert run.end() == 3
        names = ("member", "job", "stranger")
        sleep_until(lambda: sum(" is " in line for line in run.out.lines) == len(names), 10, "all are there")
        pids = {line.split()[0]: int(line.split()[2]) for line in run.out.lines if " is " in line}
        for name_of_one in names:
            os.kill(pids[name_of_one], signal.SIGWINCH)
            run.expect(f"{name_of_one} {signal.SIGWINCH}")
        told = {line.split()[0] for line in run.out.lines if line.endswith(" 15")}
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        assert told == {"supinit": {"member", "job"}, "dumb-init": {"member"}, "tini": set()}[name]


@pytest.mark.parametrize("name", ["supinit", "dumb-init"])
def test_a_command_that_cannot_be_signalled_is_not_abandoned(name: str) -> None:
    """Root without CAP_KILL, as in many pods, and a command that runs as another user. tini exits with 1."""
    if shutil.which("setpriv") is None or os.geteuid() != 0:
        pytest.skip("setpriv (util-linux) and root are needed")
    become_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    command = [*available(TO_CHILD[name]), *become_nobody, "sh", "-c", "echo ready; read x; exit 4"]
    with running(["setpriv", "--bounding-set=-kill", *command], stdin=subprocess.PIPE) as run:
        run.expect("ready")
        os.kill(run.pid, signal.SIGTERM)
        assert run.process.stdin is not None
        run.process.stdin.close()
        assert run.end() == 4
