"""Secrets, and lines that belong together: whatever comes in, and however it is cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core.output import Output
from supervisor.logs.delivery import Delivery, Fork
from supervisor.logs.filters import REDACT_MARGIN, Joiner, Redactor, Secrets
from supervisor.logs.formats import JsonFormat, PlainFormat
from supervisor.logs.lines import Lines
from supervisor.logs.patterns import Budget

from .plumbing import Basket
from .test_lines import cuts, pieces_of, read_json


class Redacting:
    """A stream of which secrets are blacked out."""

    def __init__(self, *patterns: str, max_line: int = 64 * 1024) -> None:
        self.place = Basket()
        self.kept = b""
        secrets = Secrets(patterns, Budget())
        delivery = Delivery([self.place], PlainFormat(), Output(("web", 1)), drops=False)
        self.lines = Lines(max_line, Redactor(secrets, self.keep, delivery), secrets.seam, REDACT_MARGIN)

    def keep(self, data: bytes) -> None:
        self.kept += data

    def through(self, *parts: bytes) -> bytes:
        for part in parts:
            self.lines.feed(part)
        self.lines.finish()
        return self.place.take()


class Joining:
    """A stream of which lines are joined to messages, as JSON."""

    def __init__(self, pattern: str, max_size: int = 64 * 1024) -> None:
        self.place = Basket()
        delivery = Delivery(
            [self.place], JsonFormat("web", 1, "stdout", lambda _: None), Output(("web", 1)), drops=False
        )
        self.joiner = Joiner(pattern, max_size, delivery, Budget())
        self.lines = Lines(max_size, self.joiner)

    def feed(self, data: bytes) -> list[str]:
        self.lines.feed(data)
        return self.take()

    def flush(self) -> list[str]:
        self.joiner.flush()
        return self.take()

    def finish(self) -> list[str]:
        self.lines.finish()
        return self.flush()

    def take(self) -> list[str]:
        return [entry["message"] for entry in read_json(self.place.take())]


# ---- secrets


def test_the_beginning_of_a_line_is_not_shown_before_the_whole_line_was_searched() -> None:
    stream = Redacting(r"token=\S+")
    stream.lines.feed(b"a token=ab")
    stream.lines.show()
    assert stream.place.take() == b""
    assert stream.through(b"c ok\n") == b"a [redacted] ok\n"


@pytest.mark.parametrize(
    ("patterns", "line", "written"),
    [
        ((r"token=\S+",), b"user token=abc123 ok", b"user [redacted] ok"),
        ((r"token=\S+",), b"nothing here", b"nothing here"),
        ((r"(?<=token=)\w+",), b"token=abc token=def", b"token=[redacted] token=[redacted]"),
        (("a+", "b+"), b"aab", b"[redacted][redacted]"),
        ((r"^secret$",), b"secret", b"[redacted]"),
        ((r"\Asecret\Z",), b"secret", b"[redacted]"),
        ((r"geheim[äöü]",), "geheimü".encode(), b"[redacted]"),
        ((r"\d{4}",), b"\xff1234\xfe", b"\xff[redacted]\xfe"),
        ((r"x\s*",), b"ax", b"a[redacted]"),
    ],
)
def test_what_matches_is_written_as_redacted(patterns: tuple[str, ...], line: bytes, written: bytes) -> None:
    redacting = Redacting(*patterns)
    assert redacting.through(line + b"\n" + line + b"\n") == written + b"\n" + written + b"\n"
    assert redacting.kept == written + b"\n" + written + b"\n"


@pytest.mark.parametrize("ended", [b"\n", b""])
def test_a_secret_longer_than_a_line_may_be_is_not_cut_either(ended: bytes) -> None:
    redacting = Redacting(r"password=\S+", max_line=64)
    written = redacting.through(b"password=" + b"s" * 150 + b" and " + b"x" * 100, ended)
    assert b"s" * 10 not in written + redacting.kept
    assert b"".join(pieces_of(written)) == b"[redacted] and " + b"x" * 100


def test_a_pattern_cannot_join_two_lines() -> None:
    assert Redacting(r"a\s+b|[^x]+").through(b"a\nb\n") == b"[redacted]\n[redacted]\n"


def test_a_secret_that_comes_in_two_reads_is_seen() -> None:
    assert Redacting("secret").through(b"a sec", b"ret b\n") == b"a [redacted] b\n"


@pytest.mark.parametrize("at", range(90, 101))
@pytest.mark.parametrize("ended", [b"\n", b""])
def test_a_secret_is_not_cut_in_two_where_a_long_line_is(at: int, ended: bytes) -> None:
    line = b"x" * at + b"secret" + b"y" * 10_000
    redacting = Redacting("secret", max_line=100)
    written = redacting.through(*(line[start : start + 77] for start in range(0, len(line), 77)), ended)
    assert b"".join(pieces_of(written)) == line.replace(b"secret", b"[redacted]")
    assert redacting.kept == line.replace(b"secret", b"[redacted]") + b"\n"


@given(st.lists(st.sampled_from([b"secret", b"sec", b"ret", b"\n", b"x", b" "]), max_size=20).map(b"".join), cuts)
@settings(deadline=None)
def test_no_secret_is_ever_written(data: bytes, at: list[int]) -> None:
    redacting = Redacting("secret", max_line=7)
    parts = [data[start:end] for start, end in zip([0, *sorted(at)], [*sorted(at), len(data)], strict=True)]
    written = redacting.through(*parts)
    assert b"secret" not in written + redacting.kept
    assert redacting.kept.rstrip(b"\n") == re.sub(b"secret", b"[redacted]", data).rstrip(b"\n")


# ---- messages of several lines

TRACEBACK = b"2026 ERROR failed\nTraceback (most recent call last):\n  File x\nValueError: no\n"


def test_lines_that_do_not_match_belong_to_the_one_before() -> None:
    joining = Joining(r"^\d{4} ")
    assert joining.feed(b"2026 one\n" + TRACEBACK) == ["2026 one"]
    assert joining.feed(b"2026 next\n") == [TRACEBACK.decode().rstrip("\n")]
    assert joining.finish() == ["2026 next"]


def test_a_message_that_is_let_go_of_is_over() -> None:
    joining = Joining(r"^\d{4} ")
    assert joining.feed(TRACEBACK) == []
    assert joining.joiner.is_holding
    assert joining.flush() == [TRACEBACK.decode().rstrip("\n")]
    assert not joining.joiner.is_holding
    assert joining.feed(b"  more of it\n") + joining.finish() == ["  more of it"]


def test_a_message_longer_than_a_line_may_be_leaves_in_several() -> None:
    joining = Joining("^begin", max_size=20)
    taken = joining.feed(b"begin\n" + b"0123456\n" * 5) + joining.finish()
    assert taken == ["begin\n0123456", "0123456\n0123456", "0123456\n0123456"]


def test_a_line_that_is_cut_is_no_part_of_a_message() -> None:
    joining = Joining("^begin", max_size=10)
    assert joining.feed(b"begin\n" + b"x" * 25 + b"\nend\n") + joining.finish() == [
        "begin",
        "x" * 10,
        "x" * 10,
        "x" * 5,
        "end",
    ]


@given(st.lists(st.sampled_from([b"begin", b"a", b"", b"  b"]), max_size=12), cuts)
@settings(deadline=None)
def test_joining_loses_and_adds_nothing(lines: list[bytes], at: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    joining = Joining("^begin", max_size=12)
    taken: list[str] = []
    for start, end in zip([0, *sorted(at)], [*sorted(at), len(data)], strict=True):
        taken += joining.feed(data[start:end])
    taken += joining.finish()
    assert "\n".join(taken).encode() == data[:-1]
    assert all("\nbegin" not in message for message in taken)


def test_a_fork_hands_everything_to_all() -> None:
    places = [Basket(), Basket()]
    source = Output(("web", 1))
    fork = Fork([Delivery([place], PlainFormat(b"> "), source, drops=False) for place in places])
    fork.lines(b"a", b"b\nrest", 2)
    fork.piece(b"c", True)
    fork.message(b"d\ne")
    assert [place.take() for place in places] == [b"> ab\n> c [cut]\n> d\n> e\n"] * 2


def test_what_is_dropped_at_a_congested_place_is_counted_in_lines_and_bytes_of_the_program() -> None:
    place, source = Basket(), Output(("web", 1))
    delivery = Delivery([place], PlainFormat(b"> "), source, drops=True)
    place.is_congested = True
    delivery.lines(b"a", b"b\nc\nrest", 4)
    delivery.piece(b"cut", True)
    delivery.piece(b"end", False)
    delivery.message(b"d\ne")
    place.is_congested = False
    delivery.lines(b"", b"f\n", 2)
    assert place.take() == b"> f\n"
    assert source.dropped == len(b"ab\nc\n" + b"cut" + b"end\n" + b"d\ne\n")
    told: list[tuple[object, ...]] = []
    place.losses.report(0.0, lambda level, event, **values: told.append((level, event, values)))
    values = {"program": "web", "instance": 1, "to": "basket", "lines": 6, "bytes": source.dropped}
    assert told == [("warning", "log.dropped", values)]
