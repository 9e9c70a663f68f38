"""Durations as clients write them, and the dates of moments."""

from __future__ import annotations

import pytest

from supervisor.control.console import Clock
from supervisor.control.http.message import RequestError
from supervisor.control.resources.parameters import read_timeout


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("90", 90), (90, 90), (1.5, 1.5), ("500ms", 0.5), ("1m30s", 90), ("1d", 86400), (" 3s ", 3), (0, 0), (None, None)],
)
def test_durations(value: object, seconds: float | None) -> None:
    assert read_timeout(value) == seconds


@pytest.mark.parametrize(
    "value", ["", "s", "1x", -1, "1.2.3s", "1e3", float("inf"), float("nan"), "1 m", "٣s", 999999999999, True, [], {}]
)
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(RequestError, match="cannot read the duration") as refused:
        read_timeout(value)
    assert (refused.value.status, refused.value.code) == (400, "invalid_duration")


def test_the_same_moment_has_one_date() -> None:
    clock = Clock()
    at = clock.now()
    assert len({clock.date(at) for _ in range(1000)}) == 1
    assert clock.date(None) is None
