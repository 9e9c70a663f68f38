"""`supinit --schema`: the JSON Schema of the configuration, for editors."""

from __future__ import annotations

import json
import sys

from supervisor.config.json_schema import json_schema


def print_schema() -> int:
    """Print the schema and return the exit code."""
    json.dump(json_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0
