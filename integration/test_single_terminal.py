"""Single-command mode on a terminal, as in `docker run -it` and below a shell, compared with tini and dumb-init."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from integration.container import SUPINIT, UNSHARE, child
from integration.inits import PLAIN, TO_GROUP, Options, available
from integration.processes import arguments_of, children_of, family_of, stat_of
from integration.terminal import Terminal
from integration.waiting import sleep_until

BASH = ("bash", "--norc", "--noprofile", "--noediting")
ALONE = f"{SUPINIT} --log-level error"
MODES = {"supinit": PLAIN["supinit"], "supinit -g": TO_GROUP["supinit"], "tini": ("tini",), "dumb-init": ("dumb-init",)}
On = Callable[..., Terminal]


@pytest.fixture
def on_terminal() -> Iterator[On]:
    """Run a command in the foreground of its own terminal, as the session leader."""
    terminals: list[Terminal] = []

    def start(*command: str) -> Terminal:
        terminals.append(Terminal(command, PS1="> ", HISTFILE=""))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.destroy()


@pytest.fixture(params=list(MODES.values()), ids=list(MODES))
def init(request: pytest.FixtureRequest) -> Options:
    return available(request.param)


def state(pid: int) -> str:
    stat = stat_of(pid)
    return stat[1] if stat is not None else "gone"


def foreground_of(pid: int) -> int | None:
    """Return the group in the foreground of a process's terminal."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[5])
    except OSError:
        return None


def in_front(parent: int, name: str) -> int:
    """Wait for a child of a process, by the name of its command, to have the terminal; return its pid."""

    def found() -> list[int]:
        return [pid for pid in children_of(parent) if arguments_of(pid)[:1] == [name] and foreground_of(pid) == pid]

    sleep_until(found, 10, f"{name} has the terminal")
    return found()[0]


def wait_for_end(pid: int) -> None:
    sleep_until(lambda: state(pid) in ("Z", "gone"), 10, "it has ended")


def await_echo(terminal: Terminal, word: str) -> None:
    """Type a word, and wait for its echo and for cat's output."""
    terminal.type(f"{word}\n")
    sleep_until(lambda: terminal.text.count(word) == 2, 10, "cat reads what is typed")


def has_stopped(shell: Terminal, times: int) -> bool:
    """Whether the shell reports a stopped job and cat really is stopped; in another session it would still run."""
    cats = [pid for pid in family_of(shell.pid) if arguments_of(pid)[:1] == ["cat"]]
    return shell.text.count("Stopped") == times and [state(pid) for pid in cats] == ["T"]


# ---- as the leader of the session


def test_a_shell_has_job_control(on_terminal: On, init: Options) -> None:
    terminal = on_terminal(*init, *BASH, "-m", "-c", "echo flags=$-=; exit 7")
    assert terminal.end() == 7
    assert "m" in terminal.text.partition("flags=")[2].partition("=")[0]
    assert "job control" not in terminal.text


def test_ctrl_c_ends_the_command(on_terminal: On, init: Options) -> None:
    terminal = on_terminal(*init, "sleep", "1000")
    in_front(terminal.pid, "sleep")
    terminal.type("\x03")
    assert terminal.end() == 130


def test_in_a_shell_ctrl_c_ctrl_z_and_fg_mean_the_job_in_front(on_terminal: On, init: Options) -> None:
    terminal = on_terminal(*init, *BASH, "-i")
    terminal.expect("> ")
    shell = children_of(terminal.pid)[0]
    terminal.type("sleep 1000\n")
    sleep = in_front(shell, "sleep")
    terminal.type("\x03")
    wait_for_end(sleep)
    terminal.type("echo code=$?\n")
    terminal.expect("code=130")
    terminal.type("cat\n")
    in_front(shell, "cat")
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.type("fg\n")
    in_front(shell, "cat")
    await_echo(terminal, "echoed")
    terminal.type("\x04")
    terminal.type("exit 5\n")
    assert terminal.end() == 5


@pytest.mark.parametrize("mode", [(), ("-g",)], ids=["group", "session"])
def test_as_pid_1_a_shell_has_job_control(on_terminal: On, namespaces: None, mode: tuple[str, ...]) -> None:
    """setsid makes it the leader of a session with the terminal, as an engine does."""
    terminal = on_terminal(*UNSHARE, "setsid", "--ctty", SUPINIT, *mode, *BASH, "-i")
    terminal.expect("> ")
    shell = children_of(children_of(terminal.pid)[0])[0]
    terminal.type("sleep 1000\n")
    in_front(shell, "sleep")
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.type("exit 6\n")
    terminal.expect("There are stopped jobs")
    terminal.type("exit 6\n")
    assert terminal.end() == 6


@pytest.mark.parametrize("init", [TO_GROUP["supinit"], PLAIN["dumb-init"]], ids=["supinit -g", "dumb-init"])
def test_the_hup_and_cont_of_the_hand_over_are_not_forwarded_and_later_ones_are(on_terminal: On, init: Options) -> None:
    terminal = on_terminal(*available(init), *child("ears.py"))
    terminal.expect("leader is ")
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGCONT):
        os.kill(terminal.pid, number)
        terminal.expect(f"leader {number}\r\n")
    heard = [line for line in terminal.text.split("\r\n") if line.startswith("leader") and "is" not in line]
    assert heard == ["leader 10", "leader 1", "leader 18"]


def test_a_hup_that_comes_first_is_forwarded_where_there_was_no_terminal_to_hand_over(on_terminal: On) -> None:
    """supinit takes the two that the kernel sends, and does not wait for any that may never come."""
    script = f"{SUPINIT} -g {' '.join(child('ears.py'))} & wait"
    terminal = on_terminal("sh", "-c", script)
    terminal.expect("leader is ")
    os.kill(children_of(terminal.pid)[0], signal.SIGHUP)
    terminal.expect("leader 1\r\n")


