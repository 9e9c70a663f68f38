"""Trouble is reported when it begins and when it is over, and counted meanwhile."""

from __future__ import annotations

from supervisor.core.log_events import LogEvent
from supervisor.core.trouble import PAUSE, Troubles


def files() -> Troubles:
    return Troubles("file", "file.failed", "file.recovered", "warning")


def failed(**values: object) -> LogEvent:
    return LogEvent("warning", "file.failed", {"file": "a", **values})


def recovered(**values: object) -> LogEvent:
    return LogEvent("info", "file.recovered", {"file": "a", **values})


def test_what_works_is_no_trouble() -> None:
    troubles = files()
    assert [troubles.note("a", None, float(at)) for at in range(3)] == [None] * 3
    assert troubles.failing == ()


def test_it_is_reported_once_and_when_it_is_over_with_the_number_of_failures() -> None:
    troubles = files()
    assert troubles.note("a", "full", 0.0) == failed(reason="full")
    assert [troubles.note("a", "full", at / 100) for at in range(1000)] == [None] * 1000
    assert list(troubles.failing) == ["a"]
    assert troubles.note("a", None, 11.0) == recovered(failures=1000)
    assert troubles.note("a", None, 12.0) is None
    assert list(troubles.failing) == []


def test_each_thing_has_its_own_trouble() -> None:
    troubles = files()
    troubles.note("a", "full", 0.0)
    assert troubles.note("b", "full", 0.0) == LogEvent("warning", "file.failed", {"file": "b", "reason": "full"})
    assert troubles.failing == ("a", "b")


def test_what_fails_and_works_in_turn_is_reported_once_a_minute() -> None:
    troubles = files()
    events = [troubles.note("a", reason, at / 100) for at in range(0, int(PAUSE * 100), 2) for reason in ("full", None)]
    assert [event for event in events if event] == [failed(reason="full"), recovered()]
    assert troubles.note("a", "full", PAUSE + 1) == failed(reason="full", failures=PAUSE * 50)
    assert troubles.note("a", None, PAUSE + 1) == recovered()


def test_another_reason_is_reported_once_a_minute() -> None:
    troubles = files()
    troubles.note("a", "full", 100.0)
    assert troubles.note("a", "gone", 101.0) is None
    assert troubles.note("a", "gone", 100.0 + PAUSE) == failed(reason="gone", failures=2)


def test_the_same_reason_is_not_reported_again_however_long_it_lasts() -> None:
    troubles = files()
    troubles.note("a", "full", 0.0)
    assert troubles.note("a", "full", 100 * PAUSE) is None
