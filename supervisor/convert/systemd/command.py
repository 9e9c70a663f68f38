"""Convert a command line of a unit: its prefixes, specifiers, quotes and variables.

Source: systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers".
"""

from __future__ import annotations

import re
import shlex

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.convert.systemd.unit import Unit

_SPECIFIER = re.compile(r"%(.)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|\$?)")
"""Any other dollar sign is literal, as in `$(`."""
_FOR_A_SHELL = re.compile(r"\$\$\{\w+\}|\$\$|[\"`\\]")
_FOLDERS = {"t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "E": "/etc", "T": "/tmp", "V": "/var/tmp"}


class CommandLine(Record):
    words: tuple[str, ...]
    """As a table has them."""
    ignores_failure: bool = False
    as_root: bool = False
    uses: frozenset[str] = frozenset()
    """Variables that only the program's own environment holds."""

    @property
    def written(self) -> tuple[str, ...]:
        """As `command`: with a shell where the program's own environment is needed."""
        if not self.uses:
            return self.words
        return ("sh", "-c", f"exec {self.text}")

    @property
    def text(self) -> str:
        """As one line of a shell."""
        return " ".join(_quoted(word) for word in self.words)


def _quoted(word: str) -> str:
    """Quote a word of a table for a shell, which replaces the variables in it and nothing else."""
    if "$${" not in word:
        return shlex.quote(word)
    return f'"{_FOR_A_SHELL.sub(lambda part: part[0] if part[0].startswith("$${") else chr(92) + part[0], word)}"'


def read_command(value: str, unit: Unit, environment: Mapping[str, str]) -> CommandLine:
    """Raises ValueError, with a sentence, for a line that cannot be split or that names something unknown."""
    prefixes = re.match(r"[-@:+!|]*", value)
    prefix = prefixes[0] if prefixes else ""
    words = shlex.split(value[len(prefix) :], posix=True)
    if "@" in prefix and len(words) > 1:
        del words[1]
    if not words:
        raise ValueError("there is no command")
    uses: set[str] = set()
    written = tuple(_written(specified(word, unit), ":" in prefix, environment, uses) for word in words)
    return CommandLine(written, "-" in prefix, "+" in prefix or "!" in prefix, frozenset(uses))


def specified(text: str, unit: Unit) -> str:
    """Replace the specifiers. Raises ValueError for one whose value only systemd knows."""
    prefix, _, instance = unit.name.partition("@")
    values = {"%": "%", "n": unit.file_name, "N": unit.name, "p": prefix, "i": instance, "I": instance, **_FOLDERS}

    def value(match: re.Match[str]) -> str:
        if match[1] in "uUhgGs" or match[1] not in values:
            raise ValueError(f"%{match[1]} has no counterpart: write its value")
        if match[1] in "iI" and not instance:
            raise ValueError(f"%{match[1]} is the instance of a template: write its value")
        return values[match[1]]

    return _SPECIFIER.sub(value, text)


def _written(word: str, is_literal: bool, environment: Mapping[str, str], uses: set[str]) -> str:
    """Return a word as a table has it: what the unit sets is written out, the rest is left to a shell."""
    if is_literal:
        return word.replace("$", "$$")

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name is None:
            return "$$"
        if name in environment:
            return environment[name].replace("$", "$$")
        uses.add(name)
        return f"$${{{name}}}"

    return _VARIABLE.sub(value, word)
