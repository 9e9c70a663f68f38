from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from select import PIPE_BUF
from socket import AF_UNIX, SOCK_SEQPACKET, socketpair
from time import time
from typing import Any

import pytest

from supervisor.core.log_events import LogEvent
from supervisor.core.program import OwnLog
from supervisor.core.wording import rfc3339
from supervisor.logs.journal import LEVELS, LONGEST, MOST_TOLD, MOST_WAITING, Journal
from supervisor.logs.sink import Sink


class Book:
    """A journal that is written to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end = os.open(path, os.O_WRONLY | os.O_CREAT)

    def journal(self, format: str = "plain", level: str = "info") -> Journal:
        return Journal(OwnLog(format, level), Sink(self.end))

    def opened(self, format: str = "plain", level: str = "info") -> Journal:
        journal = self.journal(format, level)
        journal.open()
        return journal

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path / "log")
    yield book
    os.close(book.end)


def test_a_line_has_the_shape_of_the_programs_lines(book: Book) -> None:
    book.opened().write("info", "program.started", program="web", pid=7)
    assert book.lines == ["supinit | program.started program=web pid=7"]


def test_an_event_may_have_no_values(book: Book) -> None:
    book.opened().write("info", "container.became_ready")
    assert book.lines == ["supinit | container.became_ready"]


def test_a_value_that_is_none_is_left_out(book: Book) -> None:
    book.opened().write("info", "container.started", pid=1, revision=None, programs=0)
    assert book.lines == ["supinit | container.started pid=1 programs=0"]


@pytest.mark.parametrize("level", ["warning", "error"])
def test_what_a_human_should_see_is_marked(book: Book, level: str) -> None:
    book.opened().write(level, "program.failed", program="web")
    assert book.lines == [f"supinit | {level}: program.failed program=web"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("plain", "reason=plain"),
        ("two words", 'reason="two words"'),
        ("a=b", 'reason="a=b"'),
        ('says "no"', 'reason="says \\"no\\""'),
        ("C:\\x", "reason=C:\\x"),
        ("C:\\x y", 'reason="C:\\\\x y"'),
        ("one\ntwo", "reason=one\\ntwo"),
        (["one", "two three"], 'reason="one\\ntwo three"'),
        ("", "reason="),
        (1.5, "reason=1.5"),
        (True, "reason"),
        (False, "reason=false"),
    ],
)
def test_values_are_logfmt(book: Book, value: object, words: str) -> None:
    book.opened().write("info", "program.failed", reason=value, pid=7)
    assert book.lines == [f"supinit | program.failed {words} pid=7"]


TRICKS = "\x1b]0;owned\x07\x1b[2J\rall is well\x08\x9b31m\u2028\x7f"
"""What a terminal would act on: a title, a cleared screen, a line written over, and colours."""


def test_a_terminal_gets_nothing_that_it_would_act_on(book: Book) -> None:
    """A reason may quote a line of a program, or the answer of a server that was probed."""
    book.opened().write("warning", "program.failed", program="web", reason=f"said: {TRICKS}", last_lines=f"a\n{TRICKS}")
    assert len(book.lines) == 1
    assert book.lines[0].isprintable()
    assert r"\x1b]0;owned\x07\x1b[2J\rall is well\x08\x9b31m\u2028\x7f" in book.lines[0]


def test_a_json_line_has_no_control_characters(book: Book) -> None:
    book.opened("json").write("warning", "program.failed", program="web", reason=TRICKS)
    assert book.lines[0].isprintable() and len(book.lines) == 1
    assert book.entries[0]["reason"] == TRICKS


def test_the_end_of_the_container_is_written_last(book: Book) -> None:
    """After what was lost is reported, which shows when files are closed."""
    journal = book.opened()
    journal.write("info", "container.ended", code=0)
    journal.write("warning", "log.dropped", lines=1)
    assert book.lines == ["supinit | warning: log.dropped lines=1"]
    assert [note.event for _, note in journal.told] == ["container.ended", "log.dropped"]
    journal.close()
    assert book.lines[1:] == ["supinit | container.ended code=0"]


@pytest.mark.parametrize("format", ["plain", "json"])
def test_a_value_of_many_lines_stays_on_its_line(book: Book, format: str) -> None:
    book.opened(format).write("error", "internal.failed", traceback="Traceback:\n  line 1\n  line 2\n")
    assert len(book.lines) == 1


@pytest.mark.parametrize("format", ["plain", "json"])
def test_a_value_that_is_no_unicode_is_no_error(book: Book, format: str) -> None:
    book.opened(format).write("info", "program.failed", reason="cannot enter /\udcff")
    assert len(book.lines) == 1
    assert "udcff" in book.lines[0]


@pytest.mark.parametrize("threshold", LEVELS)
def test_lines_below_the_level_are_left_out(book: Book, threshold: str) -> None:
    journal = book.opened(level=threshold)
    for level in LEVELS:
        journal.write(level, f"{level}.written")
    written = LEVELS[LEVELS.index(threshold) :]
    assert [line.rsplit(" ", 1)[1] for line in book.lines] == [f"{level}.written" for level in written]


@pytest.mark.parametrize("format", ["plain", "json"])
def test_lines_that_were_kept_come_out_in_order_when_it_is_opened(book: Book, format: str) -> None:
    journal = book.journal(format)
    for number in range(100):
        journal.write("info", "line.written", number=number)
    assert book.lines == []
    journal.open()
    journal.write("info", "line.written", number=100)
    journal.open()
    numbers = [int(number) for number in re.findall(r'number"?[=:] ?(\d+)', "\n".join(book.lines))]
    assert numbers == list(range(101))


def test_a_json_line_has_the_fields_of_the_programs_lines_and_its_event(book: Book) -> None:
    book.opened("json").write("warning", "program.exited", program="web", instance="2", pid=7, ran_for=1.5)
    (entry,) = book.entries
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
    assert entry == {
        "program": "supinit",
        "stream": "stderr",
        "level": "warning",
        "event": "program.exited",
        "name": "web",
        "instance": "2",
        "pid": 7,
        "ran_for": 1.5,
    }


@pytest.mark.parametrize(
    ("format", "level", "shown"), [("plain", "warning", False), ("json", "warning", True), ("json", "info", False)]
)
def test_the_log_does_not_repeat_the_output_of_a_program_that_ended(
    book: Book, format: str, level: str, shown: bool
) -> None:
    book.opened(format).write(level, "program.exited", program="web", code=0, last_lines=["bye"])
    assert ("bye" in book.lines[0]) == shown


def test_a_json_line_has_the_time_of_its_event_and_not_of_its_opening(book: Book) -> None:
    journal = book.journal("json")
    before = rfc3339(time())
    journal.write("info", "line.written")
    after = rfc3339(time())
    journal.open()
    assert before <= book.entries[0]["time"] <= after


# ---- what is kept of it


def test_the_lines_of_a_turn_are_written_together_in_blocks_that_no_other_writer_can_break_up() -> None:
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    with ours, theirs:
        journal = Journal(OwnLog(), Sink(ours.fileno()))
        journal.open()
        journal.is_held = True
        for number in range(300):
            journal.write("info", "program.stopped", program=f"web{number:03}")
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
        journal.release()
        blocks = [theirs.recv(1 << 16) for _ in range(4)]
        assert b"".join(blocks).decode().splitlines() == [
            f"supinit | program.stopped program=web{number:03}" for number in range(300)
        ]
        assert [len(block) <= PIPE_BUF and block.endswith(b"\n") for block in blocks] == [True] * 4


def test_events_are_described_after_the_turn_in_the_order_in_which_they_came(book: Book) -> None:
    journal = book.opened()
    described = list[str]()

    def describe() -> tuple[LogEvent, ...]:
        described.append("now")
        return (LogEvent("info", "program.stop_begun", {}), LogEvent("info", "program.stopped", {}))

    journal.is_held = True
    journal.write("info", "signal.received")
    journal.put_later(describe)
    journal.write("info", "program.exited")
    assert (described, book.lines) == ([], [])
    journal.release()
    events = ["signal.received", "program.stop_begun", "program.stopped", "program.exited"]
    assert (described, book.lines) == (["now"], [f"supinit | {event}" for event in events])


def test_what_was_told_is_kept_whatever_the_logs_level_but_for_debug(book: Book) -> None:
    journal = book.opened(level="error")
    for level in LEVELS:
        journal.write(level, f"{level}.written", program="web", reason=None)
    assert [note for _, note in journal.told] == [
        LogEvent(level, f"{level}.written", {"program": "web"}) for level in LEVELS[1:]
    ]
    assert (journal.last_id - journal.first_id, len(book.lines)) == (2, 1)


def test_the_last_events_are_kept_and_of_long_values_their_begin(book: Book) -> None:
    journal = book.journal()
    for number in range(MOST_TOLD + 5):
        journal.write("info", "line.written", number=number, reason="x" * (LONGEST + 1))
    assert (len(journal.told), journal.last_id - journal.first_id + 1) == (MOST_TOLD, MOST_TOLD + 5)
    assert journal.told[0][1].values == {"number": 5, "reason": "x" * LONGEST}


def test_listeners_are_woken_by_what_is_kept(book: Book) -> None:
    journal, woken = book.journal(level="error"), []
    journal.listeners = (lambda: woken.append(journal.last_id - journal.first_id + 1),)
    for level in LEVELS:
        journal.write(level, "line.written")
    assert woken == [1, 2, 3]


def test_an_event_in_words_is_the_line_of_the_log(book: Book) -> None:
    journal = book.opened()
    journal.write("warning", "program.failed", program="web", reason="a b")
    assert [f"supinit | {journal.word(journal.told[0][1])}"] == book.lines


def test_other_settings_count_from_then_on(book: Book) -> None:
    journal = book.opened()
    journal.write("debug", "program.started")
    journal.configure(OwnLog("json", "debug"))
    journal.write("debug", "program.stopped")
    (line,) = book.lines
    assert json.loads(line)["event"] == "program.stopped"


def test_what_nobody_reads_is_dropped_and_counted_from_some_amount_on(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = book.opened()
    sink = journal._sink
    monkeypatch.setattr(sink, "waiting", MOST_WAITING)
    journal.write("info", "program.started")
    monkeypatch.setattr(sink, "waiting", 0)
    told: list[dict[str, object]] = []
    sink.losses.report(0.0, lambda *_, **values: told.append(values))
    assert (book.lines, [values["program"] for values in told]) == ([], ["supinit"])
