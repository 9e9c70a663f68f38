"""The validated graph: waves, the slowest chain, cycles."""

from __future__ import annotations

from random import Random
from signal import SIGINT, SIGPWR, SIGQUIT, SIGRTMIN, SIGTERM

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core.plan import critical_path, find_cycles, make_plan, start_waves, stop_waves
from supervisor.core.program import (
    Condition,
    Credentials,
    Dependency,
    EnvFile,
    LogMode,
    LogSettings,
    Program,
    Readiness,
    Settings,
    SignalStep,
    Table,
)
from supervisor.core.record import replace

from .chance import random_table
from .worlds import plan_of, program

STACK = (program("proxy", "web"), program("web", "db", "cache"), program("db"), program("cache"), program("cron"))


def _stops_in(name: str, seconds: float, *needs: str) -> Program:
    return replace(program(name, *needs), stop=(SignalStep(SIGTERM, seconds),))


def test_start_waves_put_dependencies_first_in_the_tables_order() -> None:
    assert start_waves(plan_of(*STACK)) == (("db", "cache", "cron"), ("web",), ("proxy",))


def test_stop_waves_put_dependants_first_in_the_tables_order() -> None:
    assert stop_waves(plan_of(*STACK)) == (("proxy", "cron"), ("web",), ("db", "cache"))


def test_a_program_is_in_the_wave_after_the_last_one_of_what_it_depends_on() -> None:
    plan = plan_of(program("web", "db", "cache"), program("cache", "db"), program("db"))
    assert start_waves(plan) == (("db",), ("cache",), ("web",))


def test_a_plan_names_every_program_and_who_depends_on_it() -> None:
    plan = plan_of(*STACK)
    assert plan.dependants == {"proxy": (), "web": ("proxy",), "db": ("web",), "cache": ("web",), "cron": ()}
    assert list(plan.programs) == ["proxy", "web", "db", "cache", "cron"]


def test_instances_are_in_the_tables_order() -> None:
    plan = plan_of(replace(program("b"), scale=2), program("a"))
    assert plan.instances == (("b", 1), ("b", 2), ("a", 1))


def test_a_plan_without_programs_has_no_waves() -> None:
    plan = make_plan(Table(Settings(), ()))
    assert (start_waves(plan), stop_waves(plan), critical_path(plan)) == ((), (), ((), 0.0))


def test_the_critical_path_is_the_slowest_chain_and_not_the_longest() -> None:
    plan = plan_of(
        _stops_in("db", 10.0),
        _stops_in("web", 1.0, "db"),
        _stops_in("proxy", 1.0, "web"),
        _stops_in("worker", 30.0, "db"),
    )
    assert critical_path(plan) == (("worker", "db"), 40.0)
    assert plan.stop_time_below == {"db": 0.0, "web": 10.0, "proxy": 11.0, "worker": 10.0}


def test_what_stops_below_a_program_takes_as_long_as_its_slowest_dependency() -> None:
    plan = plan_of(_stops_in("db", 10.0), _stops_in("cache", 2.0), program("web", "cache", "db"))
    assert plan.stop_time_below["web"] == 10.0


def test_an_instance_with_an_entry_of_its_own_counts_with_its_own_stop() -> None:
    table = Table(Settings(), (_stops_in("db", 10.0), program("web", "db")))
    assert make_plan(table, {("db", 1): _stops_in("db", 25.0)}).stop_time_below["web"] == 25.0
    assert make_plan(table, {("db", 1): _stops_in("db", 5.0)}).stop_time_below["web"] == 10.0
    assert (
        make_plan(Table(Settings(), (_stops_in("db", 0.0),)), {("db", 1): _stops_in("db", 0.0)}).down_time("db") == 0.0
    )


def test_the_critical_path_may_begin_with_a_quick_stop() -> None:
    plan = plan_of(_stops_in("db", 10.0), _stops_in("web", 1.0, "db"), _stops_in("other", 10.5))
    assert critical_path(plan) == (("web", "db"), 11.0)


def test_the_critical_path_counts_drain_delay_and_every_step() -> None:
    web = replace(program("web"), stop=(SignalStep(SIGTERM, 2.0), SignalStep(SIGTERM, 3.0)))
    assert critical_path(plan_of(web, settings=Settings(drain_delay=4.0))) == (("web",), 9.0)


@pytest.mark.parametrize("waves", [start_waves, stop_waves], ids=["start", "stop"])
def test_waves_hold_every_program_once_and_respect_every_dependency(waves: object) -> None:
    for seed in range(100):
        plan = plan_of(*random_table(Random(seed), 10))
        result = start_waves(plan) if waves is start_waves else stop_waves(plan)
        assert sorted(name for wave in result for name in wave) == sorted(plan.programs)
        place = {name: number for number, wave in enumerate(result) for name in wave}
        for name, dependencies in ((p.name, p.depends_on) for p in plan.programs.values()):
            for dependency in dependencies:
                earlier, later = (dependency.program, name) if waves is start_waves else (name, dependency.program)
                assert place[earlier] < place[later], seed


