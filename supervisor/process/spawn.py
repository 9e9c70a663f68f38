"""Start a process in its own session, with default signal dispositions, an empty mask and descriptors 0 to 2.

posix_spawn(3) is used where it suffices, at a quarter of the cost of a fork. fork(2) is used for what must be set
inside the child: user, limits, niceness, OOM score, capabilities.
"""

from __future__ import annotations

import errno
import os
import signal
from functools import partial

from supervisor.core.record import Record, replace
from supervisor.errors import SpawnError
from supervisor.process.credentials import switch_to
from supervisor.process.descriptors import set_limit
from supervisor.process.executable import DEFAULT_PATH, cannot_execute, find_executable
from supervisor.process.inbox import ALL, IGNORED
from supervisor.process.posix_spawn import posix_spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import NoReturn

    from supervisor.core.program import Credentials, Limit
    from supervisor.process.handover import Handover


_EXECUTE = "execute"


class _Step(Record):
    """One thing done between fork and exec: `deed` as an infinitive, and the `privilege` that it may need."""

    deed: str
    act: Callable[[], object]
    privilege: str = ""

    def error(self, number: int) -> SpawnError:
        """Return the error for the operator. Another try may succeed."""
        needs = f" (it needs {self.privilege})" if self.privilege and number in (errno.EPERM, errno.EACCES) else ""
        return SpawnError(f"cannot {self.deed}: {os.strerror(number)}{needs}", None)


class Launch(Record):
    """Everything a new process gets. The caller owns the descriptors and closes them."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    stdin: int
    stdout: int
    stderr: int
    extra: tuple[tuple[int, int], ...] = ()
    """More descriptors, each with its number above 2 in the new process."""
    pid_variable: str | None = None
    """A variable that holds the pid of the process itself."""
    working_dir: str | None = None
    umask: int | None = None
    credentials: Credentials | None = None
    ulimits: tuple[Limit, ...] = ()
    nice: int | None = None
    oom_score_adj: int | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    no_new_privileges: bool = False
    terminal: Handover | None = None
    """The terminal on stdin, which is handed to the process."""
    nofile: int | None = None
    """The soft RLIMIT_NOFILE, unless `ulimits` has it. None: supinit's own."""

    @property
    def needs_fork(self) -> bool:
        is_limited = bool(self.ulimits) or self.nice is not None or self.oom_score_adj is not None
        return (
            is_limited
            or self.credentials is not None
            or self.is_confined
            or self.terminal is not None
            or self.pid_variable is not None
            or self._has_high_descriptors
        )

    @property
    def is_confined(self) -> bool:
        """Whether something is set that takes process/capabilities.py."""
        return bool(self.cap_add or self.cap_drop) or self.no_new_privileges

    @property
    def _has_high_descriptors(self) -> bool:
        """Whether posix_spawn(3) would refuse a descriptor, which has to be below the limit that the child inherits."""
        if self.nofile is None:
            return False
        return max(self.stdin, self.stdout, self.stderr, *(own for own, _ in self.extra)) >= self.nofile


def spawn(launch: Launch) -> int:
    """Start the process and return its pid. Raises SpawnError; no process exists then."""
    path = find_executable(launch.command[0], launch.environment.get("PATH", DEFAULT_PATH))
    moved: list[int] = []
    try:
        if launch.extra:
            launch = _move_apart(launch, moved)
        if not launch.needs_fork:
            try:
                return posix_spawn(
                    path,
                    launch.command,
                    launch.environment,
                    ((launch.stdin, 0), (launch.stdout, 1), (launch.stderr, 2), *launch.extra),
                    launch.working_dir,
                    launch.umask,
                    launch.nofile,
                )
            except PermissionError as error:
                if error.errno != errno.EPERM:
                    raise
                # older seccomp profiles refuse clone3(2), which glibc uses for posix_spawn but not for fork (and
                # posix_spawn.py names a reason of its own)
        return _fork(launch, path)
    except OSError as error:
        raise cannot_execute(path, error) from None
    except ValueError as error:
        raise SpawnError(f"cannot be started: {error}", 126) from None
    finally:
        for descriptor in moved:
            os.close(descriptor)


def _move_apart(launch: Launch, moved: list[int]) -> Launch:
    """Duplicate the descriptors whose number another one gets in the process, and add the duplicates to `moved`."""
    numbers = {number for _, number in launch.extra}
    pairs: list[tuple[int, int]] = []
    for own, number in launch.extra:
        if own != number and own in numbers:
            import fcntl

            own = fcntl.fcntl(own, fcntl.F_DUPFD_CLOEXEC, max(numbers) + 1)
            moved.append(own)
        pairs.append((own, number))
    return replace(launch, extra=tuple(pairs)) if moved else launch


