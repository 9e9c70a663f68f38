"""The main program: the entry with `stdin: inherit`, or a command beside the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config.load import load
from supervisor.core.program import (
    Condition,
    Dependency,
    LogMode,
    LogSettings,
    Program,
    ProgramType,
    Restart,
    RestartWhen,
    ShutdownOn,
)
from supervisor.core.record import replace
from supervisor.errors import ConfigError

from .documents import FILE, program_of

NEVER = Restart(RestartWhen.NEVER)
INHERIT = LogSettings(mode=LogMode.INHERIT)
SHELL = Program("web", ("nginx",), is_main=True, restart=NEVER, shutdown_on=ShutdownOn.EXIT, log=INHERIT)


def beside(text: str, *command: str) -> tuple[Program, ...]:
    """Return the programs of a document with a command beside them."""
    Path(FILE).write_text(text)
    return load(FILE, {}, command=command).programs


def refused(text: str, *command: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        beside(text, *command)
    return [problem.removeprefix(f"{FILE}:") for problem in refusal.value.problems]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("stdin: inherit", SHELL),
        ("stdin: inherit, restart: always", replace(SHELL, restart=Restart(RestartWhen.ALWAYS))),
        ("stdin: inherit, shutdown_on: never", replace(SHELL, shutdown_on=ShutdownOn.NEVER)),
        ("stdin: inherit, log: {mode: raw}", replace(SHELL, log=LogSettings(mode=LogMode.RAW))),
        ("stdin: inherit, log: {tail: 8kb}", replace(SHELL, log=LogSettings(tail=8192))),
        ("stdin: inherit, type: oneshot", replace(SHELL, kind=ProgramType.ONESHOT)),
        ('stdin: "null"', Program("web", ("nginx",))),
    ],
    ids=["defaults", "restart", "shutdown_on", "log.mode", "log", "oneshot", "none"],
)
def test_stdin_inherit_makes_the_main_program_and_its_defaults(keys: str, expected: Program) -> None:
    assert program_of(keys) == expected


def test_a_second_main_program_is_an_error_with_both_places() -> None:
    text = "programs:\n  a: {command: a, stdin: inherit}\n  b: {command: b, stdin: inherit}\n"
    assert refused(text) == [
        f"3:26: programs.b.stdin: only one program can have stdin: inherit, first at {FILE}:2:26 (allowed: null)",
    ]


def test_a_command_needs_everything_essential_and_stands_last() -> None:
    text = """
programs:
  web: {command: nginx}
  migrate: {command: migrate, type: oneshot}
  cron: {command: cron, shutdown_on: never}
"""
    *others, main = beside(text, "bash", "-i")
    assert [program.name for program in others] == ["web", "migrate", "cron"]
    needs = (Dependency("web", Condition.STARTED), Dependency("migrate", Condition.COMPLETED))
    assert main == replace(SHELL, name="main", command=("bash", "-i"), depends_on=needs)


def test_a_command_takes_the_place_of_the_main_programs_own_and_of_nothing_else() -> None:
    text = "programs: {shell: {command: zsh, stdin: inherit, nice: 3}, web: {command: nginx}}"
    shell = replace(SHELL, name="shell", command=("bash", "-i"), nice=3)
    assert beside(text, "bash", "-i") == (shell, Program("web", ("nginx",)))
    assert beside(text) == (replace(shell, command=("zsh",)), Program("web", ("nginx",)))


def test_a_command_is_taken_as_it_is() -> None:
    assert beside("programs: {web: {command: nginx}}", "echo", "$HOME", "")[1].command == ("echo", "$HOME", "")


def test_a_command_needs_no_other_program() -> None:
    assert beside("supervisor: {}", "bash") == (replace(SHELL, name="main", command=("bash",)),)


def test_an_entry_called_main_is_no_matter_where_it_is_the_main_program() -> None:
    text = "programs: {main: {command: zsh, stdin: inherit}}"
    assert beside(text, "bash") == (replace(SHELL, name="main", command=("bash",)),)


def test_an_entry_called_main_is_an_error_beside_a_command_only() -> None:
    text = "programs:\n  main: {command: nginx}\n"
    assert [program.name for program in beside(text)] == ["main"]
    assert refused(text, "bash") == [
        "2:3: programs.main: name 'main' is taken by the command bash on the command line"
        " (allowed: another name, or stdin: inherit in this program)"
    ]
