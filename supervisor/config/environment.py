"""The variables of a program: `environment:` and `env_file:`."""

from __future__ import annotations

from supervisor.config.kinds import ByShape, Choice, ListOf, Made, MapOf, OrNull, Value
from supervisor.config.scalars import ANY_TEXT, FLAG, TEXT, VARIABLE_NAME
from supervisor.config.sections import Key, Section
from supervisor.core.program import EnvFile, SecretFile


def _assignment(text: str) -> tuple[str, str | None] | None:
    """Split "A=1". The value of "A" alone is None: it comes from supinit's own environment."""
    name, equals, value = text.partition("=")
    return (name, value if equals else None) if name else None


SECRET = Section(
    Key("file", TEXT, "File with the value, read at each start. One trailing newline is removed.", is_required=True),
    make=lambda file: SecretFile(file),
)

ENVIRONMENT = ByShape(
    mapping=MapOf(
        VARIABLE_NAME,
        OrNull(ByShape(scalar=ANY_TEXT, mapping=SECRET), None, "for the value in supinit's own environment"),
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

_ENV_FILE = Section(
    Key("path", TEXT, "Path of the file.", is_required=True),
    Key("required", FLAG, "false: ignore a file that does not exist.", True),
    Key("format", Choice({"raw": True}), "raw: values are literal, without quotes, comments and variables."),
    make=lambda path, required=True, format=False: EnvFile(path, required, format),
)
ENV_FILE = ByShape(
    scalar=Made(TEXT, lambda path: (EnvFile(path),)),
    sequence=ListOf(ByShape(scalar=Made(TEXT, EnvFile), mapping=_ENV_FILE)),
    mapping=Made(_ENV_FILE, lambda file: (file,)),
)
