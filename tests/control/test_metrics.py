"""The metrics: read back with Prometheus's own parsers, in both formats."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterable
from signal import SIGKILL

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from supervisor import __version__
from supervisor.core.container import FilesLooked, RestartDue
from supervisor.core.output import Output
from supervisor.core.program import Settings
from supervisor.core.record import replace
from supervisor.core.sockets import Backlog
from supervisor.core.tree import Usage
from supervisor.core.watch import Watch

from .dialogue import Reply, Turns, served
from .steered import EPOCH, SteeredContainer, oneshot, service

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
WEB = {"program": "web", "instance": "1"}


def scrape(container: SteeredContainer, path: str, accept: str | None = None) -> Reply:
    async def scenario() -> Reply:
        async with served(container, path) as control:
            reply = await control.ask("GET", "/metrics", accept=accept)
            assert control.log == []
            return reply

    return asyncio.run(scenario())


def busy() -> SteeredContainer:
    web = replace(service("web", checked=True), watch=(Watch("/certs"), Watch("/conf")))
    programs = (web, service("db"), oneshot("migrate"))
    container = SteeredContainer(*programs, settings=Settings(revision='a"b'), skipped={"migrate": "was done before"})
    container.begin().probe("web", True).end("db", None, SIGKILL).wait(1.0)
    container.wait(29.0).wait(0.3).probe("web", False, "refused")
    container.counters.orphans_reaped = 3
    container.counters.of(("web", 1)).oom_kills = 1
    container.oom_kills = 5
    container.backlogs = (Backlog("web", "http", 7),)
    container.counters.of(("web", 1)).note_watch("reload", "failed")
    container.counters.note_container(RestartDue(("web", 1), "memory", "", is_one_of_many=False))
    container.take(FilesLooked(("web", Watch("/certs")), problem="cannot watch /certs: Permission denied"))
    container.usages = {("web", 1): Usage(1.5, 4096, 2)}
    output = container.outputs["web", 1] = Output(("web", 1))
    output.read, output.dropped, output.invalid = [1000, 20], 30, 4
    return container


def test_a_scrape_imports_nothing_of_other_peoples() -> None:
    """prometheus_client cost PID 1 9.5 MB for good: it brings HTTP servers along."""
    script = "import sys, supervisor.control.metrics.scrape; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "supervisor.control.metrics.exposition" in loaded
    assert {"prometheus_client", "http.server", "urllib.request", "wsgiref"}.isdisjoint(loaded)


def sample(metrics: Iterable[Metric], name: str, labels: dict[str, str]) -> float | None:
    found = [s.value for metric in metrics for s in metric.samples if (s.name, s.labels) == (name, labels)]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("supinit_build_info", {"version": __version__, "revision": 'a"b'}, 1),
        ("supinit_start_time_seconds", {}, EPOCH),
        ("supinit_ready", {}, 1),
        ("supinit_orphans_reaped_total", {}, 3),
        ("supinit_program_state", {**WEB, "state": "RUNNING"}, 1),
        ("supinit_program_state", {**WEB, "state": "FATAL"}, 0),
        ("supinit_program_healthy", WEB, 0),
        ("supinit_program_healthy", {**WEB, "program": "db"}, 1),
        ("supinit_program_start_time_seconds", WEB, EPOCH),
        ("supinit_program_starts_total", WEB, 1),
        ("supinit_program_starts_total", {**WEB, "program": "db"}, 2),
        ("supinit_program_starts_total", {**WEB, "program": "migrate"}, 0),
        ("supinit_program_restarts_total", {**WEB, "program": "db"}, 1),
        ("supinit_program_exits_total", {**WEB, "program": "db", "code": "SIGKILL"}, 1),
        ("supinit_program_cpu_seconds_total", WEB, 1.5),
        ("supinit_program_cpu_seconds_total", {**WEB, "program": "db"}, None),
        ("supinit_program_resident_memory_bytes", WEB, 4096),
        ("supinit_program_processes", WEB, 2),
        ("supinit_program_log_bytes_total", {**WEB, "stream": "stdout"}, 1000),
        ("supinit_program_log_bytes_total", {**WEB, "stream": "stderr"}, 20),
        ("supinit_program_log_bytes_total", {**WEB, "program": "db", "stream": "stdout"}, None),
        ("supinit_program_log_dropped_bytes_total", WEB, 30),
        ("supinit_program_log_invalid_utf8_total", WEB, 4),
        ("supinit_socket_backlog", {"program": "web", "socket": "http"}, 7),
        ("supinit_program_kills_total", WEB, 0),
        ("supinit_oom_kills_total", {}, 5),
        ("supinit_program_oom_kills_total", WEB, 1),
        ("supinit_program_oom_kills_total", {**WEB, "program": "db"}, 0),
        ("supinit_program_watch_actions_total", {**WEB, "action": "reload", "outcome": "failed"}, 1),
        ("supinit_program_restarts_due_total", {**WEB, "reason": "memory"}, 1),
        ("supinit_program_watches_failed", {"program": "web"}, 1),
        ("supinit_program_watches_failed", {"program": "db"}, None),
        ("supinit_program_stop_seconds_count", WEB, 0),
        ("supinit_program_healthcheck_failures_total", WEB, 1),
        ("supinit_program_healthcheck_seconds_count", WEB, 2),
        ("supinit_program_healthcheck_seconds_bucket", {**WEB, "le": "+Inf"}, 2),
    ],
)
def test_every_metric_has_its_value(socket_path: str, name: str, labels: dict[str, str], value: float | None) -> None:
    assert sample(parse_text(scrape(busy(), socket_path).text), name, labels) == value
    families = parse_openmetrics(scrape(busy(), socket_path, OPENMETRICS).text)  # type: ignore[no-untyped-call]
    assert sample(families, name, labels) == value


def test_nobody_claims_that_nothing_was_killed_where_nobody_counts(socket_path: str) -> None:
    container = busy()
    container.oom_kills = None
    assert "oom_kills" not in scrape(container, socket_path).text


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/plain"),
        ("text/plain", "text/plain"),
        ("*/*", "text/plain"),
        (OPENMETRICS, "application/openmetrics-text"),
        ("application/openmetrics-text; version=no.number", "application/openmetrics-text"),
    ],
)
def test_the_format_is_the_one_that_is_accepted(socket_path: str, accept: str | None, content_type: str) -> None:
    reply = scrape(busy(), socket_path, accept)
    assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, content_type)


def test_names_and_texts_are_as_promtool_wants_them(socket_path: str) -> None:
    """Its rules: help everywhere, counters and nothing else end in _total, base units, one family a name."""
    families = list(parse_text(scrape(busy(), socket_path).text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    for family in families:
        assert family.name.startswith("supinit_") and family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket")), family.name
        assert not any(unit in family.name for unit in ("milliseconds", "_ms", "kilobytes", "_minutes")), family.name


def test_buckets_are_cumulated(socket_path: str) -> None:
    (family,) = (
        family
        for family in parse_text(scrape(busy(), socket_path).text)
        if family.name == "supinit_program_healthcheck_seconds"
    )
    counts = [s.value for s in family.samples if s.labels["program"] == "web" and s.name.endswith("_bucket")]
    assert counts == sorted(counts) and counts[-1] == 2


def test_the_loop_turns_while_many_metrics_are_laid_out(socket_path: str) -> None:
    """Reaping is a callback of the same loop."""

    async def scenario() -> None:
        async with served(SteeredContainer(service("web")).begin(), socket_path) as control:
            await control.ask("GET", "/metrics")
            turns = Turns()
            text = (await control.ask("GET", "/metrics")).text
            assert turns.count >= text.count("# TYPE")

    asyncio.run(scenario())
