"""Processes that are left when the main process of a program has ended: in a stop, after a crash, after a oneshot."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from integration.busyness import slowness
from integration.conftest import Run
from integration.container import Container
from integration.nginx_uwsgi import free_port
from integration.processes import alive_with
from integration.waiting import sleep_until

WORKER = 'trap "sleep 0.5; echo worker finished; exit 0" TERM; echo worker runs; while :; do sleep 0.05; done'
STUBBORN = "trap '' TERM; echo worker runs; while :; do sleep 0.05; done"


def script(worker: str) -> list[str]:
    """Return a script that starts a worker without exec and waits for it, as many entrypoints do."""
    return ["bash", "-c", 'bash -c "$$0" & wait', worker]


def events_of(container: Container, event: str) -> list[str]:
    return [line for line in container.err.lines if f" {event} " in line]


def killed_by(container: Container, name: str) -> float:
    metrics = container.request("GET", "/metrics")[1]
    line = next(
        line
        for line in metrics.splitlines()
        if line.startswith("supinit_program_leftovers_killed_total") and f'program="{name}"' in line
    )
    return float(line.split()[1])


@pytest.mark.parametrize("scope", ["main", "group", "tree"])
def test_a_worker_under_a_script_without_exec_finishes(run: Run, scope: str) -> None:
    stop = [{"signal": "SIGTERM", "wait": "10s", "scope": scope}]
    container = run({"app": {"command": script(WORKER), "stop": stop}})
    container.expect("worker runs")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.out.lines.count("app | worker finished") == 1
    assert events_of(container, "program.leftovers") == []
    assert events_of(container, "program.killed") == []


def test_a_worker_that_ignores_the_signal_is_killed_at_the_end_of_the_step(run: Run) -> None:
    container = run(
        {"app": {"command": script(STUBBORN), "stop_grace_period": "1s"}, "other": {"command": ["sleep", "9"]}}
    )
    container.expect("worker runs")
    begun = time.monotonic()
    assert container.request("POST", "/v1/programs/app/stop", {})[0] == 200
    assert 0.9 < time.monotonic() - begun < 3 * slowness(begun)
    (told,) = events_of(container, "program.leftovers")
    assert set(told.partition("names=")[2].split(",")) <= {"bash", "sleep"}
    assert killed_by(container, "app") >= 1
    assert container.programs()["app"]["state"] == "STOPPED"


def test_with_kill_nothing_is_waited_for(run: Run) -> None:
    container = run({"app": {"command": script(WORKER), "stop_leftovers": "kill"}})
    container.expect("worker runs")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert "app | worker finished" not in container.out.lines
    assert len(events_of(container, "program.leftovers")) == 1


def test_leftovers_of_a_crash_are_killed_and_told_before_the_restart(run: Run, tmp_path: Path) -> None:
    word = f"left-by-{tmp_path.name}"
    command = ["bash", "-c", f"setsid bash -c 'exec -a {word} sleep 1000' & sleep 0.5; exit 7"]
    container = run(
        {
            "app": {"command": command, "restart": "on-failure:1", "shutdown_on": "never"},
            "b": {"command": ["sleep", "99"]},
        }
    )
    container.await_state("app", "FATAL")
    told = events_of(container, "program.leftovers")
    assert [line.partition("program=")[2] for line in told] == ["app count=1 names=sleep"] * 2
    assert killed_by(container, "app") == 2
    assert alive_with(word) == []


def test_the_daemon_of_a_oneshot_is_told_with_its_name(run: Run) -> None:
    service = {"command": ["sh", "-c", "setsid sleep 600 & exit 0"], "type": "oneshot"}
    web = {"command": ["sleep", "600"], "depends_on": {"service": {"condition": "completed"}}}
    container = run({"service": service, "web": web})
    container.await_state("web", "RUNNING")
    assert container.err.has("warning: program.leftovers program=service count=1 names=sleep")
    assert container.err.position("program.leftovers program=service") < container.err.position(
        "program.started program=web"
    )
    assert killed_by(container, "service") == 1


def test_what_a_passing_health_check_leaves_behind_does_not_pile_up(run: Run, tmp_path: Path) -> None:
    word = f"probe-of-{tmp_path.name}"
    check = {"test": ["CMD", "bash", "-c", f"setsid bash -c 'exec -a {word} sleep 1000' & exit 0"], "interval": "200ms"}
    container = run({"web": {"command": ["sleep", "1000"], "healthcheck": check}})
    container.await_health("web", "healthy")
    sleep_until(lambda: "healthcheck_seconds_count" in container.request("GET", "/metrics")[1], 10, "probes ran")

    def probes() -> float:
        lines = container.request("GET", "/metrics")[1].splitlines()
        return float(next(line for line in lines if "healthcheck_seconds_count" in line).split()[1])

    first = probes()
    sleep_until(lambda: probes() >= first + 5, 20, "five more probes")
    assert len(alive_with(word)) <= 1


def test_without_proc_a_program_is_restarted_and_what_is_unknown_is_said(run: Run) -> None:
    web = {"command": ["sh", "-c", "sleep 1000 & exit 7"], "restart_delay": {"initial": "10ms", "max": "50ms"}}
    hide = ("sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
    container = run({"web": web | {"start_retries": None}}, inside=hide)
    sleep_until(lambda: len(events_of(container, "program.started")) >= 4, 10, "it is restarted")
    assert container.err.has('program.left_behind program=web reason="unknown, cannot read /proc: ')
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.left_in_namespace() == []


# ---- without CAP_KILL


def test_root_without_cap_kill_says_so_and_always_ends(run: Run) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed (util-linux)")
    web = {"command": ["sleep", "600"], "user": "nobody", "stop_grace_period": "3s"}
    container = run({"web": web}, inside=("setpriv", "--bounding-set=-kill"))
    container.await_state("web", "RUNNING")
    refusal = "Operation not permitted: it runs as another user, and supinit has no CAP_KILL"
    answer = container.supctl("signal", "USR1", "web")
    assert (answer.returncode, refusal in answer.stderr) == (1, True)
    assert container.err.has("programs.web.user: supinit cannot signal processes of nobody")
    begun = container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert time.monotonic() - begun < 3.5 * slowness(begun)
    assert container.err.has(f'program.signal_refused program=web pid=2 signal=SIGTERM reason="{refusal}"')
    assert container.err.has("program.left_behind program=web")
    assert not container.err.has("program.killed")
    assert not container.err.has("killed=")
    assert container.left_in_namespace() == []


# ---- real programs


def test_the_jobs_of_cron_end_with_it_before_what_it_depends_on(run: Run, tmp_path: Path) -> None:
    """A job has its own session, environment and output; it stands below cron only while cron's own child lives."""
    cron = shutil.which("cron", path="/usr/sbin:/usr/bin")
    if cron is None or not os.path.exists("/etc/debian_version"):
        pytest.skip("Debian's cron is not installed")
    places = {"/etc/cron.d": tmp_path / "cron.d", "/var/spool/cron": tmp_path / "spool", "/run": tmp_path / "run"}
    for place in places.values():
        place.mkdir()
    output = tmp_path / "output"
    job = places["/etc/cron.d"] / "job"
    job.write_text(f"@reboot root while :; do echo job runs >>{output}; sleep 0.1; done\n")
    job.chmod(0o644)
    binds = " && ".join(f"mount --bind {place} {target}" for target, place in places.items())
    table = {
        "db": {"command": ["sleep", "1000"]},
        "scheduler": {"command": [cron, "-f"], "depends_on": ["db"]},
    }
    container = run(table, inside=("sh", "-c", f'{binds} && exec "$@"', "sh"))
    sleep_until(output.exists, 15, "the job runs")
    assert container.request("POST", "/v1/programs/scheduler/stop", {})[0] == 200
    size = output.stat().st_size
    time.sleep(0.5)  # five more lines, were it there
    assert output.stat().st_size == size
    assert container.programs()["db"]["pid"] is not None


