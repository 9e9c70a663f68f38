"""The entries of real servers in a program table, each with the files that it needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from integration.container import CHILDREN
from integration.nginx_uwsgi import free_port
from integration.servers.installed import (
    SERVERS,
    fill,
    folder_of,
    need,
    need_celery,
    need_php_fpm,
    need_postgres,
    need_uwsgi,
)

Entry = dict[str, Any]
PACE = {"interval": "200ms", "timeout": "5s", "retries": 3, "start_period": "60s", "start_interval": "100ms"}


def healthy(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"condition": "healthy"} for name in names}


def redis(place: Path, port: int) -> Entry:
    """It saves on SIGTERM because it has a save point."""
    server = need("redis-server", "apt-get install redis-server")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(place), "--save", "3600", "1"]
    return {
        "preset": "redis",
        "command": [server, *options],
        "healthcheck": {"tcp": f"127.0.0.1:{port}", **PACE},
    }


def postgres(place: Path) -> dict[str, Entry]:
    """Two programs of the user postgres: one that makes the database cluster, and the server."""
    home = folder_of("postgres", place / "postgres")
    data = home / "data"
    initdb = [need_postgres("initdb"), "-D", str(data), "-A", "trust", "-N", "--no-instructions", "--locale=C"]
    server = [need_postgres("postgres"), "-D", str(data), "-k", str(home), "-c", "listen_addresses="]
    who = {"user": "postgres", "working_dir": str(home)}
    return {
        "initdb": {"command": initdb, "type": "oneshot", **who},
        "postgres": {
            "preset": "postgres",
            "command": server,
            "depends_on": {"initdb": {"condition": "completed"}},
            "healthcheck": {"test": ["CMD", need_postgres("pg_isready"), "-q", "-h", str(home)], **PACE},
            **who,
        },
    }


def php_fpm(place: Path) -> Entry:
    """It runs as www-data from its start, not as root with workers of www-data."""
    home = folder_of("www-data", place / "php")
    config = fill("php-fpm.conf", home / "php-fpm.conf", home=home)
    (home / "slow.php").write_text((SERVERS / "slow.php").read_text())
    return {
        "preset": "php-fpm",
        "command": [need_php_fpm(), "--nodaemonize", "--force-stderr", "--fpm-config", str(config)],
        "user": "www-data",
        "working_dir": str(home),
        "healthcheck": {"fastcgi": {"address": str(home / "php.sock"), "path": "/ping"}, **PACE},
    }


def uwsgi(place: Path, module: str = "slow_app", need_app: bool = True) -> Entry:
    """It is probed in its own protocol, without a web server in between."""
    ini = fill("uwsgi.ini", place / "uwsgi.ini", place=place, children=CHILDREN, module=module)
    if need_app:
        ini.write_text(f"{ini.read_text()}need-app = true\n")
    return {
        "command": [need_uwsgi(), "--ini", str(ini)],
        "healthcheck": {"uwsgi": {"address": str(place / "uwsgi.sock"), "path": "/"}, **PACE},
        "stop": [{"write": {"path": str(place / "uwsgi.fifo"), "data": "q"}, "wait": "30s"}],
    }


def gunicorn(port: int) -> Entry:
    server = need("gunicorn", "pip install gunicorn")
    options = ["--bind", f"127.0.0.1:{port}", "--threads", "4", "--chdir", str(CHILDREN), "--no-control-socket"]
    return {
        "preset": "gunicorn",
        "command": [server, *options, "slow_app:application"],
        "healthcheck": {"http": {"url": f"http://127.0.0.1:{port}/"}, **PACE},
    }


def celery(place: Path, redis_port: int) -> Entry:
    """Its marker file exists once the worker is connected to its queue."""
    marker = place / "celery.ok"
    options = ["worker", "--loglevel", "info", "--concurrency", "2", "--without-gossip", "--without-mingle"]
    return {
        "preset": "celery",
        "command": [need_celery(), "-A", "queue_tasks", "--workdir", str(SERVERS), *options],
        "environment": queue_environment(redis_port) | {"WORKER_MARKER": str(marker)},
        "healthcheck": {"file": {"path": str(marker)}, **PACE},
    }


def queue_environment(redis_port: int) -> dict[str, str]:
    return {"QUEUE_URL": f"redis://127.0.0.1:{redis_port}/0", "C_FORCE_ROOT": "1"}


def ask_for_task(redis_port: int, *arguments: object) -> tuple[list[str], dict[str, str]]:
    """Return the command that puts a task into celery's queue, and its environment."""
    command = [sys.executable, str(SERVERS / "queue_tasks.py"), *map(str, arguments)]
    return command, os.environ | queue_environment(redis_port)


def nginx(place: Path, port: int, gunicorn_port: int) -> Entry:
    """It is in front of uWSGI (/), gunicorn (/gunicorn) and php-fpm (/php)."""
    server = need("nginx", "apt-get install nginx-light")
    config = fill("nginx.conf", place / "nginx.conf", place=place, port=port, gunicorn=gunicorn_port)
    return {
        "preset": "nginx",
        "command": [server, "-c", str(config), "-e", "stderr"],
        "healthcheck": {"http": {"url": f"http://127.0.0.1:{port}/"}, **PACE},
    }


class Ports:
    """A free port for each server that needs one."""

    def __init__(self) -> None:
        self.nginx, self.gunicorn, self.redis = free_port(), free_port(), free_port()


def everything(place: Path, ports: Ports) -> dict[str, Entry]:
    """One table with all of them: databases first, nginx last."""
    table = postgres(place) | {
        "redis": redis(place, ports.redis),
        "php-fpm": php_fpm(place),
        "uwsgi": uwsgi(place),
        "gunicorn": gunicorn(ports.gunicorn),
        "celery": celery(place, ports.redis),
        "nginx": nginx(place, ports.nginx, ports.gunicorn),
    }
    table["celery"]["depends_on"] = healthy("redis", "postgres")
    table["uwsgi"]["depends_on"] = healthy("postgres")
    table["gunicorn"]["depends_on"] = healthy("redis", "postgres")
    table["nginx"]["depends_on"] = healthy("uwsgi", "gunicorn", "php-fpm")
    return table
