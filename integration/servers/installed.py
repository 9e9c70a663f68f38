"""The servers of this machine. Where one is missing, its test is skipped; with CI=true it fails."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration.container import BIN

SERVERS = Path(__file__).parent


def program(name: str, *arguments: object) -> list[str]:
    """Return the command of one of the small programs beside this file."""
    return [sys.executable, "-I", "-u", str(SERVERS / name), *map(str, arguments)]


def need(command: str, package: str, *patterns: str) -> str:
    """Return the path of a command: on PATH, in this environment, or the newest file that fits a pattern."""
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath), "/usr/sbin"])
    fitting = sorted(str(file) for pattern in patterns for file in Path("/").glob(pattern.lstrip("/")))
    found = fitting[-1] if fitting else shutil.which(command, path=path)
    if found is None:
        sentence = f"{command} is not installed ({package})"
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)
    return found


def need_dev_log() -> None:
    """Skip where /dev/log cannot be made, or somebody listens on it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect("/dev/log")
        except OSError:
            return  # nobody does; a socket that a killed supinit has left is replaced
    pytest.skip("something listens on /dev/log already")


def need_postgres(command: str) -> str:
    return need(command, "apt-get install postgresql", f"/usr/lib/postgresql/*/bin/{command}")


def need_php_fpm() -> str:
    return need("php-fpm", "apt-get install php-fpm", "/usr/sbin/php-fpm[0-9]*")


def need_uwsgi() -> str:
    return need("uwsgi", "apt-get install uwsgi-core uwsgi-plugin-python3")


def need_celery() -> str:
    """Return the celery of this environment; its client for redis must be there, too."""
    celery = need("celery", "pip install 'celery[redis]'")
    trial = subprocess.run([sys.executable, "-c", "import redis"], capture_output=True, check=False)
    return celery if trial.returncode == 0 else need("celery-with-redis", "pip install 'celery[redis]'")


@contextmanager
def open_place() -> Iterator[Path]:
    """Make a directory that every user may enter, with a short name; pytest's own are for root only."""
    with tempfile.TemporaryDirectory(prefix="supinit-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


def folder_of(user: str, path: Path) -> Path:
    """Make a directory that belongs to a user."""
    path.mkdir()
    shutil.chown(path, user, user)
    return path


def fill(name: str, target: Path, **values: object) -> Path:
    """Write one of the configuration files beside this file to `target`, with @NAME@ replaced."""
    text = (SERVERS / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key.upper()}@", str(value))
    target.write_text(text)
    return target
