"""A million lines from ten writers, in every mode: none is lost, repeated, torn, or out of order in its stream."""

from __future__ import annotations

import json
import re
import signal
import struct
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from integration.busyness import slowness
from integration.conftest import Measured, Run
from integration.container import Container, child
from integration.tap import Tap
from integration.waiting import sleep_until

WRITERS = 10
LINES = 100_000
"""Lines of each writer: 1,000,000 in all."""
PIPE_BUF = 4096
"""A write of up to this many bytes to a pipe is atomic (pipe(7))."""
TIME = re.compile(rb'(?m)^\{"time": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ')
RUN = {
    "raw": rb'(?:\{")?w(\d)\b[^\n]*+\n(?:(?:\{")?w\1\b[^\n]*+\n)*+',
    "prefix": rb"w(\d) \|[^\n]*+\n(?:w\1 \|[^\n]*+\n)*+",
    "json": rb'"program": "w(\d)",[^\n]*+\n(?:"program": "w\1",[^\n]*+\n)*+',
}
"""Consecutive whole lines of one writer. The times of lines in JSON were removed before."""


def lines_of(writer: int) -> list[str]:
    """Return what a writer writes: text, what JSON has to escape, and JSON itself."""
    name, lines = f"w{writer}", []
    for number in range(LINES - 1):
        filler = "x" * (number * 37 % 120)
        match number % 10:
            case 3:
                lines.append(f'{{"{name}": {number}, "filler": "{filler}"}}')
            case 7:
                lines.append(f'{name} {number} "quoted" back\\slash \t é € {filler}.')
            case _:
                lines.append(f"{name} {number} {filler}.")
    return [*lines, f"{name} ends without a newline"]


def as_json(writer: int, line: str) -> str:
    content = {"data": json.loads(line)} if line.startswith("{") else {"message": line}
    record = {"program": f"w{writer}", "instance": 1, "stream": "stdout", **content}
    return json.dumps(record, ensure_ascii=False).removeprefix("{")


def wanted(writer: int, mode: str) -> bytes:
    """Return what is expected of a writer, without the times of lines in JSON."""
    lines = lines_of(writer)
    if mode == "prefix":
        lines = [f"w{writer} | {line}" for line in lines]
    elif mode == "json":
        lines = [as_json(writer, line) for line in lines]
    return "\n".join([*lines, ""]).encode()


class Comparison:
    """Compares what arrives with what is expected, at once and in long pieces, so that the test keeps up."""

    def __init__(self, mode: str) -> None:
        self._wanted = [wanted(writer, mode) for writer in range(WRITERS)]
        self._at = [0] * WRITERS
        self._run = re.compile(RUN[mode])
        self._has_times = mode == "json"
        self._begun = b""

    def take(self, block: bytes) -> None:
        data = self._begun + block
        end = data.rfind(b"\n") + 1
        self._begun, data = data[end:], data[:end]
        if self._has_times:
            lines = data.count(b"\n")
            data, times = TIME.subn(b"", data)
            assert times == lines, f"{lines} lines have {times} times"
        at = 0
        while at < len(data):
            run = self._run.match(data, at)
            assert run is not None, f"a line of nobody's: {data[at : at + 200]!r}"
            self._compare(int(run[1]), run[0])
            at = run.end()

    def _compare(self, writer: int, text: bytes) -> None:
        whole, at = self._wanted[writer], self._at[writer]
        if not whole.startswith(text, at):
            other = whole[at : at + len(text)]
            first = next((n for n, pair in enumerate(zip(text, other, strict=False)) if pair[0] != pair[1]), len(other))
            begin = text.rfind(b"\n", 0, first) + 1
            raise AssertionError(f"{text[begin : begin + 200]!r} where {other[begin : begin + 200]!r} was to come")
        self._at[writer] = at + len(text)

    def end(self) -> None:
        missing = [whole.count(b"\n", at) for whole, at in zip(self._wanted, self._at, strict=True)]
        assert (self._begun, missing) == (b"", [0] * WRITERS)


