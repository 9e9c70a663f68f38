"""Real servers on sockets that supinit keeps, restarted, updated and killed while 50 clients ask without a pause."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Measured, Run
from integration.container import CHILDREN, Container
from integration.load import Address, Load
from integration.nginx_uwsgi import free_port
from integration.processes import children_of
from integration.servers.installed import need, need_php_fpm, need_uwsgi, open_place
from integration.servers.nginx import write_nginx
from integration.waiting import sleep_until

Table = dict[str, Any]
DOCS = Path(__file__).parent.parent / "docs"
REFUSED = "ConnectionRefusedError"
NGINX = """
  upstream twice {{
    server {app} max_fails=0;
    server {app} max_fails=0;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ {location} }}
  }}
"""
UWSGI_PASS = "include /etc/nginx/uwsgi_params; uwsgi_pass twice;"
PHP_PASS = (
    "include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME {place}/pid.php; "
    "fastcgi_pass unix:{place}/app.sock;"
)
PHP = """\
[global]
error_log = /proc/self/fd/2
process_control_timeout = 10s
[www]
listen = {place}/app.sock
pm = static
pm.max_children = 2
"""


class Site:
    """One server on a held socket, perhaps behind nginx. `program`: the one that is restarted."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = free_port()
        self.address: Address = ("127.0.0.1", self.port)
        self.program = "app"

    def app(self, *command: str, listen: str | None = None, **fields: Any) -> Table:
        listen = listen or f"127.0.0.1:{self.port}"
        return {"app": {"command": list(command), "sockets": {"http": {"listen": listen}}, **fields}}

    def behind_nginx(self, location: str, app: Table) -> Table:
        """Return the table with nginx, on a socket of its own, in front of the app."""
        listen = app["app"]["sockets"]["http"]["listen"] if app else "127.0.0.1:1"
        values = {
            "port": self.port,
            "app": f"unix:{listen}" if listen.startswith("/") else listen,
            "location": location.format(place=self.place),
        }
        config = write_nginx(self.place / "nginx.conf", NGINX.format(**values))
        nginx = {
            "preset": "nginx",
            "command": [need("nginx", "apt-get install nginx-light"), "-c", str(config), "-e", "stderr"],
            "sockets": {"http": {"listen": f"127.0.0.1:{self.port}"}},
        }
        return {**app, "nginx": nginx}


def gunicorn(site: Site) -> Table:
    server = need("gunicorn", "pip install gunicorn")
    options = ["--chdir", str(CHILDREN), "--no-control-socket", "--workers", "2", "--log-level", "warning"]
    return site.app(server, *options, "pid_app:application", preset="gunicorn")


def uwsgi(site: Site, *options: str, **fields: Any) -> Table:
    options = ("--plugin", "python3", "--master", "--need-app", "--processes", "2", "--disable-logging", *options)
    command = [need_uwsgi(), *options, "--chdir", str(CHILDREN), "--module", "pid_app"]
    return site.app(*command, preset="uwsgi", **fields)


def uwsgi_http(site: Site) -> Table:
    return uwsgi(site, "--protocol", "http")


def nginx_uwsgi(site: Site) -> Table:
    """A worker that is told to stop between its accept and its request drops it, and nginx asks again."""
    return site.behind_nginx(UWSGI_PASS, uwsgi(site, listen=f"{site.place}/app.sock"))


def nginx_php_fpm(site: Site) -> Table:
    """It runs as www-data from its start, so that it cannot remove the socket of a directory that root owns."""
    (site.place / "php.conf").write_text(PHP.format(place=site.place))
    (site.place / "pid.php").write_text("<?php echo ':' . getmypid();")
    command = [need_php_fpm(), "--nodaemonize", "--force-stderr", "--fpm-config", str(site.place / "php.conf")]
    app = site.app(*command, listen=f"{site.place}/app.sock", preset="php-fpm", user="www-data")
    return site.behind_nginx(PHP_PASS, app)


def nginx_alone(site: Site) -> Table:
    site.program = "nginx"
    return site.behind_nginx("return 200 'static:';", {})


def uvicorn(site: Site, **fields: Any) -> Table:
    options = ["--app-dir", str(CHILDREN), "--log-level", "warning", "pid_app:asgi"]
    return site.app(need("uvicorn", "pip install uvicorn"), "--fd", "${sockets.http.fd}", *options, **fields)


def hypercorn(site: Site) -> Table:
    server = need("hypercorn", "pip install hypercorn")
    return site.app(server, "--bind", "fd://${sockets.http.fd}", "pid_app:asgi", working_dir=str(CHILDREN))


def nginx_uvicorn(site: Site) -> Table:
    """uvicorn drops what it has accepted and not read yet, and nginx asks again."""
    return site.behind_nginx("proxy_pass http://twice;", uvicorn(site, listen=f"127.0.0.1:{free_port()}"))


def plain_asyncio(site: Site) -> Table:
    return site.app("python3", _example(site, "server.py", "python"))


