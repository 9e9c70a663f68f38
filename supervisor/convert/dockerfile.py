"""Find the command in a Dockerfile: its last CMD or ENTRYPOINT."""

from __future__ import annotations

import json
import re

_CONTINUED = re.compile(r"\\[ \t]*\r?\n")
MAX_BYTES = 1024 * 1024


def command_in(path: str, instruction: str) -> tuple[str, ...]:
    """Return the words of the last CMD or ENTRYPOINT of the last stage; empty where the file or line is missing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_BYTES)
    except OSError:
        return ()
    found: tuple[str, ...] = ()
    for line in _CONTINUED.sub(" ", text).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name.upper() == "FROM":
            found = ()
        elif name.upper() == instruction:
            found = _read(rest.strip())
    return found


def _read(text: str) -> tuple[str, ...]:
    """Read the JSON form as words, any other as a line of a shell."""
    if text.startswith("["):
        try:
            words = json.loads(text)
        except ValueError:
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return tuple(word.replace("$", "$$") for word in words)
    return ("sh", "-c", text.replace("$", "$$")) if text else ()
