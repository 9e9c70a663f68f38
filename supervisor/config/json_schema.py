"""The configuration as a JSON Schema (draft 2020-12), for editors and for checks without supinit."""

from __future__ import annotations

from supervisor.config.schema import DOCUMENT


def json_schema() -> dict[str, object]:
    """Return the schema. It holds nothing back but what only a start can know: names of users, variables, files."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "supinit configuration",
        **DOCUMENT.json_schema(),
        "$defs": {
            "variable": {
                "description": "A text with a variable, such as ${PORT:-80}.",
                "type": "string",
                "pattern": "[$]([A-Za-z_]|[{][A-Za-z_])",
            }
        },
    }
