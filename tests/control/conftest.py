"""Sockets live in a directory of their own: short enough for sockaddr_un, and open to other users."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def socket_path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="supinit-") as directory:
        Path(directory).chmod(0o755)
        yield f"{directory}/control.sock"