def test_a_stopped_command_is_not_waited_for_where_no_shell_could_let_it_go_on(on_terminal: On) -> None:
    """PID 1 of a container must keep running. Here supinit leads its session, which is the same to the kernel."""
    terminal = on_terminal(*PLAIN["supinit"], "sleep", "1000")
    command = in_front(terminal.pid, "sleep")
    terminal.type("\x1a")
    sleep_until(lambda: state(command) == "T", 10, "the command is stopped")
    os.kill(terminal.pid, signal.SIGCONT)
    sleep_until(lambda: state(command) == "S", 10, "supinit forwards SIGCONT")
    assert foreground_of(terminal.pid) == command
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.end() == 143


def test_a_cont_is_never_lost_on_a_command_that_has_just_been_stopped(on_terminal: On) -> None:
    terminal = on_terminal(*PLAIN["supinit"], "sleep", "1000")
    command = in_front(terminal.pid, "sleep")
    for _ in range(100):
        os.kill(command, signal.SIGSTOP)
        sleep_until(lambda: state(command) == "T", 10, "the command is stopped")
        os.kill(terminal.pid, signal.SIGCONT)
        sleep_until(lambda: state(command) == "S", 10, "supinit forwards SIGCONT")


def test_a_script_has_the_terminal_again_after_supinit(on_terminal: On) -> None:
    terminal = on_terminal("sh", "-c", f"{ALONE} true; cat; exit 2")
    await_echo(terminal, "word")
    terminal.type("\x04")
    assert terminal.end() == 2


# ---- below an interactive shell


@pytest.fixture
def shell(on_terminal: On) -> Terminal:
    terminal = on_terminal(*BASH, "-i")
    terminal.expect("> ")
    return terminal


BELOW = {
    "supinit": ALONE,
    "supinit -g": f"{ALONE} -g",
    "dumb-init": "dumb-init",
    "group": f"{ALONE} sh -c 'cat; exit 4' --",
    "script": f"sh -c '{ALONE} cat; exit 4' --",
}
"""The prefixes of cat in the shell."""


@pytest.mark.parametrize("prefix", BELOW.values(), ids=BELOW)
def test_ctrl_z_stops_the_job_of_the_shell_and_fg_continues_it(shell: Terminal, prefix: str) -> None:
    """Below tini, such a shell waits forever. A script around supinit is stopped as well."""
    available((prefix.split()[0],))
    shell.type(f"{prefix} cat\n")
    await_echo(shell, "first")
    for number in (1, 2):
        shell.type("\x1a")
        sleep_until(partial(has_stopped, shell, number), 10, "the shell has its prompt")
        shell.type(f"echo alive{number}=$((1))\n")
        shell.expect(f"alive{number}=1")
        shell.type("fg\n")
        await_echo(shell, f"word{number}")
    shell.type("\x04")
    shell.type("echo code=$?\n")
    shell.expect("code=4" if "exit 4" in prefix else "code=0")


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGTTIN], ids=lambda number: number.name)
def test_a_stop_signal_to_supinit_itself_stops_the_job_once(shell: Terminal, number: signal.Signals) -> None:
    """When it continues, both the stop of its command and a SIGCONT are pending."""
    shell.type(f"{ALONE} cat\n")
    sleep_until(lambda: children_of(shell.pid), 10, "supinit runs")
    supinit = children_of(shell.pid)[0]
    in_front(supinit, "cat")
    os.kill(supinit, number)
    sleep_until(partial(has_stopped, shell, 1), 10, "the shell has its prompt")
    shell.type("fg\n")
    await_echo(shell, "word")
    shell.type("\x04")
    shell.type("echo code=$?\n")
    shell.expect("code=0")


def test_a_background_read_stops_the_job_and_fg_gives_it_the_terminal(shell: Terminal) -> None:
    shell.type(f"{ALONE} cat &\n")
    sleep_until(lambda: [state(pid) for pid in children_of(shell.pid)] == ["T"], 10, "the job is stopped")
    shell.type("echo mine=$((1))\n")
    shell.expect("mine=1")
    shell.type("fg\n")
    await_echo(shell, "word")
    shell.type("\x04")
    shell.type("echo code=$?\n")
    shell.expect("code=0")


@pytest.mark.parametrize("mode", ["", "-g"], ids=["group", "session"])
@pytest.mark.parametrize("ending", ["exit 3", "kill -KILL $$"])
def test_the_shell_has_the_terminal_again_after_the_end(shell: Terminal, mode: str, ending: str) -> None:
    shell.type(f"{ALONE} {mode} sh -c '{ending}'; echo code=$?\n")
    shell.expect("code=3" if "exit" in ending else "code=137")
    sleep_until(lambda: foreground_of(shell.pid) == shell.pid, 10, "the shell is in the foreground")
    shell.type("cat\n")
    cat = in_front(shell.pid, "cat")
    shell.type("\x04")
    wait_for_end(cat)


def test_a_terminal_given_to_another_job_meanwhile_is_not_taken_back(shell: Terminal) -> None:
    shell.type(f"{ALONE} sleep 1000\n")
    sleep_until(lambda: children_of(shell.pid), 10, "supinit runs")
    supinit = children_of(shell.pid)[0]
    command = in_front(supinit, "sleep")
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.type("bg; cat\n")
    cat = in_front(shell.pid, "cat")
    sleep_until(lambda: state(command) == "S", 10, "it continues in the background")
    os.kill(command, signal.SIGKILL)
    wait_for_end(supinit)
    assert foreground_of(cat) == cat
    await_echo(shell, "word")
