"""supctl top in a real terminal (tmux): what is seen at 80 and 200 columns, and what its keys do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from integration.container import SUPCTL, Container
from integration.waiting import sleep_until

pytest.importorskip("textual", reason="the extra supinit[top] is not installed")
if shutil.which("tmux") is None:
    pytest.skip("tmux is not installed", allow_module_level=True)

SERVER = ["tmux", "-L", "supinit-test-top"]


def tmux(*arguments: str) -> str:
    return subprocess.run([*SERVER, *arguments], capture_output=True, text=True, check=False).stdout


@pytest.fixture(params=[80, 200])
def width(request: pytest.FixtureRequest) -> Iterator[int]:
    yield request.param
    tmux("kill-server")


def shows(*parts: str) -> Callable[[], bool]:
    def look() -> bool:
        screen = tmux("capture-pane", "-p")
        return all(part in screen for part in parts)

    return look


def test_programs_are_shown_and_stopped_by_keys_and_the_terminal_is_left_as_it_was(
    run: Callable[..., Container], width: int
) -> None:
    bad = {"command": ["sh", "-c", "echo cannot bind; exit 3"], "shutdown_on": "never", "restart_delay": {"initial": 9}}
    web = {"command": ["sh", "-c", "trap 'echo caught USR1' USR1; while :; do sleep 0.05; done"], "min_uptime": 0}
    container = run({"web": web, "bad": bad})
    container.await_ready()
    container.await_socket()
    top = f"{sys.executable} {SUPCTL} -s {container.socket} top"
    tmux(
        "new-session",
        "-d",
        "-x",
        str(width),
        "-y",
        "24",
        f"unset COLUMNS LINES; echo before; {top}; echo ended $?; cat",
    )
    sleep_until(shows("1 of 2 up", "web", "RUNNING", "bad", "BACKOFF"), 30, "the table is there")
    if width == 200:
        sleep_until(shows("THREADS", "FDS", "CONNS"), 10, "every column is there")
    else:
        assert not shows("THREADS")()
    tmux("send-keys", "Down", "w")
    sleep_until(shows("bad is in BACKOFF: exited with code 3"), 10, "it says why")
    tmux("send-keys", "l")
    sleep_until(shows("cannot bind"), 10, "the logs are there")
    tmux("send-keys", "Up", "l", "k")
    sleep_until(shows("signal for web:1"), 10, "it asks which one")
    tmux("send-keys", "USR1", "Enter")
    sleep_until(shows("logs of web:1", "sent USR1 to web:1", "caught USR1"), 10, "the output is followed")
    tmux("send-keys", "k")
    sleep_until(shows("signal for web:1"), 10, "it asks again")
    tmux("send-keys", "Escape")
    sleep_until(lambda: not shows("signal for")(), 10, "it asks no more")
    tmux("send-keys", "x")
    sleep_until(shows("stop web:1?"), 10, "it asks")
    tmux("send-keys", "y")
    sleep_until(shows("STOPPED"), 10, "it is stopped")
    tmux("send-keys", "q")
    sleep_until(shows("before", "ended 0"), 10, "the screen is as it was")
    assert not shows("STOPPED")()
