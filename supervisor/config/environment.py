"""The `environment:` section: a map, or a list of assignments."""

from __future__ import annotations

from supervisor.config.kinds import ByShape, ListOf, MapOf, OrNull, Value
from supervisor.config.scalars import ANY_TEXT, TEXT, VARIABLE_NAME
from supervisor.config.sections import Key, Section
from supervisor.core.program import SecretFile


def _assignment(text: str) -> tuple[str, str | None] | None:
    """Split "A=1". The value of "A" alone is None: it comes from supinit's own environment."""
    name, equals, value = text.partition("=")
    return (name, value if equals else None) if name else None


_SECRET = Section(
    Key("file", TEXT, "File with the value, read at each start. One trailing newline is removed.", is_required=True),
    make=lambda file: SecretFile(file),
)

ENVIRONMENT = ByShape(
    mapping=MapOf(
        VARIABLE_NAME,
        OrNull(ByShape(scalar=ANY_TEXT, mapping=_SECRET), None, "for the value in supinit's own environment"),
        "a mapping of names to strings, null or {file: PATH}",
    ),
    sequence=ListOf(
        Value(
            _assignment,
            "NAME=value, or NAME for the value in supinit's own environment",
            {"type": "string", "pattern": "^[^=]|^[$]"},
        ),
        unique=lambda assignment: assignment[0],
    ),
)
