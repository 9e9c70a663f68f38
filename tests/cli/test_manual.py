"""The man pages: made from the pages in docs/, readable by groff, and installed."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from supervisor.cli.manual import FOLDER, body, pages
from supervisor.cli.supctl import COMMANDS
from supervisor.config.schema import PROGRAM, SUPERVISOR

ROOT = Path(__file__).parent.parent.parent


def test_the_pages_are_made_from_their_sources() -> None:
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == pages(), "python -m supervisor.cli.manual"


def test_every_page_is_installed_where_man_looks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    installed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert installed == {f"docs/man/{name}": f"share/man/man{name[-1]}/{name}" for name in pages()}


@pytest.fixture(params=sorted(pages()))
def page(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def groff(*arguments: str, text: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed (Debian's package groff-base)")
    return subprocess.run(["groff", "-man", "-ww", *arguments], input=text, capture_output=True, text=True, check=False)


def test_groff_finds_nothing_wrong(page: str) -> None:
    result = groff("-z", "-Tutf8", text=pages()[page])
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_nothing_of_the_markdown_is_left(page: str) -> None:
    shown = groff("-Tascii", "-P-cbou", "-rLL=400n", text=pages()[page]).stdout
    left = [line for line in shown.splitlines() if "**" in line or "](" in line or line.lstrip().startswith(("#", "|"))]
    assert left == [] and "`" not in shown.replace("``", "")


def test_every_command_and_every_key_is_in_them() -> None:
    """As tags of their own: with every hyphen as it is typed."""
    tags = {line for text in pages().values() for line in text.splitlines()}
    commands = {f"\\fB{name}{command.usage}\\fR".replace("-", "\\-") for name, command in COMMANDS.items()}
    assert commands <= tags
    assert {f"\\fB{name}\\fR" for name in (*PROGRAM.keys, *SUPERVISOR.keys)} <= tags


@pytest.mark.parametrize(
    ("markdown", "roff"),
    [
        ("one\ntwo\n\nthree", [".PP", "one two", ".PP", "three"]),
        ("## What to do", [".SH WHAT TO DO"]),
        ("## `programs.NAME`", [".SH \\fBprograms.NAME\\fR"]),
        ("### Sub", [".SS Sub"]),
        ("- one\n  more\n- **two**", [".IP \\(bu 2", "one more", ".IP \\(bu 2", "\\fBtwo\\fR"]),
        ("1. one\n2. two", [".IP 1. 4", "one", ".IP 2. 4", "two"]),
        ("```sh\na -b 'c'\n\n.d\\e\n```", [".PP", ".RS 4", ".EX", "a \\-b \\(aqc\\(aq", "", "\\&.d\\ee", ".EE", ".RE"]),
        ("| a | |\n| --- | --- |\n| `b-c` | d\\|e |", [".TP", "\\fBb\\-c\\fR", "d|e"]),
        ("| a | x | y | |\n| --- | --- | --- | --- |\n| b | 1 |  | c. |", [".TP", "b", "c. x: 1"]),
        ("| a | x | y |\n| --- | --- | --- |\n| b | 1 | 2 |", [".TP", "b", "x: 1; y: 2"]),
        ("'quoted', [`a`](b.md#c) and *so* …", [".PP", "\\&'quoted', \\fBa\\fR and \\fIso\\fR \\[u2026]"]),
        ("# Title\n\ntext", [".PP", "text"]),
    ],
    ids=["paragraphs", "section", "section in code", "subsection", "list", "numbers", "code", "table", "columns",
         "named columns", "inline", "title"],
)  # fmt: skip
def test_our_markdown_becomes_roff(markdown: str, roff: list[str]) -> None:
    assert list(body(markdown)) == roff
