"""What the log and the status say about a rolling restart or update."""

from __future__ import annotations

import pytest

from supervisor.core.container import RollChange
from supervisor.core.log_events import LogEvent
from supervisor.core.record import replace
from supervisor.core.roll import Outcome, Roll
from supervisor.core.roll_events import describe_roll, kind_of, sentence_of, status_of
from supervisor.core.update_config import Order, UpdateConfig

from .worlds import program

WEB = program("web")
FIRST, SECOND, THIRD = (("web", number) for number in (1, 2, 3))
RESTART = Roll(1, "restart", UpdateConfig(Order.START_FIRST, parallelism=2), (FIRST, SECOND, THIRD), 3)
UPDATE = Roll(2, "update", UpdateConfig(), (FIRST, SECOND, THIRD), 3, becomes=WEB, before=WEB, replaced=(FIRST,))
ROLLBACK = replace(UPDATE, is_rollback=True, cause="web:2 exited with code 7", replaced=())


def _events(before: Roll | None, after: Roll, health: str | None = None) -> list[LogEvent]:
    return list(describe_roll(RollChange("web", before, after, health)))


def test_the_beginning_says_how_it_will_be_done() -> None:
    values = {"program": "web", "what": "restart", "instances": 3, "order": "start-first", "parallelism": 2}
    assert _events(None, RESTART) == [LogEvent("info", "program.rolling_begun", values)]


def test_each_instance_that_is_replaced_is_numbered() -> None:
    done = replace(UPDATE, replaced=(FIRST, THIRD, SECOND))
    assert _events(UPDATE, done) == [
        LogEvent("info", "program.replaced", {"program": "web", "instance": 3, "done": 2, "instances": 3}),
        LogEvent("info", "program.replaced", {"program": "web", "instance": 2, "done": 3, "instances": 3}),
    ]


def test_a_process_that_has_become_the_instance_is_told_with_its_state() -> None:
    values = {"program": "web", "instance": 1, "done": 1, "instances": 3}
    after = replace(RESTART, replaced=(FIRST,))
    assert _events(RESTART, after, "healthy") == [LogEvent("info", "program.replaced", values, "RUNNING", "healthy")]


def test_only_what_has_failed_since_is_told() -> None:
    once = replace(UPDATE, failed=((SECOND, "exited with code 7"),))
    twice = replace(once, failed=(*once.failed, (THIRD, "is unhealthy")))
    values = {"program": "web", "instance": 3, "reason": "is unhealthy"}
    assert _events(once, twice) == [LogEvent("warning", "program.replacement_failed", values)]


def test_a_rollback_says_what_it_is_for_and_nothing_else() -> None:
    values = {"program": "web", "reason": "web:2 exited with code 7", "instances": 3}
    assert _events(UPDATE, ROLLBACK) == [LogEvent("warning", "program.rollback_begun", values)]
    values = {"program": "web", "instance": 1, "done": 1, "instances": 3}
    assert _events(ROLLBACK, replace(ROLLBACK, replaced=(FIRST,))) == [LogEvent("info", "program.replaced", values)]


FAILED = ((SECOND, "exited with code 7"),)


@pytest.mark.parametrize(
    ("end", "level", "event", "values"),
    [
        ({"outcome": Outcome.COMPLETED}, "info", "program.rolling_completed", {}),
        ({"outcome": Outcome.COMPLETED, "failed": FAILED}, "error", "program.rolling_completed", {"failed": 1}),
        ({"outcome": Outcome.GIVEN_UP}, "warning", "program.rolling_given_up", {"reason": "web:2 failed"}),
        ({"outcome": Outcome.ROLLED_BACK}, "error", "program.rolled_back", {"reason": "web:2 failed"}),
        ({"outcome": Outcome.PAUSED}, "error", "program.rolling_paused", {"reason": "(the sentence)"}),
    ],
)
def test_the_end_says_how_far_it_came_and_why(
    end: dict[str, object], level: str, event: str, values: dict[str, object]
) -> None:
    before = replace(UPDATE, failed=end.get("failed", ()), reason="web:2 failed")
    after = replace(before, **end)
    if "reason" in values and after.is_paused:
        values = {"reason": sentence_of("web", after)}
    about = {"program": "web", "what": "update", "done": 1, "instances": 3}
    assert _events(before, after) == [LogEvent(level, event, {**about, **values})]
    assert _events(after, after) == []


WAY_OUT = (
    "mend the table and run supctl update, or supctl restart --rolling web to go on as it is; "
    "with the old table, supctl update undoes it"
)


@pytest.mark.parametrize(
    ("roll", "sentence"),
    [
        (
            replace(UPDATE, outcome=Outcome.PAUSED),
            f"web:2 failed; 1 of 3 replaced, the update is paused: {WAY_OUT}",
        ),
        (
            replace(RESTART, outcome=Outcome.PAUSED),
            "web:2 failed; 0 of 3 replaced, the restart is paused: mend the cause and run it again",
        ),
        (
            replace(ROLLBACK, outcome=Outcome.PAUSED),
            "web:2 exited with code 7; the rollback of web has failed, too: web:2 failed; "
            "mend it and run supctl update",
        ),
        (
            replace(ROLLBACK, outcome=Outcome.ROLLED_BACK),
            "web:2 failed; the update was rolled back, the old release serves",
        ),
        (
            replace(UPDATE, outcome=Outcome.GIVEN_UP),
            "the rolling update of web was given up, 1 of 3 replaced: web:2 failed",
        ),
        (replace(UPDATE, outcome=Outcome.COMPLETED), "web:2 failed; the others were replaced"),
    ],
    ids=["update", "restart", "failed rollback", "rolled back", "given up", "with failures"],
)
def test_a_sentence_says_why_it_has_not_ended_well_and_the_way_out(roll: Roll, sentence: str) -> None:
    assert sentence_of("web", replace(roll, reason="web:2 failed")) == sentence


def test_the_status_says_how_far_it_is_or_why_it_is_paused() -> None:
    paused = replace(UPDATE, outcome=Outcome.PAUSED, reason="web:2 failed")
    assert [kind_of(roll) for roll in (RESTART, UPDATE, ROLLBACK)] == ["rolling restart", "rolling update", "rollback"]
    assert status_of("web", UPDATE) == "rolling update: 1 of 3 replaced"
    assert status_of("web", paused) == sentence_of("web", paused)
    assert status_of("web", replace(UPDATE, outcome=Outcome.COMPLETED)) == ""