def test_a_deep_graph_takes_no_recursion() -> None:
    table = [program("p0"), *(program(f"p{n}", f"p{n - 1}") for n in range(1, 3000))]
    assert len(start_waves(plan_of(*table))) == 3000
    assert find_cycles({p.name: [d.program for d in p.depends_on] for p in table}) == ()


# ---- cycles


@pytest.mark.parametrize(
    ("graph", "cycles"),
    [
        pytest.param({"a": ["b"], "b": []}, (), id="none"),
        pytest.param({"a": ["a"]}, (("a",),), id="itself"),
        pytest.param({"a": ["b"], "b": ["a"]}, (("a", "b"),), id="two"),
        pytest.param({"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"]}, (("a", "b", "c"),), id="behind another"),
        pytest.param({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]}, (("a", "b"), ("c", "d")), id="two cycles"),
        pytest.param({"a": ["nobody"]}, (), id="unknown name"),
        pytest.param({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, (), id="diamond"),
    ],
)
def test_find_cycles(graph: dict[str, list[str]], cycles: tuple[tuple[str, ...], ...]) -> None:
    assert find_cycles(graph) == cycles


graphs = st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from("abcdef"), max_size=3), max_size=5)


def _has_cycle(graph: dict[str, list[str]]) -> bool:
    """Take away what depends on nothing that is left, until nothing can be taken away; what stays is on a cycle."""
    left = dict(graph)
    while free := [name for name, needs in left.items() if not any(need in left for need in needs)]:
        for name in free:
            del left[name]
    return bool(left)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(graphs)
def test_there_is_a_cycle_exactly_when_one_is_found_and_it_is_one(graph: dict[str, list[str]]) -> None:
    cycles = find_cycles(graph)
    assert bool(cycles) == _has_cycle(graph)
    for cycle in cycles:
        assert len(set(cycle)) == len(cycle)
        assert all(after in graph[name] for name, after in zip(cycle, (*cycle[1:], cycle[0]), strict=True))


def test_what_had_to_complete_is_not_alive_when_its_dependants_stop() -> None:
    web = replace(_stops_in("web", 5.0), depends_on=(Dependency("migrate", Condition.COMPLETED),))
    plan = plan_of(_stops_in("migrate", 10.0), web)
    assert critical_path(plan) == (("migrate",), 10.0)
    assert plan.stop_time_below == {"migrate": 0.0, "web": 0.0}


@pytest.mark.parametrize(
    ("log", "passes_by"),
    [
        (LogSettings(mode=LogMode.INHERIT), True),
        (LogSettings(mode=LogMode.INHERIT, file="/var/log/web"), True),
        (LogSettings(mode=LogMode.NONE), True),
        (LogSettings(mode=LogMode.NONE, file="/var/log/web"), False),
        (LogSettings(mode=LogMode.RAW), False),
    ],
)
def test_output_passes_by_supinit_where_it_has_nothing_to_do_with_it(log: LogSettings, passes_by: bool) -> None:
    assert log.passes_by is passes_by


def test_the_output_of_a_process_takes_two_pipes_unless_its_order_is_kept() -> None:
    assert (LogSettings().pipes, LogSettings(redirect_stderr=True).pipes) == (2, 1)


@pytest.mark.parametrize(
    ("ready", "is_in_output"),
    [
        (Readiness(), False),
        (Readiness(notify="systemd"), False),
        (Readiness(log="up"), True),
        (Readiness(fail_log="no"), True),
    ],
)
def test_readiness_is_looked_for_in_the_output_where_a_pattern_says_so(ready: Readiness, is_in_output: bool) -> None:
    assert ready.is_in_output is is_in_output


def test_the_control_socket_is_in_run_dir_unless_the_table_names_another_place() -> None:
    assert Settings(run_dir="/run/x").socket_path == "/run/x/control.sock"
    assert Settings(run_dir="/run/x", socket="/srv/s").socket_path == "/srv/s"


def test_what_the_table_does_not_say_is_as_documented() -> None:
    """docs/configuration.md; SIGRTMIN+3 is systemd's signal for a halt, and SIGPWR that of LXC."""
    assert Settings().shutdown_signals == (SIGTERM, SIGINT, SIGQUIT, SIGPWR, SIGRTMIN + 3)
    assert EnvFile("/e") == EnvFile("/e", is_required=True, is_raw=False)
    assert Credentials(1, 2) == Credentials(1, 2, names_group=False)
    assert LogSettings() == LogSettings(LogMode.PREFIX, compress=False, redirect_stderr=False)
