"""Convert a Procfile, read as foreman, honcho and Heroku read it."""

from __future__ import annotations

import os
import re
import shlex

from supervisor.convert.document import Block
from supervisor.convert.draft import Draft
from supervisor.convert.findings import Location
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

ENDS = (
    "A program that ends is restarted. foreman and honcho stop all programs then: restart: 'no' with shutdown_on: exit."
)
PORTS = "PORT counts up as under foreman and honcho. web, or else the first program, gets the container's PORT, if set."
ENV_FILE = ".env is read at each start, from the directory that supinit runs in."
SEVERAL = "several commands in one shell: the signal goes to all of them, as under foreman and honcho"
UNTIL_ENDED = "trap exit TERM; "
"""The shell waits for its current command. If the shell ended first, the rest of the tree would be killed."""


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
    _set_command(command, program, environment)
    return program


def _set_command(command: str, program: Block, environment: Block) -> None:
    """Set `command`: without a shell where that does the same, else with a shell that execs or forwards the signal."""
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
    """Return a command without quoted parts in which nothing is expanded."""
    return _QUOTED.sub("''", text)


def _is_joined(text: str) -> bool:
    """Whether a shell cannot simply exec this: it holds several commands."""
    text = _DUPLICATED_DESCRIPTOR.sub("", _without_quoted(text))
    return _JOINS.search(text) is not None or next(iter(text.split()), "") in _WORDS_OF_THE_SHELL


def _release_first(programs: dict[str, Block]) -> None:
    """Run `release` to completion before anything else, as Heroku does."""
    if RELEASE not in programs:
        return
    programs[RELEASE].entries["type"] = "oneshot"
    for name, program in programs.items():
        if name != RELEASE:
            program.entries["depends_on"] = after = Block()
            after.entries[RELEASE] = {"condition": "completed"}
