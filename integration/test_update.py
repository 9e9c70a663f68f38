"""A new table for a running container, by supctl and by SIGHUP."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import Container, child
from integration.nginx_uwsgi import Site, begin_downloads
from integration.waiting import sleep_until

Table = dict[str, Any]


def rewrite(container: Container, programs: Table, **settings: Any) -> None:
    """Write a new table over the one that the container was started with."""
    supervisor = {"run_dir": str(container.run_dir)} | settings
    Path(f"{container.run_dir}.yaml").write_text(json.dumps({"supervisor": supervisor, "programs": programs}))


def quick(*command: object, **fields: Any) -> Table:
    return {"command": list(command) or child("witness.py"), "min_uptime": "50ms", **fields}


def pids(container: Container) -> dict[str, int]:
    return {name: entry["pid"] for name, entry in container.programs().items()}


@pytest.fixture
def container(run: Run) -> Container:
    container = run({"db": quick(), "web": quick(depends_on=["db"]), "old": quick()})
    container.await_ready()
    return container


def test_only_what_has_changed_is_touched(container: Container) -> None:
    before = pids(container)
    new = {
        "db": quick(healthcheck={"test": ["CMD", "true"], "interval": "1s"}),
        "web": quick(depends_on=["db"], environment={"A": "1"}),
        "new": quick(depends_on={"db": {"condition": "healthy"}}),
    }
    rewrite(container, new)
    dry = container.supctl("update", "--dry-run")
    assert (dry.returncode, dry.stderr, pids(container)) == (0, "", before)
    done = container.supctl("update")
    assert (done.returncode, done.stderr) == (0, "")
    *changes, last = done.stdout.splitlines()
    assert dry.stdout.splitlines() == [*changes, f"{last}; dry run, nothing applied"]
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["=", "db", "in", "place:", "healthcheck"],
        ["~", "web", "restart", "because", "of:", "environment"],
        ["+", "new", "added"],
        ["-", "old", "removed"],
        ["0", "programs", "unchanged"],
    ]
    after = container.programs()
    assert {name: entry["state"] for name, entry in after.items()} == dict.fromkeys(("db", "web", "new"), "RUNNING")
    assert (after["db"]["pid"], after["db"]["health"]) == (before["db"], "healthy")
    assert after["web"]["pid"] != before["web"]
    assert container.out.has("old | got SIGTERM")
    assert not container.out.has("db | got SIGTERM")
    assert not (container.run_dir / "health" / "old").exists()
    assert (container.run_dir / "health" / "new").exists()


def test_an_invalid_table_changes_nothing_and_names_every_problem(container: Container) -> None:
    before = pids(container)
    rewrite(container, {"db": quick(nice="high"), "web": quick(depends_on=["nobody"])})
    for flags in ((), ("--dry-run",)):
        refused = container.supctl("update", *flags)
        assert (refused.returncode, refused.stdout) == (1, "")
        first, second, last = refused.stderr.splitlines()
        assert "programs.db.nice" in first
        assert "programs.web.depends_on" in second
        assert last == "supctl: cannot update: the table has problems; nothing has changed"
    container.signal(signal.SIGHUP)
    container.expect("container.update_refused")
    assert pids(container) == before


def test_sighup_does_the_same(container: Container) -> None:
    before = pids(container)
    rewrite(container, {"db": quick(), "new": quick(signals={"SIGUSR1": "SIGUSR2"})}, drain_delay="100ms")
    container.signal(signal.SIGHUP)
    container.expect("container.updated added=new removed=web,old settings=drain_delay")
    container.expect("new | ready")
    sleep_until(lambda: sorted(container.programs()) == ["db", "new"], 20, "web and old are gone")
    assert pids(container)["db"] == before["db"]
    container.signal(signal.SIGUSR1)
    container.expect("new | got SIGUSR2")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.left_in_namespace() == []


def test_a_file_with_another_content_restarts_the_programs_that_read_it(run: Run, tmp_path: Path) -> None:
    secret, variables = tmp_path / "secret", tmp_path / "env"
    secret.write_text("one\n")
    variables.write_text("A=1\n")
    table = {
        "secret": quick(environment={"TOKEN": {"file": str(secret)}}),
        "env": quick(env_file=[str(variables)]),
        "other": quick(),
    }
    container = run(table)
    container.await_ready()
    before = pids(container)
    assert container.supctl("update").stdout == "nothing has changed\n"
    secret.write_text("two\n")
    assert container.supctl("update", "--dry-run").stdout == (
        "~ secret  restart because of: environment\n2 programs unchanged; dry run, nothing applied\n"
    )
    variables.write_text("A=2\n")
    done = container.supctl("update")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 program unchanged")
    after = pids(container)
    assert {name for name in table if before[name] != after[name]} == {"secret", "env"}
    assert container.supctl("update").stdout == "nothing has changed\n"
    assert container.supctl("update", "--dry-run").stdout == "nothing would change\n"


def test_sighup_logs_what_needs_a_new_container_and_that_nothing_has_changed(container: Container) -> None:
    table = {"db": quick(), "web": quick(depends_on=["db"]), "old": quick()}
    before = pids(container)
    container.signal(signal.SIGHUP)
    container.expect("container.updated unchanged=3")
    rewrite(container, table, socket_mode="0666")
    container.signal(signal.SIGHUP)
    container.expect("container.updated needs_new_container=socket_mode")
    assert pids(container) == before


def test_a_shutdown_in_the_middle_of_an_update_ends_well(run: Run) -> None:
    container = run({"slow": quick(*child("witness.py", "--stay"), stop_grace_period="2s"), "web": quick()})
    container.await_ready()
    rewrite(container, {"slow": quick(), "new": quick(depends_on={"slow": {"condition": "healthy"}})})
    assert container.supctl("update", "--no-wait").returncode == 0
    container.expect("slow | got SIGTERM")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert not container.out.has("new | ready")
    assert container.left_in_namespace() == []


def test_lines_of_a_process_that_goes_on_are_written_by_the_new_settings(run: Run, tmp_path: Path) -> None:
    gate, path = tmp_path / "gate", tmp_path / "log"
    os.mkfifo(gate)
    script = f"exec 3<> {gate}; printf 'before\\nbeg'; while read line <&3; do echo \"$$line\"; done"
    program = quick("/bin/sh", "-c", script)
    whole = {"flush_after": "1h"}
    container = run({"web": program | {"log": whole}})
    container.expect("web | before")
    container.await_socket()
    rewrite(container, {"web": program | {"log": whole | {"mode": "json", "file": str(path), "redact": ["secret"]}}})
    assert container.supctl("update").returncode == 0
    gate.write_text("un secret\n")
    container.expect('"message": "begun [redacted]"')
    sleep_until(path.exists, 10, "the file is there")
    sleep_until(lambda: "begun [redacted]" in path.read_text(), 10, "the line is in the file")
    assert container.supctl("logs", "web").stdout.splitlines()[-1].endswith("[redacted]")


def test_more_and_fewer_instances(container: Container) -> None:
    before = pids(container)
    table = {"db": quick(scale=3), "web": quick(depends_on=["db"]), "old": quick()}
    rewrite(container, table)
    assert container.supctl("update").returncode == 0
    assert sorted(pids(container)) == ["db", "db:2", "db:3", "old", "web"]
    rewrite(container, table | {"db": quick(scale=2)})
    assert container.supctl("update").returncode == 0
    after = pids(container)
    assert sorted(after) == ["db", "db:2", "old", "web"]
    assert {name: after[name] for name in before} == before


def test_nginx_keeps_serving_while_another_program_is_replaced(run: Run, tmp_path: Path) -> None:
    """It is replaced without losing a request that it has begun to answer."""
    site = Site(tmp_path / "site")
    container = run(site.programs | {"worker": quick()})
    container.await_ready(30)
    before = pids(container)
    rewrite(container, site.programs | {"worker": quick(nice=5)})
    (download,) = begin_downloads(site.port, 1)
    assert container.supctl("update").returncode == 0
    after = pids(container)
    assert (after["nginx"], after["uwsgi"]) == (before["nginx"], before["uwsgi"])
    assert after["worker"] != before["worker"]
    site.programs["nginx"]["environment"] = {"A": "1"}
    rewrite(container, site.programs | {"worker": quick(nice=5)})
    assert container.supctl("update").returncode == 0
    download.join(20)
    assert download.body
    assert pids(container)["nginx"] != after["nginx"]
    assert pids(container)["uwsgi"] == after["uwsgi"]