def compare(blocks: Iterable[bytes], mode: str) -> None:
    comparison = Comparison(mode)
    for block in blocks:
        comparison.take(block)
    comparison.end()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What each writer writes, in a file."""
    folder = tmp_path_factory.mktemp("sources")
    for writer in range(WRITERS):
        (folder / f"w{writer}").write_text("\n".join(lines_of(writer)))
    return [folder / f"w{writer}" for writer in range(WRITERS)]


def writers(sources: Sequence[Path], log: dict[str, Any], *options: object) -> dict[str, Any]:
    """A writer on a busy machine may pause within a line for longer than flush_after, so that is off."""
    if log["mode"] in ("raw", "prefix"):
        log = {"flush_after": None, **log}
    return {
        source.name: {
            "command": child("pour.py", source, source.name, *options),
            "type": "oneshot",
            "log": log,
        }
        for source in sources
    }


@pytest.mark.parametrize("mode", ["raw", "prefix", "json"])
def test_a_million_lines_all_come_whole_once_and_in_order(
    run: Run, tap: Tap, sources: list[Path], mode: str, measured: Measured
) -> None:
    comparison = Comparison(mode)
    began = time.monotonic()
    container = run(writers(sources, {"mode": mode}), stdout=tap.outlet)
    for block in tap.blocks():
        comparison.take(block)
    took = time.monotonic() - began
    assert container.end() == 0
    comparison.end()
    size = sum(source.stat().st_size for source in sources) / 1e6
    measured(f"{WRITERS * LINES} lines of {WRITERS} writers, {size:.0f} MB, {mode}: {took:.1f} s, compared meanwhile")


def test_inherit_lets_a_million_lines_by_untouched(run: Run, tap: Tap, sources: list[Path]) -> None:
    """Whole lines of at most PIPE_BUF bytes, because nothing separates the writers."""
    container = run(writers(sources, {"mode": "inherit"}, PIPE_BUF), stdout=tap.outlet)
    comparison = Comparison("raw")
    for block in tap.blocks():
        comparison.take(block)
    assert container.end() == 0


def test_none_lets_a_million_lines_vanish_and_nobody_waits_for_them(run: Run, tap: Tap, sources: list[Path]) -> None:
    container = run(writers(sources, {"mode": "none"}), stdout=tap.outlet)
    assert tap.finish(60) == b""
    assert container.end() == 0
    assert not container.err.has("log.dropped")


@pytest.mark.parametrize("is_shared", [True, False], ids=["one_file_for_all", "a_file_for_each"])
def test_a_million_lines_are_in_the_rotated_files_whole_once_and_in_order(
    run: Run, tap: Tap, tmp_path: Path, sources: list[Path], is_shared: bool, measured: Measured
) -> None:
    size = 1 << 20 if is_shared else 1 << 17
    settings = {"mode": "none", "max_size": size, "keep": 200}
    table = writers(sources, settings)
    for name, program in table.items():
        program["log"] = settings | {"file": str(tmp_path / "logs" / ("all" if is_shared else name))}
    container = run(table, stdout=tap.outlet)
    assert tap.finish(60) == b""
    assert container.end() == 0
    files = files_of(tmp_path / "logs")
    assert len(files) > 50
    assert max(file.stat().st_size for file in files) <= size
    comparison = Comparison("raw")
    for file in files:
        text = file.read_bytes()
        assert text.endswith(b"\n"), f"{file} ends within a line"
        comparison.take(text)
    comparison.end()
    measured(f"rotated into {len(files)} files of at most {size >> 10} KB: nothing lost")


def files_of(folder: Path) -> list[Path]:
    """Return all log files of a folder, the oldest of each log first."""

    def age(path: Path) -> tuple[str, int]:
        number = path.suffix[1:]
        return path.stem, -int(number) if number else 0

    return sorted(folder.iterdir(), key=age)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Where a process that is left behind notes how much it has written."""
    path = tmp_path / "record"
    path.write_bytes(bytes(8))
    return path


def family(run: Run, tap: Tap, kind: str, record: Path) -> Container:
    """Start a program that leaves a process behind, beside one that stays, and wait until both write."""
    successor = {
        "command": child("successor.py", kind, record),
        "restart": "no",
        "shutdown_on": "never",
        "min_uptime": 0,
    }
    table = {"successor": successor | {"log": {"mode": "raw"}}, "keeper": {"command": ["sleep", "1000"]}}
    tap.open()
    container = run(table, stdout=tap.outlet)
    sleep_until(lambda: any(b"ready\n" in piece for piece in list(tap.pieces)), 15, "both write")
    return container


def end_program(container: Container) -> None:
    """Make the program end, which is visible soon."""
    container.request("POST", "/v1/programs/successor/signal", {"signal": "SIGUSR1"})
    sleep_until(lambda: container.programs()["successor"]["pid"] is None, 2, "the program has ended")


def numbered(data: bytes) -> list[bytes]:
    return [line for line in data.splitlines() if line != b"ready"]


def expected(count: int) -> list[bytes]:
    return [b"line %d of a process that was left behind" % number for number in range(count)]


def assert_all_is_there(data: bytes, record: Path) -> None:
    """A process that is killed may have written one line more than it has counted."""
    (count,) = struct.unpack("Q", record.read_bytes())
    lines = numbered(data)
    assert len(lines) in (count, count + 1)
    assert lines == expected(len(lines))


def test_a_member_of_the_group_dies_with_the_program_and_what_it_has_written_is_there(
    run: Run, tap: Tap, record: Path
) -> None:
    container = family(run, tap, "member", record)
    end_program(container)
    container.await_state("successor", "EXITED", "FATAL", "STOPPED", "COMPLETED")
    (count,) = struct.unpack("Q", record.read_bytes())
    sleep_until(lambda: tap.data.count(b"\n") > count, 5, "its last line is there while the container runs")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert_all_is_there(tap.finish(), record)


def test_a_daemon_that_nobody_knows_goes_on_writing_after_its_program_and_holds_nothing_up(
    run: Run, tap: Tap, record: Path
) -> None:
    container = family(run, tap, "daemon", record)
    end_program(container)
    pieces = len(tap.pieces)
    sleep_until(lambda: len(tap.pieces) > pieces + 3, 5, "its lines go on coming")
    asked_at = container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert time.monotonic() - asked_at < 2 * slowness(asked_at)
    assert_all_is_there(tap.finish(), record)
