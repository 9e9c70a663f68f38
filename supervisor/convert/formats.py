"""Detect the format of a source, and convert it."""

from __future__ import annotations

import re

from supervisor.convert.document import Block, write
from supervisor.convert.findings import Findings, Location
from supervisor.convert.procfile import LINE, convert_procfile
from supervisor.convert.sources import read_text
from supervisor.convert.supervisord.table import convert_supervisord
from supervisor.core.record import Record
from supervisor.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SECTION = re.compile(r"^\[[^\]\n]+\]", re.MULTILINE)
_PROCESS = re.compile(f"^{LINE.pattern}", re.MULTILINE)


NOTHING = "there is no program to start; supinit needs at least one"


class Converted(Record):
    table: str
    warnings: tuple[str, ...]
    """`FILE:LINE: …` for each loss."""


def convert(path: str, environ: Mapping[str, str]) -> Converted:
    """Convert the file at `path`; its content tells the format. Raises ConfigError with every problem."""
    findings = Findings()
    try:
        text = read_text(path, findings)
    except OSError as error:
        raise ConfigError((f"cannot read {path}: {error.strerror or error}",)) from None
    document = Block() if text is None else _convert(text, path, environ, findings)
    if findings.problems:
        raise ConfigError(findings.problems)
    if not _starts_anything(document):
        findings.warn(Location(path, 1), NOTHING)
        document.note(NOTHING)
    origin = f"From {path}, by supinit convert. In the image, supinit --check says what else it needs."
    document.notes.setdefault("", []).insert(0, origin)
    return Converted(write(document), findings.warnings)


def _convert(text: str, path: str, environ: Mapping[str, str], findings: Findings) -> Block:
    if _SECTION.search(text):
        return convert_supervisord(text, path, environ, findings)
    if _PROCESS.search(text):
        return convert_procfile(text, path, findings)
    sentence = "cannot be converted: it has neither a [SECTION] (supervisord.conf) nor NAME: COMMAND (Procfile)"
    findings.problem(Location(path, 1), sentence)
    return Block()


def _starts_anything(document: Block) -> bool:
    programs = document.entries.get("programs")
    return isinstance(programs, Block) and any(
        isinstance(program, Block) and not program.is_off for program in programs.entries.values()
    )
