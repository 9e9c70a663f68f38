from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.contest import Failed, hold
from benchmarks.report import Column, Goal, Ratio, Report, Row, Table
from benchmarks.table import text_of


class Named:
    def __init__(self, name: str, gap: str = "") -> None:
        self.name = name
        self.gap = gap


def goal(measured: float | None, limit: float, is_least: bool, unit: str = "x") -> Goal:
    return Goal(text="it", measured=measured, limit=limit, is_least=is_least, unit=unit)


@pytest.mark.parametrize(
    ("measured", "limit", "is_least", "unit", "is_far_off"),
    [
        (1.9, 1.0, False, "x", False),
        (2.1, 1.0, False, "x", True),
        (0.6, 1.0, True, "x", False),
        (0.4, 1.0, True, "x", True),
        (900.0, 1.0, False, "ms", False),
        (None, 1.0, False, "x", False),
    ],
    ids=["missed", "far above", "below", "far below", "an absolute time", "not measured"],
)
def test_only_a_ratio_that_is_missed_by_two_times_is_far_off(
    measured: float | None, limit: float, is_least: bool, unit: str, is_far_off: bool
) -> None:
    assert goal(measured, limit, is_least, unit).is_far_off is is_far_off


@pytest.mark.parametrize(
    ("measured", "is_least", "is_far_off"),
    [(4.9, False, False), (5.1, False, True), (5, True, False), (4.9, True, True)],
)
def test_a_goal_that_is_not_reached_yet_is_far_off_from_its_own_guard_on(
    measured: float, is_least: bool, is_far_off: bool
) -> None:
    assert replace(goal(measured, 1.5 if not is_least else 100, is_least), guard=5).is_far_off is is_far_off


def test_a_ratio_to_a_peer_that_only_waits_is_never_far_off() -> None:
    assert not replace(goal(9.0, 1.0, False), is_guarded=False).is_far_off


def test_a_regression_is_a_ratio_far_off_or_a_supinit_that_failed_and_never_a_peer() -> None:
    rows = (Row("supinit", {}, "failed: no"), Row("supervisord", {}, "failed: no"), Row("s6", {}, "missing: no"))
    table = Table("10 programs", (), rows)
    goals = (goal(4.0, 1.0, False), goal(1.5, 1.0, False))
    report = Report(subject="one", tables=(table,), goals=goals)
    assert report.regressions == ["10 programs: supinit failed: no", "it: 4.00"]


def test_contenders_run_in_turn_and_one_that_fails_is_not_run_again() -> None:
    turns = []

    def once(contender: Named) -> dict[str, float]:
        turns.append(contender.name)
        if contender.name == "bad":
            raise Failed("it fell over")
        return {"time": float(len(turns))}

    rows = hold("a race", [Named("good"), Named("bad"), Named("absent", "missing: buy it")], 2, once)
    assert turns == ["good", "bad", "good"]
    assert rows == (
        Row("good", {"time": (1.0, 3.0)}),
        Row("bad", {}, "failed: it fell over"),
        Row("absent", {}, "missing: buy it"),
    )


def test_a_table_shows_medians_spreads_ratios_and_named_gaps() -> None:
    rows = (
        Row("ours", {"time": (1.0, 2.0, 4.0)}),
        Row("theirs", {"time": (8.0,)}),
        Row("absent", {}, "missing: buy it"),
    )
    table = Table("a race", (Column("time", "ms", 1), Ratio("time", ": ours", "ours")), rows)
    goals = (Goal(text="theirs : ours", measured=table.ratio("theirs", "time", "ours"), limit=3, is_least=True),)
    shown = text_of(Report(subject="race", tables=(table,), goals=goals, remarks=("Said", "of it.")))
    assert shown.splitlines() == [
        "",
        "a race",
        "                   ms  : ours",
        "ours    2.0 (1.0-4.0)    1.00",
        "theirs            8.0    4.00",
        "absent              -       -  missing: buy it",
        "",
        "goals: race",
        "theirs : ours  4 x  at least 3 x  met",
        "",
        "Said of it.",
    ]
