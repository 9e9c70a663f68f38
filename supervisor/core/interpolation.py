"""Replace variables in a string, as Compose does (Compose specification, "Interpolation").

`$VAR` and `${VAR}` give the value, or an empty string if the variable is not set. `${VAR:-default}` gives the default
if it is unset or empty, `${VAR-default}` only if it is unset. `${VAR:+other}` gives `other` if it is set and not empty,
`${VAR+other}` if it is set. `${VAR:?message}` and `${VAR?message}` are errors in the cases of `:-` and `-`. Text after
an operator may contain variables; it is evaluated only if needed. `$$` is a dollar sign. Any other `$` is an error.

`${sockets.NAME.fd}` is not Compose's. It is looked up as it stands and takes no operator; there is no default for it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Variables(Protocol):
        """Anything that looks a variable up by its name: an environment, for one."""

        def get(self, name: str, /) -> str | None: ...


_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_LETTERS_AND_DIGITS = _LETTERS | frozenset("0123456789")
_OPERATORS = (":-", ":+", ":?", "-", "+", "?")
_MAX_DEPTH = 20
_SOCKETS = "sockets."


class _Variable:
    """A variable: its name, and an operator with its operand, if there is one."""

    __slots__ = ("name", "operand", "operator")

    def __init__(self, name: str, operator: str = "", operand: tuple[str | _Variable, ...] = ()) -> None:
        self.name = name
        self.operator = operator
        self.operand = operand


def interpolate(text: str, environ: Variables) -> tuple[str, tuple[str, ...]]:
    """Return the text with its variables replaced, and the names of those that are not set and have no default.

    Raises ValueError for a malformed variable, and for one that `?` requires.
    """
    unset: list[str] = []
    return _evaluate(_parse(text, 0), environ, unset), tuple(unset)


def _parse(text: str, depth: int) -> tuple[str | _Variable, ...]:
    if depth > _MAX_DEPTH:
        raise ValueError(f"cannot nest variables more than {_MAX_DEPTH} levels deep")
    parts: list[str | _Variable] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        parts.append(text[position:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "$":
            parts.append("$")
            position = dollar + 2
        elif following == "{":
            position = _closing_brace(text, dollar + 1) + 1
            parts.append(_parse_braced(text[dollar + 2 : position - 1], depth))
        elif following in _LETTERS:
            position = _end_of_name(text, dollar + 1)
            parts.append(_Variable(text[dollar + 1 : position]))
        else:
            raise ValueError(f"invalid variable {_excerpt(text, dollar)} (write $$ for a dollar sign)")
    parts.append(text[position:])
    return tuple(parts)


def _parse_braced(inside: str, depth: int) -> _Variable:
    if inside.startswith(_SOCKETS):
        return _Variable(inside)
    end = _end_of_name(inside, 0)
    name, rest = inside[:end], inside[end:]
    if name and not rest:
        return _Variable(name)
    operator = next((operator for operator in _OPERATORS if rest.startswith(operator)), "")
    if not name or not operator:
        forms = "${VAR}, or VAR followed by :-, -, :+, +, :? or ?"
        raise ValueError(f"invalid variable {_excerpt('${' + inside + '}', 0)} (allowed: {forms})")
    return _Variable(name, operator, _parse(rest[len(operator) :], depth + 1))


def _evaluate(parts: tuple[str | _Variable, ...], environ: Variables, unset: list[str]) -> str:
    return "".join(part if isinstance(part, str) else _value(part, environ, unset) for part in parts)


def _value(variable: _Variable, environ: Variables, unset: list[str]) -> str:
    value = environ.get(variable.name)
    if value is None and variable.name.startswith(_SOCKETS):
        raise ValueError(f"cannot replace ${{{variable.name}}}: there are no sockets here")
    operator = variable.operator
    found = (value or None) if operator.startswith(":") else value
    if operator.endswith("+"):
        return _evaluate(variable.operand, environ, unset) if found is not None else ""
    if found is not None:
        return found
    if operator.endswith("-"):
        return _evaluate(variable.operand, environ, unset)
    if operator.endswith("?"):
        state = "is not set" if value is None else "is empty"
        message = _evaluate(variable.operand, environ, unset)
        raise ValueError(f"required variable {variable.name} {state}" + (message and f": {message}"))
    unset.append(variable.name)
    return ""


def _closing_brace(text: str, start: int) -> int:
    """Return the position of the brace that closes the one at `start`. Braces nest, so that a default can be JSON."""
    depth = 0
    for position in range(start, len(text)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
    raise ValueError(f"missing closing brace after {_excerpt(text, start - 1)}")


def _end_of_name(text: str, start: int) -> int:
    end = start
    if text[start : start + 1] in _LETTERS:
        while text[end : end + 1] in _LETTERS_AND_DIGITS:
            end += 1
    return end


def _excerpt(text: str, start: int) -> str:
    end = start + 20
    return repr(text[start:end] + ("…" if len(text) > end else ""))
