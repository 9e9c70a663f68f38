"""Containers that share a directory run a boot task once, such as a migration for each release."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Measured, Run
from integration.container import Container
from integration.servers.installed import program
from integration.waiting import sleep_until

CONTAINERS = 5
AT_ONCE = 1.5
"""Seconds within which a waiting container notices its turn, on a busy machine."""


class Deploy:
    """A directory that containers share, and what their migrations did."""

    def __init__(self, place: Path) -> None:
        self.dir, self.release, self._journal = place / "deploys", place / "release", place / "journal"

    def table(self, name: str, key: str = "v1", order: str = "", code: int = 0) -> dict[str, Any]:
        """The table of container `name`: a migration, and a service that waits for it."""
        return {
            "migrate": {
                "command": program("held.py", name, self._journal, self.release, code),
                "type": "oneshot",
                "once": {"key": key, "dir": str(self.dir), "order": order},
            },
            "web": {
                "command": ["sleep", "1000"],
                "depends_on": {"migrate": {"condition": "completed"}},
                "min_uptime": 0,
            },
        }

    def journal(self) -> list[str]:
        return self._journal.read_text().splitlines() if self._journal.exists() else []

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_text()) for file in sorted(self.dir.rglob("*.json"))]

    def await_begun(self, name: str) -> None:
        sleep_until(lambda: f"begun {name}" in self.journal(), 15, f"the migration of {name} has begun")


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    deploy = Deploy(tmp_path)
    yield deploy
    deploy.release.touch()  # nothing that a failed test has left waits for it


def await_turn(container: Container) -> dict[str, Any]:
    """Wait until a container waits for another one; return the entry of its migration."""
    sleep_until(lambda: container.programs()["migrate"]["reason"], 10, "it waits for the other container")
    entry = container.programs()["migrate"]
    assert "another container" in entry["reason"]
    return entry


def test_the_second_of_two_containers_waits_and_goes_on_at_once_without_running_it_again(
    run: Run, deploy: Deploy, measured: Measured
) -> None:
    first = run(deploy.table("first"))
    deploy.await_begun("first")
    second = run(deploy.table("second"))
    waiting = await_turn(second)
    assert (waiting["state"], waiting["pid"], waiting["restarts"]) == ("PENDING", None, 0)
    assert second.programs()["web"]["state"] == "PENDING"
    assert "another container" in second.supctl("status", "migrate").stdout
    assert deploy.records() == []
    deploy.release.touch()
    first.expect("program.completed program=migrate")
    second.expect("program.completed program=migrate")
    late = second.err.time_of("program.completed program=migrate") - first.err.time_of(
        "program.completed program=migrate"
    )
    measured(f"a container that waits for another one's migration continues {late * 1000:.0f} ms after it")
    assert late < AT_ONCE
    for container in (first, second):
        container.await_ready()
        assert container.programs()["migrate"]["state"] == "EXITED"
    assert deploy.journal() == ["begun first", "done first"]
    assert second.programs()["migrate"]["last_exit"] is None


def test_a_container_that_waits_says_since_when(run: Run, deploy: Deploy) -> None:
    run(deploy.table("first"))
    deploy.await_begun("first")
    second = run(deploy.table("second"))
    since = await_turn(second)["since"]
    time.sleep(1.2)  # it looks again in the meantime, which is nothing new
    assert second.programs()["migrate"]["since"] == since
    assert second.err.text.count("program.held_back program=migrate") == 1


def test_its_record_says_what_was_done_when_how_long_it_took_and_where(run: Run, deploy: Deploy) -> None:
    deploy.release.touch()
    container = run(deploy.table("only", key="abc/123", order="1700000000"))
    container.await_ready()
    (record,) = deploy.records()
    assert (record["program"], record["key"], record["order"]) == ("migrate", "abc/123", "1700000000")
    assert record["completed_at"].startswith("20") and record["duration_seconds"] >= 0
    assert record["host"] == os.uname().nodename


def test_many_containers_that_start_together_run_it_once(run: Run, deploy: Deploy) -> None:
    containers = [run(deploy.table(str(number))) for number in range(CONTAINERS)]
    sleep_until(lambda: len(deploy.journal()) == 1, 15, "one of them has begun")
    deploy.release.touch()
    for container in containers:
        container.await_ready(30)
    assert [line.split()[0] for line in deploy.journal()] == ["begun", "done"]
    assert len(deploy.records()) == 1


def test_a_container_killed_in_the_middle_leaves_no_record_and_the_waiting_one_runs_it(
    run: Run, deploy: Deploy
) -> None:
    first = run(deploy.table("first"))
    deploy.await_begun("first")
    second = run(deploy.table("second"))
    await_turn(second)
    first.signal(signal.SIGKILL)
    first.end()
    deploy.await_begun("second")
    assert deploy.records() == []
    deploy.release.touch()
    second.await_ready()
    assert deploy.journal() == ["begun first", "begun second", "done second"]
    assert len(deploy.records()) == 1


def test_a_migration_that_outlives_its_killed_supinit_is_not_run_a_second_time_beside_it(
    run: Run, deploy: Deploy
) -> None:
    """When supinit is not PID 1, its programs are not killed with it."""
    first = run(deploy.table("first"), pid1=False)
    deploy.await_begun("first")
    first.signal(signal.SIGKILL)
    second = run(deploy.table("second"))
    await_turn(second)
    assert deploy.journal() == ["begun first"]
    deploy.release.touch()
    second.await_state("web", "RUNNING")
    assert deploy.journal() == ["begun first", "done first", "begun second", "done second"]


def test_a_container_stopped_in_the_middle_leaves_no_record(run: Run, deploy: Deploy) -> None:
    first = run(deploy.table("first"))
    deploy.await_begun("first")
    first.signal(signal.SIGTERM)
    first.end()
    assert deploy.records() == []
    deploy.release.touch()
    run(deploy.table("second")).await_ready()
    assert deploy.journal() == ["begun first", "begun second", "done second"]


def test_a_container_that_waits_for_another_one_can_be_stopped(run: Run, deploy: Deploy) -> None:
    run(deploy.table("first"))
    deploy.await_begun("first")
    second = run(deploy.table("second"))
    await_turn(second)
    second.signal(signal.SIGTERM)
    assert second.end(5) == 0
    assert deploy.journal() == ["begun first"]


def test_one_that_failed_is_not_recorded_and_its_code_is_the_container_s(run: Run, deploy: Deploy) -> None:
    deploy.release.touch()
    assert run(deploy.table("first", code=4)).end() == 4
    assert deploy.records() == []
    run(deploy.table("second")).await_ready()
    assert deploy.journal() == ["begun first", "failed first", "begun second", "done second"]


def test_an_older_release_does_not_run_after_a_newer_one(run: Run, deploy: Deploy) -> None:
    deploy.release.touch()
    for name, key, order in (("new", "v9", "1000"), ("old", "v8", "999"), ("newer", "v10", "1001")):
        container = run(deploy.table(name, key, order))
        container.await_ready()
        container.signal(signal.SIGTERM)
        assert container.end() == 0
    assert [line for line in deploy.journal() if line.startswith("begun")] == ["begun new", "begun newer"]
    assert [record["key"] for record in deploy.records()] == ["v10", "v9"]


def test_why_it_was_skipped_is_said(run: Run, deploy: Deploy) -> None:
    deploy.release.touch()
    run(deploy.table("new", "v9", "1000")).await_ready()
    again, old = run(deploy.table("again", "v9", "1000")), run(deploy.table("old", "v8", "999"))
    for container, reason in ((again, "v9"), (old, "1000")):
        container.await_state("web", "RUNNING")
        container.expect(reason)
        assert reason in (container.programs()["migrate"]["reason"] or ""), container.programs()["migrate"]


def test_a_directory_that_cannot_be_used_is_an_error_and_nothing_is_run(run: Run, deploy: Deploy) -> None:
    deploy.release.touch()
    deploy.dir.write_text("a file, not a directory")
    container = run(deploy.table("only"))
    assert container.end() not in (0, 75)
    assert deploy.journal() == []
    verdict = container.err.lines[-1]
    assert "container.ended" in verdict and "migrate" in verdict and str(deploy.dir) in verdict
    assert not container.err.has("program.started program=web")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"order": 5'], ids=["empty", "cut off", "a list", "half"])
def test_a_record_that_cannot_be_read_is_an_error_and_nothing_is_run(run: Run, deploy: Deploy, content: str) -> None:
    """It may be the record of a newer release."""
    deploy.release.touch()
    (deploy.dir / "migrate").mkdir(parents=True)
    (deploy.dir / "migrate" / "v9.json").write_text(content)
    container = run(deploy.table("only", "v8", "999"))
    assert container.end() not in (0, 75)
    assert deploy.journal() == []
    assert "v9.json" in container.err.lines[-1]


def test_a_directory_that_vanishes_meanwhile_is_an_error_that_is_said(run: Run, deploy: Deploy) -> None:
    container = run(deploy.table("only"))
    deploy.await_begun("only")
    deploy.dir.rename(deploy.dir.with_name("elsewhere"))
    deploy.release.touch()
    container.expect("program.record_failed program=migrate")
    assert not deploy.records()


def test_programs_of_the_same_directory_do_not_hold_each_other_up(run: Run, deploy: Deploy, tmp_path: Path) -> None:
    table = deploy.table("first")
    other = {"command": ["true"], "type": "oneshot", "once": {"key": "v1", "dir": str(deploy.dir)}}
    container = run(table | {"assets": other})
    deploy.await_begun("first")
    container.expect("program.completed program=assets")
    assert container.programs()["migrate"]["state"] in ("STARTING", "RUNNING")
