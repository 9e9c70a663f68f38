"""Orphans in single-command mode, the context of the command, and how fast it starts and ends."""

from __future__ import annotations

import json
import os
import select
import signal
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from integration.conftest import Measured
from integration.container import SUPINIT, UNSHARE, child
from integration.inits import ENVIRONMENT, PLAIN, SUPINIT_ALONE, TO_CHILD, TO_GROUP, Options, available, running
from integration.processes import arguments_of, children_of, stat_of, zombies_under
from integration.waiting import sleep_until

ORPHANS = 1000
ROUNDS = 15
GOAL, LIMIT = 1.3, 2.0
"""Times the run of a bare interpreter: the goal, and the limit on a busy machine."""
PROMPT, PATIENCE = 5.0, 100.0
"""Milliseconds from the command's end to supinit's: the goal, and the limit on a busy machine."""
WARNING = "supinit: not PID 1: orphans will not be reaped (use -s to reap them)\n"


# ---- orphans


def let_go(fifo: Path, count: int) -> None:
    """Write one line for each orphan, which makes it exit. Some may not have opened the FIFO yet."""
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.write(writer := os.open(fifo, os.O_WRONLY), b"\n" * count)
    sleep_until(lambda: not select.select([reader], [], [], 0)[0], 30, "everything is read")
    os.close(writer)
    os.close(reader)


@pytest.mark.parametrize("init", PLAIN.values(), ids=PLAIN)
def test_a_thousand_orphans_are_reaped_and_the_command_goes_on(
    namespaces: None, init: Options, tmp_path: Path, measured: Measured
) -> None:
    fifo = tmp_path / "fifo"
    with running([*UNSHARE, *available(init), *child("orphans.sh", ORPHANS, fifo)]) as run:
        pid1 = run.child
        sleep_until(lambda: len(children_of(pid1)) == ORPHANS + 1, 60, "all of them are orphans")
        began = time.monotonic()
        let_go(fifo, ORPHANS)
        sleep_until(lambda: len(children_of(pid1)) == 1, 30, "they are reaped")
        measured(f"{init[0].rpartition('/')[2]}: {ORPHANS} orphans ended and were reaped in {since(began):.0f} ms")
        assert zombies_under(pid1) == []
        os.kill(pid1, signal.SIGTERM)
        assert run.end() == 143


@pytest.mark.parametrize("mode", [(), ("-g",)], ids=["child", "session"])
def test_children_from_before_it_was_executed_are_reaped_too(mode: tuple[str, ...]) -> None:
    """An entrypoint may start children before its exec. They may end before or after the command starts."""
    script = f"true & sleep 0.2 & exec {' '.join((*SUPINIT_ALONE, *mode))} sleep 1000"
    with running(["sh", "-c", script]) as run:
        left = ["sleep", "1000", ""]
        sleep_until(
            lambda: [arguments_of(pid) for pid in children_of(run.pid)] == [left], 10, "only the command is left"
        )
        os.kill(run.pid, signal.SIGINT)
        assert run.end() == 130


def test_a_storm_of_orphans_does_not_delay_the_end(namespaces: None, tmp_path: Path, measured: Measured) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    storm = "while :; do (true &) ; done"
    command = ["sh", "-c", f"setsid sh -c '{storm}' & setsid sh -c '{storm}' & echo stormy; read x <{fifo}; exit 5"]
    with running([*UNSHARE, SUPINIT, *command]) as run:
        run.expect("stormy")
        writer = os.open(fifo, os.O_WRONLY)
        began = time.monotonic()
        os.write(writer, b"end\n")
        os.close(writer)
        assert run.end() == 5
        took = since(began)
    measured(f"two endless loops of orphans: {took:.1f} ms from the command's last read to the end of the namespace")
    assert took < 10 * PATIENCE


