"""Convert the run script of a service. A simple one becomes a command, any other is run as it is.

Simple: comments, `exec 2>&1`, `cd`, `export`, `umask`, `set`, and one command at the end, without pipes, conditions or
substitutions. So the program replaces the script, and the tools of the other supervisor are not needed any more.
"""

from __future__ import annotations

import os
import re

from supervisor.convert.execline import read_execline
from supervisor.convert.wrappers import TOOLS, Unwrapping
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.document import Block
    from supervisor.convert.draft import Draft
    from supervisor.convert.findings import Location
    from supervisor.convert.wrappers import Command

_SHELLS = ("sh", "bash", "ash", "dash", "ksh", "zsh")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?-([^{}$`\"'\\]*))?\})")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=")
_SPECIAL = frozenset(";&|<>()`*?[]~{}!#\n")
_KEYWORDS = ("if", "while", "for", "case", "until", ".", "source", "eval", "exit", "trap", "return")
_TO_STDOUT = re.compile(r"\s+2>&1\s*$")
_ENVIRONMENT_FOLDER = "container_environment"


class Script(Record):
    """A script: its text, its path in the image, and where it was found."""

    text: str
    path: str
    place: Location

    @property
    def interpreter(self) -> tuple[str, ...]:
        """The words after `#!`, without what only prepares the environment."""
        first = self.text.partition("\n")[0]
        words = (first[2:].split() if first.startswith("#!") else []) or ["/bin/sh"]
        while len(words) > 1 and words[0].rpartition("/")[2] in ("with-contenv", "env", "withcontenv"):
            words = words[1:]
        return tuple(words)


class _NotSimpleError(Exception):
    """The script is more than one command."""


def set_command(script: Script, program: Block, draft: Draft) -> list[str]:
    """Set `command`, and what else the script says of the program. Return the words of the command."""
    name = script.interpreter[0].rpartition("/")[2]
    try:
        if name == "execlineb":
            command = read_execline(script.text)
        elif name in _SHELLS:
            command = _read_shell(script.text)
        else:
            raise _NotSimpleError
    except (_NotSimpleError, ValueError):
        _run_as_it_is(script, program, draft)
        return []
    for key, value in command.settings.items():
        program.entries.setdefault(key, value)
    for loss in command.losses:
        draft.lose(script.place, loss, program, "command")
    for folder in command.env_folders:
        _read_variables(folder, script, program, draft)
    program.entries["command"] = command.written
    if command.is_joined:
        log = program.entries.setdefault("log", {})
        if isinstance(log, dict):
            log.setdefault("redirect_stderr", True)
    return list(command.words)


def _run_as_it_is(script: Script, program: Block, draft: Draft) -> None:
    interpreter = script.interpreter
    program.entries["command"] = (*(interpreter or ("sh",)), script.path)
    used = sorted({word for word in re.findall(r"[\w.-]+", _code(script.text)) if word in TOOLS})
    if used:
        sentence = f"{script.path} uses {', '.join(used)}: keep them installed, or replace them in the script"
        draft.lose(script.place, sentence, program, "command")
    warn_of_environment(script, draft)


def _read_variables(folder: str, script: Script, program: Block, draft: Draft) -> None:
    """Set the variables of a folder that is in the tree: each file is one, its first line the value."""
    path = os.path.join(os.path.dirname(script.place.file), folder)
    environment = program.entries.setdefault("environment", {})
    if not os.path.isdir(path) or not isinstance(environment, dict):
        sentence = f"the variables in the folder {folder} are not read: write them to an env_file"
        draft.lose(script.place, sentence, program, "command")
        if environment == {}:
            del program.entries["environment"]
        return
    for name in sorted(os.listdir(path)):
        with open(os.path.join(path, name), encoding="utf-8", errors="replace") as file:
            environment[name] = file.readline(65536).rstrip("\r\n \t").replace("$", "$$")


def warn_of_environment(script: Script, draft: Draft) -> None:
    """Warn of a script that sets variables for programs that start later."""
    if _ENVIRONMENT_FOLDER in script.text:
        sentence = f"{script.path} sets variables for other programs ({_ENVIRONMENT_FOLDER}): write them to an env_file"
        draft.lose(script.place, sentence)


def _code(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _read_shell(text: str) -> Command:
    """Return the one command of a shell script. Raises _NotSimpleError."""
    lines = [line.strip() for line in _code(text).replace("\\\n", " ").splitlines() if line.strip()]
    if not lines:
        raise _NotSimpleError
    shell = _Shell()
    for line in lines[:-1]:
        shell.prepare(line)
    return shell.command(lines[-1])


class _Shell:
    """The lines of a script before its command: what they set."""

    def __init__(self) -> None:
        self.unwrapping = Unwrapping([])
        self.variables: dict[str, str] = {}
        self.is_joined = False

    def prepare(self, line: str) -> None:
        words, _ = _words(line.replace("2>&1", "2-to-1"), self.variables)
        assigned = [match for word in words if (match := _ASSIGNMENT.match(word))]
        match words:
            case ["exec", "2-to-1"]:
                self.is_joined = True
            case ["set", *flags] if all(re.fullmatch(r"[-+]\w+|pipefail|errexit", flag) for flag in flags):
                pass
            case ["cd", folder]:
                self.unwrapping.settings["working_dir"] = folder
            case ["umask", mask]:
                self.unwrapping.settings["umask"] = mask
            case ["ulimit", "-n" | "-u" | "-c" as option, number]:
                self.unwrapping.limit({"-n": "o", "-u": "p", "-c": "c"}[option], number)
            case ["export", *rest] if rest and len(assigned) == len(rest):
                self._assign(rest, self.unwrapping.environment)
            case [*rest] if rest and len(assigned) == len(rest):
                self._assign(rest, self.variables)
            case ["echo", *_]:
                pass
            case _:
                raise _NotSimpleError

    def _assign(self, words: list[str], environment: dict[str, str]) -> None:
        for word in words:
            name, _, value = word.partition("=")
            environment[name] = self.variables[name] = value

    def command(self, line: str) -> Command:
        last = _TO_STDOUT.sub("", line)
        words, may_split = _words(last, self.variables)
        while words and _ASSIGNMENT.match(words[0]):
            name, _, value = words.pop(0).partition("=")
            self.unwrapping.environment[name] = value
            may_split = {number - 1 for number in may_split}
        if not words or words[0] in ("", *_KEYWORDS):
            raise _NotSimpleError
        unwrapping = Unwrapping(words, self.unwrapping.settings, self.unwrapping.environment, may_split)
        unwrapping.is_joined = self.is_joined or last != line
        while unwrapping.take_wrapper():
            pass
        return unwrapping.command()


def _words(line: str, assigned: dict[str, str]) -> tuple[list[str], set[int]]:
    """Split a command line as a shell does. Return the words as a table has them, and those that may be several."""
    words: list[str] = []
    may_split: set[int] = set()
    word: str | None = None
    quote = ""
    position = 0
    while position < len(line):
        character = line[position]
        if quote != "'" and character == "$":
            match = _VARIABLE.match(line, position)
            if match is None:
                raise _NotSimpleError
            name, default = match[1] or match[2], match[3]
            value = assigned.get(name, f"${{{name}}}" if default is None else f"${{{name}:-{default}}}")
            if name in assigned and not value:
                raise _NotSimpleError
            word = (word or "") + value
            if not quote and (name not in assigned or " " in value):
                may_split.add(len(words))
            position = match.end()
            continue
        if quote:
            if character == quote:
                quote = ""
            elif character == "\\" and quote == '"' and line[position + 1 : position + 2] in ('"', "\\", "$", "`"):
                position += 1
                word = (word or "") + _escaped(line[position])
            elif character == "`" and quote == '"':
                raise _NotSimpleError
            else:
                word = (word or "") + _escaped(character)
        elif character in "'\"":
            quote, word = character, word or ""
        elif character == "\\":
            position += 1
            word = (word or "") + _escaped(line[position : position + 1])
        elif character.isspace():
            if word is not None:
                words.append(word)
                word = None
        elif character in _SPECIAL:
            raise _NotSimpleError
        else:
            word = (word or "") + character
        position += 1
    if quote:
        raise _NotSimpleError
    return (words if word is None else [*words, word]), may_split


def _escaped(character: str) -> str:
    return "$$" if character == "$" else character
