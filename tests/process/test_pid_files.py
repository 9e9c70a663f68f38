"""The file in which a daemon writes its pid."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supervisor.process.pid_files import LIMIT, forget_pid, read_pid

from .nursery import NOBODY

LARGEST = (1 << 31) - 1
MANY = "x" * LIMIT
"""With anything before it, more than is read."""


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        ("42", 42),
        ("42\n", 42),
        ("  42  \n", 42),
        ("42\n/var/lib/postgresql\n1764\n", 42),
        (f"{LARGEST}\n", LARGEST),
    ],
    ids=["bare", "line", "blanks", "postgresql", "largest"],
)
def test_the_first_line_is_the_pid(tmp_path: Path, text: str, pid: int) -> None:
    (tmp_path / "pid").write_text(text)
    assert read_pid(str(tmp_path / "pid")) == pid


@pytest.mark.parametrize(
    "text",
    ["", "\n42\n", "soon", "-42", "0", "1", "42 43", "4.2", f"{1 << 31}", "٤٢"],
    ids=["empty", "second line", "word", "negative", "zero", "init", "two", "fraction", "too large", "other digits"],
)
def test_anything_else_is_no_pid_and_stays(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pid"
    path.write_text(text)
    with pytest.raises(OSError, match="its first line is not a pid"):
        read_pid(str(path))
    forget_pid(str(path))
    assert path.read_text() == text


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text(f"42\n{MANY}")
    with pytest.raises(OSError, match="larger than 4 KiB"):
        read_pid(str(path))


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pid")
    with pytest.raises(OSError, match="not a regular file"):
        read_pid(str(tmp_path / "pid"))
    forget_pid(str(tmp_path / "pid"))
    assert (tmp_path / "pid").exists()


def test_the_pid_of_an_earlier_run_is_removed_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("42\n")
    forget_pid(str(path))
    assert not path.exists()
    forget_pid(str(path))  # nothing is there to remove


def test_a_relative_path_is_one_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pid").write_text("42\n")
    monkeypatch.chdir(tmp_path)
    forget_pid("pid")
    assert not (tmp_path / "pid").exists()


def test_what_a_link_leads_to_is_left_alone(tmp_path: Path) -> None:
    """The program's user may have made the link."""
    (tmp_path / "target").write_text("42\n")
    (tmp_path / "pid").symlink_to(tmp_path / "target")
    forget_pid(str(tmp_path / "pid"))
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to another user")
def test_a_directory_that_the_programs_user_has_replaced_by_a_link_keeps_its_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "pid").write_text("42\n")
    (tmp_path / "run").symlink_to("etc")
    os.lchown(tmp_path / "run", NOBODY, NOBODY)
    forget_pid(str(tmp_path / "run" / "pid"))
    assert (tmp_path / "etc" / "pid").read_text() == "42\n"
    os.lchown(tmp_path / "run", 0, 0)
    forget_pid(str(tmp_path / "run" / "pid"))
    assert not (tmp_path / "etc" / "pid").exists()
