"""Files of other supervisors in, tables of ours out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from supervisor.config.load import load
from supervisor.convert.formats import Converted, convert
from supervisor.core.program import Program, Table
from supervisor.errors import ConfigError

CONF, TABLE = "supervisord.conf", "converted.yaml"


def converted(text: str, file: str = CONF, **environ: str) -> Converted:
    Path(file).write_text(dedent(text))
    return convert(file, environ)


def table_of(conversion: Converted, **environ: str) -> Table:
    Path(TABLE).write_text(conversion.table)
    return load(TABLE, environ)


def programs_of(text: str, file: str = CONF, **environ: str) -> dict[str, Program]:
    return {program.name: program for program in table_of(converted(text, file), **environ).programs}


def program_of(options: str, before: str = "", **environ: str) -> Program:
    """Return what [program:web] with these options becomes."""
    (program,) = programs_of(f"{before}\n[program:web]\ncommand=x\n{dedent(options)}", **environ).values()
    return program


def losses_of(text: str, file: str = CONF) -> list[str]:
    """Return the warnings, each without the file's name; each of them stands in the table as well."""
    conversion = converted(text, file)
    lines = (line.strip().removeprefix("# ").strip() for line in conversion.table.splitlines())
    comments = " ".join(" ".join(lines).split())
    for warning in conversion.warnings:
        assert warning.rpartition(": ")[2] in comments, warning
    return [warning.removeprefix(f"{file}:") for warning in conversion.warnings]


def folder_of(files: Mapping[str, str], root: str = "root") -> Converted:
    """Convert a folder with these files."""
    shutil.rmtree(root, ignore_errors=True)
    for name, text in files.items():
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return convert(root, {})


def programs_in(files: Mapping[str, str], **environ: str) -> dict[str, Program]:
    return {program.name: program for program in table_of(folder_of(files), **environ).programs}


def losses_in(files: Mapping[str, str]) -> list[str]:
    """Return the warnings about a folder, each with its path in it; each of them stands in the table as well."""
    conversion = folder_of(files)
    lines = (line.strip().removeprefix("# ").strip() for line in conversion.table.replace("# #", "#").splitlines())
    comments = " ".join(" ".join(lines).split())
    for warning in conversion.warnings:
        sentence = warning.partition(": ")[2]
        assert sentence in comments, warning
    return [warning.removeprefix("root/") for warning in conversion.warnings]


def refusals_of(text: str, file: str = CONF) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        converted(text, file)
    return [problem.removeprefix(f"{file}:") for problem in refusal.value.problems]
