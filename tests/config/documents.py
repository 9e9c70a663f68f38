"""Documents in, tables or problems out."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from supervisor.config.load import load
from supervisor.core.program import Program, Settings, Table
from supervisor.errors import ConfigError

FILE = "supinit.yaml"


def table_of(text: str | bytes, **environ: str) -> Table:
    Path(FILE).write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
    return load(FILE, environ, needs_programs=False)


def problems_of(text: str | bytes, **environ: str) -> list[str]:
    """Return the problems of a document that cannot be loaded, each without the name of the file."""
    with pytest.raises(ConfigError) as refusal:
        table_of(text, **environ)
    return [problem.removeprefix(f"{FILE}:") for problem in refusal.value.problems]


def program_of(keys: str, **environ: str) -> Program:
    """Read the program `web`, with `command: nginx` and these keys, an entry of a flow mapping."""
    return table_of(f"programs: {{web: {{command: nginx, {keys}}}, db: {{command: postgres}}}}", **environ).programs[0]


def settings_of(keys: str, **environ: str) -> Settings:
    return table_of(f"supervisor: {{{keys}}}", **environ).settings
