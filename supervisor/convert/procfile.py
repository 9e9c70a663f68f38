"""A Procfile, as foreman, honcho and Heroku read it, into a document of ours."""

from __future__ import annotations

import os
import re
import shlex

from supervisor.config.schema import PROGRAM
from supervisor.convert.document import Block
from supervisor.convert.findings import Location
from supervisor.convert.names import Names
from supervisor.convert.servers import suggest_preset, suggestion
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.findings import Findings

LINE = re.compile(r"([A-Za-z0-9_-]+):[ \t]*(\S.*)")
RELEASE, WEB = "release", "web"
FIRST_PORT, PORT_STEP = 5000, 100
_SPECIAL = frozenset("$`|&;<>()*?[]{}~!#\\")
_WORDS_OF_THE_SHELL = frozenset(
    (
        "!", ".", ":", "{", "alias", "case", "cd", "eval", "export", "for", "if", "set", "shift", "source", "test",
        "trap", "ulimit", "umask", "unset", "until", "while",
    )
)  # fmt: skip
_JOINS = re.compile(r"[;&|(`]")
_DUPLICATED_DESCRIPTOR = re.compile(r"[0-9]*[<>]&[0-9-]")
_QUOTED = re.compile(r"""'[^']*'|"[^"$`\\]*\"""")
_ASSIGNMENTS = re.compile(r"""((?:[A-Za-z_]\w*=(?:"[^"]*"|'[^']*'|[^\s"'\\])*\s+)*)(?:exec\s+)?(\S.*)""")
_PORT = re.compile(r"^\s*(?:export\s+)?PORT\s*=\s*[\"']?(\d+)", re.MULTILINE)

ENDS = "A program is started again when it ends; foreman and honcho end them all: restart: 'no' with shutdown_on: exit."
PORTS = (
    "PORT is counted as foreman and honcho do; that of web, or else of the first, is the container's, if that is set."
)
ENV_FILE = ".env is read at each start, from the directory that supinit runs in."
SEVERAL = "several commands in one shell: the signal goes to all of them, as foreman and honcho send it"
UNTIL_ENDED = "trap exit TERM; "
"""The shell waits for the command that runs: with the shell, the main process, the rest of its tree would be killed."""


class ProcfileEntry(Record):
    place: Location
    command: str


def convert_procfile(text: str, path: str, findings: Findings) -> Block:
    """Return the document. It is of no use where `findings` have a problem."""
    document, table, names = Block(), Block(), Names()
    document.notes[""] = [ENDS, PORTS]
    port, has_env_file = _read_env_file(os.path.join(os.path.dirname(path), ".env"))
    if has_env_file:
        document.note(ENV_FILE)
    processes = _read_processes(text, path, document, findings)
    served = WEB if WEB in processes else next(iter(processes), "")
    for wanted, process in processes.items():
        program = _program(process.command, f"${{PORT:-{port}}}" if wanted == served else str(port), has_env_file)
        port += PORT_STEP
        table.entries[name := names.give(wanted)] = program
        if name != wanted:
            findings.warn(process.place, f"{wanted} is called {name} here")
            program.note(f"{wanted} is called {name} here")
    _release_first(table)
    document.entries["programs"] = table
    return document


def _read_processes(text: str, path: str, document: Block, findings: Findings) -> dict[str, ProcfileEntry]:
    processes: dict[str, ProcfileEntry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        place = Location(path, number)
        match = LINE.match(line)
        if match is None:
            _lose(line, place, document, findings)
        elif match[1] in processes:
            findings.problem(place, f"cannot name {match[1]} again, first in line {processes[match[1]].place.line}")
        else:
            processes[match[1]] = ProcfileEntry(place, match[2].strip())
    return processes


def _read_env_file(path: str) -> tuple[int, bool]:
    """Return the port that counting begins with, and whether there is a file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = _PORT.search(file.read())
    except OSError:
        return FIRST_PORT, False
    return int(found[1]) if found else FIRST_PORT, True


def _lose(line: str, place: Location, document: Block, findings: Findings) -> None:
    if line.strip() and not line.lstrip().startswith("#"):
        findings.warn(place, "is not NAME: COMMAND, and left out")
        document.note(f"line {place.line} is not NAME: COMMAND, and left out: {line.strip()[:60]}")


def _program(command: str, port: str, has_env_file: bool) -> Block:
    program, environment = Block(), Block()
    if has_env_file:
        program.entries["env_file"] = (".env",)
    environment.entries["PORT"] = port
    program.entries["environment"] = environment
    _set_command(command, program, environment)
    program.sort(PROGRAM.keys)
    return program


def _set_command(command: str, program: Block, environment: Block) -> None:
    """Set it without a shell where that does the same, and else with one that gets out of the way."""
    match = _ASSIGNMENTS.fullmatch(command)
    prefix, rest = (match[1], match[2]) if match is not None else ("", command)
    if not _needs_shell(prefix) and not _needs_shell(rest):
        assignments = (word.partition("=") for word in shlex.split(prefix))
        environment.entries.update((name, _escaped(value)) for name, _, value in assignments)
        program.entries["command"] = _escaped(rest)
        if preset := suggest_preset(shlex.split(rest)):
            program.note(suggestion(preset))
    elif _is_joined(rest):
        program.entries["command"] = ("sh", "-c", f"{UNTIL_ENDED}{_escaped(command)}")
        program.entries["stop"] = [{"signal": "SIGTERM", "wait": "10s", "scope": "group"}]
        program.note(SEVERAL, "stop")
    else:
        program.entries["command"] = ("sh", "-c", _escaped(f"{prefix}exec {rest}"))


def _escaped(text: str) -> str:
    return text.replace("$", "$$")


def _needs_shell(text: str) -> bool:
    if _SPECIAL.intersection(_without_quoted(text)):
        return True
    try:
        words = shlex.split(text)
    except ValueError:
        return True
    return bool(words) and (words[0] in _WORDS_OF_THE_SHELL or not words[0])


def _without_quoted(text: str) -> str:
    """Return a command without what is in quotes and means the same to any reader of words."""
    return _QUOTED.sub("''", text)


def _is_joined(text: str) -> bool:
    """Whether a shell has more to do than to become one command."""
    text = _DUPLICATED_DESCRIPTOR.sub("", _without_quoted(text))
    return _JOINS.search(text) is not None or next(iter(text.split()), "") in _WORDS_OF_THE_SHELL


def _release_first(table: Block) -> None:
    """Heroku runs `release` to its end before anything else."""
    release = table.entries.get(RELEASE)
    if not isinstance(release, Block):
        return
    release.entries["type"] = "oneshot"
    release.sort(PROGRAM.keys)
    for name, program in table.entries.items():
        if name != RELEASE and isinstance(program, Block):
            after = Block()
            after.entries[RELEASE] = {"condition": "completed"}
            program.entries["depends_on"] = after
            program.sort(PROGRAM.keys)
