"""Run tests against mutants: each in a forked process that has everything imported and collected.

The server is a pytest session. Instead of its own test loop, it first runs each test once, and notes which functions of
the core it calls and the CPU time it takes. For each mutant it then forks. The child runs the tests that call the
function, the quickest first, until one fails. Tests that killed a mutant of the same function come first of all.
"""

from __future__ import annotations

import ast
import gc
import importlib
import os
import pickle
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

from .operators import Mutant, mutants_of
from .patching import functions_of, patch

ROOT = Path(__file__).parent.parent.parent
MEMORY = 2 * 1024**3
SURVIVED, KILLED = 0, 1
IN_TIME = 10.0
"""How often the CPU time of the unmutated code a test may take, plus a second."""


class Module(NamedTuple):
    path: str
    name: str
    tree: ast.Module


class Test(NamedTuple):
    item: pytest.Item
    seconds: float
    called: frozenset[tuple[str, str]]
    """The functions of the core, as (path, qualified name)."""


class Result(NamedTuple):
    mutant: Mutant
    verdict: str
    """survived, killed or timed out."""
    killer: str
    seconds: float


class Server:
    """A pytest plugin. `done` is told each result as soon as it is known."""

    def __init__(
        self,
        modules: list[str],
        count: int | None,
        chance: random.Random,
        limit: float,
        jobs: int,
        done: Callable[[Result], None],
    ) -> None:
        self.modules, self.count, self.chance, self.limit, self.jobs, self.done = (
            modules, count, chance, limit, jobs, done,
        )  # fmt: skip
        self.results: list[Result] = []
        self.total = 0
        self.killers: dict[tuple[str, str], list[int]] = {}

    def pytest_collection(self) -> None:
        """Make hypothesis draw the same inputs each time, however slow the machine is."""
        settings.register_profile("mutation", deadline=None, derandomize=True, database=None)
        settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("a test file cannot be imported")
        modules = [_module(path) for path in self.modules]
        trees = {module.path: module for module in modules}
        mutants = [mutant for module in modules for mutant in mutants_of(module.path, module.tree)]
        self.total = len(mutants)
        if self.count is not None and self.count < len(mutants):
            mutants = self.chance.sample(mutants, self.count)  # in random order: what an interrupt leaves is a sample
        tests = _measure(session.items, self.jobs)
        gc.collect()
        gc.freeze()
        running: dict[int, tuple[Mutant, int, list[int]]] = {}
        pending = iter(mutants)
        while True:
            while len(running) < self.jobs and (mutant := next(pending, None)) is not None:
                order = self._order(mutant, tests)
                pid, pipe = _fork(partial(_try, mutant, trees[mutant.path], [tests[n] for n in order]))
                running[pid] = mutant, pipe, order
            if not running:
                return True
            pid, status, usage = os.wait4(-1, 0)
            mutant, pipe, order = running.pop(pid)
            self._note(mutant, order, status, pipe, usage.ru_utime + usage.ru_stime)

    def _order(self, mutant: Mutant, tests: list[Test]) -> list[int]:
        function = (mutant.path, mutant.owner.name)
        is_called = mutant.owner.kind in ("function", "parameter")
        calling = [n for n, test in enumerate(tests) if not is_called or function in test.called]
        killers = self.killers.get(function, [])
        order = sorted(calling, key=lambda n: (-killers.count(n), tests[n].seconds))
        total = accumulate(tests[n].seconds for n in order)
        return [n for n, seconds in zip(order, total, strict=True) if seconds <= self.limit]

    def _note(self, mutant: Mutant, order: list[int], status: int, pipe: int, seconds: float) -> None:
        with os.fdopen(pipe, "rb") as answer:
            data = answer.read()
        number, killer = pickle.loads(data) if data else (None, "")
        if number is not None:
            self.killers.setdefault((mutant.path, mutant.owner.name), []).append(order[number])
        if os.WIFSIGNALED(status):
            verdict = "timed out" if os.WTERMSIG(status) == signal.SIGVTALRM else "killed"
        else:
            verdict = "survived" if os.WEXITSTATUS(status) == SURVIVED else "killed"
        result = Result(mutant, verdict, killer, seconds)
        self.results.append(result)
        self.done(result)


def _module(path: str) -> Module:
    name = path.removesuffix(".py").replace("/", ".")
    return Module(path, name, ast.parse((ROOT / path).read_text()))


def _try(mutant: Mutant, module: Module, tests: list[Test]) -> tuple[int | None, str] | None:
    """Return the number and the name of the test that fails. None: there is none."""
    try:
        patch(mutant, sys.modules[module.name], module.tree)
    except Exception as error:
        return None, repr(error)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number, test in enumerate(tests):
        signal.setitimer(signal.ITIMER_VIRTUAL, 1 + IN_TIME * test.seconds)
        if not _passes(test.item):
            return number, test.item.nodeid
    return None


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def _fork(act: Callable[[], tuple[int | None, str] | None]) -> tuple[int, int]:
    """Run `act` in a child. Its result can be read from a pipe; the exit status tells whether it is None."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    status = KILLED
    try:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(1, 2)
        result = act()
        if result is None:
            status = SURVIVED
        else:
            os.write(writer, pickle.dumps(result))
    finally:
        os._exit(status)


def _measure(items: list[pytest.Item], jobs: int) -> list[Test]:
    """Run each test once in the unmutated code, in several processes. Tests that fail are an error."""
    core = _functions_of_core()
    pipes = []
    for number in range(jobs):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            _measure_some(items[number::jobs], core, writer)
        os.close(writer)
        pipes.append(reader)
    tests: list[Test | None] = [None] * len(items)
    for number, reader in enumerate(pipes):
        with os.fdopen(reader, "rb") as answer:
            measured = pickle.loads(answer.read())
        os.wait()
        for index, (seconds, called) in enumerate(measured):
            item = items[number + index * jobs]
            if called is None:
                print(f"left out, since it fails without a mutant: {item.nodeid}", flush=True)
            else:
                tests[number + index * jobs] = Test(item, seconds, called)
    return [test for test in tests if test is not None]


def _measure_some(items: list[pytest.Item], core: dict[CodeType, tuple[str, str]], writer: int) -> None:
    try:
        with os.fdopen(writer, "wb") as answer:
            answer.write(pickle.dumps([_measured(item, core) for item in items]))
    finally:
        os._exit(0)


def _measured(
    item: pytest.Item, core: dict[CodeType, tuple[str, str]]
) -> tuple[float, frozenset[tuple[str, str]] | None]:
    """Return the CPU time, and the functions that are called. None: the test fails."""
    codes: set[CodeType] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        codes.add(frame.f_code)

    began = time.process_time()
    sys.settrace(note)
    try:
        passes = _passes(item)
    finally:
        sys.settrace(None)
    called = frozenset(core[code] for code in codes if code in core)
    return time.process_time() - began, called if passes else None


def _functions_of_core() -> dict[CodeType, tuple[str, str]]:
    """Return each function of the core; what is defined inside a function belongs to it."""
    found = {}
    for path in core_modules():
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        for name, code in functions_of(module):
            for inner in _and_inner(code):
                found[inner] = path, name
    return found


def _and_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _and_inner(each)


def core_modules() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "supervisor/core").glob("*.py"))


def serve(server: Server, tests: Iterable[str]) -> int:
    """Run the mutants. Return pytest's exit code."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(ROOT)
    options = ["-q", "-s", "-W", "error", "-c", os.devnull, "--rootdir", str(ROOT), "-p", "no:cacheprovider"]
    return pytest.main([*options, "--show-capture=no", *tests], plugins=[server])
