"""The main program of a table: the entry with `stdin: inherit`, or a command on the command line.

There is at most one, because it owns stdin, the terminal and the container's exit code.
"""

from __future__ import annotations

from supervisor.config.reading import join
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.config.reading import Reading
    from supervisor.config.sections import SectionReading
    from supervisor.config.tree import Node, Scalar

NAME = "main"
"""Name of the program that runs the command on the command line."""
DEFAULTS: dict[str, Any] = {
    "restart": Restart(RestartWhen.NEVER),
    "shutdown_on": ShutdownOn.EXIT,
    "log": LogSettings(mode=LogMode.INHERIT),
}
"""Defaults that differ for a main program."""


def check_main(
    nodes: dict[str, tuple[Scalar, Node]], places: dict[str, SectionReading], command: tuple[str, ...], reading: Reading
) -> None:
    """Report a second main program, and a program that has the name of the command."""
    stdins = [(name, place.given["stdin"]) for name, place in places.items() if place.values.get("stdin")]
    for name, node in stdins[1:]:
        first = stdins[0][1]
        at = f"{first.file}:{first.line}:{first.column}"
        reading.problem(
            node, f"programs.{name}.stdin", f"only one program can have stdin: inherit, first at {at}", "null"
        )
    if command and not stdins and NAME in nodes:
        sentence = f"name {NAME!r} is taken by the command {command[0]} on the command line"
        reading.problem(
            nodes[NAME][0], join("programs", NAME), sentence, "another name, or stdin: inherit in this program"
        )


def with_command(programs: tuple[Program, ...], command: tuple[str, ...]) -> tuple[Program, ...]:
    """Return the programs with this command in the main program, which is added if there is none."""
    if any(program.is_main for program in programs):
        return tuple(replace(program, command=command) if program.is_main else program for program in programs)
    return *programs, _beside(programs, command)


def _beside(programs: tuple[Program, ...], command: tuple[str, ...]) -> Program:
    """Return a main program that depends on all essential programs: it starts after them and stops before them."""
    conditions = {ProgramType.SERVICE: Condition.STARTED, ProgramType.ONESHOT: Condition.COMPLETED}
    needs = tuple(
        Dependency(program.name, conditions[program.kind], required=program.starts_by_itself)
        for program in programs
        if program.is_essential
    )
    return Program(NAME, command, depends_on=needs, is_main=True, **DEFAULTS)
