"""Documents in, tables or problems out."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from supervisor.config.load import load
from supervisor.config.reading import Reading, Refused
from supervisor.config.schema import DOCUMENT
from supervisor.config.source import parse
from supervisor.config.table import read_programs, read_settings
from supervisor.config.tree import Mapping
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


def later_table_of(text: str) -> Table:
    """Load a document as a release will that supports every key."""
    reading = Reading({}, accepts_later=True)
    node = parse(dedent(text).encode(), FILE, reading)
    try:
        if node is None:
            raise Refused
        given = DOCUMENT.read_keys(node, "", reading).given
        programs = given.get("programs")
        entries = programs.entries if isinstance(programs, Mapping) else {}
        return Table(read_settings(given.get("supervisor"), reading), read_programs(entries, reading))
    except Refused:
        raise ConfigError(reading.problems) from None
