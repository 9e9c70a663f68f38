"""A file is read without waiting for it, or refused at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.regular_file import describe_size, read_regular_file


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


MAKE: dict[str, Callable[[Path], object]] = {
    "FIFO": lambda path: os.mkfifo(path),
    "device without end": lambda path: path.symlink_to("/dev/zero"),
    "empty device": lambda path: path.symlink_to("/dev/null"),
    "pipe": lambda path: path.symlink_to(f"/proc/self/fd/{os.pipe()[0]}"),
}


@pytest.mark.parametrize("kind", MAKE)
def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    MAKE[kind](path)
    with pytest.raises(OSError, match="not a regular file") as caught:
        read_regular_file(str(path), 100)
    assert caught.value.strerror == "not a regular file"


def test_a_folder_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_regular_file(str(tmp_path), 100)


@pytest.mark.parametrize("size", [0, 1, 70_000, 128 << 10])
def test_a_regular_file_is_read_up_to_the_limit(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    assert read_regular_file(str(path), 128 << 10) == data


def test_a_larger_file_is_refused_with_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="larger than 128 KiB"):
        read_regular_file(str(path), 128 << 10)


def test_a_size_is_described_in_binary_units() -> None:
    assert [describe_size(size) for size in (128 << 10, 1 << 20, 16 << 20)] == ["128 KiB", "1 MiB", "16 MiB"]
