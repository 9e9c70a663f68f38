"""Containers that share a database run a boot task once, whatever happens to one of them or to the database."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.busyness import slowness
from integration.conftest import Measured, Run
from integration.container import Container
from integration.nginx_uwsgi import free_port
from integration.servers.installed import open_place, program
from integration.servers.stores import PASSWORD, Database, Postgresql, Redis, make_certificate
from integration.waiting import sleep_until

CONTAINERS = 10
LEASE = 5.0
"""Seconds, where a test waits for its end. Elsewhere it is long, since this machine may be slow."""
LOCAL = "127.0.0.1"


@pytest.fixture(scope="module", params=["redis", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """One server for all tests: each uses a namespace of its own."""
    with open_place() as place:
        database: Redis | Postgresql
        if request.param == "redis":
            pytest.importorskip("redis", reason="pip install 'supinit[redis]'")
            database = Redis(place)
        else:
            pytest.importorskip("psycopg", reason="pip install 'supinit[postgresql]'")
            database = Postgresql(place)
            database.create()
        database.start()
        yield database
        database.kill()


only_redis = pytest.mark.parametrize("database", ["redis"], indirect=True)
"""For what does not depend on the database."""


class Deploy:
    """A database that containers share, and what their migrations did."""

    def __init__(self, place: Path, database: Database, name: str) -> None:
        self.database, self.namespace = database, name
        self.release, self._journal = place / "release", place / "journal"
        self.secret = place / "secret"
        self.secret.write_text(f"{PASSWORD}\n")

    def table(self, name: str, key: str = "v1", order: str = "", code: int = 0, **more: Any) -> dict[str, Any]:
        """The table of container `name`: a migration, and a service that waits for it."""
        once: dict[str, Any] = {
            "key": key,
            "order": order,
            "lease": 600,
            "namespace": self.namespace,
            "store": {"url": self.database.url, "password": {"file": str(self.secret)}},
        }
        migrate = {
            "command": program("held.py", name, self._journal, self.release, code),
            "type": "oneshot",
            "once": once | more,
        }
        web = {"command": ["sleep", "1000"], "depends_on": {"migrate": {"condition": "completed"}}, "min_uptime": 0}
        return {"migrate": migrate, "web": web}

    def journal(self) -> list[str]:
        return self._journal.read_text().splitlines() if self._journal.exists() else []

    def records(self) -> list[dict[str, Any]]:
        return self.database.records(f"{self.namespace}:migrate")

    def await_begun(self, name: str, limit: float = 30) -> None:
        sleep_until(lambda: f"begun {name}" in self.journal(), limit, f"the migration of {name} has begun")


@pytest.fixture
def deploy(tmp_path: Path, database: Database, request: pytest.FixtureRequest) -> Iterator[Deploy]:
    deploy = Deploy(tmp_path, database, f"test{abs(hash(request.node.nodeid))}")
    yield deploy
    deploy.release.touch()


def await_turn(container: Container) -> dict[str, Any]:
    """Wait until a container waits for another one; return the entry of its migration."""

    def waits() -> bool:
        return "another container" in (container.programs()["migrate"]["reason"] or "")

    sleep_until(waits, 30, "it waits for the other container")
    return container.programs()["migrate"]


def test_ten_containers_that_start_together_run_it_once(run: Run, deploy: Deploy, measured: Measured) -> None:
    containers = [run(deploy.table(str(number))) for number in range(CONTAINERS)]
    sleep_until(lambda: len(deploy.journal()) == 1, 60, "one of them has begun")
    began = time.monotonic()
    deploy.release.touch()
    for container in containers:
        container.await_ready(60)
    measured(f"{CONTAINERS} containers are ready {time.monotonic() - began:.1f} s after the migration of one")
    assert [line.split()[0] for line in deploy.journal()] == ["begun", "done"]
    (record,) = deploy.records()
    assert (record["key"], record["host"], record["token"]) == ("v1", os.uname().nodename, 1)


@only_redis
def test_the_one_that_waits_says_for_whom_and_since_when(run: Run, deploy: Deploy) -> None:
    run(deploy.table("first"))
    deploy.await_begun("first")
    second = run(deploy.table("second"))
    entry = await_turn(second)
    assert (entry["state"], entry["pid"]) == ("PENDING", None)
    said = f"another container is running it, held by {os.uname().nodename} since {time.strftime('%Y')}"
    assert entry["reason"].startswith(said)
    assert said in second.supctl("status", "migrate").stdout
    assert said in second.supctl("why", "migrate").stdout
    second.expect(f'program.held_back program=migrate reason="{said}')


def test_a_holder_that_is_killed_in_the_middle_is_taken_over_when_its_lease_is_over(run: Run, deploy: Deploy) -> None:
    first = run(deploy.table("first", lease=LEASE))
    deploy.await_begun("first")
    second = run(deploy.table("second", lease=LEASE))
    await_turn(second)
    killed_at = first.signal(signal.SIGKILL)
    first.end()
    deploy.await_begun("second")
    assert time.monotonic() - killed_at > LEASE / 2, "it waits for the lease to be over"
    deploy.release.touch()
    second.await_ready(30)
    assert deploy.journal() == ["begun first", "begun second", "done second"]
    assert [record["token"] for record in deploy.records()] == [2]


@only_redis
def test_a_holder_that_is_stopped_gives_its_lease_back_at_once(run: Run, deploy: Deploy) -> None:
    first = run(deploy.table("first"))
    deploy.await_begun("first")
    second = run(deploy.table("second"))
    await_turn(second)
    first.signal(signal.SIGTERM)
    assert first.end() == 0
    deploy.await_begun("second")
    assert deploy.records() == []


@only_redis
def test_one_that_failed_is_not_recorded_and_the_next_one_runs_it(run: Run, deploy: Deploy) -> None:
    deploy.release.touch()
    assert run(deploy.table("first", code=4)).end() == 4
    run(deploy.table("second")).await_ready(30)
    assert deploy.journal() == ["begun first", "failed first", "begun second", "done second"]


def test_a_database_that_is_restarted_in_the_middle_changes_nothing(run: Run, deploy: Deploy) -> None:
    first = run(deploy.table("first", lease=20))
    deploy.await_begun("first")
    second = run(deploy.table("second", lease=20))
    await_turn(second)
    deploy.database.kill()
    sleep_until(lambda: "cannot use" in (second.programs()["migrate"]["reason"] or ""), 20, "it says so")
    assert first.programs()["migrate"]["state"] == "STARTING"
    deploy.database.start()
    deploy.release.touch()
    for container in (first, second):
        container.await_ready(40)
    assert deploy.journal() == ["begun first", "done first"]
    assert [record["token"] for record in deploy.records()] == [1]


def test_a_success_while_the_database_is_down_is_recorded_when_it_is_back(run: Run, deploy: Deploy) -> None:
    first = run(deploy.table("first"))
    deploy.await_begun("first")
    deploy.database.kill()
    deploy.release.touch()
    sleep_until(lambda: first.programs()["migrate"]["state"] == "STOPPING", 20, "the migration has ended")
    assert "the store" in first.programs()["migrate"]["reason"]
    assert first.programs()["web"]["state"] == "PENDING"
    deploy.database.start()
    first.await_ready(30)
    assert len(deploy.records()) == 1


def test_a_database_that_hangs_costs_the_lease_but_never_pid_1(run: Run, deploy: Deploy) -> None:
    """The run is stopped before another container may take over."""
    container = run(deploy.table("first", lease=LEASE))
    deploy.await_begun("first")
    deploy.database.signal(signal.SIGSTOP)
    try:
        hung_at = time.monotonic()
        assert container.programs()["migrate"]["state"] == "STARTING", "PID 1 answers"
        container.expect("program.given_up program=migrate", 30)
        assert container.end(30) == 1
        assert time.monotonic() - hung_at < LEASE + 10 * slowness(hung_at)
    finally:
        deploy.database.signal(signal.SIGCONT)
    assert re.search(r"migrate lost its lease: .* cannot be asked: no answer in time", container.err.lines[-1])
    assert deploy.journal() == ["begun first"]


def test_a_container_that_waits_is_stopped_at_once_even_if_the_database_hangs(run: Run, deploy: Deploy) -> None:
    first = run(deploy.table("first"))
    deploy.await_begun("first")
    second = run(deploy.table("second"))
    await_turn(second)
    deploy.database.signal(signal.SIGSTOP)
    try:
        asked_at = second.signal(signal.SIGTERM)
        assert second.end(10) == 0
        assert time.monotonic() - asked_at < 4 * slowness(asked_at)
    finally:
        deploy.database.signal(signal.SIGCONT)
    assert first.programs()["migrate"]["state"] == "STARTING"


@only_redis
def test_a_migration_that_outlives_its_killed_supinit_keeps_its_lease(run: Run, deploy: Deploy) -> None:
    """When supinit is not PID 1, its programs are not killed with it."""
    first = run(deploy.table("first", lease=LEASE), pid1=False)
    deploy.await_begun("first")
    first.signal(signal.SIGKILL)
    second = run(deploy.table("second", lease=LEASE))
    since = await_turn(second)["since"]
    killed_at = time.monotonic()
    sleep_until(lambda: time.monotonic() > killed_at + 1.5 * LEASE, 20, "the lease would be over")
    assert (deploy.journal(), second.programs()["migrate"]["since"]) == (["begun first"], since)
    deploy.release.touch()
    second.await_state("web", "RUNNING", limit=30)
    assert deploy.journal() == ["begun first", "done first", "begun second", "done second"]


def test_an_older_release_does_not_run_after_a_newer_one(run: Run, deploy: Deploy) -> None:
    deploy.release.touch()
    for name, key, order in (("new", "v9", "1000"), ("old", "v8", "999"), ("newer", "v10", "1001")):
        container = run(deploy.table(name, key, order))
        container.await_ready(30)
        if name == "old":
            reason = "was done for a later release (1000 is after 999)"
            assert container.programs()["migrate"]["reason"] == reason
        container.signal(signal.SIGTERM)
        assert container.end() == 0
    assert [line for line in deploy.journal() if line.startswith("begun")] == ["begun new", "begun newer"]


# ---- what goes wrong


def _refused(run: Run, deploy: Deploy, **more: Any) -> str:
    """Return the reason for which a container has ended that may not have run anything."""
    deploy.release.touch()
    container = run(deploy.table("only", **more))
    assert container.end(30) == 1
    assert deploy.journal() == []
    verdict = container.err.lines[-1]
    assert "container.ended" in verdict
    assert PASSWORD not in container.output
    return verdict


def test_a_wrong_password_is_one_sentence(run: Run, deploy: Deploy) -> None:
    deploy.secret.write_text("wrong")
    address = deploy.database.url.replace("postgres@", "")
    said = {
        "redis": "invalid username-password pair or user is disabled",
        "postg": 'password authentication failed for user \\"postgres\\"',
    }[address[:5]]
    assert f"cannot use {address} for once: {said}" in _refused(run, deploy)


def test_an_unreachable_host_is_one_sentence(run: Run, deploy: Deploy) -> None:
    address = f"{deploy.database.url[:5]}://{LOCAL}:{free_port()}/0".replace("postg:", "postgresql:")
    store = {"url": address, "password": {"file": str(deploy.secret)}}
    assert f"cannot use {address} for once: Connection refused" in _refused(run, deploy, store=store)


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "not trusted"])
def test_a_redis_with_tls_is_used_only_if_its_certificate_is_trusted(run: Run, tmp_path: Path, trusted: bool) -> None:
    pytest.importorskip("redis", reason="pip install 'supinit[redis]'")
    with open_place() as place:
        certificate = make_certificate(place)
        key = ("--tls-key-file", str(place / "key.pem"), "--tls-auth-clients", "no")
        port = free_port()
        database = Redis(place, "--tls-port", str(port), "--tls-cert-file", str(certificate), *key)
        database.start()
        try:
            deploy = Deploy(tmp_path, database, "tls")
            options = f"?ssl_ca_certs={certificate}" if trusted else ""
            store = {"url": f"rediss://localhost:{port}/0{options}", "password": {"file": str(deploy.secret)}}
            if trusted:
                deploy.release.touch()
                run(deploy.table("only", store=store)).await_ready(30)
                assert len(deploy.records()) == 1
            else:
                said = f"cannot use rediss://localhost:{port}/0 for once: TLS: certificate verify failed: self-signed"
                assert said in _refused(run, deploy, store=store)
        finally:
            database.kill()


def test_tls_that_is_refused_is_one_sentence(run: Run, deploy: Deploy) -> None:
    url = deploy.database.url.replace("redis:", "rediss:")
    url += "?sslmode=require" if url.startswith("postgresql") else ""
    verdict = _refused(run, deploy, store={"url": url, "password": {"file": str(deploy.secret)}})
    said = "server does not support SSL" if url.startswith("postgresql") else "no answer in time to TLS"
    assert f"for once: {said}" in verdict


@only_redis
def test_a_password_file_that_is_missing_is_one_sentence(run: Run, deploy: Deploy) -> None:
    deploy.secret.unlink()
    assert f"for once: cannot read {deploy.secret}: No such file or directory" in _refused(run, deploy)


@only_redis
def test_with_another_try_allowed_it_waits_for_its_database(run: Run, deploy: Deploy) -> None:
    deploy.secret.write_text("wrong")
    deploy.release.touch()
    table = deploy.table("only")
    table["migrate"] |= {"restart": "on-failure", "start_retries": None}
    container = run(table)
    container.await_state("migrate", "BACKOFF", limit=30)
    assert "for once" in container.programs()["migrate"]["reason"]
    deploy.secret.write_text(PASSWORD)
    container.await_ready(60)
    assert deploy.journal() == ["begun only", "done only"]


# ---- secrets


def test_the_password_is_nowhere_to_be_seen(run: Run, deploy: Deploy) -> None:
    container = run(deploy.table("only"))
    deploy.await_begun("only")
    _, status = container.request("GET", "/v1/status")
    assert PASSWORD not in str(status)
    seen = b""
    for pid in container.left_in_namespace():
        for name in ("environ", "cmdline"):
            seen += Path(f"/proc/{pid}/{name}").read_bytes()
    assert b"supervisor.store.helper" in seen
    assert PASSWORD.encode() not in seen
    (migrate,) = (
        pid
        for pid in container.left_in_namespace()
        if pid == container.programs()["migrate"]["pid"] or b"held.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    assert b"SUPINIT_ONCE_TOKEN=1" in Path(f"/proc/{migrate}/environ").read_bytes().split(b"\0")


def test_a_redis_that_loses_its_data_gives_the_lease_back_to_its_holder(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("redis", reason="pip install 'supinit[redis]'")
    with open_place() as place:
        database = Redis(place, "--appendonly", "no")
        database.start()
        try:
            deploy = Deploy(tmp_path, database, "forgetful")
            first = run(deploy.table("first", lease=20))
            deploy.await_begun("first")
            second = run(deploy.table("second", lease=20))
            await_turn(second)
            database.kill()
            database.start()
            deploy.release.touch()
            for container in (first, second):
                container.await_ready(40)
            assert deploy.journal() == ["begun first", "done first"]
        finally:
            database.kill()