def turn_into(launch: Launch) -> NoReturn:
    """Replace this process with the program. Session, signals and descriptors are kept.

    Raises SpawnError, with the OSError as its cause. Part of the context may have been applied by then.
    """
    for step in _steps_into_context(launch):
        try:
            step.act()
        except OSError as error:
            raise step.error(error.errno or 0) from error
        except ValueError as error:
            raise SpawnError(f"cannot {step.deed}: {error}", None) from error
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)
    path = find_executable(launch.command[0], launch.environment.get("PATH", DEFAULT_PATH))
    try:
        _execute(launch, path)
    except OSError as error:
        raise cannot_execute(path, error) from error
    except ValueError as error:
        raise SpawnError(f"cannot be started: {error}", 126) from error


def _fork(launch: Launch, path: str) -> int:
    """Block every signal around the fork: before exec, a child would report it to supinit's own inbox."""
    if launch.is_confined:
        import supervisor.process.capabilities  # noqa: F401  # here, and not in every child
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
    deed, _, number = message.rpartition(" ")
    if deed == _EXECUTE:
        raise OSError(int(number), "")
    raise _failure(launch, deed, int(number))


def _failure(launch: Launch, deed: str, number: int) -> SpawnError:
    """Return the error for what a forked child could not do."""
    for step in _steps(launch):
        if step.deed == deed:
            return step.error(number)
    return SpawnError(f"cannot {deed}: {os.strerror(number)}", None)


def _become(launch: Launch, path: str, write_end: int) -> NoReturn:
    """Turn the forked child into the program. A failure is reported through the pipe as "DEED ERRNO"."""
    deed = "prepare the process"
    while write_end in (number for _, number in launch.extra):
        write_end = os.dup(write_end)
    try:
        for step in _steps(launch):
            deed = step.deed
            step.act()
        if launch.nofile is not None and all(limit.resource != "nofile" for limit in launch.ulimits):
            set_limit(launch.nofile)  # last, since the steps before need descriptors of their own
        if launch.pid_variable is not None:
            launch = replace(launch, environment={**launch.environment, launch.pid_variable: str(os.getpid())})
        deed = _EXECUTE
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _execute(launch, path)
    except OSError as error:
        os.write(write_end, os.fsencode(f"{deed} {error.errno or 0}"))
    except BaseException:
        os.write(write_end, os.fsencode(f"{deed} {errno.EPERM}"))
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
        yield _Step("start a session", os.setsid)
    else:
        yield _Step("take the terminal", launch.terminal.take)
    yield _Step("reset its signals", _reset_signals)
    yield _Step("connect its stdin", lambda: os.dup2(launch.stdin, 0))
    yield _Step("connect its stdout", lambda: os.dup2(launch.stdout, 1))
    yield _Step("connect its stderr", lambda: os.dup2(launch.stderr, 2))
    for own, number in launch.extra:
        yield _Step(f"connect its descriptor {number}", partial(_connect, own, number))
    yield from _steps_into_context(launch)


def _steps_into_context(launch: Launch) -> Iterator[_Step]:
    """Yield what gives a process the program's context, in order.

    The working directory and what reduces its privileges for good follow the user.
    """
    credentials = launch.credentials
    if launch.umask is not None:
        yield _Step("set its umask", lambda: os.umask(launch.umask or 0))
    for limit in launch.ulimits:
        yield _Step(f"set its ulimit {limit.resource}", partial(_limit, limit), "a higher hard limit")
    if launch.nice is not None:
        nice = launch.nice
        yield _Step(f"set nice {nice}", lambda: os.setpriority(os.PRIO_PROCESS, 0, nice), "CAP_SYS_NICE")
    if launch.oom_score_adj is not None:
        score = launch.oom_score_adj
        yield _Step(f"set oom_score_adj {score}", lambda: _set_oom_score(score), "CAP_SYS_RESOURCE")
    if launch.is_confined:
        yield from _steps_before_user(launch)
    if credentials is not None:
        deed = f"switch to user {credentials.name or credentials.uid}"
        yield _Step(deed, lambda: switch_to(credentials), "root, or CAP_SETUID and CAP_SETGID")
    if launch.is_confined:
        yield from _steps_after_user(launch)
    if launch.working_dir is not None:
        folder = launch.working_dir
        yield _Step(f"change to {folder}", lambda: os.chdir(folder))


def _steps_before_user(launch: Launch) -> Iterator[_Step]:
    from supervisor.process.capabilities import before_user

    for deed, act, privilege in before_user(launch.cap_add, launch.cap_drop, launch.no_new_privileges):
        yield _Step(deed, act, privilege)


def _steps_after_user(launch: Launch) -> Iterator[_Step]:
    from supervisor.process.capabilities import after_user, forbid_new_privileges

    uid = os.geteuid() if launch.credentials is None else launch.credentials.uid
    for deed, act, privilege in after_user(launch.cap_add, launch.cap_drop, uid):
        yield _Step(deed, act, privilege)
    if launch.no_new_privileges:
        yield _Step("set no_new_privileges", forbid_new_privileges)


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
