"""The databases that containers share for `once.store`: a Redis and a PostgreSQL, each with a password."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
from pathlib import Path
from typing import Any, Protocol

from integration.nginx_uwsgi import free_port
from integration.servers.installed import need, need_postgres
from integration.waiting import sleep_until

PASSWORD = "s3cret/with:signs"


class Database(Protocol):
    url: str
    """Without the password."""

    def start(self) -> None:
        """Start it, and wait until it answers."""
        ...

    def signal(self, number: int) -> None: ...

    def kill(self) -> None:
        """Kill it, and wait for its end."""
        ...

    def records(self, name: str) -> list[dict[str, Any]]:
        """Return what is recorded for a name."""
        ...


class Redis:
    """A Redis that keeps its data."""

    def __init__(self, place: Path, *options: str) -> None:
        self._place = place
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options or ("--appendonly", "yes", "--appendfsync", "always")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        server = need("redis-server", "apt-get install redis-server")
        command = [server, "--port", str(self.port), "--dir", str(self._place), "--save", "", "--requirepass", PASSWORD]
        self._process = subprocess.Popen([*command, *self._options], stdout=subprocess.DEVNULL)
        sleep_until(self._answers, 20, "redis answers")

    def _answers(self) -> bool:
        try:
            return self._ask("PING") == "PONG"
        except (OSError, subprocess.CalledProcessError):
            return False

    def _ask(self, *words: str) -> str:
        cli = need("redis-cli", "apt-get install redis-server")
        command = [cli, "-p", str(self.port), "--no-auth-warning", *words]
        environment = {**os.environ, "REDISCLI_AUTH": PASSWORD}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def records(self, name: str) -> list[dict[str, Any]]:
        lines = self._ask("HVALS", f"supinit:{{{name}}}:records").splitlines()
        return [json.loads(line) for line in lines if line]


class Postgresql:
    """A PostgreSQL of its own, as the user postgres."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None

    def _as_user(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        user = pwd.getpwnam("postgres")
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def create(self) -> None:
        password = self._place / "password"
        password.write_text(PASSWORD)
        for path in (self._place, password):
            os.chown(path, *(self._as_user().get(key, -1) for key in ("user", "group")))
        command = [need_postgres("initdb"), "-D", str(self._place / "data"), "-U", "postgres", "-A", "scram-sha-256"]
        command += [f"--pwfile={password}", "--no-sync", "--no-locale", "-E", "UTF8"]
        subprocess.run(command, check=True, capture_output=True, cwd="/", **self._as_user())

    def start(self) -> None:
        options = ("listen_addresses=127.0.0.1", f"unix_socket_directories={self._place}", "fsync=off")
        command = [need_postgres("postgres"), "-D", str(self._place / "data"), "-p", str(self.port)]
        command += [word for option in options for word in ("-c", option)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, cwd="/", stdout=quiet, stderr=quiet, **self._as_user())
        ready = [need_postgres("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
        sleep_until(lambda: subprocess.run(ready, capture_output=True).returncode == 0, 30, "postgres answers")

    def signal(self, number: int) -> None:
        """Signal it, with everything that it has started."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once, as after a crash, and without leaving its children
            self._process.wait(20)
            self._process = None

    def records(self, name: str) -> list[dict[str, Any]]:
        query = f"SELECT row_to_json(r) FROM supinit_record r WHERE name = '{name}' ORDER BY completed_at"
        command = [need_postgres("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-Atc", query]
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return [json.loads(line) for line in result.stdout.splitlines()]


def make_certificate(place: Path) -> Path:
    """Make a certificate for localhost that is signed by itself; its key is key.pem."""
    certificate = place / "certificate.pem"
    command = [
        need("openssl", "apt-get install openssl"),
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-keyout", str(place / "key.pem"), "-out", str(certificate), "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return certificate
