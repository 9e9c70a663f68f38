"""The main use case: real nginx in front of real uWSGI, stopped without losing a request."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from integration.busyness import slowness
from integration.children.slow_app import PIECE, PIECES
from integration.conftest import Measured, Run
from integration.nginx_uwsgi import Site, begin_downloads

REQUESTS = 20
ANSWER = PIECE * PIECES


def test_a_shutdown_answers_every_request_in_flight_in_full(run: Run, tmp_path: Path, measured: Measured) -> None:
    site = Site(tmp_path / "site")
    container = run(site.programs)
    container.await_ready(30)
    downloads = begin_downloads(site.port, REQUESTS)
    asked_at = container.signal(signal.SIGTERM)
    assert container.end() == 0
    took = time.monotonic() - asked_at
    for download in downloads:
        download.join(5)
    assert [download.body == ANSWER for download in downloads] == [True] * REQUESTS
    log = container.err
    assert log.position('program.stop_begun program=nginx step="SIGQUIT to its main"') < log.position(
        "program.exited program=nginx"
    )
    assert log.position("program.exited program=nginx") < log.position("program.stop_begun program=uwsgi")
    assert "code=0" in log.lines[log.position("program.exited program=nginx")]
    assert not log.has("program.killed")
    assert container.left_in_namespace() == []
    measured(f"{REQUESTS} requests in flight: answered and stopped {took:.2f} s after SIGTERM")
    assert took < 4 * slowness(asked_at)


def test_the_fast_stop_of_nginx_loses_requests_so_the_test_above_can_fail(run: Run, tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.programs["nginx"]["stop"] = [{"signal": "SIGTERM", "wait": "30s"}]
    container = run(site.programs)
    container.await_ready(30)
    downloads = begin_downloads(site.port, REQUESTS)
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    for download in downloads:
        download.join(5)
    assert any(download.body != ANSWER for download in downloads)


def test_requests_that_come_while_both_are_up_are_answered(run: Run, tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    container = run(site.programs)
    container.await_ready(30)
    (download,) = begin_downloads(site.port, 1)
    download.join(10)
    assert download.body == ANSWER


@pytest.mark.parametrize(
    "retry", [{"restart": "no"}, {"restart": "on-failure:1"}, {"start_retries": 2}], ids=lambda retry: str(retry)
)
def test_an_application_that_cannot_be_imported_ends_the_container_with_a_verdict(
    run: Run, tmp_path: Path, retry: dict[str, object]
) -> None:
    """need-app makes uWSGI exit, and the table makes the container end with it."""
    site = Site(tmp_path / "site", module="broken_app")
    site.programs["uwsgi"] |= retry
    container = run(site.programs)
    code = container.end(40)
    assert code not in (0, 1, 70, 75, 78)
    verdict = container.err.lines[-1]
    assert "container.ended" in verdict and "uwsgi" in verdict and f"code={code}" in verdict
    assert container.out.has("the settings are missing") or container.err.has("the settings are missing")
    assert not container.err.has("container.became_ready")
