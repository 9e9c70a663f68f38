"""Commands that are written for a shell: run without one where that does the same.

A signal must reach the command: a shell that runs a single command replaces itself by it (`exec`). Where it runs
several, they are stopped together.
"""

from __future__ import annotations

import re
import shlex

from supervisor.convert.servers import suggest_preset, suggestion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.document import Block

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
UNTIL_ENDED = "trap exit TERM; "
"""The shell waits for its current command. If the shell ended first, the rest of the tree would be killed."""


def set_shell_command(command: str, program: Block, environment: Block, several: str, shell: str = "sh") -> None:
    """Set `command`: without a shell where that does the same, else with a shell that execs or forwards the signal.

    `several`: the comment for several commands in one shell.
    """
    match = _ASSIGNMENTS.fullmatch(command)
    prefix, rest = (match[1], match[2]) if match is not None else ("", command)
    if not _needs_shell(prefix) and not _needs_shell(rest):
        assignments = (word.partition("=") for word in shlex.split(prefix))
        environment.entries.update((name, escaped(value)) for name, _, value in assignments)
        program.entries["command"] = escaped(rest)
        if preset := suggest_preset(shlex.split(rest)):
            program.note(suggestion(preset))
    elif _is_joined(rest):
        program.entries["command"] = (shell, "-c", f"{UNTIL_ENDED}{escaped(command)}")
        program.entries["stop"] = [{"signal": "SIGTERM", "wait": "10s", "scope": "group"}]
        program.note(several, "stop")
    else:
        program.entries["command"] = (shell, "-c", escaped(f"{prefix}exec {rest}"))


def escaped(text: str) -> str:
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
    """Return whether it consists of several commands, so a shell cannot exec it."""
    text = _DUPLICATED_DESCRIPTOR.sub("", _without_quoted(text))
    return _JOINS.search(text) is not None or next(iter(text.split()), "") in _WORDS_OF_THE_SHELL
