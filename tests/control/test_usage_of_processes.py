"""Which process belongs to which instance, and what it uses."""

from __future__ import annotations

import os

import psutil
import pytest

from supervisor.process.procfs import Process
from supervisor.process.usage import attribute, measure

WEB, DB = ("web", 1), ("db", 1)


def processes(*rows: tuple[int, int, int]) -> dict[int, Process]:
    """Rows of (pid, parent, session)."""
    return {pid: Process(pid, parent, session, session, False, 0) for pid, parent, session in rows}


@pytest.mark.parametrize(
    ("rows", "owned"),
    [
        pytest.param(
            [(1, 0, 1), (10, 1, 10), (11, 10, 10), (12, 11, 10)], {10: WEB, 11: WEB, 12: WEB}, id="descendants"
        ),
        pytest.param(
            [(1, 0, 1), (10, 1, 10), (11, 10, 11), (12, 11, 11)], {10: WEB, 11: WEB, 12: WEB}, id="own session"
        ),
        pytest.param([(1, 0, 1), (10, 1, 10), (11, 1, 10)], {10: WEB, 11: WEB}, id="reparented"),
        pytest.param([(1, 0, 1), (10, 1, 10), (20, 1, 20), (21, 20, 20)], {10: WEB, 20: DB, 21: DB}, id="two"),
        pytest.param([(1, 0, 1), (10, 1, 10), (30, 1, 30), (31, 30, 30)], {10: WEB}, id="nobody's"),
        pytest.param([(12, 11, 10), (11, 10, 10), (10, 1, 10)], {10: WEB, 11: WEB, 12: WEB}, id="any order"),
        pytest.param(
            [(13, 12, 9), (12, 11, 9), (11, 10, 9), (10, 1, 10)], dict.fromkeys((10, 11, 12, 13), WEB), id="deep"
        ),
        pytest.param([(11, 10, 9)], {11: WEB}, id="the main process cannot be read"),
        pytest.param([(11, 12, 9), (12, 11, 9)], {}, id="a circle of recycled pids"),
    ],
)
def test_a_process_belongs_to_whose_main_process_stands_over_it(
    rows: list[tuple[int, int, int]], owned: dict[int, tuple[str, int]]
) -> None:
    assert attribute({WEB: 10, DB: 20}, processes(*rows)) == owned


def test_the_group_of_a_main_process_is_its_own_though_it_has_no_session() -> None:
    """A successor (MAINPID=) may lead a group in the session of its predecessor."""
    family = {10: Process(10, 1, 10, 9, False, 0), 11: Process(11, 1, 10, 9, False, 0)}
    assert attribute({WEB: 10}, family) == {10: WEB, 11: WEB}


def test_what_is_known_besides_stands_over_others_too() -> None:
    family = processes((1, 0, 1), (10, 1, 10), (30, 1, 30), (31, 30, 30), (11, 30, 10))
    assert attribute({WEB: 10}, family, {30: DB}) == {10: WEB, 11: WEB, 30: DB, 31: DB}


def test_a_zombie_uses_nothing() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert measure({WEB: pid}) == {}
    os.waitpid(pid, 0)


def test_usage_is_the_sum_over_the_tree() -> None:
    usage = measure({WEB: os.getpid()})[WEB]
    assert usage.processes >= 1
    assert usage.memory_bytes > 1_000_000
    assert usage.cpu_seconds > 0


def test_usage_agrees_with_psutil() -> None:
    """An operator compares the two. CPU time advances between the two readings, in ticks of 10 ms."""
    usage, process = measure({WEB: os.getpid()})[WEB], psutil.Process()
    family = [process, *process.children(recursive=True)]
    assert usage.processes == len(family)
    assert usage.cpu_seconds == pytest.approx(sum(sum(p.cpu_times()[:4]) for p in family), abs=0.2)
    assert usage.memory_bytes == pytest.approx(sum(p.memory_info().rss for p in family), rel=0.1)


def test_a_process_that_is_gone_is_not_measured() -> None:
    assert measure({WEB: 2**22 + 1}) == {}
    assert measure({}) == {}
