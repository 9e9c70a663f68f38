"""Convert a Procfile, read as foreman, honcho and Heroku read it."""

from __future__ import annotations

import os
import re

from supervisor.convert.document import Block
from supervisor.convert.draft import Draft
from supervisor.convert.findings import Location
from supervisor.convert.shell_commands import set_shell_command
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.findings import Findings

LINE = re.compile(r"([A-Za-z0-9_-]+):[ \t]*(\S.*)")
RELEASE, WEB = "release", "web"
FIRST_PORT, PORT_STEP = 5000, 100
_PORT = re.compile(r"^\s*(?:export\s+)?PORT\s*=\s*[\"']?(\d+)", re.MULTILINE)

ENDS = (
    "A program that ends is restarted. foreman and honcho stop all programs then: restart: 'no' with shutdown_on: exit."
)
PORTS = "PORT counts up as under foreman and honcho. web, or else the first program, gets the container's PORT, if set."
ENV_FILE = ".env is read at each start, from the directory that supinit runs in."
SEVERAL = "several commands in one shell: the signal goes to all of them, as under foreman and honcho"


class ProcfileEntry(Record):
    place: Location
    command: str


def convert_procfile(text: str, path: str, findings: Findings) -> Block:
    """Return the table. It is useless where `findings` hold a problem."""
    draft = Draft(findings)
    draft.document.notes[""] = [ENDS, PORTS]
    port, has_env_file = _read_env_file(os.path.join(os.path.dirname(path), ".env"))
    if has_env_file:
        draft.document.note(ENV_FILE)
    processes = _read_processes(text, path, draft)
    served = WEB if WEB in processes else next(iter(processes), "")
    for wanted, process in processes.items():
        program = _program(process.command, f"${{PORT:-{port}}}" if wanted == served else str(port), has_env_file)
        port += PORT_STEP
        draft.add(wanted, program, process.place)
    _release_first(draft.programs)
    return draft.finish()


def _read_processes(text: str, path: str, draft: Draft) -> dict[str, ProcfileEntry]:
    processes: dict[str, ProcfileEntry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        place = Location(path, number)
        match = LINE.match(line)
        if match is None:
            _lose(line, place, draft)
        elif match[1] in processes:
            first = processes[match[1]].place.line
            draft.findings.problem(place, f"{match[1]} is defined twice, first in line {first}")
        else:
            processes[match[1]] = ProcfileEntry(place, match[2].strip())
    return processes


def _read_env_file(path: str) -> tuple[int, bool]:
    """Return the first port, and whether there is a file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = _PORT.search(file.read())
    except OSError:
        return FIRST_PORT, False
    return int(found[1]) if found else FIRST_PORT, True


def _lose(line: str, place: Location, draft: Draft) -> None:
    if line.strip() and not line.lstrip().startswith("#"):
        sentence = "is not NAME: COMMAND, and is left out"
        draft.findings.warn(place, sentence)
        draft.document.note(f"line {place.line} {sentence}: {line.strip()[:60]}")


def _program(command: str, port: str, has_env_file: bool) -> Block:
    program, environment = Block(), Block()
    if has_env_file:
        program.entries["env_file"] = (".env",)
    environment.entries["PORT"] = port
    program.entries["environment"] = environment
    set_shell_command(command, program, environment, SEVERAL)
    return program


def _release_first(programs: dict[str, Block]) -> None:
    """Run `release` to completion before anything else, as Heroku does."""
    if RELEASE not in programs:
        return
    programs[RELEASE].entries["type"] = "oneshot"
    for name, program in programs.items():
        if name != RELEASE:
            program.entries["depends_on"] = after = Block()
            after.entries[RELEASE] = {"condition": "completed"}
