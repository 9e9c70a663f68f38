from __future__ import annotations

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.program import LogMode, LogSettings, Program, Readiness
from supervisor.logs.patterns import Budget
from supervisor.logs.pump import Pump
from supervisor.logs.readiness import LONGEST, ReadinessPatterns

from ..process.nursery import Nursery, sleep_until
from .plumbing import Drain

Reports = list[tuple[bool, str]]


def found(*pieces: bytes, good: str | None = "ready", bad: str | None = None) -> Reports:
    reports: Reports = []
    patterns = ReadinessPatterns(
        Readiness(log=good, fail_log=bad), lambda is_good, line: reports.append((is_good, line)), Budget()
    )
    for piece in pieces:
        assert patterns.is_done == bool(reports)
        patterns.feed(piece)
    assert patterns.is_done == bool(reports)
    return reports


def test_a_line_that_matches_is_reported_whole() -> None:
    assert found(b"starting\nnow ready to serve\n") == [(True, "now ready to serve")]


@pytest.mark.parametrize("data", [b"", b"\n", b"no\nsuch line\n", b"READY\n", b"read\ny\n"])
def test_a_line_that_does_not_match_is_not_reported(data: bytes) -> None:
    assert found(data) == []


def test_a_line_is_looked_at_once_it_is_whole() -> None:
    assert found(b"ready") == []
    assert found(b"ready", b"\n") == [(True, "ready")]
    assert found(b"ready", b" not\n", good="ready$") == []


def test_it_is_a_search_unless_it_is_anchored() -> None:
    assert found(b"not ready\nready\n", good="^ready$") == [(True, "ready")]


def test_it_reports_once() -> None:
    assert found(b"ready 1\nready 2\n", b"ready 3\n") == [(True, "ready 1")]


def test_the_first_line_that_matches_either_decides() -> None:
    assert found(b"ready\nbroken\n", bad="broken") == [(True, "ready")]
    assert found(b"broken\nready\n", bad="broken") == [(False, "broken")]


def test_a_line_that_matches_both_is_a_bad_one() -> None:
    assert found(b"ready, but broken\n", bad="broken") == [(False, "ready, but broken")]


@pytest.mark.parametrize(("good", "bad"), [("x", None), (None, "x")])
def test_either_pattern_will_do(good: str | None, bad: str | None) -> None:
    assert found(b"a\nx\n", good=good, bad=bad) == [(good is not None, "x")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"], ids=ascii)
def test_a_carriage_return_before_the_newline_is_no_part_of_the_line(end: bytes) -> None:
    assert found(b"is ready" + end, good="ready$") == [(True, "is ready")]


def test_what_is_not_utf_8_does_not_hide_the_rest_of_its_line() -> None:
    assert found(b"\xff\xfe ready\n") == [(True, "\ufffd\ufffd ready")]


def test_other_characters_that_end_lines_elsewhere_do_not_here() -> None:
    assert found("a\x0b\x0c\x1c\u2028ready\n".encode(), good="^a.*ready") == [(True, "a\x0b\x0c\x1c\u2028ready")]


@pytest.mark.parametrize("size", [1, 1000, LONGEST, 10 * LONGEST], ids=str)
def test_only_the_beginning_of_a_long_line_is_looked_at_however_it_comes(size: int) -> None:
    begins = b"ready".ljust(3 * LONGEST, b"x") + b"\n"
    ends = b"ready".rjust(3 * LONGEST, b"x") + b"\n"
    for line, reports in ((begins, [(True, begins[:LONGEST].decode())]), (ends, [])):
        assert found(*(line[at : at + size] for at in range(0, len(line), size))) == reports


def test_a_line_that_never_ends_takes_bounded_memory() -> None:
    patterns = ReadinessPatterns(Readiness(log="ready"), lambda *_: None, Budget())
    for _ in range(100):
        patterns.feed(b"x" * LONGEST)
    assert len(patterns._tail) <= LONGEST
    patterns.feed(b"\nready\n")
    assert patterns.is_done


@given(
    st.lists(st.sampled_from([b"ready", b"broken", b"x", b"\n", b"\r", b"\xc3", b"\xa9", b""])).map(b"".join),
    st.lists(st.integers(0, 60)),
)
def test_how_the_output_is_cut_into_pieces_changes_nothing(data: bytes, cuts: list[int]) -> None:
    ends = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(ends)]
    reports = found(*pieces, bad="broken")
    assert reports == found(data, bad="broken")
    lines = [line.decode(errors="replace").rstrip("\r") for line in data.split(b"\n")[:-1]]
    expected = [("broken" not in line, line) for line in lines if "ready" in line or "broken" in line]
    assert reports == expected[:1]


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(data: bytes) -> None:
    found(data, b"\n", bad="x+|^$")


# ---- in the pump


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("mode", [LogMode.PREFIX, LogMode.RAW, LogMode.JSON, LogMode.NONE], ids=lambda mode: mode.value)
def test_both_streams_are_watched_in_every_mode(nursery: Nursery, stream: str, mode: LogMode) -> None:
    drain = Drain()
    pump = Pump(drain.sink(), drain.sink())
    program = Program("web", ("web",), ready=Readiness(log="ready"), log=LogSettings(mode=mode))
    reports: Reports = []
    outlet = pump.open(program, ("web", 1), lambda is_good, line: reports.append((is_good, line)))
    text = "echo is ready" if stream == "stdout" else "echo is ready >&2"
    nursery.start("sh", "-c", text, stdout=outlet.stdout, stderr=outlet.stderr)

    def is_found() -> bool:
        pump.turn()
        return bool(reports)

    for descriptor in outlet.ours:
        os.close(descriptor)
    sleep_until(is_found)
    assert reports == [(True, "is ready")]
    pump.flush(1)
    shown = drain.read_all()
    assert (b"is ready" in shown) == (mode is not LogMode.NONE)
    pump._epoll.close()
    os.close(pump.null)
    drain.close()


def test_a_program_that_is_not_watched_costs_nothing() -> None:
    drain = Drain()
    pump = Pump(drain.sink(), drain.sink())
    outlet = pump.open(Program("web", ("web",)), ("web", 1), lambda *_: None)
    assert [pipe.patterns for pipe in pump._pipes.values()] == [None, None]

    for descriptor in outlet.ours:
        os.close(descriptor)
    pump.flush(0)
    pump._epoll.close()
    os.close(pump.null)
    drain.close()
