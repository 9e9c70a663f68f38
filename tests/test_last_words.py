"""The container's last words, where Kubernetes looks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor import boot


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "termination-log"
    monkeypatch.setattr(boot, "TERMINATION_LOG", str(path))
    return path


def test_the_verdict_and_the_last_lines_are_left_where_the_file_is(log: Path) -> None:
    log.touch()
    boot.leave_last_words("app exited with code 3", "cannot import name app")
    assert log.read_text() == "app exited with code 3\ncannot import name app\n"


def test_a_verdict_without_lines_is_one_line(log: Path) -> None:
    log.write_text("from an earlier life, and longer than what comes now")
    boot.leave_last_words("SIGTERM was received", "")
    assert log.read_text() == "SIGTERM was received\n"


def test_long_lines_are_cut_and_the_verdict_stays(log: Path) -> None:
    log.touch()
    boot.leave_last_words("app exited with code 3", "x" * 10_000)
    text = log.read_text()
    assert text.startswith("app exited with code 3\n")
    assert len(text) <= 4096


def test_the_file_is_not_made(log: Path) -> None:
    boot.leave_last_words("app exited with code 3", "")
    assert not log.exists()


def test_a_file_that_cannot_be_written_holds_nothing_up(log: Path) -> None:
    log.mkdir()
    boot.leave_last_words("app exited with code 3", "")
    assert list(log.iterdir()) == []
