"""The `environment:` section: variables of a program, as a map or as a list of assignments."""

from __future__ import annotations

from supervisor.config.kinds import ByShape, ListOf, MapOf, OrNull, Value
from supervisor.config.scalars import ANY_TEXT, TEXT, VARIABLE_NAME
from supervisor.config.sections import Key, Section
from supervisor.core.program import SecretFile


def _assignment(text: str) -> tuple[str, str | None] | None:
    """Read "A=1"; "A" alone takes the variable over from supinit's own environment."""
    name, equals, value = text.partition("=")
    return (name, value if equals else None) if name else None


_SECRET = Section(
    Key("file", TEXT, "Read at each start; one newline at its end is left out.", is_required=True),
    make=lambda file: SecretFile(file),
)

ENVIRONMENT = ByShape(
    mapping=MapOf(
        VARIABLE_NAME,
        OrNull(ByShape(scalar=ANY_TEXT, mapping=_SECRET), None, "which takes the variable over from supinit's own"),
        "a mapping of names to texts, to null or to {file: PATH}",
    ),
    sequence=ListOf(
        Value(_assignment, "NAME=value, or NAME to take it over", {"type": "string", "pattern": "^[^=]|^[$]"}),
        unique=lambda assignment: assignment[0],
    ),
)
