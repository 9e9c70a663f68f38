"""The launcher takes over what an opening has started. integration/test_opening.py has the rest."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path

from supervisor.core.life import Running
from supervisor.core.program import LogSettings, Restart, RestartWhen
from supervisor.logs.new_pipes import close_all, new_pipes
from supervisor.logs.pipe import has_unread
from supervisor.opening import Opened

from .engines import Turned, program
from .engines import adopting as adopting
from .engines import open_folder as open_folder
from .engines import turned as turned
from .process.nursery import is_gone, sleep_until


def open_one(container: Turned, name: str, *command: str) -> Opened:
    """Start a command in a session of its own, with two pipes."""
    ours, theirs = new_pipes(2, container.epoll)
    streams = [(os.POSIX_SPAWN_DUP2, write_end, number) for number, write_end in enumerate(theirs, 1)]
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=streams, setsid=True)
    close_all(theirs)
    opened = container.engine.launcher.opened[name, 1] = Opened(pid, ours)
    return opened


def test_a_process_of_an_opening_becomes_the_main_process(turned: Callable[..., Turned]) -> None:
    container = turned(program("web", "never started by the engine"))
    started = open_one(container, "web", "sh", "-c", "echo hello; exec sleep 600")
    container.begin().run_until_told("hello")
    assert container.pid("web") == started.pid
    container.shut_down()
    assert is_gone(started.pid)


def test_output_comes_in_the_order_of_the_first_writes(turned: Callable[..., Turned]) -> None:
    """All of it has been written when the engine begins to read."""
    container = turned(program("api"), program("web"))
    for name in ("web", "api"):
        started = open_one(container, name, "sh", "-c", "echo first >&2; echo second; exec sleep 600")
        sleep_until(partial(has_unread, started.pipes[0]))
    container.begin().run_until_up("api")
    container.pump.turn()
    assert container.output == ["web | second", "api | second"]
    assert container.pump.last_lines(("web", 1)) == "first\nsecond"
    container.shut_down()


def test_a_process_whose_output_cannot_be_read_is_replaced(turned: Callable[..., Turned], tmp_path: Path) -> None:
    """Its log file cannot be opened, because all descriptors are in use."""
    log = LogSettings(file=str(tmp_path / "log"))
    container = turned(program("web", "sleep", "600", restart=Restart(RestartWhen.ALWAYS), log=log))
    started = open_one(container, "web", "sleep", "600")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.open("/", os.O_PATH))
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        container.begin()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    container.run_until(lambda: isinstance(container.phase("web"), Running))
    assert container.pid("web") != started.pid
    assert is_gone(started.pid)
    assert "cannot be started: Too many open files" in container.log
    container.shut_down()


def test_a_process_that_the_core_does_not_order_is_ended_at_once(turned: Callable[..., Turned]) -> None:
    """Nobody would read its output, and the epoll would report it again and again."""
    container = turned(program("web", autostart=False))
    started = open_one(container, "web", "sh", "-c", "echo hello; exec sleep 600")
    container.begin().run_until(lambda: is_gone(started.pid))
    assert container.engine.launcher.opened == {}
    assert container.epoll.poll(0) == []
