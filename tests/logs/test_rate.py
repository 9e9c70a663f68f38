from __future__ import annotations

import pytest

from supervisor.core.output import Output
from supervisor.logs import rate
from supervisor.logs.delivery import Delivery
from supervisor.logs.formats import PlainFormat
from supervisor.logs.rate import Bucket, Limiter

from .plumbing import Basket


class Time:
    """The monotonic clock, stopped."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(rate, "monotonic", time)
    return time


def test_a_second_of_silence_is_worth_a_seconds_bytes_at_once(time: Time) -> None:
    bucket = Bucket(1000)
    bucket.take(1000)
    assert bucket.wait == 0.0
    bucket.take(500)
    assert bucket.wait == 0.5
    time.now += 0.5
    assert bucket.wait == 0.0
    time.now += 60.0
    bucket.take(1500)
    assert bucket.wait == 0.5


def test_over_a_long_time_the_rate_is_kept(time: Time) -> None:
    bucket = Bucket(1000)
    written = 0
    for _ in range(100):
        time.now += bucket.wait
        bucket.take(700)
        written += 700
    assert written <= 1000 + 700 + (time.now - 100.0) * 1000


def test_lines_that_come_too_fast_are_dropped_and_counted(time: Time) -> None:
    place, source = Basket(), Output(("web", 1))
    bucket = Bucket(10)
    limiter = Limiter(bucket, source, Delivery([place], PlainFormat(), source, drops=True))
    limiter.lines(b"", b"12345678901\n", 12)
    limiter.lines(b"a", b"b\nc\nrest", 4)
    limiter.piece(b"cut", True)
    limiter.piece(b"end", False)
    time.now += 0.2
    limiter.piece(b"again", False)
    assert place.take() == b"12345678901\nagain\n"
    assert source.dropped == len(b"ab\nc\ncutend\n")
    told: list[dict[str, object]] = []
    bucket.losses.report(0.0, lambda *_, **values: told.append(values))
    assert told == [{"program": "web", "instance": 1, "to": "rate_limit", "lines": 4, "bytes": source.dropped}]
