"""The launcher takes over what an opening has started. integration/test_opening.py has the rest."""

from __future__ import annotations

import os
from collections.abc import Callable

from supervisor.core.life import Running
from supervisor.core.program import Restart, RestartWhen
from supervisor.opening import Opened

from .engines import Turned, program
from .engines import adopting as adopting
from .engines import open_folder as open_folder
from .engines import turned as turned
from .process.nursery import is_gone


def opened(*command: str, pipes: Callable[[int], list[int]]) -> Opened:
    """Start a command in a session of its own, with stdout in a pipe."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    streams = [(os.POSIX_SPAWN_DUP2, write_end, 1)]
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=streams, setsid=True)
    os.close(write_end)
    return Opened(pid, pipes(read_end))


def test_a_process_of_an_opening_becomes_the_main_process(turned: Callable[..., Turned]) -> None:
    container = turned(program("web", "never started by the engine"))
    started = opened("sh", "-c", "echo hello; exec sleep 600", pipes=lambda end: [end])
    container.engine.launcher.opened["web", 1] = started
    container.begin().run_until_told("hello")
    assert container.pid("web") == started.pid
    container.shut_down()
    assert is_gone(started.pid)


def test_a_process_whose_output_cannot_be_read_is_replaced(turned: Callable[..., Turned]) -> None:
    """epoll refuses a regular file, and a pipe where the kernel is out of memory."""
    container = turned(program("web", "sleep", "600", restart=Restart(RestartWhen.ALWAYS)))
    started = opened("sleep", "600", pipes=lambda end: [end, os.open(__file__, os.O_RDONLY)])
    container.engine.launcher.opened["web", 1] = started
    container.begin().run_until(lambda: isinstance(container.phase("web"), Running))
    assert container.pid("web") != started.pid
    assert is_gone(started.pid)
    assert "cannot be started: Operation not permitted" in container.log
    container.shut_down()
