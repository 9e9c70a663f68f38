"""The main program of a table: the entry with `stdin: inherit`, or a command from the command line beside the others.

There is one at most, since it has what there is only one of: stdin, the terminal and the container's exit code.
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
"""What a command from the command line is called among the programs."""
DEFAULTS: dict[str, Any] = {
    "restart": Restart(RestartWhen.NEVER),
    "shutdown_on": ShutdownOn.EXIT,
    "log": LogSettings(mode=LogMode.INHERIT),
}
"""What leaving these keys out means for a main program."""


def check_main(
    nodes: dict[str, tuple[Scalar, Node]], places: dict[str, SectionReading], command: tuple[str, ...], reading: Reading
) -> None:
    """Report a second main program, and an entry with the name that the command is to have."""
    stdins = [(name, place.given["stdin"]) for name, place in places.items() if place.values.get("stdin")]
    for name, node in stdins[1:]:
        first = stdins[0][1]
        at = f"{first.file}:{first.line}:{first.column}"
        reading.problem(node, f"programs.{name}.stdin", f"cannot be inherit twice, first at {at}", "null")
    if command and not stdins and NAME in nodes:
        sentence = f"cannot have this name beside the command {command[0]}, which is to be called {NAME}"
        reading.problem(nodes[NAME][0], join("programs", NAME), sentence, "another name, or stdin: inherit in it")


def with_command(programs: tuple[Program, ...], command: tuple[str, ...]) -> tuple[Program, ...]:
    """Return the programs with the command as the main one: as the command of the one that there is, or beside all."""
    if any(program.is_main for program in programs):
        return tuple(replace(program, command=command) if program.is_main else program for program in programs)
    return *programs, _beside(programs, command)


def _beside(programs: tuple[Program, ...], command: tuple[str, ...]) -> Program:
    """Return a main program that needs everything essential, so that it starts after that and stops before it."""
    conditions = {ProgramType.SERVICE: Condition.STARTED, ProgramType.ONESHOT: Condition.COMPLETED}
    needs = tuple(Dependency(program.name, conditions[program.kind]) for program in programs if program.is_essential)
    return Program(NAME, command, depends_on=needs, is_main=True, **DEFAULTS)
