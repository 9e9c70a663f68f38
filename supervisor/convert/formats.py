"""Detect the format of a source, and convert it."""

from __future__ import annotations

import os
import re

from supervisor.convert.compose import convert_compose
from supervisor.convert.crontab import LINE as CRON_LINE
from supervisor.convert.crontab import convert_crontabs, find_crontabs
from supervisor.convert.document import Block, write
from supervisor.convert.findings import Findings, Location
from supervisor.convert.procfile import LINE, convert_procfile
from supervisor.convert.runit import convert_runit, find_services
from supervisor.convert.s6 import convert_s6, find_folders
from supervisor.convert.sources import read_text
from supervisor.convert.supervisord.table import convert_supervisord
from supervisor.convert.systemd.table import convert_units, find_units
from supervisor.core.record import Record
from supervisor.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING = "there is no program to start; supinit needs at least one"
_SECTION = re.compile(r"^\[[^\]\n]+\]", re.MULTILINE)
_UNIT = re.compile(r"^\[(Unit|Service|Install)\]", re.MULTILINE)
_SERVICES = re.compile(r"^services:[ \t]*(#.*)?$", re.MULTILINE)
_JOB = re.compile(f"^(?i:{CRON_LINE.pattern})", re.MULTILINE)
_PROCESS = re.compile(f"^{LINE.pattern}", re.MULTILINE)
_TIMER = ".timer"
_NAMES = (
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
    "supervisord.conf",
    "Procfile",
    "crontab",
)
"""Files that are looked for in a folder, the first of them is taken."""


class Converted(Record):
    table: str
    warnings: tuple[str, ...]
    """`FILE:LINE: …` for each loss."""


def convert(path: str, environ: Mapping[str, str]) -> Converted:
    """Convert what is at `path`; its content tells the format. Raises ConfigError with every problem."""
    findings = Findings()
    try:
        if os.path.isdir(path):
            path, document = _convert_folder(path, environ, findings)
        else:
            text = read_text(path, findings)
            document = Block() if text is None else _convert(text, path, environ, findings)
    except OSError as error:
        raise ConfigError((f"cannot read {path}: {error.strerror or error}",)) from None
    if findings.problems:
        raise ConfigError(findings.problems)
    if not _starts_anything(document):
        findings.warn(Location(path, 1), NOTHING)
        document.note(NOTHING)
    origin = f"From {path}, by supinit convert. In the image, supinit --check says what else it needs."
    document.notes.setdefault("", []).insert(0, origin)
    return Converted(write(document), findings.warnings)


def _convert_folder(path: str, environ: Mapping[str, str], findings: Findings) -> tuple[str, Block]:
    """Return the path that was converted, and the table."""
    if folders := find_folders(path):
        return path, convert_s6(folders, findings)
    if services := find_services(path):
        return path, convert_runit(services, findings)
    if units := find_units(path):
        return path, convert_units(units, findings)
    if crontabs := find_crontabs(path):
        return path, convert_crontabs(crontabs, findings)
    name = next((name for name in _NAMES if os.path.isfile(os.path.join(path, name))), None)
    if name is not None:
        path = os.path.join(path, name)
        text = read_text(path, findings)
        return path, Block() if text is None else _convert(text, path, environ, findings)
    sentence = (
        "cannot be converted: this folder has no s6-overlay tree, runit service, systemd unit, compose.yaml, "
        "supervisord.conf, Procfile or crontab"
    )
    findings.problem(Location(path, 1), sentence)
    return path, Block()


def _convert(text: str, path: str, environ: Mapping[str, str], findings: Findings) -> Block:
    if _SERVICES.search(text):
        return convert_compose(text, path, findings)
    if path.endswith(_TIMER):
        return convert_units([f"{path.removesuffix(_TIMER)}.service"], findings)
    if _UNIT.search(text):
        return convert_units([path], findings)
    if _SECTION.search(text):
        return convert_supervisord(text, path, environ, findings)
    if _JOB.search(text):
        return convert_crontabs([path], findings)
    if _PROCESS.search(text):
        return convert_procfile(text, path, findings)
    sentence = (
        "cannot be converted: it has neither a [SECTION] (supervisord.conf), services: (compose.yaml), "
        "NAME: COMMAND (Procfile) nor a job (crontab)"
    )
    findings.problem(Location(path, 1), sentence)
    return Block()


def _starts_anything(document: Block) -> bool:
    programs = document.entries.get("programs")
    return isinstance(programs, Block) and any(
        isinstance(program, Block) and not program.is_off for program in programs.entries.values()
    )
