"""A real nginx in front of a real uWSGI, in a directory of their own, and requests to them."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from integration.container import CHILDREN
from integration.servers.clients import Request
from integration.servers.nginx import write_nginx
from integration.waiting import sleep_until

NGINX = """
  server {{
    listen 127.0.0.1:{port};
    location / {{
      include /etc/nginx/uwsgi_params;
      uwsgi_pass unix:{place}/uwsgi.sock;
      uwsgi_buffering off;
      uwsgi_read_timeout 30s;
    }}
  }}
"""
UWSGI = """\
[uwsgi]
plugin = python3
master = true
need-app = true
processes = 2
threads = 16
socket = {place}/uwsgi.sock
chmod-socket = 666
master-fifo = {place}/uwsgi.fifo
chdir = {children}
module = {module}
disable-logging = true
"""


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
        assert isinstance(port, int)
        return port


class Site:
    """The files of both servers. `programs` is their table."""

    def __init__(self, place: Path, module: str = "slow_app") -> None:
        for command in ("nginx", "uwsgi"):
            if shutil.which(command) is None:
                pytest.skip(f"{command} is not installed (apt-get install nginx-light uwsgi-core uwsgi-plugin-python3)")
        place.mkdir()
        place.chmod(0o755)
        self.port = free_port()
        write_nginx(place / "nginx.conf", NGINX.format(place=place, port=self.port))
        (place / "uwsgi.ini").write_text(UWSGI.format(place=place, children=CHILDREN, module=module))
        self.programs: dict[str, dict[str, Any]] = {
            "nginx": {
                "command": ["nginx", "-c", str(place / "nginx.conf"), "-e", "stderr"],
                "depends_on": {"uwsgi": {"condition": "healthy"}},
                "healthcheck": {"http": {"url": f"http://127.0.0.1:{self.port}/"}, "start_interval": "100ms"},
                "stop": [{"signal": "SIGQUIT", "wait": "30s"}],
            },
            "uwsgi": {
                "command": ["uwsgi", "--ini", str(place / "uwsgi.ini")],
                "healthcheck": {"unix": str(place / "uwsgi.sock"), "start_period": "10s", "start_interval": "100ms"},
                "stop": [{"write": {"path": str(place / "uwsgi.fifo"), "data": "q"}, "wait": "30s"}],
            },
        }
        self.programs["nginx"]["healthcheck"]["start_period"] = "10s"


def begin_downloads(port: int, count: int) -> list[Request]:
    """Return once `count` requests are being answered."""
    downloads = [Request(port, "/slow") for _ in range(count)]
    for download in downloads:
        download.start()
    sleep_until(lambda: all(download.began.is_set() for download in downloads), 10, "all requests are being answered")
    return downloads
