"""The name of a job, which a crontab does not have: taken from its command."""

from __future__ import annotations

import re

_WORD = re.compile(r"""[^\s;&|<>(){}"'`$]+""")
_PASSED_OVER = frozenset(
    (
        "!", "-", ".", "cd", "chronic", "chrt", "command", "do", "else", "env", "exec", "export", "flock", "if",
        "ionice", "nice", "nohup", "setsid", "source", "sudo", "test", "then", "time", "timeout", "true", "[",
    )
)  # fmt: skip
"""Wrappers in front of the actual command."""
_INTERPRETERS = re.compile(r"(python|php|ruby|perl|node|bash|sh|dash|java|deno|bun)[0-9.]*$")
_SUBCOMMANDS = frozenset(
    (
        "artisan",
        "bundle",
        "console",
        "drush",
        "flask",
        "invoke",
        "just",
        "make",
        "manage.py",
        "npm",
        "rails",
        "rake",
        "wp",
    )
)
"""Commands whose next word makes the better name."""
_EXTENSION = re.compile(r"\.(sh|bash|py|php|rb|pl|js|jar)$")


def job_name(command: str) -> str:
    """Return a name for a command: that of its program, its script, or its folder of scripts."""
    for part in re.split(r"&&|\|\||[;|]", command):
        words = _WORD.findall(part)
        while words and (words[0] in _PASSED_OVER or "=" in words[0] or words[0].startswith("-") or words[0].isdigit()):
            skipped = words.pop(0)
            if skipped in ("cd", "test", "[", "source", "."):
                words = []
        if words:
            return _name_of(words)
    return "job"


def _name_of(words: list[str]) -> str:
    name = _base(words[0])
    operands = [word for word in words[1:] if not word.startswith("-")]
    if name == "run-parts" and operands:
        return _base(operands[-1])
    if _INTERPRETERS.match(name) and operands:
        return _name_of(operands)
    if name in _SUBCOMMANDS and operands:
        return f"{_EXTENSION.sub('', name)}-{_base(operands[0]).replace(':', '-')}"
    return _EXTENSION.sub("", name)


def _base(word: str) -> str:
    return word.rstrip("/").rpartition("/")[2] or "job"
