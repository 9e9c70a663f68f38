"""An engine with real processes and open notify sockets, turned by hand as the loop turns it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.container import ShutdownAsked
from supervisor.core.life import Life, Phase, Running
from supervisor.core.plan import make_plan
from supervisor.core.program import (
    Dependency,
    OwnLog,
    Program,
    Readiness,
    Restart,
    RestartWhen,
    Settings,
    ShutdownOn,
    SignalStep,
    Table,
)
from supervisor.core.snapshot import State
from supervisor.engine import Engine
from supervisor.groundwork import new_identity
from supervisor.health.marker_folder import MarkerFolder
from supervisor.health.markers import Markers
from supervisor.logs.journal import Journal
from supervisor.logs.pump import Pump
from supervisor.logs.sink import Sink

from .process.adoption import adopting as adopting
from .process.nursery import LIMIT, sleep_until

NEVER = Restart(RestartWhen.NEVER)
SYSTEMD = Readiness(notify="systemd", timeout=2 * LIMIT)

PYTHON = (sys.executable, "-I", "-S", "-c")
VOICE = """
import array, os, signal, sys, time
from _socket import *

def say(text, *descriptors, path=None):
    data = text if isinstance(text, bytes) else text.encode()
    rights = [(SOL_SOCKET, SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    speaker = socket(AF_UNIX, SOCK_DGRAM)
    speaker.sendmsg([data], rights, 0, path or os.environ["NOTIFY_SOCKET"])
    speaker.close()

def barrier(path=None):
    "Return when everything that was said before has been heard (sd_notify_barrier(3))."
    read_end, write_end = os.pipe()
    say("BARRIER=1", write_end, path=path)
    os.close(write_end)
    os.read(read_end, 1)
    os.close(read_end)

def tell(line):
    os.write(1, f"{line}\\n".encode())

def live():
    while True:
        signal.pause()
"""
"""What a program needs to speak the notify protocol over the raw socket."""


def script(text: str) -> tuple[str, ...]:
    """Return the command of a program that can speak."""
    return (*PYTHON, VOICE + text)


def program(name: str, *command: str, needs: tuple[str, ...] = (), **fields: Any) -> Program:
    """Return a program that depends on `needs` and is up, and ends, without any waiting."""
    defaults: dict[str, Any] = {
        "depends_on": tuple(Dependency(need) for need in needs),
        "min_uptime": 0.0,
        "restart": NEVER,
        "shutdown_on": ShutdownOn.NEVER,
        "stop": (SignalStep(signal.SIGTERM, LIMIT),),
    }
    return Program(name, command or ("sleep", "1000"), **(defaults | fields))


def speaker(name: str, text: str, **fields: Any) -> Program:
    """Return a program that is ready when it says so."""
    return program(name, *script(text), **({"ready": SYSTEMD} | fields))


class Turned:
    """One container; its programs' output goes to a file, its own to another."""

    def __init__(self, folder: Path, *programs: Program, own: Mapping[str, str] | None = None, **settings: Any) -> None:
        self.folder = folder
        self.run_dir = folder / "run"
        paths = [folder / name for name in ("out", "log")]
        self.outputs = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC) for path in paths]
        self.epoll = select.epoll()
        stdout, stderr = map(Sink, self.outputs)
        self.pump = Pump(stdout, stderr, self.epoll)
        self.folder_of_markers = MarkerFolder(str(self.run_dir))
        self.folder_of_markers.open()
        self.markers = Markers(self.folder_of_markers)
        own_log = OwnLog(level="debug")
        self.journal = Journal(own_log, self.pump.sinks[1])
        self.journal.open()
        plan = make_plan(Table(Settings(run_dir=str(self.run_dir), log=own_log, **settings), programs))
        own = {**os.environ, **(own or {})}
        self.engine = Engine(plan, self.pump, self.markers, self.journal, own, new_identity())
        _ = self.engine.orders.signalling  # made by the loop, which comes later; it keeps a descriptor

    def begin(self) -> Turned:
        self.engine.begin()
        return self

    def turn(self) -> None:
        while self.engine.reap():
            pass
        self.engine.listen()
        self.pump.turn()
        self.engine.go_on()
        deadline = self.engine.next_deadline
        if deadline is not None and time.monotonic() >= deadline:
            self.engine.pass_time()

    def run_until(self, condition: Callable[[], object]) -> None:
        def is_met() -> bool:
            self.turn()
            return bool(condition())

        try:
            sleep_until(is_met)
        except AssertionError as error:
            said = "".join((self.folder / name).read_text()[-4000:] for name in ("out", "log"))
            raise AssertionError(f"{error}; this was said meanwhile:\n{said}") from None

    def run_until_told(self, line: str) -> None:
        self.run_until(lambda: line in self.told)

    def run_until_up(self, name: str) -> None:
        self.run_until(lambda: isinstance(self.phase(name), Running))

    def shut_down(self) -> None:
        self.engine.ask(ShutdownAsked("the test asked"))
        self.run_until(lambda: self.engine.is_over)

    def close(self) -> None:
        if self.engine.launcher.sockets is not None:
            self.engine.launcher.sockets.close()
        notices = self.engine.notices
        notices._epoll.close()
        for listener in notices._sockets.values():
            listener.close()
        for descriptor in (*notices._pipes, *self.pump._pipes, self.pump.null, *self.outputs):
            os.close(descriptor)
        self.epoll.close()
        self.engine.orders.signalling.close()
        self.folder_of_markers.close()

    # ---- looking at it

    def life(self, name: str, number: int = 1) -> Life:
        return self.engine.fleet.lives[name, number]

    def phase(self, name: str, number: int = 1) -> Phase:
        return self.life(name, number).phase

    def pid(self, name: str, number: int = 1) -> int:
        run = self.life(name, number).run
        assert run is not None
        return run.pid

    def socket_of(self, name: str, number: int = 1) -> str:
        return str(self.run_dir / "notify" / f"{name}.{number}")

    @property
    def private_sockets(self) -> list[str]:
        return [str(path) for path in (self.run_dir / "notify" / "private").glob("*")]

    def states(self) -> dict[str, State]:
        return {name: view.state for (name, _), view in self.engine.snapshot.instances.items()}

    def marker_paths(self, name: str) -> tuple[str, str]:
        """Return the marker of a program, and that of the container."""
        return str(self.run_dir / "health" / name), str(self.run_dir / "healthy")

    @property
    def output(self) -> list[str]:
        """The lines of the programs, each behind its program's name."""
        return (self.folder / "out").read_text().splitlines()

    @property
    def log(self) -> str:
        """What supinit itself has logged."""
        return (self.folder / "log").read_text()

    def heard(self, line: str) -> bool:
        return line in self.output

    @property
    def told(self) -> list[str]:
        """What the programs have written, without their names."""
        return [line.rpartition(" | ")[2] for line in (self.folder / "out").read_text().splitlines()]

    def value(self, key: str) -> str:
        """Return what a program has written behind KEY=, once it has."""
        self.run_until(lambda: any(line.startswith(f"{key}=") for line in self.told))
        return next(line for line in self.told if line.startswith(f"{key}=")).partition("=")[2]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="supinit-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def turned(open_folder: Path, adopting: None) -> Iterator[Callable[..., Turned]]:
    containers: list[Turned] = []

    def turned(*programs: Program, **settings: Any) -> Turned:
        folder = open_folder / str(len(containers)) if containers else open_folder
        folder.mkdir(exist_ok=True)
        containers.append(Turned(folder, *programs, **settings))
        return containers[-1]

    yield turned
    for container in containers:
        container.close()


Turn = Callable[..., Turned]
