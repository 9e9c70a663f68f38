"""type: forking with real servers that daemonize: rsyslogd, apachectl, nginx and its upgrade, postfix with syslog."""

from __future__ import annotations

import shutil
import signal
import smtplib
from pathlib import Path
from typing import Any

from integration.conftest import Run
from integration.container import Container
from integration.nginx_uwsgi import free_port
from integration.servers.installed import fill, need, need_dev_log, open_place
from integration.waiting import sleep_until

FORKING: dict[str, Any] = {"type": "forking", "min_uptime": "200ms", "restart_delay": {"initial": "50ms"}}


def stop(container: Container) -> int:
    container.signal(signal.SIGTERM)
    return container.end()


def main_is_that_of(container: Container, name: str, pid_file: Path) -> bool:
    """Whether a program is RUNNING, with the process that its pid file names."""
    entry = container.programs()[name]
    return entry["state"] == "RUNNING" and str(entry["pid"]) == pid_file.read_text().strip()


def test_rsyslogd_that_was_killed_starts_again_beside_its_stale_pid_file(run: Run, tmp_path: Path) -> None:
    rsyslogd = need("rsyslogd", "apt-get install rsyslog")
    pid_file = tmp_path / "rsyslogd.pid"
    config = tmp_path / "rsyslog.conf"
    config.write_text('module(load="builtin:omfile")\naction(type="omfile" file="/dev/null")\n')
    command = [rsyslogd, "-f", str(config), "-i", str(pid_file)]
    container = run({"rsyslogd": FORKING | {"command": command, "pid_file": str(pid_file)}})
    sleep_until(lambda: pid_file.exists() and main_is_that_of(container, "rsyslogd", pid_file), 15, "it runs")
    first = container.programs()["rsyslogd"]["pid"]
    assert container.supctl("signal", "KILL", "rsyslogd").returncode == 0
    container.expect(f"program.exited program=rsyslogd pid={first} signal=SIGKILL")
    container.expect("program.started program=rsyslogd", limit=15)
    sleep_until(lambda: pid_file.exists() and main_is_that_of(container, "rsyslogd", pid_file), 15, "it runs again")
    assert container.programs()["rsyslogd"]["pid"] != first
    assert stop(container) == 0
    assert container.left_in_namespace() == []


def test_apachectl_start(run: Run, tmp_path: Path) -> None:
    apachectl, port = need("apachectl", "apt-get install apache2"), free_port()
    pid_file = tmp_path / "httpd.pid"
    config = fill("daemon-httpd.conf", tmp_path / "httpd.conf", place=tmp_path, port=port)
    web = FORKING | {
        "command": [apachectl, "-f", str(config), "-k", "start"],
        "environment": {"APACHE_CONFDIR": str(tmp_path)},
        "pid_file": str(pid_file),
        "stop_signal": "SIGWINCH",
        "healthcheck": {"tcp": f"127.0.0.1:{port}", "start_interval": "50ms"},
    }
    container = run({"apache": web})
    container.await_ready()
    assert main_is_that_of(container, "apache", pid_file)
    assert stop(container) == 0
    assert "pid=" in container.err.lines[container.err.position("program.exited program=apache")]
    assert container.left_in_namespace() == []


def test_nginx_hands_over_to_the_successor_that_it_starts_from_a_new_binary(run: Run, tmp_path: Path) -> None:
    """USR2 and then QUIT to the old master (nginx.org/en/docs/control.html#upgrade): the pid file names the new one."""
    nginx, port = need("nginx", "apt-get install nginx-light"), free_port()
    pid_file = tmp_path / "nginx.pid"
    config = fill("daemon-nginx.conf", tmp_path / "nginx.conf", place=tmp_path, port=port)
    web = FORKING | {"command": [nginx, "-c", str(config), "-e", "stderr"], "pid_file": str(pid_file)}
    container = run({"nginx": web | {"stop_signal": "SIGQUIT", "healthcheck": {"tcp": f"127.0.0.1:{port}"}}})
    container.await_ready()
    first = container.programs()["nginx"]["pid"]
    assert container.supctl("signal", "USR2", "nginx").returncode == 0
    sleep_until(lambda: pid_file.exists() and pid_file.read_text().strip() != str(first), 15, "there is a successor")
    assert container.supctl("signal", "QUIT", "nginx").returncode == 0
    sleep_until(lambda: main_is_that_of(container, "nginx", pid_file), 15, "the successor is the main process")
    entry = container.programs()["nginx"]
    assert (entry["restarts"], entry["last_exit"]) == (0, None)
    assert entry["pid"] != first
    assert stop(container) == 0
    assert container.left_in_namespace() == []


def test_postfix_delivers_its_log_to_dev_log_and_stops_in_order(run: Run) -> None:
    postfix, port = need("postfix", "apt-get install postfix"), free_port()
    need_dev_log()
    with open_place() as place:
        for name in ("etc", "spool", "data"):
            (place / name).mkdir()
        shutil.chown(place / "data", "postfix")
        for name in ("main.cf", "master.cf"):
            fill(f"postfix-{name}", place / "etc" / name, place=place, port=port)
        shutil.copy("/etc/postfix/postfix-files", place / "etc")
        pid_file = place / "spool" / "pid" / "master.pid"
        mail = FORKING | {"command": [postfix, "-c", str(place / "etc"), "start"], "pid_file": str(pid_file)}
        container = run({"postfix": mail}, settings={"syslog": "/dev/log"})
        container.expect("postfix | postfix/master[", limit=30)
        sleep_until(lambda: pid_file.exists() and main_is_that_of(container, "postfix", pid_file), 30, "it runs")
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            assert client.noop()[0] == 250
        container.expect("postfix | postfix/smtpd[")
        assert stop(container) == 0
        container.expect("postfix | postfix/master[")
        assert container.out.has("terminating on signal 15")
        assert container.left_in_namespace() == []