def plain_node(site: Site) -> Table:
    script = _example(site, "server.js", "javascript")
    node = need("node", "apt-get install nodejs")
    return site.app(node, script, environment={"HTTP_FD": "${sockets.http.fd}"})


def _example(site: Site, name: str, language: str) -> str:
    """Write the server of the documentation to a file and return its path."""
    [code] = re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / "sockets.md").read_text(), re.MULTILINE | re.DOTALL)
    (site.place / name).write_text(code)
    return str(site.place / name)


@pytest.fixture
def site() -> Iterator[Site]:
    with open_place() as place:
        yield Site(place)


def restart(container: Container, name: str) -> None:
    done = container.supctl("restart", name)
    assert (done.returncode, done.stderr) == (0, "")


def kill(container: Container, name: str) -> None:
    """Kill the main process as the kernel does when memory is short, and wait for the next one."""
    sleep_until(lambda: container.programs()[name]["pid"] is not None, 15, f"{name} has a process")
    restarts = container.programs()[name]["restarts"]
    kill_in(container, container.programs()[name]["pid"])
    sleep_until(lambda: container.programs()[name]["restarts"] > restarts, 15, f"{name} is started again")


def kill_in(container: Container, pid: int) -> None:
    """Kill a child of supinit by its pid in the namespace."""
    for outer in children_of(container.init):
        try:
            status = Path(f"/proc/{outer}/status").read_text()
        except OSError:
            continue  # it has just been reaped
        inner = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]
        if int(inner) == pid:
            os.kill(outer, signal.SIGKILL)


SERVERS = (gunicorn, nginx_uwsgi, nginx_php_fpm, nginx_alone, nginx_uvicorn, plain_asyncio, plain_node)
IN_HAND = {gunicorn: 2, nginx_uwsgi: 2, nginx_php_fpm: 2}
"""How many requests the workers of a server have in hand at most. The others accept ahead of their work."""


@pytest.mark.parametrize("table", SERVERS, ids=lambda table: table.__name__)
def test_restarts_lose_nothing_and_a_crash_only_what_the_process_had_in_hand(
    run: Run, site: Site, table: Callable[[Site], Table], measured: Measured
) -> None:
    container = run(table(site))
    container.await_ready(30)
    with Load(site.address) as load:
        load.await_more(300)
        for _ in range(2):
            restart(container, site.program)
            load.await_more(100)
        lost_by_restarts = dict(load.failures)
        kill(container, site.program)
        load.await_more(300)
    assert lost_by_restarts == {}
    assert REFUSED not in load.failures
    if table in IN_HAND:
        assert load.failed <= IN_HAND[table]
    measured(
        f"{table.__name__}: {load.total} requests over 2 restarts and a SIGKILL, "
        f"{load.failed} lost by the SIGKILL, slowest {load.slowest:.1f} s"
    )
    container.signal(signal.SIGTERM)
    assert container.end(40) == 0


def test_without_a_held_socket_a_restart_refuses_requests(run: Run, site: Site) -> None:
    """The same load on the same server, so that the test above can fail."""
    table = gunicorn(site)
    del table["app"]["sockets"]
    table["app"]["command"] += ["--bind", f"127.0.0.1:{site.port}"]
    container = run(table)
    container.await_ready(30)
    with Load(site.address) as load:
        load.await_more(300)
        before = load.failures[REFUSED]
        restart(container, "app")
        load.await_more(100)
    assert load.failures[REFUSED] > before


@pytest.mark.parametrize("table", [uwsgi_http, hypercorn], ids=lambda table: table.__name__)
def test_other_servers_take_the_socket_too(run: Run, site: Site, table: Callable[[Site], Table]) -> None:
    run(table(site)).await_ready(30)
    with Load(site.address, clients=1) as load:
        load.await_more(1)
    assert load.failures == {}


def test_uvicorn_alone_refuses_nothing(run: Run, site: Site) -> None:
    """It drops what it has accepted and not read yet, so some requests fail in another way."""
    container = run(uvicorn(site))
    container.await_ready(30)
    with Load(site.address) as load:
        load.await_more(300)
        restart(container, "app")
        load.await_more(100)
    assert REFUSED not in load.failures


def test_an_update_to_another_release_loses_nothing(run: Run, site: Site) -> None:
    table = gunicorn(site)
    container = run({"app": table["app"] | {"environment": {"RELEASE": "one"}}})
    container.await_ready(30)
    with Load(site.address) as load:
        load.await_more(300)
        _rewrite(container, {"app": table["app"] | {"environment": {"RELEASE": "two"}}})
        assert container.supctl("update").returncode == 0
        load.await_more(100)
    assert load.failures == {}
    assert {answer.partition(":")[0] for answer in load.answers} == {"one", "two"}


def _rewrite(container: Container, programs: Table) -> None:
    table = {"supervisor": {"run_dir": str(container.run_dir)}, "programs": programs}
    Path(f"{container.run_dir}.yaml").write_text(json.dumps(table))
