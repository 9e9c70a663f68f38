"""The programs' output on the container's output: all of it, in whole lines, in each mode."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import child

WRITERS = 5
LINES = 4000
"""Lines of each writer: 20,000 in all."""


def writers(mode: str) -> dict[str, Any]:
    return {
        f"w{number}": {"command": child("writer.py", f"w{number}", LINES), "restart": "no", "log": {"mode": mode}}
        for number in range(WRITERS)
    }


def expected(name: str) -> tuple[list[str], list[str]]:
    lines = [f"{name} {number} {'x' * (number % 90)}." for number in range(LINES)]
    return [*lines, f"{name} last."], [f"{name} error {number}." for number in range(0, LINES, 10)]


@pytest.mark.parametrize("mode", ["prefix", "raw", "json"])
def test_every_line_of_five_busy_writers_is_whole_and_none_is_lost(run: Run, mode: str) -> None:
    container = run(writers(mode))
    assert container.end(60) == 0
    own_log = [line for line in container.err.lines if not line.startswith("supinit |")]
    for number in range(WRITERS):
        name = f"w{number}"
        out, err = expected(name)
        assert first_difference(lines_of(container.out.lines, name, mode, "stdout"), out) is None
        assert first_difference(lines_of(own_log, name, mode, "stderr"), err) is None
    assert len(container.out.lines) == WRITERS * (LINES + 1)
    assert len(own_log) == WRITERS * LINES // 10


def first_difference(lines: list[str], expected: list[str]) -> str | None:
    """Return one line that says where two long lists differ. None: they are equal."""
    for number, (line, other) in enumerate(zip_longest(lines, expected)):
        if line != other:
            return f"line {number} of {len(lines)} is {line!r}; expected {len(expected)} lines, this one as {other!r}"
    return None


def lines_of(lines: list[str], name: str, mode: str, stream: str) -> list[str]:
    """Return what a writer wrote, from the lines of the container."""
    if mode == "prefix":
        return [line.removeprefix(f"{name} | ") for line in lines if line.startswith(f"{name} | ")]
    if mode == "raw":
        return [line for line in lines if line.startswith(f"{name} ")]
    records = [record for record in map(json.loads, lines) if record["program"] == name]
    assert {(record["instance"], record["stream"]) for record in records} == {(1, stream)}
    return [record["message"] for record in records]


def test_inherit_lets_the_child_write_to_the_containers_own_descriptors(run: Run) -> None:
    script = "ls -l /proc/self/fd/1 /proc/$$$$/fd/2 >/dev/null && echo out && echo err >&2"
    container = run({"a": {"command": ["/bin/sh", "-c", script], "restart": "no", "log": {"mode": "inherit"}}})
    assert container.end() == 0
    assert container.out.lines == ["out"]
    assert "err" in container.err.lines


def test_none_drops_what_the_child_writes(run: Run) -> None:
    container = run({"a": {"command": child("writer.py", "a", 100), "restart": "no", "log": {"mode": "none"}}})
    assert container.end() == 0
    assert container.out.lines == []
    assert all(line.startswith("supinit |") for line in container.err.lines)


def test_a_json_line_comes_as_data_and_supinits_own_lines_have_the_same_shape(run: Run) -> None:
    script = """echo '{"level": "info", "n": 1}'; echo plain; echo '{broken'; echo '["list"]'"""
    table = {"a": {"command": ["/bin/sh", "-c", script], "restart": "no", "log": {"mode": "json"}}}
    container = run(table, settings={"log": {"format": "json"}})
    assert container.end() == 0
    records = [json.loads(line) for line in container.out.lines]
    assert [record.get("data", record.get("message")) for record in records] == [
        {"level": "info", "n": 1},
        "plain",
        "{broken",
        '["list"]',
    ]
    own = [json.loads(line) for line in container.err.lines]
    assert {(record["program"], record["stream"]) for record in own} == {("supinit", "stderr")}
    assert all(record["event"] and record["time"] for record in own)


def test_a_line_that_is_too_long_comes_in_marked_pieces_and_whole_in_sum(run: Run) -> None:
    script = "import sys; sys.stdout.write('y' * 10000 + '\\n' + 'short\\n')"
    program = {"command": ["python3", "-c", script], "restart": "no", "log": {"max_line": "4kb"}}
    container = run({"a": program})
    assert container.end() == 0
    pieces = [line.removeprefix("a | ") for line in container.out.lines]
    assert pieces[-1] == "short"
    assert [piece.endswith("[cut]") for piece in pieces] == [True, True, False, False]
    assert "".join(piece.removesuffix(" [cut]") for piece in pieces[:-1]) == "y" * 10000


def test_instances_are_told_apart_by_their_numbers(run: Run) -> None:
    script = "echo $$SUPINIT_PROGRAM $$SUPINIT_INSTANCE"
    container = run({"a": {"command": ["/bin/sh", "-c", script], "restart": "no", "scale": 3}})
    assert container.end() == 0
    assert sorted(container.out.lines) == ["a:1 | a 1", "a:2 | a 2", "a:3 | a 3"]
