"""`supinit convert FILE`: a supervisord.conf or a Procfile in, a table out."""

from __future__ import annotations

import os
import sys

from supervisor.convert.convert import convert


def print_converted(path: str) -> int:
    """Print the table, and what is not carried over as warnings; return 0. Raises ConfigError."""
    converted = convert(path, os.environ)
    sys.stdout.flush()
    sys.stdout.buffer.write(converted.table.encode())
    sys.stderr.writelines(f"{warning}\n" for warning in converted.warnings)
    return 0
