"""`supinit convert FILE`: the table on stdout, what is lost on stderr, and its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

UNKNOWN = (
    "it has neither a [SECTION] (supervisord.conf), services: (compose.yaml), NAME: COMMAND (Procfile) "
    "nor a job (crontab)"
)
ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "coming-from-supervisord.md"
SUPINIT = str(Path(sys.executable).parent / "supinit")


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SUPINIT, *arguments], capture_output=True, text=True, check=False, cwd=folder)


def test_the_table_is_on_stdout_and_what_is_lost_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "in.conf").write_text("[supervisord]\npidfile=/x\n[program:ü]\ncommand=cat ü\n")
    result = run("convert", "in.conf", folder=tmp_path)
    assert result.returncode == 0
    assert list(yaml.safe_load(result.stdout)["programs"].values()) == [{"command": "cat ü", "restart": "on-failure"}]
    assert result.stderr.splitlines() == [
        "in.conf:3: [program:ü]: ü is called program here",
        "in.conf:2: not needed under supinit: [supervisord] pidfile",
    ]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "cannot read in.conf: No such file or directory"),
        (b"[program:x]\n\xff\n", "in.conf:2: cannot be read as UTF-8: byte 0xff"),
        (b"[program:x]\n\0\n", "in.conf:2: cannot hold a NUL byte"),
        (b"[program:x]\nuser=a\n", "in.conf:1: [program:x] command: is required"),
        (b"", "in.conf:1: cannot be converted: " + UNKNOWN),
    ],
    ids=["no file", "no text", "NUL", "wrong", "empty"],
)
def test_a_file_that_cannot_be_converted_is_named_with_its_line(
    tmp_path: Path, content: bytes | None, error: str
) -> None:
    if content is not None:
        (tmp_path / "in.conf").write_bytes(content)
    result = run("convert", "in.conf", folder=tmp_path)
    assert (result.returncode, result.stdout, result.stderr.splitlines()) == (78, "", [error])


def test_the_page_about_it_shows_what_it_prints() -> None:
    result = run("convert", "docs/examples/supervisord.conf", folder=ROOT)
    assert f"supervisord.conf\n{result.stderr}{result.stdout}```\n" in PAGE.read_text()


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--x"]], ids=["no file", "two files", "an option"])
def test_convert_takes_one_file(tmp_path: Path, arguments: list[str]) -> None:
    result = run("convert", *arguments, folder=tmp_path)
    assert result.returncode == 64
    assert (
        result.stderr.splitlines()[0]
        == "supinit: convert takes one PATH (to run a program of that name: supinit -- convert)"
    )


def test_a_program_of_that_name_can_be_run_all_the_same(tmp_path: Path) -> None:
    """Whatever becomes of the command: it is not taken for a conversion, which would name the file."""
    (tmp_path / "in.conf").write_text("[program:a]\ncommand=x\n")
    result = run("--", "convert", "in.conf", folder=tmp_path)
    assert "programs:" not in result.stdout
    assert result.returncode != 0
