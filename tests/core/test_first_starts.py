"""What an opening may start: the plain programs that the core would start first, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from supervisor.core.container import STEPS
from supervisor.core.first_starts import find_first_starts, is_plain
from supervisor.core.hook import Hook, RuntimeDirectory
from supervisor.core.once import Once
from supervisor.core.program import (
    Credentials,
    EnvFile,
    InstanceId,
    Limit,
    LogMode,
    LogSettings,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartWhen,
    SecretFile,
    Settings,
)
from supervisor.core.protocol import MAX_SOCKET_PATH
from supervisor.core.record import replace
from supervisor.core.sockets import DescriptorText, ListenSocket

from .worlds import World, plan_of, program

PLAIN = Program("web", ("serve",))

MORE_IS_NEEDED: Mapping[str, list[Any]] = {
    "env_file": [(EnvFile("/etc/env"),)],
    "environment": [(("A", "b"), ("TOKEN", SecretFile("/run/token"))), (("FD", DescriptorText("{fd:http}")),)],
    "credentials": [Credentials(33, 33)],
    "ulimits": [(Limit("nofile", 10, 10),)],
    "nice": [0, 5],
    "oom_score_adj": [0, 5],
    "cap_add": [("NET_RAW",)],
    "cap_drop": [("ALL",)],
    "no_new_privileges": [True],
    "is_main": [True],
    "watchdog": [30.0],
    "once": [Once("key", "/var/once")],
    "pid_file": ["/run/web.pid"],
    "clear_before_start": [("/run/web.pid",)],
    "runtime_directory": [(RuntimeDirectory("/run/web"),)],
    "ready": [Readiness(notify="systemd"), Readiness(notify=3)],
    "log": [LogSettings(LogMode.INHERIT), LogSettings(LogMode.NONE)],
}
"""Values of fields with which a start takes more than an opening does."""

NOTHING_MORE_IS_NEEDED: Mapping[str, list[Any]] = {
    "environment": [(("A", "b"), ("HOME", None))],
    "inherit_environment": [False],
    "working_dir": ["/srv"],
    "umask": [0o027],
    "ready": [Readiness(log="listening", timeout=5.0)],
    "log": [LogSettings(LogMode.RAW, redirect_stderr=True), LogSettings(LogMode.NONE, file="/var/log/web")],
}

ELSEWHERE = frozenset(
    {
        *("name", "command", "kind", "depends_on", "autostart", "profiles", "is_enabled", "scale", "schedule"),
        *("sockets", "pre_start"),  # the core and find_first_starts see to these
        *("update_config", "restart_when", "restart", "restart_delay", "start_retries", "min_uptime"),
        *("success_exit_codes", "shutdown_on", "post_start", "post_stop", "stop", "stop_leftovers", "signals"),
        *("reload", "watch", "healthcheck", "second_lane", "beside"),
    }
)
"""Fields that decide whether or when a program starts, or what happens later, but not how it starts."""


def started(*programs: Program, **settings: Any) -> list[InstanceId]:
    return list(find_first_starts(plan_of(*programs, settings=Settings(**settings))))


def test_of_every_field_it_is_known_what_an_opening_has_to_do_about_it() -> None:
    """A new one has to be added here, and to `is_plain` if a start takes more because of it."""
    known = MORE_IS_NEEDED.keys() | NOTHING_MORE_IS_NEEDED.keys() | ELSEWHERE
    assert set(Program.__match_args__) == known


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in MORE_IS_NEEDED.items() for value in values],
    ids=lambda part: str(part)[:60],
)
def test_a_program_that_needs_more_is_left_to_the_engine(field: str, value: Any) -> None:
    other = replace(PLAIN, name="other")
    assert started(replace(PLAIN, **{field: value}), other) == [("other", 1)]


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in NOTHING_MORE_IS_NEEDED.items() for value in values],
    ids=lambda part: str(part)[:60],
)
def test_a_plain_program_is_started(field: str, value: Any) -> None:
    assert is_plain(PLAIN)
    assert started(replace(PLAIN, **{field: value})) == [("web", 1)]


@pytest.mark.parametrize(
    "fields",
    [
        {"autostart": False},
        {"is_enabled": False},
        {"scale": 0},
        {"pre_start": (Hook(("prepare",), 1.0),)},
    ],
    ids=str,
)
def test_a_program_that_does_not_start_first_is_not_started(fields: dict[str, Any]) -> None:
    assert started(replace(PLAIN, **fields)) == []


def test_dependants_wait_for_the_engine() -> None:
    oneshot = Program("migrate", ("true",), ProgramType.ONESHOT, restart=Restart(RestartWhen.NEVER))
    assert started(program("web", "db"), program("db"), oneshot) == [("db", 1), ("migrate", 1)]


def test_all_instances_are_started() -> None:
    assert started(replace(PLAIN, scale=3)) == [("web", 1), ("web", 2), ("web", 3)]


def test_many_programs_are_started_although_the_core_takes_several_turns() -> None:
    programs = [program(f"p{number:03}") for number in range(3 * STEPS)]
    assert started(*programs) == [(each.name, 1) for each in programs]


def test_they_are_those_that_the_core_starts_first() -> None:
    programs = [program(f"p{number:03}", *([f"p{number - 1:03}"] if number % 3 else [])) for number in range(200)]
    world = World(plan_of(*programs)).begin()
    first = started(*programs)
    assert first == [(each.name, 1) for each in programs if not each.depends_on]
    assert set(first) < set(world.spawned)


@pytest.mark.parametrize(
    "settings",
    [{"syslog": "/dev/log"}, {"socket": "/" + "x" * MAX_SOCKET_PATH}, {"run_dir": "/\udcff" + "x" * MAX_SOCKET_PATH}],
    ids=["syslog", "socket path too long", "run_dir too long"],
)
def test_nothing_starts_before_what_comes_before_the_first_program(settings: dict[str, Any]) -> None:
    assert started(PLAIN, **settings) == []


def test_nothing_starts_before_the_sockets_of_the_table_are_bound() -> None:
    with_socket = replace(PLAIN, name="api", sockets=(ListenSocket("http", ("0.0.0.0", 80)),))
    assert started(PLAIN, with_socket) == []
