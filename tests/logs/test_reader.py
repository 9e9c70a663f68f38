"""The kept end of what programs write, and how it is shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core.output import LogQuery
from supervisor.logs import tails
from supervisor.logs.formats import prefix_of
from supervisor.logs.reader import MAX_BEHIND, LogReader
from supervisor.logs.tails import MOST_ENTRIES, Tail, Tails

WEB, DB = ("web", 1), ("db", 1)
LABELS = {WEB: "web", DB: "db"}


class Written:
    """Tails, and a wall clock that moves a second with each piece that is written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tails = Tails()
        self.now = 1000.0
        monkeypatch.setattr(tails, "time", self._tick)

    def _tick(self) -> float:
        self.now += 1.0
        return self.now

    def write(self, instance: tuple[str, int], data: bytes, stream: int = 0, limit: int = 64 * 1024) -> None:
        tail = self.tails.of(instance)
        tail.limit = limit
        tail.append(stream, data)

    def show(self, query: LogQuery) -> bytes:
        return b"".join(LogReader(query, self.tails).history())


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    return Written(monkeypatch)


# ---- what is kept


def test_the_oldest_pieces_go_when_what_is_left_is_enough() -> None:
    tail = Tail(WEB, limit=10)
    for data in (b"aaaa\n", b"bbbb\n", b"cccc\n", b"dddd\n"):
        tail.append(0, data)
    assert [data for _, _, data in tail.entries] == [b"cccc\n", b"dddd\n"]


def test_one_large_piece_is_kept_whole() -> None:
    tail = Tail(WEB, limit=10)
    tail.append(0, b"x" * 100)
    tail.append(0, b"y" * 100)
    assert [len(data) for _, _, data in tail.entries] == [100]


def test_short_pieces_are_kept_up_to_a_number() -> None:
    tail = Tail(WEB, limit=1 << 20)
    for number in range(MOST_ENTRIES + 10):
        tail.append(0, b"%d\n" % number)
    assert len(tail.entries) == MOST_ENTRIES
    assert tail.entries[0][2] == b"10\n"


def test_the_end_is_of_both_streams_as_they_were_read() -> None:
    tail = Tail(WEB, limit=100)
    tail.append(0, b"one\n")
    tail.append(1, b"two\n")
    tail.append(0, b"three\n")
    assert (tail.end(8), tail.end(100), tail.end(0)) == (b"o\nthree\n", b"one\ntwo\nthree\n", b"")


def test_the_last_line_of_a_stream_that_has_ended_is_completed() -> None:
    tail = Tail(WEB, limit=100)
    tail.append(0, b"half")
    tail.append(1, b"whole\n")
    tail.end_line(0)
    tail.end_line(1)
    assert tail.end(100) == b"halfwhole\n\n"


# ---- history


def test_lines_of_several_come_in_the_order_of_their_time_after_their_names(written: Written) -> None:
    written.write(WEB, b"w1\nw2\n")
    written.write(DB, b"d1\n")
    written.write(WEB, b"w3\n", stream=1)
    assert written.show(LogQuery(LABELS)) == b"web | w1\nweb | w2\ndb | d1\nweb | w3\n"


def test_one_alone_needs_no_name(written: Written) -> None:
    written.write(WEB, b"w1\n")
    assert written.show(LogQuery({WEB: "web"})) == b"w1\n"


def test_a_line_is_put_together_from_pieces_and_has_the_time_of_its_end(written: Written) -> None:
    written.write(WEB, b"be")
    written.write(DB, b"d1\n")
    written.write(WEB, b"gin\nmore")
    assert written.show(LogQuery(LABELS)) == b"db | d1\nweb | begin\nweb | more\n"
    line = json.loads(written.show(LogQuery({WEB: "web"}, last=2, as_json=True)).splitlines()[0])
    assert line == {
        "time": "1970-01-01T00:16:43.000Z", "program": "web", "instance": 1, "stream": "stdout", "message": "begin",
    }  # fmt: skip


def test_streams_are_cut_into_lines_each_by_itself(written: Written) -> None:
    written.write(WEB, b"o")
    written.write(WEB, b"e", stream=1)
    written.write(WEB, b"ut\n")
    written.write(WEB, b"rr\n", stream=1)
    assert written.show(LogQuery({WEB: "web"})) == b"out\nerr\n"
    assert written.show(LogQuery({WEB: "web"}, streams=("stderr",))) == b"err\n"


