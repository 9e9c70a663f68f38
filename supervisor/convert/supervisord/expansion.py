"""Expand supervisord's `%(name)s` into text and `${VARIABLE}`."""

from __future__ import annotations

import re

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PIECE = re.compile(r"[^%]+|%%|%\((?P<name>[^)]*)\)(?P<form>[-#0 +]*\d{0,3}(?:\.\d{0,3})?[a-zA-Z])|(?P<stray>%)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Variable(Record):
    """A variable of supinit's environment."""

    name: str


class Text(Record):
    """An expanded value. Variables of the environment stay variables."""

    parts: tuple[str | Variable, ...] = ()

    @property
    def literal(self) -> str | None:
        """The plain text; None where it depends on the environment."""
        words = [part for part in self.parts if isinstance(part, str)]
        return "".join(words) if len(words) == len(self.parts) else None

    @property
    def written(self) -> str:
        """As written in a table. A variable must be set, as for supervisord; a dollar sign is doubled."""
        return "".join(
            part.replace("$", "$$") if isinstance(part, str) else f"${{{part.name}?required}}" for part in self.parts
        )

    @property
    def at_home(self) -> Text:
        """The same path, with a leading ~ replaced by $HOME."""
        first = self.parts[0] if self.parts else ""
        if isinstance(first, str) and (first == "~" or first.startswith("~/")):
            return Text((Variable("HOME"), first[1:], *self.parts[1:]))
        return self

    def __bool__(self) -> bool:
        return self.literal != ""


class ExpansionScope:
    """The names that values may use.

    `names`: supervisord's own. `variables`: set by the file itself. `environ`: the environment at conversion.
    """

    def __init__(
        self, names: Mapping[str, str | int], variables: Mapping[str, Text], environ: Mapping[str, str] = {}
    ) -> None:
        self.names = names
        self.variables = variables
        self.environ = environ
        self.used_names: set[str] = set()
        """supervisord's own names that were expanded."""
        self.used_variables: set[str] = set()
        """Variables that the environment must set."""

    def expand(self, text: str, folder: str) -> Text:
        """Expand a value of a file in `folder`. Raises ValueError, with a sentence, where supervisord refuses."""
        parts: list[str | Variable] = []
        for piece in _PIECE.finditer(text):
            if piece["stray"]:
                raise ValueError("cannot contain a single % (write %(name)s for a variable, %% for a percent sign)")
            if piece["name"] is None:
                parts.append("%" if piece[0] == "%%" else piece[0])
            else:
                parts += self._named(piece["name"], piece["form"], folder)
        return Text(_joined(parts))

    def expand_twice(self, text: str, folder: str) -> Text:
        """Expand twice, as supervisord does for some values: there a percent sign is written %%%%."""
        once = self.expand(text, folder)
        parts = ((part,) if isinstance(part, Variable) else self.expand(part, folder).parts for part in once.parts)
        return Text(tuple(part for again in parts for part in again))

    def value_now(self, text: Text) -> str | None:
        """Return a text with the variables of the environment at conversion; None where one is not set."""
        parts = [part if isinstance(part, str) else self.environ.get(part.name) for part in text.parts]
        words = [part for part in parts if part is not None]
        return "".join(words) if len(words) == len(parts) else None

    def _named(self, name: str, form: str, folder: str) -> tuple[str | Variable, ...]:
        variable = name.removeprefix("ENV_")
        if variable != name and variable in self.variables:
            return self.variables[variable].parts
        if variable != name and _NAME.fullmatch(variable) and form == "s":
            self.used_variables.add(variable)
            return (Variable(variable),)
        self.used_names.add(name)
        if name == "host_node_name" and form == "s":
            return (Variable("HOSTNAME"),)
        value = folder if name == "here" else self.names.get(name)
        try:
            if value is not None:
                return (f"%{form}" % value,)
        except (TypeError, ValueError):
            pass
        raise ValueError(f"cannot expand %({name}){form}")


def _joined(parts: Iterable[str | Variable]) -> tuple[str | Variable, ...]:
    """Return the parts with adjacent texts joined."""
    joined: list[str | Variable] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)
