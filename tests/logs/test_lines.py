from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core.output import Output
from supervisor.core.program import LogMode
from supervisor.logs.delivery import Delivery
from supervisor.logs.formats import CUT, JsonFormat, PlainFormat
from supervisor.logs.lines import Lines

from .plumbing import Basket

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

texts = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [b"\n", b"\n\n", b"\r\n", b"\r", b"\0", CUT, b"\xff", "ä\u2028".encode(), b'{"a":1}', b'{"a":']
        ),
    ),
    max_size=12,
).map(b"".join)
cuts = st.lists(st.integers(0, 200), max_size=10)


class Formatted:
    """Cuts a stream and formats its lines, as the pump has it done."""

    def __init__(self, mode: LogMode, max_line: int) -> None:
        self.output = Output(("web", 2))
        place = Basket()
        self._take = place.take
        self._lines = Lines(max_line, Delivery([place], self._format(mode), self.output, drops=False))

    def _format(self, mode: LogMode) -> JsonFormat | PlainFormat:
        if mode is LogMode.JSON:
            return JsonFormat("web", 2, "stdout", self.note_invalid)
        return PlainFormat(b"web:2 | " if mode is LogMode.PREFIX else b"")

    def note_invalid(self, count: int) -> None:
        self.output.invalid += count

    def feed(self, data: bytes) -> bytes:
        self._lines.feed(data)
        return self._take()

    def finish(self) -> bytes:
        self._lines.finish()
        return self._take()


def lines_of(mode: LogMode, max_line: int = 64 * 1024) -> Formatted:
    return Formatted(mode, max_line)


def through(lines: Formatted, data: bytes, at: list[int] | None = None) -> bytes:
    """Feed `data` cut at the given places, and return everything that comes out."""
    places = sorted({0, len(data), *(place for place in at or () if place < len(data))})
    parts = [data[start:end] for start, end in pairwise(places)]
    return b"".join(lines.feed(part) for part in parts) + lines.finish()


def one_by_one(data: bytes, max_line: int) -> list[tuple[bytes, bool, bool]]:
    """Return (piece, continues, is a whole line) for everything of `data` that is written."""
    whole_lines = data.split(b"\n")
    if not whole_lines[-1]:
        whole_lines.pop()
    found = []
    for line in whole_lines:
        pieces = [line[start : start + max_line] for start in range(0, len(line), max_line)] or [b""]
        found += [(piece, number < len(pieces), len(pieces) == 1) for number, piece in enumerate(pieces, 1)]
    return found


def pieces_of(written: bytes) -> list[bytes]:
    """Return raw lines without the marks that say that they were cut."""
    return [line.removesuffix(CUT) for line in written.split(b"\n")]


