"""The main program beside the table: its stdin and terminal, its end and its exit code."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.conftest import Run
from integration.container import SUPINIT, Container, child
from integration.terminal import Screen, Terminal
from integration.waiting import sleep_until

SERVICE = {
    "command": [
        "/bin/sh",
        "-c",
        "trap 'echo got INT' INT; trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.05; done",
    ],
    "min_uptime": 0,
}
TICKER = {"command": ["/bin/sh", "-c", "while :; do echo tick; sleep 0.005; done"], "min_uptime": 0}
SHELL = ("--", "bash", "--norc", "-i")
OnTerminal = Callable[..., tuple[Container, Screen]]


def prepare_shell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what bash writes be plain text."""
    (folder / "inputrc").write_text("set enable-bracketed-paste off\n")
    for name, value in {"NO_COLOR": "1", "TERM": "xterm", "PS1": "$ ", "INPUTRC": str(folder / "inputrc")}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def on_terminal(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnTerminal]:
    """Start supinit as PID 1 that leads a session with a terminal, as `docker run -it` does."""
    prepare_shell(tmp_path, monkeypatch)
    screens: list[Screen] = []

    def start(programs: object, *arguments: str, **options: object) -> tuple[Container, Screen]:
        screen = Screen()
        screens.append(screen)
        line = screen.line
        container = run(
            programs, *arguments, inside=("setsid", "--ctty"), stdin=line, stdout=line, stderr=line, **options
        )
        return container, screen

    yield start
    for screen in screens:
        print(screen.text[-2000:])  # pytest shows it where a test has failed


def events(container: Container) -> list[str]:
    """Return the events that were told so far, but for their levels and values."""
    lines = container.supctl("--json", "events").stdout.splitlines()
    return [json.loads(line)["event"] for line in lines]


def in_order(text: str, *parts: str) -> bool:
    places = [text.index(part) for part in parts]
    return places == sorted(places)


def run_in_foreground(screen: Screen, command: str) -> None:
    """Let the shell on a terminal run a command that is `sleep`, and wait until a key reaches that.

    bash gives a child the foreground before it is the command, and until then a key is lost on it.
    """
    screen.type(f"{command}\n")
    sleep_until(lambda: name_of(screen.foreground) == "sleep", 10, f"{command} is in the foreground")


def name_of(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


# ---- its code is the container's


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "exit 0"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "exit 255"], 255),
        (["sh", "-c", "kill -9 $$"], 137),
        (["/nowhere/at-all"], 127),
        (["/etc/passwd"], 126),
    ],
    ids=["0", "3", "255", "SIGKILL", "not found", "not executable"],
)
def test_its_end_ends_the_container_with_its_code_and_the_rest_in_order(
    run: Run, command: list[str], code: int
) -> None:
    container = run({"web": SERVICE | {"ready": {"log": "up"}}}, "--", *command)
    assert container.end() == code
    assert container.left_in_namespace() == []


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("trap 'echo main bye; exit 3' TERM; echo main up; while :; do sleep 0.05; done", 3),
        ("trap 'echo main bye; exit 0' TERM; echo main up; while :; do sleep 0.05; done", 0),
        ("echo main up; exec sleep 1000", 143),
    ],
    ids=["3", "0", "SIGTERM"],
)
def test_a_shutdown_stops_it_first_and_passes_its_code_on(run: Run, script: str, code: int) -> None:
    container = run({"web": SERVICE}, "--", "sh", "-c", script)
    container.expect("web | up")
    container.expect("main up")
    container.signal(signal.SIGTERM)
    assert container.end() == code
    assert in_order(container.err.text, "program.exited program=main", "program.stop_begun program=web")
    assert "web | bye" in container.out.lines


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("touch up; exec sleep 1000", 143),
        ("trap 'exit 3' TERM; touch up; while :; do sleep 0.05; done", 3),
        ("trap 'exit 0' TERM; touch up; while :; do sleep 0.05; done", 5),
    ],
    ids=["stopped", "its own", "no failure ends with 0"],
)
def test_where_a_service_brings_the_container_down_the_code_is_still_the_main_programs(
    run: Run, tmp_path: Path, script: str, code: int
) -> None:
    fail = {"command": ["sh", "-c", "until [ -e up ]; do sleep 0.05; done; exit 5"], "restart": "no"}
    container = run({"web": fail | {"working_dir": str(tmp_path)}}, "--", "sh", "-c", f"cd {tmp_path}; {script}")
    assert container.end() == code
    assert container.err.has(f'container.ended code={code} cause="program ended" reason="web exited with code 5"')