def test_with_s_orphans_are_adopted_and_reaped(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    with running([SUPINIT, "-s", *child("orphans.sh", 20, fifo)]) as run:
        sleep_until(lambda: len(children_of(run.pid)) == 21, 10, "all of them are adopted")
        let_go(fifo, 20)
        sleep_until(lambda: len(children_of(run.pid)) == 1, 10, "they are reaped")
        os.kill(run.pid, signal.SIGTERM)
        assert run.end() == 143


# ---- messages


@pytest.mark.parametrize(
    ("options", "said"),
    [((), WARNING), (("-g",), WARNING), (("-s",), ""), (("--log-level", "error"), "")],
    ids=["plain", "-g", "-s", "--log-level error"],
)
def test_it_warns_once_where_it_does_not_adopt_orphans(options: tuple[str, ...], said: str) -> None:
    result = subprocess.run([SUPINIT, *options, "echo", "out"], capture_output=True, text=True, env=ENVIRONMENT)
    assert (result.returncode, result.stdout, result.stderr) == (0, "out\n", said)


def test_as_pid_1_it_prints_nothing(namespaces: None) -> None:
    command = [*UNSHARE, SUPINIT, "echo", "out"]
    result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert (result.returncode, result.stdout, result.stderr) == (0, "out\n", "")


# ---- the context of the command


@pytest.mark.parametrize("environment", [{}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"}, {"A": "\udcff=b", "B": ""}])
@pytest.mark.parametrize("init", PLAIN.values(), ids=PLAIN)
def test_the_environment_passes_unchanged(init: Options, environment: dict[str, str]) -> None:
    """Python adds LC_CTYPE to its own environment where the locale is C."""
    result = subprocess.run([*available(init), "/usr/bin/env", "-0"], stdout=subprocess.PIPE, env=environment)
    assert os.fsdecode(result.stdout).split("\0")[:-1] == [f"{name}={value}" for name, value in environment.items()]


@pytest.mark.parametrize("init", PLAIN.values(), ids=PLAIN)
def test_descriptors_and_stdin_pass_through(init: Options) -> None:
    """Descriptors above 2 pass as well, for socket activation."""
    read_end, write_end = os.pipe()
    with running(
        [*available(init), "bash", "-c", f"cat; echo passed >&{write_end}"],
        stdin=subprocess.PIPE,
        pass_fds=(write_end,),
    ) as run:
        os.close(write_end)
        assert run.process.stdin is not None
        run.process.stdin.write(b"piped\n")
        run.process.stdin.close()
        assert run.end() == 0
        run.out.finish(10)
    with open(read_end) as pipe:
        assert (run.out.lines, pipe.read()) == (["piped"], "passed\n")


@pytest.mark.parametrize("init", [*TO_CHILD.values(), TO_GROUP["supinit"]], ids=[*TO_CHILD, "supinit -g"])
def test_the_command_ignores_and_blocks_the_signals_that_its_init_was_started_with(init: Options) -> None:
    """As under nohup, and below a shell that starts it in the background. dumb-init resets them."""
    ignored, blocked = {signal.SIGHUP, signal.SIGINT, signal.SIGUSR2}, {signal.SIGTERM, signal.SIGTSTP, signal.SIGUSR1}

    def prepare() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)

    with running([*available(init), *child("report.py")], preexec_fn=prepare) as run:
        assert run.end() == 0
        run.out.finish(10)
    facts = json.loads(run.out.lines[0])
    passes = init[0] != "dumb-init"
    assert facts["ignored"] == (mask_of(ignored) if passes else 0)
    assert facts["blocked"] == (mask_of(blocked) if passes else 0)
    assert facts["descriptors"] == [0, 1, 2]


def mask_of(numbers: set[signal.Signals]) -> int:
    """Return the signals as /proc/PID/status writes them."""
    return sum(1 << number - 1 for number in numbers)


@pytest.mark.parametrize("mode", [(), ("-g",)], ids=["child", "session"])
def test_a_parent_that_ignores_sigchld_loses_no_exit_code(mode: tuple[str, ...]) -> None:
    """supinit has to hear of its children, and the command still gets what it was started with."""

    def ignore() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    with running([*SUPINIT_ALONE, *mode, *child("report.py")], preexec_fn=ignore) as run:
        assert run.end() == 0
        run.out.finish(10)
    facts = json.loads(run.out.lines[0])
    assert (facts["ignored"], facts["group"], facts["session"]) == (mask_of({signal.SIGCHLD}), True, bool(mode))
    with running([*SUPINIT_ALONE, *mode, "sh", "-c", "exit 9"], preexec_fn=ignore) as run:
        assert run.end() == 9


@pytest.mark.parametrize("mode", [(), ("-g",)], ids=["child", "session"])
def test_the_command_leads_its_group_and_with_g_its_session(mode: tuple[str, ...]) -> None:
    with running([*SUPINIT_ALONE, *mode, *child("report.py")]) as run:
        assert run.end() == 0
        run.out.finish(10)
    facts = json.loads(run.out.lines[0])
    assert (facts["blocked"], facts["ignored"], facts["group"], facts["session"]) == (0, 0, True, bool(mode))


def test_it_can_be_started_with_its_descriptors_closed() -> None:
    def close() -> None:
        for number in (0, 1, 2):
            os.close(number)

    with running([*SUPINIT_ALONE, "sh", "-c", "exit 3"], preexec_fn=close) as run:
        assert run.end() == 3


def test_a_signal_that_arrives_before_the_command_exists_is_kept_for_it() -> None:
    """The parent blocks the signal, as supinit does right after its start. So it is pending in the command."""

    def block() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)

    def pending(pid: int) -> int:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("ShdPnd")).split()[1], 16)

    with running([*SUPINIT_ALONE, "sleep", "1000"], preexec_fn=block) as run:
        sleep_until(lambda: pending(run.child) == mask_of({signal.SIGTERM}), 10, "it is forwarded")
        os.kill(run.child, signal.SIGKILL)
        assert run.end() == 137


