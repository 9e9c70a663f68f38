"""`supinit --check --engine`: the numbers that an engine has to be told follow from the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from supervisor.cli.engines import ENGINES, RESERVE, Numbers, numbers_of, snippet
from supervisor.cli.supinit import CHOICES
from supervisor.config.load import load
from supervisor.core.plan import Plan, make_plan


def _plan(tmp_path: Path, wait: str = "10s", **settings: object) -> Plan:
    table = tmp_path / "supinit.yaml"
    web = {"command": ["web"], "stop_grace_period": wait}
    table.write_text(json.dumps({"supervisor": settings, "programs": {"web": web}}))
    return make_plan(load(str(table), {}))


def _parsed(engine: str, plan: Plan) -> Any:
    return yaml.safe_load("\n".join(snippet(engine, plan)))


def _comments(engine: str, plan: Plan) -> list[str]:
    return [line for line in snippet(engine, plan) if line.startswith("#")]


def test_the_command_line_knows_the_engines() -> None:
    assert CHOICES["--engine"] == ENGINES


@pytest.mark.parametrize(
    ("wait", "settings", "worst", "grace"),
    [
        ("10s", {}, 10.0, 20),
        ("10.5s", {}, 10.5, 30),
        ("10s", {"drain_delay": "5s"}, 15.0, 30),
        ("200s", {"shutdown_timeout": "50s"}, 50.0, 60),
        ("10s", {"shutdown_timeout": "50s"}, 10.0, 20),
    ],
)
def test_a_grace_period_is_longer_than_the_worst_case(
    wait: str, settings: dict[str, object], worst: float, grace: int, tmp_path: Path
) -> None:
    numbers = numbers_of(_plan(tmp_path, wait, **settings))
    assert (numbers.worst_case, numbers.grace) == (worst, grace)
    assert numbers.grace >= worst + RESERVE


@pytest.mark.parametrize(
    ("drain", "period", "failures", "notices"),
    [("5s", 2, 2, True), ("9s", 2, 2, True), ("3s", 1, 2, True), ("2s", 1, 1, True), ("0s", 2, 2, False)],
)
def test_a_readiness_probe_notices_before_the_drain_is_over(
    drain: str, period: int, failures: int, notices: bool, tmp_path: Path
) -> None:
    numbers = numbers_of(_plan(tmp_path, drain_delay=drain))
    assert (numbers.period, numbers.failures, numbers.notices_drain) == (period, failures, notices)
    assert not notices or period * failures + 1 <= numbers.drain


def test_a_start_is_given_longer_than_supinit_gives_it(tmp_path: Path) -> None:
    plan = _plan(tmp_path, start_timeout="90s", drain_delay="5s")
    assert numbers_of(plan).start == 95
    pod = _parsed("kubernetes", plan)["spec"]
    probe = pod["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 95
    assert _parsed("compose", plan)["services"]["app"]["healthcheck"]["start_period"] == "95s"
    assert _parsed("ecs", plan)["ContainerDefinitions"][0]["HealthCheck"]["StartPeriod"] == 95
    assert _comments("compose", plan) == ["# The worst case of a shutdown is 15s, and a start may take 95s."]


def test_what_an_engine_cannot_give_is_said(tmp_path: Path) -> None:
    plan = _plan(tmp_path, "200s", start_timeout="10m")
    app = _parsed("ecs", plan)["ContainerDefinitions"][0]
    assert (app["StopTimeout"], app["HealthCheck"]["StartPeriod"]) == (120, 300)
    said = "# Fargate stops after 120s at most: set supervisor.shutdown_timeout to 110s or less."
    assert said in _comments("ecs", plan)
    assert "# The client's max_kill_timeout is 30s by default: raise it to 210s." in _comments("nomad", plan)
    assert any("drain_delay is 0s" in line for line in _comments("kubernetes", plan))


def test_probes_ask_over_http_only_where_the_listener_can_be_reached(tmp_path: Path) -> None:
    def readiness(**settings: object) -> Any:
        return _parsed("kubernetes", _plan(tmp_path, "10s", **settings))["spec"]["containers"][0]["readinessProbe"]

    assert readiness(metrics={"listen": ":9464"})["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert readiness(metrics={"listen": "127.0.0.1:9464"})["exec"] == {"command": ["test", "-f", "/run/supinit/ready"]}
    assert readiness(run_dir="/tmp/run")["exec"] == {"command": ["test", "-f", "/tmp/run/ready"]}


def test_supctl_finds_a_socket_that_is_somewhere_else(tmp_path: Path) -> None:
    def test_of(**settings: object) -> Any:
        return _parsed("compose", _plan(tmp_path, "10s", **settings))["services"]["app"]["healthcheck"]["test"]

    assert test_of() == ["CMD", "supctl", "healthcheck"]
    assert test_of(run_dir="/tmp/run") == ["CMD", "supctl", "-s", "/tmp/run/control.sock", "healthcheck"]
    assert test_of(socket="/tmp/s") == ["CMD", "supctl", "-s", "/tmp/s", "healthcheck"]


def test_the_numbers_are_whole_and_complete(tmp_path: Path) -> None:
    assert numbers_of(_plan(tmp_path)) == Numbers(10.0, 20, 60, False, 0.0, 2, 2, None, "/run/supinit", None)
