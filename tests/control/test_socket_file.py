"""The socket file: its mode, its group, and what stands in its place already."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from supervisor.control.http import socket_file

from .dialogue import served
from .steered import SteeredContainer, service


async def serve_once(path: str, mode: int = 0o600, group: int | None = None) -> os.stat_result:
    async with served(SteeredContainer(service("web")), path, mode=mode, group=group) as control:
        assert (await control.ask("GET", "/livez")).status == 200
        return os.stat(path)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_the_file_has_the_mode_that_was_asked_for_whatever_the_umask(socket_path: str, mode: int) -> None:
    before = os.umask(0o077)
    try:
        assert stat.S_IMODE(asyncio.run(serve_once(socket_path, mode)).st_mode) == mode
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to any group")
def test_the_file_belongs_to_the_group(socket_path: str) -> None:
    assert asyncio.run(serve_once(socket_path, 0o660, 900)).st_gid == 900


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to any group")
def test_a_link_that_takes_its_place_at_once_gives_no_other_file_to_the_group(
    socket_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.touch()

    def bind(listener: socket.socket, path: str, mode: int) -> None:
        os.symlink(victim, path)

    monkeypatch.setattr(socket_file, "bind_with_mode", bind)
    socket_file.SocketFile(socket_path, 0o660, 900).socket.close()
    assert victim.stat().st_gid == 0


def test_a_socket_that_nobody_listens_on_is_replaced(socket_path: str) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(socket_path)
    asyncio.run(serve_once(socket_path))
    assert not os.path.exists(socket_path)


def test_a_socket_that_somebody_listens_on_is_left_alone(socket_path: str) -> None:
    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path) as first:
            with pytest.raises(OSError, match="another process listens on it"):
                await serve_once(socket_path)
            assert (await first.ask("GET", "/livez")).status == 200

    asyncio.run(scenario())


def test_a_file_that_is_not_a_socket_is_left_alone(socket_path: str) -> None:
    Path(socket_path).write_text("precious")
    with pytest.raises(OSError, match="not a socket"):
        asyncio.run(serve_once(socket_path))
    assert Path(socket_path).read_text() == "precious"


def test_a_path_that_is_too_long_is_named_as_such() -> None:
    with pytest.raises(OSError, match="107 bytes"):
        asyncio.run(serve_once("/tmp/" + "a" * 120))


def test_closing_does_not_remove_the_file_of_another(socket_path: str) -> None:
    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path):
            os.unlink(socket_path)
            Path(socket_path).write_text("somebody else's")
        assert Path(socket_path).exists()

    asyncio.run(scenario())