def test_what_is_left_of_a_line_whose_begin_is_gone_is_not_shown(written: Written) -> None:
    written.write(WEB, b"the begin of a ", limit=12)
    written.write(WEB, b"line\nnext line\n", limit=12)
    assert written.show(LogQuery({WEB: "web"})) == b"next line\n"


def test_a_piece_that_begins_with_a_line_is_shown_whole_though_others_are_gone(written: Written) -> None:
    written.write(WEB, b"gone gone\n", limit=5)
    written.write(WEB, b"kept\n", limit=5)
    assert written.show(LogQuery({WEB: "web"})) == b"kept\n"


def test_the_last_lines_are_those_of_all_together(written: Written) -> None:
    written.write(WEB, b"w1\nw2\n")
    written.write(DB, b"d1\n")
    assert written.show(LogQuery(LABELS, last=2)) == b"web | w2\ndb | d1\n"
    assert written.show(LogQuery(LABELS, last=0)) == b""


def test_lines_from_before_are_left_out(written: Written) -> None:
    written.write(WEB, b"w1\n")
    written.write(WEB, b"w2\n")
    assert written.show(LogQuery({WEB: "web"}, since=1002.0)) == b"w2\n"


def test_names_have_their_colours_where_they_are_wanted(written: Written) -> None:
    written.write(WEB, b"w1\n")
    shown = written.show(LogQuery(LABELS, is_colored=True))
    assert shown == prefix_of("web", is_colored=True) + b"w1\n"
    assert shown.startswith(b"\x1b[")


def test_nothing_kept_is_nothing_shown(written: Written) -> None:
    assert written.show(LogQuery(LABELS)) == b""


@given(st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=6)), max_size=20))
@settings(deadline=None)
def test_what_is_shown_of_a_stream_is_what_was_written(pieces: list[tuple[int, bytes]]) -> None:
    kept = Tails()
    kept.of(WEB).limit = 1000
    for stream, data in pieces:
        kept.of(WEB).append(stream, data)
    for stream, name in enumerate(("stdout", "stderr")):
        data = b"".join(piece for of, piece in pieces if of == stream)
        whole = data if data.endswith(b"\n") or not data else data + b"\n"
        assert b"".join(LogReader(LogQuery({WEB: "web"}, streams=(name,)), kept).history()) == whole


# ---- what follows


class Reader:
    def __init__(self, written: Written, query: LogQuery) -> None:
        self.woken = 0
        self.log = LogReader(query, written.tails, self.wake)

    def wake(self) -> None:
        self.woken += 1


def test_what_follows_is_taken_after_the_history_and_nothing_twice(written: Written) -> None:
    written.write(WEB, b"w1\nha")
    reader = Reader(written, LogQuery({WEB: "web"}))
    written.write(WEB, b"lf\nw3\n")
    assert b"".join(reader.log.history()) == b"w1\n"
    assert (reader.woken, reader.log.take(), reader.log.take()) == (1, b"half\nw3\n", b"")
    written.write(DB, b"another\n")
    assert reader.woken == 1


def test_a_reader_that_is_closed_is_not_woken(written: Written) -> None:
    reader = Reader(written, LogQuery({WEB: "web"}))
    other = Reader(written, LogQuery({WEB: "web"}))
    reader.log.close()
    written.write(WEB, b"w1\n")
    assert (reader.woken, other.woken) == (0, 1)


def test_a_reader_that_is_too_far_behind_is_lost_and_holds_nothing(written: Written) -> None:
    reader = Reader(written, LogQuery({WEB: "web"}))
    written.write(WEB, b"x" * (MAX_BEHIND - 1) + b"\n")
    assert not reader.log.is_lost
    written.write(WEB, b"y\n")
    assert reader.log.is_lost
    assert reader.log.take() == b""
    assert reader.log.is_lost


def test_a_reader_that_takes_in_time_is_never_lost(written: Written) -> None:
    reader = Reader(written, LogQuery({WEB: "web"}))
    for _ in range(5):
        written.write(WEB, b"x" * (MAX_BEHIND - 1) + b"\n")
        assert len(reader.log.take()) == MAX_BEHIND
    assert not reader.log.is_lost


def test_a_line_without_end_is_let_go_of_in_pieces(written: Written) -> None:
    reader = Reader(written, LogQuery({WEB: "web"}))
    shown = b""
    for _ in range(20):
        written.write(WEB, b"x" * 100_000)
        shown += reader.log.take()
    assert shown.count(b"x") >= 1_000_000
