"""`log.flush_after`: a line without its newline yet is shown, and its rest continues it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core.output import Output
from supervisor.core.program import LogMode, LogSettings, Program, WhenFull
from supervisor.core.record import replace
from supervisor.logs.delivery import SinkDelivery
from supervisor.logs.formats import PlainFormat
from supervisor.logs.lines import Lines
from supervisor.logs.pump import Pump
from supervisor.logs.sink import BACKLOG

from .plumbing import Drain

LATER = 3600.0
"""Seconds after which everything that was held is due."""


class Prompting:
    """A pump with two programs that the test writes as, and what comes out."""

    def __init__(self) -> None:
        self.out = Drain()
        self.sink = self.out.sink()
        self.pump = Pump(self.sink, self.sink)
        self._ends: dict[str, int] = {}

    def add(self, name: str, **log: Any) -> None:
        settings = replace(LogSettings(), **log)
        outlet = self.pump.open(Program(name, ("true",), log=settings), (name, 1))
        os.close(outlet.stderr)
        self._ends[name] = outlet.stdout

    def write(self, name: str, data: bytes) -> bytes:
        """Write as a program, and return what is seen of it at once."""
        os.write(self._ends[name], data)
        self.pump.turn()
        return self.out.read()

    def wait(self) -> bytes:
        """Return what is seen when nothing more is written."""
        self.pump.settle(time.monotonic() + LATER)
        return self.out.read()

    def end(self, name: str) -> bytes:
        os.close(self._ends.pop(name))
        self.pump.turn()
        return self.out.read()

    def close(self) -> None:
        for end in self._ends.values():
            os.close(end)
        self.pump.flush(1.0)
        os.close(self.pump.null)
        self.out.close()


@pytest.fixture
def prompting() -> Iterator[Prompting]:
    made = Prompting()
    yield made
    made.close()


def test_a_prompt_is_shown_after_flush_after_and_not_before(prompting: Prompting) -> None:
    prompting.add("app", flush_after=60.0)
    begin = time.monotonic()
    assert prompting.write("app", b"Enter pass phrase: ") == b""
    due = prompting.pump.deadline
    assert due is not None and begin + 60.0 <= due <= time.monotonic() + 60.0
    assert prompting.wait() == b"app | Enter pass phrase: "


def test_nothing_is_due_once_a_prompt_was_shown(prompting: Prompting) -> None:
    prompting.add("app")
    prompting.write("app", b"Password: ")
    prompting.wait()
    assert prompting.pump.deadline is None
    assert prompting.wait() == b""


def test_a_line_that_ends_in_time_is_written_once(prompting: Prompting) -> None:
    prompting.add("app")
    prompting.write("app", b"be")
    assert prompting.write("app", b"gun\n") == b"app | begun\n"
    assert prompting.pump.deadline is None


def test_a_line_whose_rest_is_written_and_not_read_yet_is_not_shown(prompting: Prompting) -> None:
    """A congested destination or a busy machine keeps supinit from reading; the program has not paused."""
    prompting.add("app")
    prompting.write("app", b"be")
    os.write(prompting._ends["app"], b"gun\n")
    assert prompting.wait() == b""
    due = prompting.pump.deadline
    assert due is not None and due > time.monotonic(), "it is looked at again, and not in a busy loop"
    prompting.pump.turn()
    assert prompting.out.read() == b"app | begun\n"
    assert prompting.pump.deadline is None


def test_the_rest_continues_the_line(prompting: Prompting) -> None:
    prompting.add("app")
    prompting.write("app", b"10 %")
    assert prompting.wait() == b"app | 10 %"
    assert prompting.write("app", b", 20 %") == b""
    assert prompting.wait() == b", 20 %"
    assert prompting.write("app", b", done\nnext\n") == b", done\napp | next\n"


def test_what_another_program_writes_gets_a_line_of_its_own(prompting: Prompting) -> None:
    for name in ("app", "web"):
        prompting.add(name)
    prompting.write("app", b"Password: ")
    prompting.wait()
    assert prompting.write("web", b"GET /\n") == b"\nweb | GET /\n"
    assert prompting.write("app", b"accepted\n") == b"app | accepted\n"


def test_an_interrupted_line_whose_rest_is_empty_leaves_no_empty_line(prompting: Prompting) -> None:
    for name in ("app", "web"):
        prompting.add(name)
    prompting.write("app", b"Password: ")
    prompting.wait()
    prompting.write("web", b"GET /\n")
    assert prompting.write("app", b"\naccepted\n") == b"app | accepted\n"


def test_two_prompts_get_a_line_each(prompting: Prompting) -> None:
    for name in ("app", "web"):
        prompting.add(name)
    prompting.write("app", b"one: ")
    prompting.write("web", b"two: ")
    assert prompting.wait() in (b"app | one: \nweb | two: ", b"web | two: \napp | one: ")


def test_supinits_own_lines_do_not_continue_a_prompt(prompting: Prompting) -> None:
    prompting.add("app")
    prompting.write("app", b"Password: ")
    prompting.wait()
    prompting.sink.write((b"supinit | program.exited\n",))
    assert prompting.out.read() == b"\nsupinit | program.exited\n"


def test_a_prompt_of_a_program_that_ends_gets_its_newline(prompting: Prompting) -> None:
    prompting.add("app")
    prompting.write("app", b"Password: ")
    assert prompting.wait() == b"app | Password: "
    assert prompting.end("app") == b"\n"


def test_progress_that_never_pauses_is_shown_all_the_same(prompting: Prompting) -> None:
    """The time counts from the beginning of the line, not from what was written last."""
    prompting.add("app", flush_after=60.0)
    prompting.write("app", b".")
    due = prompting.pump.deadline
    prompting.write("app", b".")
    assert prompting.pump.deadline == due


@pytest.mark.parametrize(
    "log",
    [
        {"mode": LogMode.JSON},
        {"redact": ("password=.*",)},
        {"flush_after": None},
    ],
    ids=["json", "redact", "never"],
)
def test_an_unfinished_line_is_not_shown(prompting: Prompting, log: dict[str, Any]) -> None:
    prompting.add("app", **log)
    prompting.write("app", b"Password: ")
    assert prompting.pump.deadline is None
    assert prompting.wait() == b""


@pytest.mark.parametrize("blocks", [1, 2, 7])
def test_a_line_at_the_edge_of_a_writers_buffer_stays_whole(prompting: Prompting, blocks: int) -> None:
    """As stdio(3) writes it into a pipe: full blocks, which end anywhere in a line."""
    prompting.add("app", mode=LogMode.RAW)
    block = ((b"x" * 99 + b"\n") * 1000)[: blocks * 4096]
    whole = block[: block.rfind(b"\n") + 1]
    assert prompting.write("app", block) + prompting.out.read_all() == whole
    assert prompting.pump.deadline is None
    assert prompting.wait() == b""


def test_what_follows_a_full_block_is_shown(prompting: Prompting) -> None:
    prompting.add("app", mode=LogMode.RAW)
    prompting.write("app", b"x" * 4096)
    prompting.write("app", b": ")
    assert prompting.wait() == b"x" * 4096
    assert prompting.out.read_all() == b": "


def test_a_file_gets_whole_lines_only(prompting: Prompting, tmp_path: Path) -> None:
    file = tmp_path / "log"
    prompting.add("app", file=str(file))
    prompting.write("app", b"Pass")
    prompting.wait()
    prompting.write("app", b"word: ")
    prompting.wait()
    assert prompting.write("app", b"accepted\nnext\n") == b"accepted\napp | next\n"
    prompting.end("app")
    prompting.pump.flush(5.0)
    assert file.read_bytes() == b"Password: accepted\nnext\n"


def test_a_line_that_was_shown_is_still_cut_where_it_is_too_long(prompting: Prompting) -> None:
    prompting.add("app", max_line=10)
    prompting.write("app", b"123456")
    prompting.wait()
    assert prompting.write("app", b"7890abc\n") == b"7890 [cut]\napp | abc\n"


def test_a_message_of_several_lines_is_not_held_by_a_prompt(prompting: Prompting) -> None:
    prompting.add("app", multiline="^[A-Z]")
    prompting.write("app", b"Error\n  at line 1\n  at ")
    assert prompting.wait() == b"app | Error\napp |   at line 1\napp |   at "
    seen = prompting.write("app", b"line 2\n  at line 3\n")
    assert seen + prompting.wait() == b"line 2\napp |   at line 3\n"


def test_lines_that_are_dropped_do_not_continue_a_prompt(prompting: Prompting) -> None:
    """They are dropped because of a rate that was used up."""
    prompting.add("app", rate_limit=4096, when_full=WhenFull.DROP)
    prompting.write("app", b"x" * 8000 + b"\nPassword: ")
    seen = prompting.out.read_all()
    assert prompting.wait() == b"app | Password: " and seen.endswith(b"x\n")
    assert prompting.write("app", b"secret\ndropped, too\n") == b"\n"
    assert prompting.pump.outputs["app", 1].dropped == len(b"secret\ndropped, too\n")


def test_a_prompt_whose_rest_a_congested_output_drops_is_not_continued(prompting: Prompting) -> None:
    prompting.add("app", when_full=WhenFull.DROP)
    prompting.add("flood", mode=LogMode.RAW)
    prompting.write("app", b"Password: ")
    assert prompting.wait() == b"app | Password: "
    while not prompting.sink.is_congested:
        prompting.sink._keep((b"x" * 65535 + b"\n",), None, 0)
        prompting.sink.waiting += 65536
        prompting.sink.is_congested = prompting.sink.waiting >= BACKLOG
    prompting.write("app", b"lost\n")
    prompting.out.read_all()
    assert prompting.write("app", b"next\n") == b"\napp | next\n"


PIECES = st.lists(st.one_of(st.none(), st.text("ab\n", max_size=9)), max_size=30)


@settings(deadline=None)
@given(PIECES, st.sampled_from([3, 5, 1000]))
def test_showing_changes_nothing_but_the_time(pieces: list[str | None], max_line: int) -> None:
    """None: what has come of a line is shown now. Long lines may be cut elsewhere, but nothing is lost or doubled."""
    drain = Drain()
    try:
        sink = drain.sink()
        delivery = SinkDelivery(sink, PlainFormat(b"> "), Output(("web", 1)), drops=False)
        lines = Lines(max_line, delivery, take_part=delivery.part)
        for piece in pieces:
            if piece is None:
                lines.show()
            else:
                lines.feed(piece.encode())
        lines.finish()
        text = "".join(piece for piece in pieces if piece is not None)
        expected = [f"> {line}" for line in text.removesuffix("\n").split("\n")] if text else []
        seen = drain.read().decode()
        assert seen.replace(" [cut]\n> ", "").splitlines() == expected
        assert all(len(line) <= len("> ") + max_line + len(" [cut]") for line in seen.splitlines())
    finally:
        drain.close()
