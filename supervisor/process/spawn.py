"""Start a process in its own session, with default signal dispositions, an empty mask and descriptors 0 to 2.

posix_spawn(3) is used where it suffices, at a quarter of the cost of a fork. fork(2) is used for what must be set
inside the child: user, limits, niceness, OOM score.
"""

from __future__ import annotations

import errno
import os
import signal
from functools import partial

from supervisor.core.record import Record
from supervisor.errors import SpawnError
from supervisor.process.executable import DEFAULT_PATH, cannot_execute, find_executable
from supervisor.process.inbox import ALL, IGNORED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import NoReturn

    from supervisor.core.program import Credentials, Limit
    from supervisor.process.handover import Handover

    _Step = tuple[str, Callable[[], object]]
    """What it does, as an infinitive, and the call that does it."""


class Launch(Record):
    """Everything a new process gets. The caller owns the descriptors and closes them."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    stdin: int
    stdout: int
    stderr: int
    extra: tuple[tuple[int, int], ...] = ()
    """More descriptors, each with its number above 2 in the new process. Connected in this order."""
    working_dir: str | None = None
    umask: int | None = None
    credentials: Credentials | None = None
    ulimits: tuple[Limit, ...] = ()
    nice: int | None = None
    oom_score_adj: int | None = None
    terminal: Handover | None = None
    """The terminal on stdin, which is handed to the process."""

    @property
    def needs_fork(self) -> bool:
        is_limited = bool(self.ulimits) or self.nice is not None or self.oom_score_adj is not None
        return is_limited or self.credentials is not None or self.terminal is not None


def spawn(launch: Launch) -> int:
    """Start the process and return its pid. Raises SpawnError; no process exists then."""
    path = find_executable(launch.command[0], launch.environment.get("PATH", DEFAULT_PATH))
    try:
        return _fork(launch, path) if launch.needs_fork else _posix_spawn(launch, path)
    except OSError as error:
        raise cannot_execute(path, error) from None
    except ValueError as error:
        raise SpawnError(f"cannot be started: {error}", 126) from None


def turn_into(launch: Launch) -> NoReturn:
    """Replace this process with the program. Session, signals and descriptors are kept.

    Raises SpawnError, with the OSError as its cause. Part of the context may have been applied by then.
    """
    for step, act in _steps_into_context(launch):
        try:
            act()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SpawnError(f"cannot {step}: {reason}", None) from error
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)
    path = find_executable(launch.command[0], launch.environment.get("PATH", DEFAULT_PATH))
    try:
        _execute(launch, path)
    except OSError as error:
        raise cannot_execute(path, error) from error
    except ValueError as error:
        raise SpawnError(f"cannot be started: {error}", 126) from error


def _posix_spawn(launch: Launch, path: str) -> int:
    """Start it while supinit's own directory and umask are changed. No other thread of supinit uses them."""
    home = _enter(launch.working_dir) if launch.working_dir is not None else None
    umask = os.umask(launch.umask) if launch.umask is not None else None
    try:
        return os.posix_spawn(
            path,
            launch.command,
            launch.environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, launch.stdin, 0),
                (os.POSIX_SPAWN_DUP2, launch.stdout, 1),
                (os.POSIX_SPAWN_DUP2, launch.stderr, 2),
                *((os.POSIX_SPAWN_DUP2, descriptor, number) for descriptor, number in launch.extra),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=ALL,
        )
    finally:
        if umask is not None:
            os.umask(umask)
        if home is not None:
            os.fchdir(home)
            os.close(home)


def _enter(working_dir: str) -> int:
    """Change the working directory. Return a descriptor of the previous one."""
    home = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(working_dir)
    except OSError as error:
        os.close(home)
        raise SpawnError(f"cannot enter working_dir {working_dir}: {error.strerror}", None) from None
    return home