# ---- speed


@pytest.mark.parametrize(
    "init",
    [TO_CHILD["supinit"], (*TO_CHILD["supinit"], "-g"), TO_CHILD["tini"], TO_CHILD["dumb-init"]],
    ids=["supinit", "supinit -g", "tini", "dumb-init"],
)
def test_it_ends_with_its_command(init: Options, measured: Measured, request: pytest.FixtureRequest) -> None:
    times = []
    for _ in range(ROUNDS):
        with running([*available(init), "sleep", "1000"]) as run:
            command = run.child
            sleep_until(partial(is_asleep, command), 10, "it sleeps")
            began = time.monotonic()
            os.kill(command, signal.SIGKILL)
            os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)
            times.append(since(began))
            assert run.end() == 137
    median = statistics.median(times)
    name = request.node.callspec.id
    measured(f"{name} ends {median:.2f} ms after its command (median of {ROUNDS}), the goal is {PROMPT:g} ms")
    assert median < PATIENCE


@pytest.mark.parametrize("options", [(), ("-g",), ("-r", "TERM:QUIT"), ("-s",)], ids=["plain", "-g", "-r", "-s"])
def test_the_command_starts_hardly_later_than_a_bare_interpreter(
    options: tuple[str, ...], measured: Measured, request: pytest.FixtureRequest
) -> None:
    """From the exec of supinit to the command reading the clock, compared with `python -I -c pass`."""
    starts, passes = [], []
    for _ in range(ROUNDS):
        began = time.time()
        command = [*SUPINIT_ALONE, *options, "/bin/date", "+%s.%N"]
        stamp = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout
        starts.append(float(stamp) - began)
        began = time.time()
        subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
        passes.append(time.time() - began)
    start, reference = statistics.median(starts), statistics.median(passes)
    measured(
        f"supinit {' '.join(options)} to its command's main {start * 1e3:.1f} ms, python -I -c pass "
        f"{reference * 1e3:.1f} ms (medians of {ROUNDS}): {start / reference:.2f} x, the goal is {GOAL} x"
    )
    assert start / reference < LIMIT


def is_asleep(pid: int) -> bool:
    stat = stat_of(pid)
    return stat is not None and stat[1] == "S" and arguments_of(pid)[0] == "sleep"


def since(began: float) -> float:
    """Return the milliseconds since a time."""
    return (time.monotonic() - began) * 1e3
