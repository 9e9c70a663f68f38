from __future__ import annotations

from supervisor.core.output import Output
from supervisor.logs.losses import PAUSE, Losses

WEB, DB = Output(("web", 2)), Output(("db", 1))


def told(losses: Losses, now: float) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    losses.report(now, lambda *_, **values: lines.append(values))
    return lines


def test_what_was_lost_since_the_last_time_is_told_once_a_line_for_each_instance() -> None:
    losses = Losses("stdout")
    assert not losses
    losses.count(WEB, 1, 10)
    losses.count(DB, 2, 20)
    losses.note(WEB, (b"a\nb", memoryview(b"\n")), 4)
    assert losses
    assert told(losses, 5.0) == [
        {"program": "web", "instance": 2, "to": "stdout", "lines": 3, "bytes": 14},
        {"program": "db", "instance": 1, "to": "stdout", "lines": 2, "bytes": 20},
    ]
    assert not losses
    losses.count(WEB, 1, 1)
    assert told(losses, 6.0) == [{"program": "web", "instance": 2, "to": "stdout", "lines": 1, "bytes": 1}]
    assert (WEB.dropped, DB.dropped) == (15, 20)


def test_the_first_loss_may_be_told_at_once_and_the_next_after_a_pause() -> None:
    losses = Losses("stdout")
    assert losses.due == float("-inf")
    losses.count(WEB, 1, 1)
    losses.report(5.0, lambda *_, **__: None)
    assert losses.due == 5.0 + PAUSE
