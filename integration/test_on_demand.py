"""Programs on demand, profiles and `scale: 0` with a real PID 1."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from integration.conftest import Run

SERVE: dict[str, Any] = {"command": ["sleep", "1000"], "min_uptime": 0}
ROLES: dict[str, Any] = {
    "web": SERVE | {"profiles": ["web"]},
    "worker": SERVE | {"profiles": ["worker", "all"]},
    "base": SERVE,
}


def test_a_program_on_demand_is_fine_until_it_is_started_by_a_request_or_by_a_dependant(run: Run) -> None:
    table = {
        "web": SERVE,
        "db": SERVE | {"autostart": False},
        "app": SERVE | {"autostart": False, "depends_on": ["db"]},
        "cron": SERVE | {"autostart": "${RUN_CRON:-false}"},
        "none": SERVE | {"scale": 0},
        "last": SERVE | {"depends_on": ["none"]},
    }
    container = run(table)
    container.await_socket()
    container.await_ready()
    container.await_state("last", "RUNNING")
    assert container.supctl("status").returncode == 0
    assert container.supctl("healthcheck").returncode == 0
    assert container.supctl("status", "none").returncode == 0
    shown = {name: (entry["state"], entry["autostart"]) for name, entry in container.programs().items()}
    assert shown == {
        "web": ("RUNNING", True),
        "db": ("STOPPED", False),
        "app": ("STOPPED", False),
        "cron": ("STOPPED", False),
        "last": ("RUNNING", True),
    }
    assert container.supctl("start", "app").returncode == 0
    assert {name for name, entry in container.programs().items() if entry["state"] == "RUNNING"} == {
        *("web", "db", "app", "last")
    }
    refused = container.supctl("start", "none")
    assert (refused.returncode, "it has no instance (scale: 0)" in refused.stderr) == (1, True)
    assert container.supctl("stop", "app").returncode == 0
    assert container.supctl("status").returncode != 0
    container.signal(signal.SIGTERM)
    assert container.end() == 0


def test_a_variable_switches_a_program_on(run: Run) -> None:
    container = run({"cron": SERVE | {"autostart": "${RUN_CRON:-false}"}}, environment={"RUN_CRON": "true"})
    container.await_state("cron", "RUNNING")


def test_a_table_of_nothing_but_programs_on_demand_waits_and_ends_with_0(run: Run) -> None:
    job = {"command": ["true"], "type": "oneshot", "autostart": False}
    container = run({"job": job, "none": SERVE | {"scale": 0}})
    container.await_socket()
    container.await_ready()
    assert container.supctl("start", "job").returncode == 0
    assert container.programs()["job"]["state"] == "EXITED"
    container.signal(signal.SIGTERM)
    assert container.end() == 0


@pytest.mark.parametrize(
    ("arguments", "variable", "started"),
    [
        ((), "", {"base"}),
        ((), "web, other", {"base", "web"}),
        (("--profile", "all"), "", {"base", "worker"}),
        (("--profile=web", "--profile", "worker"), "", {"base", "web", "worker"}),
        (("--profile", "worker"), "web", {"base", "web", "worker"}),
    ],
)
def test_profiles_are_active_by_variable_and_by_option(
    run: Run, arguments: tuple[str, ...], variable: str, started: set[str]
) -> None:
    container = run(ROLES, *arguments, environment={"SUPINIT_PROFILES": variable})
    container.await_socket()
    container.await_ready()
    assert {name for name, entry in container.programs().items() if entry["state"] == "RUNNING"} == started
    assert {name for name, entry in container.programs().items() if entry["autostart"]} == started
    assert container.supctl("status").returncode == 0
