"""The alerting rules and the dashboard in docs/ fit the metrics of a real container."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from integration.conftest import Run
from integration.container import Container
from integration.nginx_uwsgi import free_port
from integration.waiting import sleep_until

DOCS = Path(__file__).parent.parent / "docs"
DASHBOARD, ALERTS, ALERT_TESTS = DOCS / "grafana-dashboard.json", DOCS / "alerts.yaml", DOCS / "alerts.test.yaml"
METRIC = re.compile(r"\bsupinit_\w+")
OOM = re.compile(r"\bsupinit_(program_)?oom_kills_total$")
"""Absent where the kernel's count cannot be read."""


def promtool(*arguments: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    command = ["promtool", *(str(argument) for argument in arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def container(run: Run, tmp_path: Path) -> Container:
    """A container with a value for every metric: a healthy program, and one that has ended."""
    watched = tmp_path / "watched"
    watched.mkdir()
    container = run(
        {
            "web": {
                "command": ["sh", "-c", "echo hello; exec sleep 1000"],
                "healthcheck": {"test": "true"},
                "sockets": {"http": {"listen": f"127.0.0.1:{free_port()}"}},
                "watch": [{"path": str(watched), "action": "reload", "debounce": "10ms"}],
                "reload_command": ["true"],
                "update_config": {"order": "stop-first"},
            },
            "task": {"command": ["false"], "type": "oneshot", "shutdown_on": "never"},
            "job": {"command": ["true"], "type": "oneshot", "schedule": {"interval": "1h", "run_on_start": True}},
        }
    )
    container.await_health("web", "healthy")
    container.await_state("task", "FATAL")
    sleep_until(lambda: container.programs()["job"]["last_run"] is not None, 15, "the job has run")
    (watched / "file").touch()
    sleep_until(lambda: "supinit_program_watch_actions_total{" in scrape(container), 15, "web was reloaded")
    return container


def scrape(container: Container) -> str:
    status, text = container.request("GET", "/metrics")
    assert (status, type(text)) == (200, str)
    return str(text)


def queries() -> Iterator[tuple[str, str]]:
    """Every query in docs/, with its place."""
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"{DASHBOARD.name}: {panel['title']}", target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield f"{DASHBOARD.name}: {annotation['name']}", annotation["expr"]
    for variable in dashboard["templating"]["list"]:
        yield f"{DASHBOARD.name}: ${variable['name']}", variable.get("definition", "")
    for rule in rules():
        yield f"{ALERTS.name}: {rule['alert']}", rule["expr"]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def test_promtool_finds_nothing_wrong_with_a_live_scrape(container: Container) -> None:
    """For the Prometheus text; promtool does not read OpenMetrics ("unknown metric type info")."""
    result = promtool("check", "metrics", text=scrape(container))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_every_metric_that_is_asked_for_is_there(container: Container) -> None:
    samples = {s.name for family in text_string_to_metric_families(scrape(container)) for s in family.samples}
    asked = {(place, name) for place, query in queries() for name in METRIC.findall(query)}
    assert len(asked) > 20
    assert {(place, name) for place, name in asked if name not in samples and not OOM.search(name)} == set()


def test_every_query_is_one(tmp_path: Path) -> None:
    """Grafana's variables are filled in as Grafana does; label_values is Grafana's own function."""
    recorded = [
        {"record": f"query:{number}", "expr": re.sub(r"\[\$\w+\]", "[5m]", query)}
        for number, (_, query) in enumerate(queries())
        if query and not query.startswith("label_values(")
    ]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [{"name": "queries", "rules": recorded}]}))
    result = promtool("check", "rules", tmp_path / "rules.yaml")
    assert result.returncode == 0, result.stderr


def test_the_dashboard_can_be_imported_beside_any_data_source() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    sources = {json.dumps(source) for source in _all(dashboard, "datasource")}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert "id" not in dashboard


def _all(node: object, key: str) -> Iterator[object]:
    """Every value of a key, however deep."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from _all(value, key)
    elif isinstance(node, list):
        for item in node:
            yield from _all(item, key)


def test_the_alerts_are_valid_and_fire_when_they_should() -> None:
    for arguments in (("check", "rules", ALERTS), ("test", "rules", ALERT_TESTS)):
        result = promtool(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_is_seen_firing_and_silent() -> None:
    cases = [case for test in yaml.safe_load(ALERT_TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
    seen = {(case["alertname"], bool(case["exp_alerts"])) for case in cases}
    assert seen == {(rule["alert"], fires) for rule in rules() for fires in (True, False)}
