"""Parse an env file as Compose does (docs.docker.com/reference/compose-file/services, "Env_file format").

- One `NAME=value` or `NAME: value` a line, with an optional `export`. `NAME` alone takes supinit's own value, if any.
- A line that begins with `#` is a comment, and so is the rest of a line after ` #` or after a closing quote.
- In double quotes: the escapes \\n, \\r, \\t, \\\\, \\" and \\$, and variables. In single quotes: only \\'. Both may
  contain newlines. Without quotes: variables.
- Variables are looked up in supinit's own environment, then in the lines above.
"""

from __future__ import annotations

from supervisor.core.interpolation import interpolate
from supervisor.errors import SpawnError
from supervisor.regular_file import describe_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$$"}
"""Escapes in double quotes. A dollar sign stays escaped until variables are replaced."""
MAX_VALUE = 128 << 10
"""Bytes: the kernel takes no longer variable (MAX_ARG_STRLEN, execve(2)), and lines must not double without end."""


def parse(path: str, text: str, own: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in the text of the file at `path`.

    `own` is supinit's environment, `before` holds the variables of earlier files. Raises SpawnError with the line.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    values: dict[str, str] = {}
    position, line = 0, 1
    while position < len(text):
        end = _end_of_line(text, position)
        start = text[position:end].lstrip()
        if start and start[0] != "#":
            try:
                end = _read(text, end - len(start), end, values, own, before)
            except ValueError as error:
                raise SpawnError(f"cannot read env_file {path}:{line}: {error}", None) from None
        line += text.count("\n", position, end + 1)
        position = end + 1
    return values


def parse_raw(path: str, text: str, own: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in a file with `format: raw`, whose values are literal, as in `docker run --env-file`."""
    values: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), 1):
        name, equals, value = line.lstrip().partition("=")
        if not name or name[0] == "#":
            continue
        if _has_space(name):
            raise SpawnError(f"cannot read env_file {path}:{number}: not a NAME=VALUE line", None)
        if equals:
            values[name] = value
        elif name in own:
            values[name] = own[name]
    return values


def _read(
    text: str, start: int, end: int, values: dict[str, str], own: Mapping[str, str], before: Mapping[str, str]
) -> int:
    """Add the variable whose line begins at `start`, and return where its last line ends."""
    if text.startswith("export", start) and text[start + 6 : start + 7].isspace():
        start += 7
    separator = next((at for at in range(start, end) if text[at] in "=:"), end)
    name = text[start:separator].strip()
    if not name or _has_space(name):
        raise ValueError("not a NAME=VALUE line")
    if separator == end:
        if name in own:
            values[name] = own[name]
        return end
    start = separator + 1
    while start < end and text[start].isspace():
        start += 1
    scope = _Scope(own, values, before)
    if start < end and text[start] in "\"'":
        content, end = _quoted(text, start)
        value = content if text[start] == "'" else interpolate(content, scope)[0]
    else:
        value = interpolate(_unquoted(text[start:end]), scope)[0]
    if len(value) > MAX_VALUE:
        raise ValueError(f"the value of {name} is longer than {describe_size(MAX_VALUE)}")
    values[name] = value
    return end


class _Scope:
    """Looks a variable up in several mappings, one after the other."""

    def __init__(self, *mappings: Mapping[str, str]) -> None:
        self._mappings = mappings

    def get(self, name: str) -> str | None:
        return next((mapping[name] for mapping in self._mappings if name in mapping), None)


def _quoted(text: str, start: int) -> tuple[str, int]:
    """Return the content of the quotes that open at `start`, and where the line of the closing quote ends."""
    quote = text[start]
    parts: list[str] = []
    position = start + 1
    while position < len(text) and text[position] != quote:
        character, following = text[position], text[position + 1 : position + 2]
        if character == "\\" and quote == '"' and following in _ESCAPES:
            parts.append(_ESCAPES[following])
            position += 2
        elif character == "\\" and following == quote:
            parts.append(quote)
            position += 2
        else:
            parts.append(character)
            position += 1
    if position >= len(text):
        raise ValueError(f"missing closing quote {quote}")
    end = _end_of_line(text, position)
    rest = text[position + 1 : end].strip()
    if rest and rest[0] != "#":
        raise ValueError(f"unexpected text after the closing quote {quote}")
    return "".join(parts), end


def _unquoted(text: str) -> str:
    """Return a value without its comment, which begins with a space and a #."""
    if text.startswith("#"):
        return ""
    return text.partition(" #")[0].partition("\t#")[0].strip()


def _end_of_line(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _has_space(name: str) -> bool:
    return any(character.isspace() for character in name)
