"""Rolling restarts and updates, and scaling, of real servers behind nginx while 50 clients ask without a pause."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Measured, Run
from integration.container import CHILDREN, SUPCTL, Container
from integration.load import Load
from integration.nginx_uwsgi import free_port
from integration.servers.installed import need
from integration.test_sockets_under_load import Site, kill_in, uwsgi
from integration.test_sockets_under_load import site as site  # a fixture
from integration.test_update import quick, rewrite
from integration.waiting import sleep_until

Table = dict[str, Any]
UPDATE_CONFIG = {"monitor": "300ms", "failure_action": "rollback"}


def nginx_gunicorn(site: Site) -> Table:
    server = need("gunicorn", "pip install gunicorn")
    options = ["--chdir", str(CHILDREN), "--no-control-socket", "--workers", "2", "--log-level", "warning"]
    app = site.app(server, *options, "pid_app:application", preset="gunicorn", listen=f"127.0.0.1:{free_port()}")
    return site.behind_nginx("proxy_pass http://twice;", app)


def nginx_uwsgi(site: Site) -> Table:
    location = "include /etc/nginx/uwsgi_params; uwsgi_pass twice;"
    return site.behind_nginx(location, uwsgi(site, listen=f"{site.place}/app.sock"))


def with_app(table: Table, **fields: Any) -> Table:
    return {**table, "app": {**table["app"], "update_config": UPDATE_CONFIG, **fields}}


def done(container: Container, *words: str) -> None:
    result = container.supctl(*words)
    assert result.returncode == 0, result.stderr


def replace_table(container: Container, programs: Table) -> None:
    table = {"supervisor": {"run_dir": str(container.run_dir)}, "programs": programs}
    Path(f"{container.run_dir}.yaml").write_text(json.dumps(table))


@pytest.mark.parametrize("table", [nginx_gunicorn, nginx_uwsgi], ids=lambda table: table.__name__)
def test_nothing_is_lost_by_a_rolling_restart_an_update_and_other_scales(
    run: Run, site: Site, table: Callable[[Site], Table], measured: Measured
) -> None:
    programs = with_app(table(site), scale=2, environment={"RELEASE": "one"})
    container = run(programs)
    container.await_ready(60)
    with Load(site.address) as load:
        load.await_more(200)
        done(container, "restart", "--rolling", "app")
        load.await_more(100)
        replace_table(container, with_app(programs, environment={"RELEASE": "two"}))
        done(container, "update")
        load.await_more(100)
        done(container, "scale", "app=4")
        load.await_more(100)
        done(container, "scale", "app=1")
        load.await_more(100)
        lost = dict(load.failures)
        done(container, "scale", "app=2")
        restarts = container.programs()["app"]["restarts"]
        kill_in(container, container.programs()["app"]["pid"])
        sleep_until(lambda: container.programs()["app"]["restarts"] > restarts, 20, "app:1 is started again")
        load.await_more(200)
    assert lost == {}
    assert load.failed <= 2  # what its two workers had in hand
    assert {answer.partition(":")[0] for answer in load.answers} == {"one", "two"}
    measured(f"{table.__name__}: {load.total} requests, {load.failed} lost by a SIGKILL, slowest {load.slowest:.1f} s")
    container.signal(signal.SIGTERM)
    assert container.end(60) == 0


def test_a_broken_release_is_rolled_back_and_the_old_one_serves(run: Run, site: Site) -> None:
    programs = with_app(nginx_gunicorn(site), scale=2, environment={"RELEASE": "one"})
    container = run(programs)
    container.await_ready(60)
    with Load(site.address) as load:
        load.await_more(100)
        broken = [
            word if word != "pid_app:application" else "no_such:application" for word in programs["app"]["command"]
        ]
        replace_table(container, with_app(programs, command=broken))
        result = container.supctl("update")
        assert result.returncode == 1
        assert "the update was rolled back, the old release serves" in result.stderr
        load.await_more(100)
    assert load.failures == {}
    assert {answer.partition(":")[0] for answer in load.answers} == {"one"}


def test_each_instance_is_printed_and_a_second_command_is_refused(run: Run) -> None:
    container = run({"web": quick("sleep", 1000, scale=2, update_config={"delay": "2s", "monitor": "0s"})})
    container.await_ready()
    command = [SUPCTL, "-s", str(container.socket), "restart", "--rolling", "web"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    container.expect("program.replaced program=web instance=1 done=1 instances=2")
    second = container.supctl("restart", "--rolling", "web")
    scaled = container.supctl("scale", "web=5")
    assert (second.returncode, scaled.returncode) == (1, 1)
    assert "a rolling restart is under way, 1 of 2 replaced; wait for it" in second.stderr
    _, told = first.communicate(timeout=30)
    assert (first.returncode, told) == (0, "web:1 replaced (1 of 2)\nweb:2 replaced (2 of 2)\n")


def test_an_update_prints_each_instance_and_a_pause_is_shown_until_it_goes_on(run: Run) -> None:
    config = {"monitor": "0s"}
    container = run({"web": quick("sleep", 1000, scale=2, update_config=config)})
    container.await_ready()
    rewrite(container, {"web": quick("sleep", 2000, scale=2, update_config=config)})
    updated = container.supctl("update")
    assert (updated.returncode, updated.stderr) == (0, "web:1 replaced (1 of 2)\nweb:2 replaced (2 of 2)\n")
    rewrite(container, {"web": quick("false", scale=2, update_config=config, restart="no")})
    updated = container.supctl("update")
    first, _ = updated.stderr.splitlines()
    assert (updated.returncode, first) == (1, "web:1 has failed: exited with code 1")
    paused = "web:1 exited with code 1; 0 of 2 replaced, the update is paused: mend the table and run supctl update"
    assert paused in container.supctl("why").stdout
    assert paused in container.supctl("status").stdout
    rewrite(container, {"web": quick("sleep", 2000, scale=2, update_config=config)})
    assert container.supctl("update").returncode == 0
    assert [container.supctl("why").stdout, paused in container.supctl("status").stdout] == [
        "everything is up\n",
        False,
    ]


def test_a_shutdown_in_the_middle_ends_well(run: Run) -> None:
    container = run({"web": quick("sleep", 1000, scale=3, update_config={"delay": "1h"})})
    container.await_ready()
    done(container, "restart", "--rolling", "--no-wait", "web")
    container.expect("program.replaced program=web instance=1")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert "program.rolling_given_up program=web what=restart done=1 instances=3" in container.err.text


def test_a_scale_at_run_time_outlasts_an_update_that_does_not_change_it(run: Run) -> None:
    container = run({"web": quick("sleep", 1000, scale=2)})
    container.await_ready()
    done(container, "scale", "web=3")
    rewrite(container, {"web": quick("sleep", 1000, scale=2, start_retries=3)})
    done(container, "update")
    assert len(container.programs()) == 3
    _, metrics = container.request("GET", "/metrics")
    assert 'supinit_program_instances{program="web"} 3.0' in metrics
    rewrite(container, {"web": quick("sleep", 1000, scale=1)})
    done(container, "update")
    assert list(container.programs()) == ["web"]


def test_start_first_runs_the_new_process_beside_the_old_one_and_loses_nothing(run: Run, site: Site) -> None:
    """The old process is stopped only when the new one is up, and nothing of the new one is stopped with it."""
    config = {"order": "start-first", "monitor": "0s"}
    programs = {**nginx_gunicorn(site)}
    programs["app"] |= {"scale": 1, "update_config": config, "environment": {"RELEASE": "one"}}
    container = run(programs)
    container.await_ready(60)
    with Load(site.address) as load:
        load.await_more(100)
        programs["app"] = programs["app"] | {"environment": {"RELEASE": "two"}}
        replace_table(container, programs)
        done(container, "update")
        load.await_more(100)
        done(container, "restart", "--rolling", "app")
        load.await_more(100)
    assert load.failures == {}
    assert {answer.partition(":")[0] for answer in load.answers} == {"one", "two"}
    started, stopped = (container.err.text.index(f"program.{what} program=app") for what in ("replaced", "stop_begun"))
    assert started < stopped
    entry = container.programs()["app"]
    assert (entry["instance"], entry["state"], entry["restarts"]) == (1, "RUNNING", 0)
    container.signal(signal.SIGTERM)
    assert container.end(60) == 0