APP = """
const http = require('http');
const server = http.createServer().listen(0, '127.0.0.1', () => console.log('node listens'));
process.on('SIGTERM', () => setTimeout(() => { console.log('node finished'); process.exit(0); }, 1500));
"""


def test_node_under_npm_finishes(run: Run, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    (tmp_path / "package.json").write_text(json.dumps({"name": "app", "scripts": {"start": "node app.js"}}))
    (tmp_path / "app.js").write_text(APP)
    container = run({"app": {"command": [npm, "start"], "working_dir": str(tmp_path)}})
    container.expect("node listens", 60)
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.out.has("node finished")
    assert events_of(container, "program.leftovers") == []


HTTPD = """
ServerRoot {place}
PidFile {place}/httpd.pid
Listen 127.0.0.1:{port}
ServerName localhost
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
User www-data
Group www-data
DocumentRoot {place}/www
ErrorLog /dev/stderr
"""
SIZE = 40_000_000


@pytest.mark.parametrize("front", ["apache2ctl", "apache2"])
def test_apache_finishes_its_requests_with_the_preset(run: Run, tmp_path: Path, front: str) -> None:
    """apache2ctl is a shell around the server, and does not pass signals on."""
    control = shutil.which(front, path="/usr/sbin:/usr/bin")
    if control is None or not os.path.exists("/usr/lib/apache2/modules/mod_mpm_event.so"):
        pytest.skip("Debian's apache2 is not installed")
    port = free_port()
    www = tmp_path / "www"
    www.mkdir()
    with open(www / "big", "wb") as file:
        file.truncate(SIZE)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)
    (tmp_path / "httpd.conf").write_text(HTTPD.format(place=tmp_path, port=port))
    environment = {"APACHE_CONFDIR": str(tmp_path), "APACHE_ENVVARS": "/dev/null"}
    apache = {
        "command": [control, "-f", f"{tmp_path}/httpd.conf", "-DFOREGROUND"],
        "environment": environment,
        "preset": "apache",
        "healthcheck": {"tcp": f"127.0.0.1:{port}"},
    }
    container = run({"apache": apache})
    container.await_health("apache", "healthy", 30)
    client = subprocess.Popen(
        ["curl", "-s", "--limit-rate", "20M", "-o", str(tmp_path / "got"), f"http://127.0.0.1:{port}/big"]
    )
    sleep_until((tmp_path / "got").exists, 10, "the download has begun")
    container.signal(signal.SIGTERM)
    assert client.wait(30) == 0
    assert (tmp_path / "got").stat().st_size == SIZE
    assert container.end(40) == 0
    assert events_of(container, "program.leftovers") == []
    assert events_of(container, "program.killed") == []