def _fork(launch: Launch, path: str) -> int:
    """Block every signal around the fork: before exec, a child would report it to supinit's own inbox."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ALL)
    try:
        if launch.terminal is not None:
            launch.terminal.offer()
        pid = os.fork()
        if pid == 0:
            _become(launch, path, write_end)
    except OSError:
        os.close(read_end)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(write_end)
    with open(read_end, "rb") as pipe:
        message = os.fsdecode(pipe.read())
    if not message:
        if launch.terminal is not None:
            launch.terminal.note(pid)
        return pid
    os.waitpid(pid, 0)
    step, _, number = message.rpartition(" ")
    if step == "execute":
        raise OSError(int(number), "")
    raise SpawnError(f"cannot {step}: {os.strerror(int(number))}", None)


def _become(launch: Launch, path: str, write_end: int) -> NoReturn:
    """Turn the forked child into the program. A failure is reported through the pipe as "STEP ERRNO"."""
    step = "prepare it"
    while write_end in (number for _, number in launch.extra):
        write_end = os.dup(write_end)
    try:
        for name, act in _steps(launch):
            step = name
            act()
        step = "execute"
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _execute(launch, path)
    except OSError as error:
        os.write(write_end, os.fsencode(f"{step} {error.errno or 0}"))
    except BaseException:
        os.write(write_end, os.fsencode(f"{step} {errno.EPERM}"))
    finally:
        os._exit(126)


def _execute(launch: Launch, path: str) -> NoReturn:
    """Execute the program. Its user may not reach the file that supinit found, so search PATH again (execvp(3))."""
    name = launch.command[0]
    if "/" in name:
        os.execve(path, launch.command, launch.environment)
    refusal: OSError | None = None
    for folder in launch.environment.get("PATH", DEFAULT_PATH).split(":"):
        try:
            os.execve(os.path.join(folder or ".", name), launch.command, launch.environment)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except PermissionError as error:
            refusal = error
    raise refusal or FileNotFoundError(errno.ENOENT, "")


def _steps(launch: Launch) -> Iterator[_Step]:
    """Yield what a forked child does before exec, in order."""
    if launch.terminal is None:
        yield "start a session", os.setsid
    else:
        yield "take the terminal", launch.terminal.take
    yield "reset its signals", _reset_signals
    yield "connect its stdin", lambda: os.dup2(launch.stdin, 0)
    yield "connect its stdout", lambda: os.dup2(launch.stdout, 1)
    yield "connect its stderr", lambda: os.dup2(launch.stderr, 2)
    for own, number in launch.extra:
        yield f"connect its descriptor {number}", partial(_connect, own, number)
    yield from _steps_into_context(launch)


def _steps_into_context(launch: Launch) -> Iterator[_Step]:
    """Yield what gives a process the program's context, in order. Only the working directory follows the user."""
    credentials = launch.credentials
    if launch.umask is not None:
        yield "set its umask", lambda: os.umask(launch.umask or 0)
    for limit in launch.ulimits:
        yield f"set its ulimit {limit.resource}", partial(_limit, limit)
    if launch.nice is not None:
        yield f"set nice {launch.nice}", lambda: os.setpriority(os.PRIO_PROCESS, 0, launch.nice or 0)
    if launch.oom_score_adj is not None:
        yield f"set oom_score_adj {launch.oom_score_adj}", lambda: _set_oom_score(launch.oom_score_adj or 0)
    if credentials is not None:
        yield "set its groups", lambda: _set_groups(credentials)
        yield f"become group {credentials.gid}", lambda: os.setresgid(*[credentials.gid] * 3)
        yield f"become user {credentials.name or credentials.uid}", lambda: os.setresuid(*[credentials.uid] * 3)
    if launch.working_dir is not None:
        yield f"enter working_dir {launch.working_dir}", lambda: os.chdir(launch.working_dir or ".")


def _connect(own: int, number: int) -> None:
    """Give a descriptor its number. dup2(2) onto itself would leave it close-on-exec."""
    if own == number:
        os.set_inheritable(own, True)
    else:
        os.dup2(own, number)


def _reset_signals() -> None:
    for number in ALL:
        signal.signal(number, signal.SIG_DFL)


def _limit(limit: Limit) -> None:
    import resource

    resource.setrlimit(getattr(resource, f"RLIMIT_{limit.resource.upper()}"), (limit.soft, limit.hard))


def _set_oom_score(score: int) -> None:
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(score))


def _set_groups(credentials: Credentials) -> None:
    """Set the supplementary groups, unless they are right already: setting them takes privileges."""
    if set(os.getgroups()) != set(credentials.groups):
        os.setgroups(credentials.groups)
