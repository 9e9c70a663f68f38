"""Real processes for tests: started by the spawner, read through a pipe, and cleaned up.

Every wait is for a condition and has a generous limit, so that a test is slow on a busy machine but does not fail.
"""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from supervisor.core.program import InstanceId
from supervisor.process.executable import DEFAULT_PATH
from supervisor.process.procfs import own_children, read_process
from supervisor.process.spawn import Launch, spawn
from supervisor.process.variables import INSTANCE, PROGRAM

T = TypeVar("T")

LIMIT = 30.0
"""Seconds after which a condition is taken to never come true."""
NOBODY = 65534


def sleep_until(condition: Callable[[], object], limit: float = LIMIT) -> None:
    """Return once `condition` is true."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.005)


def is_gone(pid: int) -> bool:
    """Whether a process is dead, reaped or not."""
    process = read_process(pid)
    return process is None or process.is_zombie


def open_descriptors() -> set[int]:
    """Return the numbers of this process's open descriptors, after closing what other tests have leaked."""
    gc.collect()
    gc.freeze()  # survivors are not scanned again, which makes the next call cheap
    names = os.listdir("/proc/self/fd")
    return {int(name) for name in names if os.path.lexists(f"/proc/self/fd/{name}")}


def open_at(target: str) -> set[int]:
    """Return the open descriptors whose path, or kind such as "anon_inode:inotify", begins with `target`."""
    return {number for number in open_descriptors() if os.readlink(f"/proc/self/fd/{number}").startswith(target)}


@contextmanager
def closing_new(target: str) -> Iterator[None]:
    """Close what is opened meanwhile at `target` by something that keeps it for as long as its process lives."""
    before = open_at(target)
    yield
    for descriptor in open_at(target) - before:
        os.close(descriptor)


def marks(instance: InstanceId = ("web", 1), identity: str = "own") -> dict[str, str]:
    """Return the variables of an instance's processes, and a PATH."""
    return {"PATH": DEFAULT_PATH, PROGRAM: instance[0], INSTANCE: str(instance[1]), "SUPINIT_ID": identity}


class Ear:
    """The reading end of a pipe that the processes write to."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        self._heard = b""

    def line(self) -> str:
        """Return the next line."""
        while b"\n" not in self._heard:
            data = self._more()
            assert data, f"the pipe ended after {self._heard!r}"
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def lines(self, count: int) -> list[str]:
        return [self.line() for _ in range(count)]

    def rest(self) -> str:
        """Return everything up to the end of the pipe, which comes when no process has it open any more."""
        self.hang_up()
        while data := self._more():
            self._heard += data
        text, self._heard = self._heard.decode(), b""
        return text

    def hang_up(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close(self) -> None:
        self.hang_up()
        os.close(self.read_end)

    def _more(self) -> bytes:
        readable, _, _ = select.select([self.read_end], [], [], LIMIT)
        assert readable, f"nothing was heard after {self._heard!r}"
        return os.read(self.read_end, 65536)


class Nursery:
    """Starts processes that share one output pipe. `close` kills and reaps all of them."""

    def __init__(self) -> None:
        self.ear = Ear()
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.pids: list[int] = []

    def launch(self, *command: str, **fields: Any) -> Launch:
        defaults: dict[str, Any] = {
            "environment": {"PATH": DEFAULT_PATH},
            "stdin": self.null,
            "stdout": self.ear.write_end,
            "stderr": self.ear.write_end,
        }
        return Launch(command, **(defaults | fields))

    def start(self, *command: str, **fields: Any) -> int:
        """Start a process and return its pid."""
        self.pids.append(spawn(self.launch(*command, **fields)))
        return self.pids[-1]

    def settle(self, *command: str, **fields: Any) -> int:
        """Start a process and return its pid once execve(2) is complete.

        posix_spawn(3) returns before the old descriptors are closed and the arguments are visible.
        """
        pid = self.start(*command, **fields)
        sleep_until(lambda: _arguments(pid))
        return pid

    def output(self, *command: str, **fields: Any) -> str:
        """Start a process and return everything that it writes."""
        self.start(*command, **fields)
        return self.ear.rest()

    def python(self, script: str, **fields: Any) -> int:
        return self.start(sys.executable, "-I", "-S", "-c", script, **fields)

    def end(self, pid: int) -> int:
        """Wait for a process and return its exit code, negative for a signal."""
        sleep_until(lambda: is_gone(pid))
        _, status = os.waitpid(pid, 0)
        self.pids.remove(pid)
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        for pid in self.pids:
            try:
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        os.close(self.null)
        self.ear.close()


def _arguments(pid: int) -> bytes:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


def bury_everything() -> None:
    """Kill and reap every child of this process, adopted ones too."""

    def bury() -> bool:
        for pid in own_children():
            os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        return False

    sleep_until(bury)


def elsewhere(act: Callable[[], T], user: int | None = None) -> T:
    """Run `act` in a forked copy of this process, as `user`, and return its result.

    For what would change this process permanently: its signal handlers, user or limits.
    """
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read_end)
            if user is not None and user != os.geteuid():
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            answer = pickle.dumps((True, act()))
        except BaseException:
            answer = pickle.dumps((False, traceback.format_exc()))
        try:
            with open(write_end, "wb") as pipe:
                pipe.write(answer)
        finally:
            os._exit(0)
    os.close(write_end)
    data = b""
    try:
        with open(read_end, "rb", buffering=0) as pipe:
            while select.select([pipe], [], [], LIMIT)[0] and (part := pipe.read(65536)):
                data += part
    finally:
        try:
            os.kill(pid, signal.SIGKILL)
        finally:
            os.waitpid(pid, 0)
    assert data, "the copy of this process returned nothing"
    well, value = pickle.loads(data)
    assert well, value
    return value  # type: ignore[no-any-return]  # it was pickled as T
