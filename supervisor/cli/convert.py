"""`supinit convert PATH`: convert another supervisor's files, print the table and the warnings."""

from __future__ import annotations

import os
import sys

from supervisor.convert.formats import convert


def print_converted(path: str) -> int:
    """Print the table on stdout and the losses on stderr, and return 0. Raises ConfigError."""
    converted = convert(path, os.environ)
    sys.stdout.flush()
    sys.stdout.buffer.write(converted.table.encode())
    sys.stderr.writelines(f"{warning}\n" for warning in converted.warnings)
    return 0
