"""Fixtures: a container, as PID 1 or not, that ends with the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from integration.busyness import slowness
from integration.container import COMPILES, SUPINIT, UNSHARE, Container, Table
from integration.engine import Engine, find_engine
from integration.servers.installed import open_place
from integration.tap import Tap

Run = Callable[..., Container]
Measured = Callable[[str], None]
Launch = Callable[..., str]


MEASURED = pytest.StashKey[list[str]]()


def pytest_configure() -> None:
    """Make children start with default signal actions, even if pytest runs in the background or under nohup."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Take a sentence with figures, which is shown at the end of pytest's output."""
    return request.config.stash.setdefault(MEASURED, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for sentence in config.stash.get(MEASURED, []):
        terminalreporter.write_line(f"measured: {sentence}")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that every user can enter."""
    with open_place() as path:
        yield path


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip where no PID namespace can be created."""
    try:
        trial = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        pytest.skip("unshare is not installed (util-linux)")
    if trial.returncode != 0:
        pytest.skip(f"no PID namespace may be made here (root is needed): {trial.stderr.strip()}")


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    assert os.access(SUPINIT, os.X_OK), f"{SUPINIT} is not there: install the project into this environment first"


@pytest.fixture(scope="session", autouse=True)
def sampled() -> None:
    """Begin to notice how busy the machine is."""
    slowness(time.monotonic())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Run]:
    """Start supinit with a table, by default as PID 1."""
    started: list[Container] = []

    def start_one(
        programs: Table,
        *arguments: str,
        settings: Table | None = None,
        environment: Mapping[str, str] | None = None,
        pid1: bool = True,
        within: Sequence[str] = (),
        inside: Sequence[str] = (),
        is_compiled: bool = COMPILES,
        **outputs: int,
    ) -> Container:
        name = f"container-{len(started)}"
        run_dir = tmp_path / name
        table = tmp_path / f"{name}.yaml"
        supervisor = {"run_dir": str(run_dir)} | dict(settings or {})
        table.write_text(json.dumps({"supervisor": supervisor, "programs": programs}, indent=1))
        variables = {key: value for key, value in os.environ.items() if not key.startswith("SUPINIT_")}
        variables |= dict(environment or {})
        container = Container(table, run_dir, arguments, variables, pid1, within, inside, is_compiled, **outputs)
        started.append(container)
        return container

    yield start_one
    for container in started:
        container.destroy()
        print(container.output)  # pytest shows it where a test has failed


@pytest.fixture
def tap() -> Iterator[Tap]:
    """A pipe to be a container's output."""
    tap = Tap()
    yield tap
    tap.close()


@pytest.fixture
def run(namespaces: None, start: Run) -> Run:
    """Start supinit as PID 1 of its own namespace."""
    return start


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Run a command of the container engine."""
    command = find_engine()
    if command is None:
        pytest.skip("no container engine answers: set CONTAINER_ENGINE to a docker command that works")

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        result = subprocess.run([command, *arguments], capture_output=True, text=True, timeout=800, check=False)
        assert not check or result.returncode == 0, f"{arguments}: {result.stdout[-3000:]}\n{result.stderr[-3000:]}"
        return result

    return run


@pytest.fixture
def launch(engine: Engine) -> Iterator[Launch]:
    """Run an image in the background and return the container's name."""
    names: list[str] = []

    def run(image: str, *options: str) -> str:
        name = f"{image}-{os.getpid()}-{len(names)}"
        names.append(name)
        engine("run", "-d", "--name", name, *options, image)
        return name

    yield run
    for name in reversed(names):  # one may be in a namespace of another
        logs = engine("logs", name, check=False)
        print(logs.stdout[-4000:], logs.stderr[-8000:], sep="\n")
        engine("kill", name, check=False)
        engine("rm", "-f", name, check=False)