def test_a_second_signal_kills_it_and_the_code_says_so(run: Run) -> None:
    container = run({}, "--", "sh", "-c", "trap '' TERM; echo main up; while :; do sleep 0.05; done")
    container.expect("main up")
    first = container.signal(signal.SIGTERM)
    sleep_until(
        lambda: time.monotonic() > first + 1.1, 10, "a second signal does not count as a repetition of the first"
    )
    container.signal(signal.SIGTERM)
    assert container.end() == 137


# ---- stdin and the others


def test_it_reads_what_is_piped_in_and_its_end(run: Run) -> None:
    read_end, write_end = os.pipe()
    container = run({"web": SERVICE}, "cat", stdin=read_end)
    os.write(write_end, b"one\ntwo\n")
    container.expect("two")
    assert not container.has_ended
    os.close(write_end)
    assert container.end() == 0
    assert [line for line in container.out.lines if "web" not in line] == ["one", "two"]


def test_nobody_else_has_stdin(run: Run) -> None:
    reader = {"command": ["sh", "-c", "cat; echo web read nothing; exec sleep 1000"]}
    read_end, write_end = os.pipe()
    container = run({"web": reader}, "cat", stdin=read_end)
    container.expect("web | web read nothing")
    os.write(write_end, b"for main\n")
    container.expect("for main")
    os.close(write_end)
    assert container.end() == 0
    assert "for main" in container.out.lines


