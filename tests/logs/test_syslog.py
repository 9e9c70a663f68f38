"""The socket for syslog, without its messages."""

from __future__ import annotations

import os
import stat
from _socket import socket
from pathlib import Path
from typing import Any, cast

import pytest

from supervisor.logs import syslog
from supervisor.logs.syslog import Syslog

NOBODY_ASKS = cast("Any", None)


def test_everybody_can_write_to_it_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "log"
    umask = os.umask(0o077)
    try:
        listener = Syslog(str(path), NOBODY_ASKS, NOBODY_ASKS)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    listener.close()
    assert not path.exists()


def test_a_link_that_takes_its_place_at_once_changes_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory may belong to a program's user."""
    path, victim = tmp_path / "log", tmp_path / "victim"
    victim.touch(0o600)

    class Raced(socket):
        def bind(self, address: Any) -> None:
            super().bind(address)
            path.unlink()
            path.symlink_to(victim)

    monkeypatch.setattr(syslog, "socket", Raced)
    Syslog(str(path), NOBODY_ASKS, NOBODY_ASKS).close()
    assert stat.S_IMODE(victim.stat().st_mode) == 0o600
