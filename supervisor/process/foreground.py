"""Start the command of single-command mode, with the environment, directory and descriptors that supinit got.

Uses posix_spawn(3), or fork(2) where a terminal is handed over. All signals are blocked meanwhile.
"""

from __future__ import annotations

import errno
import os

from supervisor.errors import SpawnError
from supervisor.process.executable import DEFAULT_PATH, cannot_execute, find_executable
from supervisor.process.inherited import inherited_environment
from supervisor.process.terminal import Terminal, enter, is_leader, leave

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    Command = tuple[str, ...]
    _Way = Callable[[str, Command, Mapping[str, str]], int]
else:
    import _signal as signal  # without the enums, which take as long to create as everything else here

RESET = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}


def start_in_group(command: Command, terminal: Terminal | None) -> int:
    """Start the command in its own process group, in the foreground of the terminal where there is one.

    Raises SpawnError. A forked child reports its own error and exits with the code instead.
    """
    if terminal is None:
        return _execute(command, _spawn_in_group)
    pid = _fork(command, terminal.take)
    terminal.lend(pid)
    return pid


def start_in_session(command: Command) -> int:
    """Start the command in its own session, with the terminal where there is one. Raises SpawnError, as above."""
    if not os.isatty(0):
        return _execute(command, _spawn_in_session)
    if is_leader():
        leave()
    return _fork(command, _begin_session)


def _begin_session() -> None:
    os.setsid()
    enter()


def _spawn_in_group(path: str, command: Command, environment: Mapping[str, str]) -> int:
    return os.posix_spawn(path, command, environment, setpgroup=0, setsigmask=(), setsigdef=RESET)


def _spawn_in_session(path: str, command: Command, environment: Mapping[str, str]) -> int:
    return os.posix_spawn(path, command, environment, setsid=True, setsigmask=(), setsigdef=RESET)


def _fork(command: Command, prepare: Callable[[], None]) -> int:
    try:
        pid = os.fork()
    except OSError as error:
        raise cannot_execute(command[0], error) from None
    if pid == 0:
        _become(command, prepare)
    return pid


def _become(command: Command, prepare: Callable[[], None]) -> NoReturn:
    code = 126
    try:
        prepare()
        for number in RESET:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _execute(command, os.execve)
    except SpawnError as error:
        say(f"the command {error}")
        code = error.code or code
    finally:
        os._exit(code)


def _execute(command: Command, way: _Way) -> int:
    """Execute the command. A file without a known format is run by /bin/sh, as execvp(3) does."""
    environment = inherited_environment()
    path = find_executable(command[0], environment.get("PATH", DEFAULT_PATH))
    try:
        try:
            return way(path, command, environment)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return way("/bin/sh", ("/bin/sh", path, *command[1:]), environment)
    except OSError as error:
        raise cannot_execute(path, error) from None


def say(sentence: str) -> None:
    """Write a message to stderr, if it is open."""
    try:
        os.write(2, os.fsencode(f"supinit: {sentence}\n"))
    except OSError:
        pass
