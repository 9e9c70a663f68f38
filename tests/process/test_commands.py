from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from supervisor.errors import SpawnError
from supervisor.process.children import Children
from supervisor.process.commands import TAIL, Command, CommandResult

from .nursery import LIMIT, Ear, Nursery, is_gone, open_descriptors, sleep_until

T = TypeVar("T")


class Bench:
    """Runs commands beside a reaper, as the loop does."""

    def __init__(self, nursery: Nursery) -> None:
        self.nursery = nursery
        self.children = Children()

    def run(self, *command: str, timeout: float = LIMIT, **fields: Any) -> CommandResult:
        async def run() -> CommandResult:
            return await Command().run(self.children, self.nursery.launch(*command, **fields), timeout)

        return self.watch(run())

    def watch(self, coroutine: Coroutine[Any, Any, T]) -> T:
        async def main() -> T:
            reaper = asyncio.ensure_future(self._reap())
            try:
                return await coroutine
            finally:
                while self.children.pids:
                    await asyncio.sleep(0.005)
                reaper.cancel()

        return asyncio.run(asyncio.wait_for(main(), 2 * LIMIT))

    async def _reap(self) -> None:
        while True:
            for death in self.children.reap()[0]:
                assert isinstance(death.owner, Command)
                death.owner.finish(death)
            await asyncio.sleep(0.005)


@pytest.fixture
def bench(nursery: Nursery, adopting: None) -> Iterator[Bench]:
    before = open_descriptors()
    yield Bench(nursery)
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("true", CommandResult(0, None, "")),
        ("echo out; echo err >&2", CommandResult(0, None, "out\nerr")),
        ("echo broken; exit 3", CommandResult(3, None, "broken")),
        ("kill -9 $$", CommandResult(None, signal.SIGKILL, "")),
        ("printf 'a\\377b'", CommandResult(0, None, "a\ufffdb")),
    ],
    ids=["well", "both streams", "code", "signal", "not UTF-8"],
)
def test_the_outcome_of_a_command(bench: Bench, script: str, outcome: CommandResult) -> None:
    found = bench.run("sh", "-c", script)
    assert found == outcome
    assert found.succeeded == (outcome.code == 0)


def test_only_the_tail_of_the_output_is_kept(bench: Bench) -> None:
    outcome = bench.run(sys.executable, "-I", "-S", "-c", "print('x' * 1000000 + 'the end')")
    assert outcome == CommandResult(0, None, ("x" * 1000000 + "the end\n")[-TAIL:].strip())


def test_a_command_is_killed_with_its_whole_tree_at_its_timeout(bench: Bench) -> None:
    script = "setsid sleep 1000 & echo $!; sleep 1000 & echo $!; trap '' TERM; wait"
    outcome = bench.run("sh", "-c", script, timeout=1.0)
    assert (outcome.code, outcome.signal, outcome.succeeded) == (None, None, False)
    pids = [int(pid) for pid in outcome.output.split()]
    assert len(pids) == 2
    sleep_until(lambda: all(map(is_gone, pids)))


def test_what_a_command_leaves_in_its_process_group_is_killed_when_it_ends(bench: Bench) -> None:
    outcome = bench.run("sh", "-c", "sleep 1000 & echo $!")
    assert outcome.code == 0
    sleep_until(lambda: is_gone(int(outcome.output)))


def test_a_command_is_killed_with_its_whole_tree_when_it_is_cancelled(bench: Bench) -> None:
    ear = Ear()

    async def cancel_it() -> list[int]:
        launch = bench.nursery.launch("sh", "-c", "sleep 1000 & echo $! >&0; echo $$ >&0; wait", stdin=ear.write_end)
        task = asyncio.ensure_future(Command().run(bench.children, launch, LIMIT))
        pids = [int(await asyncio.to_thread(ear.line)) for _ in range(2)]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return pids

    try:
        pids = bench.watch(cancel_it())
        sleep_until(lambda: all(map(is_gone, pids)))
    finally:
        ear.close()


def test_a_command_that_cannot_be_started_raises_and_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(SpawnError) as caught:
        bench.run("no-such-command")
    assert caught.value.code == 127
    assert list(bench.children.pids) == []


def test_a_grandchild_that_keeps_the_output_open_does_not_delay_the_outcome(bench: Bench) -> None:
    left = """until [ "$(cut -d' ' -f6 /proc/$!/stat)" = $! ]; do :; done"""  # it leads a session of its own (proc(5))
    outcome = bench.run("sh", "-c", f"env -i /usr/bin/setsid /bin/sleep 1000 & {left}; echo $!; exit 0")
    os.kill(int(outcome.output), signal.SIGKILL)
    assert outcome.code == 0


def test_a_flood_of_output_does_not_delay_the_timeout(bench: Bench) -> None:
    outcome = bench.run("sh", "-c", "exec yes", timeout=0.5)
    assert (outcome.code, outcome.signal) == (None, None)
    assert outcome.output.endswith("y")


def test_many_commands_at_once_keep_their_outcomes_apart(bench: Bench) -> None:
    async def run_all() -> list[CommandResult]:
        launches = [bench.nursery.launch("sh", "-c", f"echo {number}; exit {number}") for number in range(30)]
        return await asyncio.gather(*(Command().run(bench.children, launch, LIMIT) for launch in launches))

    assert bench.watch(run_all()) == [CommandResult(number, None, str(number)) for number in range(30)]