def read_json(data: bytes) -> list[dict[str, Any]]:
    """Parse JSON lines, without the times, strictly."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    found = []
    for line in data.decode().split("\n")[:-1]:
        entry = json.loads(line, parse_constant=refuse)
        assert RFC3339.fullmatch(entry.pop("time"))
        found.append(entry)
    return found


# ---- whatever comes in, and however it is cut


@given(texts, cuts, st.integers(1, 20))
@settings(deadline=None)
def test_prefixed_lines_do_not_depend_on_how_they_came_in(data: bytes, at: list[int], max_line: int) -> None:
    expected = b"".join(
        b"web:2 | " + piece + (CUT if goes_on else b"") + b"\n" for piece, goes_on, _ in one_by_one(data, max_line)
    )
    assert through(lines_of(LogMode.PREFIX, max_line), data, at) == expected


@given(texts, cuts, st.integers(1, 20))
@settings(deadline=None)
def test_raw_lines_do_not_depend_on_how_they_came_in(data: bytes, at: list[int], max_line: int) -> None:
    expected = b"".join(piece + (CUT if goes_on else b"") + b"\n" for piece, goes_on, _ in one_by_one(data, max_line))
    assert through(lines_of(LogMode.RAW, max_line), data, at) == expected


def body(piece: bytes, goes_on: bool, is_whole: bool) -> dict[str, Any]:
    if is_whole and piece.startswith(b"{"):
        try:
            return {"data": json.loads(piece.decode())}
        except ValueError:
            pass
    return {"message": piece.decode(errors="replace")} | ({"cut": True} if goes_on else {})


@given(texts, cuts, st.integers(1, 20))
@settings(deadline=None)
def test_json_lines_do_not_depend_on_how_they_came_in(data: bytes, at: list[int], max_line: int) -> None:
    head = {"program": "web", "instance": 2, "stream": "stdout"}
    expected = [head | body(*piece) for piece in one_by_one(data, max_line)]
    assert read_json(through(lines_of(LogMode.JSON, max_line), data, at)) == expected


# ---- single cases


@pytest.mark.parametrize("mode", [LogMode.PREFIX, LogMode.RAW, LogMode.JSON], ids=lambda mode: mode.value)
def test_nothing_in_is_nothing_out(mode: LogMode) -> None:
    assert through(lines_of(mode), b"") == b""


@pytest.mark.parametrize("mode", [LogMode.PREFIX, LogMode.RAW, LogMode.JSON], ids=lambda mode: mode.value)
def test_a_line_leaves_when_its_end_comes_and_not_before(mode: LogMode) -> None:
    lines = lines_of(mode)
    assert lines.feed(b"hal") == b""
    assert lines.feed(b"f") == b""
    assert b"half" in lines.feed(b"\n")
    assert lines.finish() == b""


def test_the_last_line_without_a_newline_gets_one_at_the_end() -> None:
    lines = lines_of(LogMode.PREFIX)
    assert lines.feed(b"first\nlast") == b"web:2 | first\n"
    assert lines.finish() == b"web:2 | last\n"
    assert lines.finish() == b""


def test_a_carriage_return_is_kept() -> None:
    assert through(lines_of(LogMode.PREFIX), b"10%\r100%\r\n") == b"web:2 | 10%\r100%\r\n"


def test_empty_lines_are_kept() -> None:
    assert through(lines_of(LogMode.PREFIX), b"\n\na\n") == b"web:2 | \nweb:2 | \nweb:2 | a\n"


def test_a_line_of_exactly_the_longest_length_is_not_cut() -> None:
    assert through(lines_of(LogMode.RAW, 4), b"abcd\n") == b"abcd\n"
    assert through(lines_of(LogMode.RAW, 4), b"abcde\n") == b"abcd [cut]\ne\n"


def test_a_line_that_never_ends_is_let_go_of_in_bounded_memory() -> None:
    lines = lines_of(LogMode.RAW, 1000)
    written = b"".join(lines.feed(b"x" * 999) for _ in range(100))
    assert len(written.replace(CUT + b"\n", b"")) >= 99 * 1000 - 1000
    assert len(lines.finish()) <= 1001


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"text", {"message": "text"}),
        (b"", {"message": ""}),
        (b'{"a": 1, "b": {"c": [null]}}', {"data": {"a": 1, "b": {"c": [None]}}}),
        (b"{}", {"data": {}}),
        (b'{"a": 1}\r', {"data": {"a": 1}}),
        ('{"a": "ä"}'.encode(), {"data": {"a": "ä"}}),
        (b'{"a": 1} and more', {"message": '{"a": 1} and more'}),
        (b"{not json}", {"message": "{not json}"}),
        (b"[1]", {"message": "[1]"}),
        (b"1", {"message": "1"}),
        (b'"a"', {"message": '"a"'}),
        (b"null", {"message": "null"}),
        (b"a\xff\xfeb", {"message": "a\ufffd\ufffdb"}),
        (b'{"a": "\xff"}', {"data": {"a": "\ufffd"}}),
        (b'{\0"\0a\0"\0:\x001\0}\0', {"message": '{\0"\0a\0"\0:\x001\0}\0'}),
        (b'{"a": NaN}', {"message": '{"a": NaN}'}),
        (b'{"a": -Infinity}', {"message": '{"a": -Infinity}'}),
        (b"ends as if [cut]", {"message": "ends as if [cut]"}),
        (b"tab\there \x1b[31mred", {"message": "tab\there \x1b[31mred"}),
    ],
)
def test_a_line_as_json(line: bytes, expected: dict[str, Any]) -> None:
    entries = read_json(through(lines_of(LogMode.JSON), line + b"\n"))
    assert entries == [{"program": "web", "instance": 2, "stream": "stdout"} | expected]


def test_an_object_is_embedded_as_it_stands() -> None:
    """Numbers that no float holds, keys in their order and given twice: what is written is what came."""
    line = b'{"z": 1.10, "a": 123456789012345678901234567890, "a": 1e999, "e": "\\u00e4"}'
    assert through(lines_of(LogMode.JSON), line + b"\n").endswith(b'"data": ' + line + b"}\n")


def test_an_object_nested_too_deep_to_be_parsed_is_a_message() -> None:
    line = b'{"a": ' + b"[" * 60_000
    assert read_json(through(lines_of(LogMode.JSON), line + b"\n"))[0]["message"] == line.decode()
    deep = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    written = through(lines_of(LogMode.JSON), deep + b"\n")
    as_a_message, as_an_object = b'"message": ' + json.dumps(deep.decode()).encode(), b'"data": ' + deep
    assert (as_a_message in written, as_an_object in written) in ((True, False), (False, True))  # Python 3.14 parses it


def test_a_number_with_more_digits_than_python_converts_is_no_error() -> None:
    line = b'{"a": ' + b"1" * 10_000 + b"}"
    assert through(lines_of(LogMode.JSON), line + b"\n").count(b"1" * 10_000) == 1


def test_the_rest_of_a_line_that_was_cut_is_no_object_of_its_own() -> None:
    entries = read_json(through(lines_of(LogMode.JSON, 4), b'abcd{"a"}{}\n'))
    assert [entry.get("message") for entry in entries] == ["abcd", '{"a"', "}{}"]
    assert [entry.get("cut", False) for entry in entries] == [True, True, False]
    entries = read_json(through(lines_of(LogMode.JSON, 4), b"abcd{}\n{}\n"))
    assert [entry.get("message") for entry in entries] == ["abcd", "{}", None]
    assert entries[2]["data"] == {}


def test_the_rest_of_a_line_that_was_cut_before_it_came_is_no_object_either() -> None:
    lines = lines_of(LogMode.JSON, 8)
    written = lines.feed(b"abcdefgh{") + lines.feed(b"}\n") + lines.feed(b"{}\n")
    first, rest, last = read_json(written)
    assert (first["message"], rest["message"], last["data"]) == ("abcdefgh", "{}", {})


def test_objects_and_texts_may_follow_each_other_in_any_way() -> None:
    data = b'text\n{"a": 1}\n\n\n{no\n{}\nmore\ntext\n{"b": 2}\n\n'
    taken = [entry.get("data", entry.get("message")) for entry in read_json(through(lines_of(LogMode.JSON), data))]
    assert taken == ["text", {"a": 1}, "", "", "{no", {}, "more", "text", {"b": 2}, ""]