def test_it_waits_for_boot_tasks_and_is_among_the_programs(run: Run, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"while [ ! -e {gate} ]; do sleep 0.01; done; echo migrated"
    container = run(
        {"migrate": {"command": ["sh", "-c", script], "type": "oneshot"}, "web": SERVICE},
        *("--", "sh", "-c", "echo main up; exec sleep 1000"),
    )
    container.await_state("web", "RUNNING")
    main = container.programs()["main"]
    assert (list(container.programs()), main["state"], main["waiting_for"]) == (
        ["migrate", "web", "main"],
        "PENDING",
        ["migrate"],
    )
    gate.touch()
    container.expect("main up")
    assert in_order(container.out.text, "migrate | migrated", "main up")
    container.await_state("main", "RUNNING")
    assert container.supctl("status", "main").stdout.split("\n")[1].split()[:2] == ["main", "RUNNING"]


def test_an_update_keeps_it_and_stops_what_is_new_after_it(run: Run) -> None:
    container = run({"web": SERVICE}, "--", "sleep", "1000")
    container.await_state("main", "RUNNING")
    pid = container.programs()["main"]["pid"]
    table = container.run_dir.with_suffix(".yaml")
    document = json.loads(table.read_text())
    document["programs"]["late"] = SERVICE
    table.write_text(json.dumps(document))
    assert container.supctl("update").returncode == 0
    container.expect("late | up")
    assert (list(container.programs()), container.programs()["main"]["pid"]) == (["web", "late", "main"], pid)
    container.signal(signal.SIGTERM)
    assert container.end() == 143
    assert in_order(container.err.text, "program.exited program=main", "program.stop_begun program=late")


# ---- the terminal


def test_a_shell_has_job_control_and_ctrl_c_reaches_nobody_else(on_terminal: OnTerminal) -> None:
    container, screen = on_terminal({"web": SERVICE}, *SHELL)
    screen.expect("web | up")
    screen.type("test -t 1 && echo at $(tty)\n")
    screen.expect("at /dev/pts/")
    run_in_foreground(screen, "sleep 100")
    screen.type("\x1a")
    screen.expect("Stopped                 sleep 100\r\n$ ")
    run_in_foreground(screen, "fg")
    screen.type("\x03")
    screen.expect("^C\r\n$ ")
    screen.type("echo code $?\n")
    screen.expect("code 130\r\n")
    screen.type("exit 3\n")
    assert container.end() == 3
    assert in_order(screen.text, "exit 3", "web | bye")
    assert "got INT" not in screen.text


def test_ctrl_c_reaches_what_knows_nothing_of_terminals(on_terminal: OnTerminal) -> None:
    container, screen = on_terminal({"web": SERVICE}, "sleep", "1000")
    container.await_state("main", "RUNNING")
    screen.type("\x03")
    assert container.end() == 130
    assert "web | bye" in screen.text and "got INT" not in screen.text


def test_what_a_shell_has_left_running_is_its_own_and_ends_with_it(on_terminal: OnTerminal) -> None:
    container, screen = on_terminal({"web": SERVICE}, *SHELL)
    container.await_socket()
    screen.expect("web | up")
    screen.type("sleep 1001 & disown; setsid sleep 1002 & echo started\n")
    screen.expect("started\r\n")
    main = container.supctl("tree").stdout.partition("\nmain ")[2].partition("\nsupinit ")[0]
    assert re.findall(r"sleep 100\d", main) == ["sleep 1001", "sleep 1002"]
    screen.type("exit\n")
    assert container.end() == 0
    assert container.left_in_namespace() == []


def test_an_idle_shell_which_ignores_sigterm_ends_at_once_in_a_shutdown(on_terminal: OnTerminal) -> None:
    container, screen = on_terminal({"web": SERVICE}, *SHELL)
    screen.expect("web | up")
    screen.type("echo here; sleep 100\n")
    screen.expect("here\r\n")
    began = container.signal(signal.SIGTERM)
    assert container.end() == 129
    assert time.monotonic() < began + 5
    assert "web | bye" in screen.text


def test_the_hand_over_is_nobodys_sighup_and_one_from_outside_still_updates(on_terminal: OnTerminal) -> None:
    container, screen = on_terminal({"web": SERVICE}, "cat")
    container.await_socket()
    screen.expect("web | up")
    for word in ("first", "second", "third"):
        screen.type(f"{word}\n")
        screen.expect(f"{word}\r\n{word}\r\n")
        assert container.supctl("restart", "main").returncode == 0
    assert "signal.received" not in events(container)
    container.signal(signal.SIGHUP)
    sleep_until(lambda: "signal.received" in events(container), 10, "the signal is told of")
    assert not container.has_ended


def test_after_a_restart_the_terminal_is_the_new_ones(on_terminal: OnTerminal) -> None:
    container, screen = on_terminal({"web": SERVICE}, *SHELL)
    container.await_socket()
    screen.expect("$ ")
    assert container.supctl("restart", "main").returncode == 0
    run_in_foreground(screen, "sleep 100")
    screen.type("\x03")
    screen.expect("^C\r\n$ ")
    screen.type("exit $?\n")
    assert container.end() == 130


def test_ctrl_c_before_it_has_started_ends_the_container(on_terminal: OnTerminal) -> None:
    container, screen = on_terminal({"slow": SERVICE | {"type": "oneshot"}}, *SHELL)
    screen.expect("slow | up")
    screen.type("\x03")
    assert container.end() == 0
    assert "slow | bye" in screen.text


def test_lines_begin_at_the_left_edge_of_a_terminal_in_raw_mode(on_terminal: OnTerminal) -> None:
    container, screen = on_terminal({"web": TICKER}, "--log-level", "info", "--", *child("raw.py", "draw"))
    container.await_socket()
    screen.expect("raw (pid:")
    before = screen.text.count("tick")
    sleep_until(lambda: screen.text.count("tick") > before + 200, 20, "lines are written")
    screen.type("xxx")
    screen.expect(".")
    assert container.supctl("restart", "web").returncode == 0
    screen.expect("program.exited program=web")
    drawn = screen.text[screen.text.index("raw (pid:") :]
    assert {column for word in ("web | ", "supinit | ") for column in _columns(drawn, word)} == {0}
    screen.type("q")
    assert container.end() == 0


def test_a_program_that_dies_in_raw_mode_leaves_the_terminal_as_it_was(on_terminal: OnTerminal) -> None:
    expected = Screen().modes
    container, screen = on_terminal({"web": SERVICE}, "--", *child("raw.py", "die"))
    assert container.end() == 137
    assert "raw (pid:" in screen.text
    assert screen.modes == expected


def test_after_its_end_the_terminal_is_supinits_while_the_others_are_stopped(on_terminal: OnTerminal) -> None:
    script = "trap 'echo not yet' TERM; echo up; while :; do sleep 0.05; done"
    stubborn = {"command": ["/bin/sh", "-c", script], "stop_grace_period": "1h"}
    container, screen = on_terminal({"web": stubborn}, "--", *child("raw.py", "draw"))
    screen.expect("raw (pid:")
    screen.expect("web | up")
    screen.type("q")
    screen.expect("web | not yet")
    assert screen.modes == Screen().modes
    screen.type("\x03")
    first = time.monotonic()
    sleep_until(
        lambda: time.monotonic() > first + 1.1, 10, "a second signal does not count as a repetition of the first"
    )
    screen.type("\x03")
    assert container.end() == 0


def test_the_terminal_is_quiet_but_for_what_goes_wrong(on_terminal: OnTerminal) -> None:
    crash = {"command": ["sh", "-c", "sleep 0.1; exit 9"], "restart": "on-failure:1", "shutdown_on": "never"}
    container, screen = on_terminal({"crash": crash, "web": SERVICE}, *SHELL)
    container.await_socket()
    screen.expect("program.failed program=crash")
    told = re.findall(r"supinit \| (\S+ \S+ \S+)", screen.text)
    assert told == [
        "warning: program.exited program=crash",
        "warning: program.restart_delayed program=crash",
        "warning: program.exited program=crash",
        "error: program.failed program=crash",
    ]
    assert "container.started" in events(container)
    screen.type("exit 1\n")
    assert container.end() == 1
    assert "container.ended" not in screen.text


def test_an_entry_with_stdin_inherit_needs_no_command(on_terminal: OnTerminal) -> None:
    shell = {"command": ["bash", "--norc", "-i"], "stdin": "inherit", "depends_on": ["web"]}
    container, screen = on_terminal({"web": SERVICE, "shell": shell})
    screen.expect("$ ")
    screen.type("echo $SUPINIT_PROGRAM; exit 4\n")
    screen.expect("shell\r\n")
    assert container.end() == 4


# ---- not PID 1: a shell around it


@pytest.fixture
def in_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """An interactive shell, with a table at $TABLE."""
    prepare_shell(tmp_path, monkeypatch)
    table = tmp_path / "table.yaml"
    table.write_text(json.dumps({"supervisor": {"run_dir": str(tmp_path / "run")}, "programs": {"web": SERVICE}}))
    terminal = Terminal(["bash", "--norc", "-i"], SUPINIT=SUPINIT, TABLE=str(table))
    yield terminal
    terminal.destroy()
    print(terminal.text)


def test_from_a_shell_it_is_one_job_with_supinit(in_shell: Terminal) -> None:
    in_shell.type("$SUPINIT -c $TABLE cat; echo code $?\n")
    in_shell.expect("web | up")
    in_shell.type("one\n")
    in_shell.expect("one\r\none\r\n")
    in_shell.type("\x1a")
    in_shell.expect("Stopped")
    in_shell.type("echo outside\n")
    in_shell.expect("outside\r\n")
    in_shell.type("fg\n")
    in_shell.expect("fg\r\n$SUPINIT -c $TABLE cat\r\n")
    in_shell.type("two\n")
    in_shell.expect("two\r\ntwo\r\n")
    in_shell.type("\x04")
    in_shell.expect("web | bye")
    in_shell.type("exit $?\n")
    assert in_shell.end() == 0
    assert "got INT" not in in_shell.text


def test_from_a_shell_it_goes_to_the_background_and_comes_back(in_shell: Terminal, tmp_path: Path) -> None:
    """The shell sends no signal that would tell the main program, which stops when it reads (SIGTTIN)."""
    gate = tmp_path / "gate"
    in_shell.type(f"$SUPINIT -c $TABLE {shlex.join(child('late_reader.py', str(gate)))}; echo code $?\n")
    in_shell.expect("ready (pid:")
    in_shell.expect("web | up")
    in_shell.type("\x1a")
    in_shell.expect("Stopped")
    in_shell.type("bg\n")
    in_shell.expect(" &\r\n$ ")
    in_shell.type("echo outside\n")
    in_shell.expect("\noutside\r\n")
    in_shell.type("fg\n")
    in_shell.expect("fg\r\n$SUPINIT")
    gate.touch()
    in_shell.type("inside\n")
    in_shell.expect("inside\r\ninside\r\n")
    in_shell.type("\x04")
    in_shell.expect("web | bye")
    in_shell.type("exit $?\n")
    assert in_shell.end() == 0


@pytest.mark.parametrize("starts_there", [False, True], ids=["stopped and let go on", "started there"])
def test_from_a_shell_its_end_in_the_background_leaves_the_terminal_as_the_shell_has_it(
    in_shell: Terminal, tmp_path: Path, starts_there: bool
) -> None:
    gate = tmp_path / "gate"
    main = shlex.join(child("late_reader.py", str(gate)))
    in_shell.type(f"$SUPINIT -c $TABLE {main} {'&' if starts_there else ''}\n")
    in_shell.expect("ready (pid:")
    in_shell.expect("web | up")
    if not starts_there:
        in_shell.type("\x1a")
        in_shell.expect("Stopped")
        in_shell.type("bg\n")
    in_shell.type("echo pid $! end\n")
    in_shell.expect(" end\r\n$ ")
    (pid,) = re.findall(r"\npid (\d+) end", in_shell.text)
    modes = in_shell.modes
    os.kill(int(pid), signal.SIGTERM)
    sleep_until(lambda: not Path(f"/proc/{pid}").exists(), 10, "supinit has ended")
    assert "web | bye" in in_shell.text
    assert in_shell.modes == modes
    in_shell.type("exit\n")
    assert in_shell.end() == 0


def test_from_a_shell_ctrl_c_ends_the_main_program_and_gives_the_terminal_back(in_shell: Terminal) -> None:
    in_shell.type("$SUPINIT -c $TABLE sleep 100; echo code $?\n")
    in_shell.expect("web | up")
    in_shell.type("\x03")
    in_shell.expect("code 130\r\n")
    assert "got INT" not in in_shell.text
    in_shell.type("read line; echo got $line\n")
    in_shell.type("hello\n")
    in_shell.expect("got hello\r\n")
    in_shell.type("exit\n")
    assert in_shell.end() == 0


def test_lines_from_the_background_do_not_stop_supinit(in_shell: Terminal) -> None:
    """As `stty tostop` has it for everybody else."""
    in_shell.type("stty tostop; $SUPINIT -c $TABLE sh -c 'echo main up; read line; exit 6'; echo code $?\n")
    in_shell.expect("main up")
    in_shell.expect("web | up")
    in_shell.type("\n")
    in_shell.expect("web | bye")
    in_shell.expect("code 6\r\n")
    in_shell.type("exit\n")
    assert in_shell.end() == 0


def _columns(text: str, word: str) -> list[int]:
    """Return the column in which each `word` begins, on a terminal that does nothing but what it is told."""
    columns: list[int] = []
    column = 0
    for position, character in enumerate(text):
        if text.startswith(word, position):
            columns.append(column)
        column = 0 if character == "\r" else column + (character != "\n")
    return columns
