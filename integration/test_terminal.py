"""supctl on a terminal: status --watch, and the progress of commands that wait."""

from __future__ import annotations

import os
import re
import signal

import pytest

from integration.conftest import Run
from integration.container import SUPCTL, Container
from integration.terminal import Terminal
from integration.waiting import sleep_until

SLOW = {"command": ["/bin/sh", "-c", "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; done"], "min_uptime": 0}
FRAME = "\x1b[H"
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


@pytest.fixture
def container(run: Run) -> Container:
    container = run({"web": SLOW | {"scale": 2}, "db": {"command": ["sleep", "1000"], "min_uptime": 0}})
    container.await_ready()
    container.await_socket()
    return container


def on_terminal(container: Container, *words: str, columns: int = 80, **variables: str) -> Terminal:
    return Terminal([SUPCTL, "-s", str(container.socket), *words], columns, 24, NO_COLOR="1", **variables)


def frames(terminal: Terminal) -> list[list[str]]:
    """Return the lines of each table that was drawn so far, the one that is being drawn left out."""
    drawn = terminal.text.partition(ENTER)[2].partition(LEAVE)[0].split(FRAME)[1:]
    whole = [frame.removesuffix("\x1b[K\x1b[J") for frame in drawn if frame.endswith("\x1b[K\x1b[J")]
    return [re.split("\x1b\\[K\r+\n", frame) for frame in whole]


def test_watch_draws_in_place_and_leaves_the_last_table_behind(container: Container) -> None:
    terminal = on_terminal(container, "status", "--watch", "100ms")
    sleep_until(lambda: len(frames(terminal)) >= 3, 10, "three tables are drawn")
    assert [line.split()[0] for line in frames(terminal)[-1]] == ["NAME", "web:1", "web:2", "db"]
    container.supctl("stop", "db")
    sleep_until(lambda: "STOPPED" in frames(terminal)[-1][3], 10, "the table shows what has changed")
    terminal.type("\x03")
    assert terminal.end() == 3
    shown, _, left = terminal.text.partition(LEAVE)
    assert [line.split()[:2] for line in left.splitlines()] == [
        ["NAME", "STATE"],
        ["web:1", "RUNNING"],
        ["web:2", "RUNNING"],
        ["db", "STOPPED"],
    ]
    assert "\x1b[2J" not in shown and shown.count(ENTER) == 1


def test_watch_follows_the_size_of_the_terminal_at_once(container: Container) -> None:
    terminal = on_terminal(container, "status", "--watch", "1000", columns=100)
    terminal.expect("LAST EXIT" if "LAST EXIT" in container.supctl("status").stdout else "MEMORY")
    terminal.resize(40, 3)
    sleep_until(lambda: len(frames(terminal)) >= 2, 10, "it is drawn anew")
    last = frames(terminal)[-1]
    assert max(map(len, last)) < 40 and last[2] == "... and 2 more"
    terminal.type("\x03")
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_watch_gives_the_terminal_back_whatever_ends_it(container: Container, number: signal.Signals) -> None:
    terminal = on_terminal(container, "status", "--watch")
    sleep_until(lambda: frames(terminal), 10, "a table is drawn")
    os.kill(terminal.pid, number)
    assert terminal.end() == 0
    assert terminal.text.count(LEAVE) == 1


def test_watch_ends_with_the_container_and_says_why(container: Container) -> None:
    terminal = on_terminal(container, "status", "--watch", "50ms")
    sleep_until(lambda: frames(terminal), 10, "a table is drawn")
    assert container.supctl("shutdown").returncode == 0
    assert terminal.end() == 69
    *_, last = terminal.text.partition(LEAVE)[2].splitlines()
    assert last.replace("\r", "").startswith("\x1b[Ksupctl: cannot get an answer on ")


def test_watch_of_what_is_not_there_is_4_and_leaves_the_screen_alone(container: Container) -> None:
    terminal = on_terminal(container, "status", "--watch", "1s", "nobody")
    assert terminal.end() == 4
    assert ENTER not in terminal.text


@pytest.mark.parametrize(
    ("words", "shown", "left"),
    [
        (("restart", "web:1"), r"restarting web:1: STOPPING \(\d\.\ds\)", ["web:1 is RUNNING, pid N"]),
        (
            ("stop", "*"),
            r"stopping \*: 2 STOPPING, 1 STOPPED \(\d\.\ds\)",
            ["web:1 is STOPPED", "web:2 is STOPPED", "db is STOPPED"],
        ),
    ],
    ids=["one", "several"],
)
def test_what_takes_its_time_shows_how_far_it_is(
    container: Container, words: tuple[str, ...], shown: str, left: list[str]
) -> None:
    """On one line that is erased in the end."""
    terminal = on_terminal(container, *words)
    assert terminal.end() == 0
    *progress, result = terminal.text.split("\r\x1b[K")
    assert any(re.fullmatch(shown, line) for line in progress), progress
    assert re.sub(r"pid \d+", "pid N", result).splitlines() == left


def test_progress_fits_the_terminal(container: Container) -> None:
    terminal = on_terminal(container, "restart", "web:1", columns=20)
    assert terminal.end() == 0
    progress = terminal.text.split("\r\x1b[K")[1:-1]
    assert progress and max(map(len, progress)) < 20


def test_ctrl_c_ends_the_wait_and_says_that_it_goes_on(container: Container) -> None:
    terminal = on_terminal(container, "restart", "web:1")
    terminal.expect("STOPPING")
    terminal.type("\x03")
    assert terminal.end() == 130
    said = "supctl: stopped waiting; the restart continues, supctl status shows how far it is\r\n"
    assert terminal.text.endswith(said)
    sleep_until(lambda: container.programs()["web"]["state"] == "RUNNING", 10, "web:1 runs again")


def test_without_a_terminal_there_are_plain_lines(container: Container) -> None:
    result = container.supctl("restart", "web:1", "db")
    lines = re.sub(r"pid \d+", "pid N", result.stdout).splitlines()
    assert (result.returncode, lines, result.stderr) == (
        0,
        ["web:1 is RUNNING, pid N", "db is RUNNING, pid N"],
        "",
    )
