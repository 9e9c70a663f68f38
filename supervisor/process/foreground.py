"""Start the command of single-command mode, with the environment, directory and descriptors that supinit got.

Uses posix_spawn(3), or fork(2) where a terminal is handed over. All signals are blocked meanwhile. The command gets the
signal mask and the ignored signals that supinit was started with, as under nohup(1).
"""

from __future__ import annotations

import errno
import os
import time

from supervisor.errors import SpawnError
from supervisor.process.executable import DEFAULT_PATH, cannot_execute, find_executable
from supervisor.process.inherited import inherited_environment
from supervisor.process.terminal import Terminal, enter, is_leader, leave

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Collection, Mapping
    from typing import NoReturn

    Command = tuple[str, ...]
    _Way = Callable[[str, Command, Mapping[str, str]], int]
else:
    import _signal as signal  # without the enums, which take as long to create as everything else here

RESET = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}
OF_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}
"""Ignored by Python itself, so it is not known whether the parent ignores them. They get their default action back."""
BUSY_LIMIT, BUSY_PAUSE = 20, 0.1
"""How often a start is tried again whose executable is open for writing, and the seconds between two tries."""


class Dispositions:
    """The signals that a process ignores and blocks."""

    __slots__ = ("blocked", "ignored")

    def __init__(self, ignored: frozenset[int], blocked: Collection[int]) -> None:
        self.ignored = ignored
        self.blocked = frozenset(blocked)

    def apply(self) -> None:
        """Take them on, in a forked child."""
        for number in RESET:
            signal.signal(number, signal.SIG_IGN if number in self.ignored else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)


def start_in_group(command: Command, terminal: Terminal | None, inherited: Dispositions) -> int:
    """Start the command in its own process group, in the foreground of the terminal where there is one.

    Raises SpawnError. A forked child reports its own error and exits with the code instead.
    """
    if terminal is None:
        return _start(command, inherited, False)
    pid = _fork(command, terminal.take, inherited)
    terminal.lend(pid)
    return pid


def start_in_session(command: Command, inherited: Dispositions) -> int:
    """Start the command in its own session, with the terminal where there is one. Raises SpawnError, as above."""
    if not os.isatty(0):
        return _start(command, inherited, True)
    if is_leader():
        leave()
    return _fork(command, _begin_session, inherited)


def _begin_session() -> None:
    os.setsid()
    enter()


def _start(command: Command, inherited: Dispositions, in_session: bool) -> int:
    """Start the command without a terminal, in its own session or process group."""

    def spawn(path: str, command: Command, environment: Mapping[str, str]) -> int:
        return os.posix_spawn(
            path,
            command,
            environment,
            **({"setsid": True} if in_session else {"setpgroup": 0}),
            setsigmask=inherited.blocked,
            setsigdef=RESET - inherited.ignored,
        )

    if signal.SIGCHLD not in inherited.ignored:  # supinit itself must not ignore it, so only a fork can pass that on
        try:
            return _execute(command, spawn)
        except PermissionError:
            pass  # older seccomp profiles refuse clone3(2), which glibc uses for posix_spawn but not for fork
    return _fork(command, os.setsid if in_session else lambda: os.setpgid(0, 0), inherited)


def _fork(command: Command, prepare: Callable[[], object], inherited: Dispositions) -> int:
    try:
        pid = os.fork()
    except OSError as error:
        raise cannot_execute(command[0], error) from None
    if pid == 0:
        _become(command, prepare, inherited)
    return pid


def _become(command: Command, prepare: Callable[[], object], inherited: Dispositions) -> NoReturn:
    code = 126
    try:
        prepare()
        inherited.apply()
        _execute(command, os.execve)
    except SpawnError as error:
        say(f"the command {error}")
        code = error.code or code
    except PermissionError as error:
        say(f"the command {cannot_execute(command[0], error)}")
    finally:
        os._exit(code)


def _execute(command: Command, way: _Way) -> int:
    """Execute the command. A file without a known format is run by /bin/sh, as execvp(3) does.

    Raises SpawnError, and PermissionError where the kernel refuses it with EPERM.
    """
    environment = inherited_environment()
    path = find_executable(command[0], environment.get("PATH", DEFAULT_PATH))
    for _ in range(BUSY_LIMIT):
        try:
            return _try(path, command, environment, way)
        except OSError as error:
            if error.errno != errno.ETXTBSY:
                break
            time.sleep(BUSY_PAUSE)
    try:
        return _try(path, command, environment, way)
    except OSError as error:
        if error.errno == errno.EPERM:
            raise
        raise cannot_execute(path, error) from None


def _try(path: str, command: Command, environment: Mapping[str, str], way: _Way) -> int:
    try:
        return way(path, command, environment)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return way("/bin/sh", ("/bin/sh", path, *command[1:]), environment)


def say(sentence: str) -> None:
    """Write a message to stderr, if it is open."""
    try:
        os.write(2, os.fsencode(f"supinit: {sentence}\n"))
    except OSError:
        pass
