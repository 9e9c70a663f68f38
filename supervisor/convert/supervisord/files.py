"""Read a supervisord.conf and the files that its [include] names."""

from __future__ import annotations

import os

from supervisor.convert.sources import read_text
from supervisor.convert.supervisord.expansion import ExpansionScope, Text
from supervisor.convert.supervisord.ini import DEFAULTS, read_ini

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.convert.findings import Findings, Location
    from supervisor.convert.supervisord.ini import IniSections, Option

PROGRAMS = ("program", "fcgi-program")


def read_sections(text: str, path: str, environ: Mapping[str, str], findings: Findings) -> IniSections:
    """Return the sections of all files, merged as supervisord merges them. Programs get the options of [DEFAULT]."""
    sections: IniSections = {}
    read_ini(text, path, sections, findings)
    include = sections.pop("include", None)
    files = None if include is None else include.options.get("files")
    if include is not None and files is None:
        findings.problem(include.place, "[include] files: is required")
    if files is not None:
        for file in _matches(files, environ, findings):
            _read_included(file, files.place, sections, findings)
    nested = sections.pop("include", None)
    if nested is not None:
        findings.warn(nested.place, "[include]: is ignored in an included file, as under supervisord")
    defaults = sections.pop(DEFAULTS, None)
    for section in sections.values():
        if defaults is not None and section.kind in PROGRAMS:
            section.options = defaults.options | section.options
    return sections


def _matches(files: Option, environ: Mapping[str, str], findings: Findings) -> list[str]:
    from glob import glob

    scope = ExpansionScope(
        {"host_node_name": os.uname().nodename}, {name: Text((value,)) for name, value in environ.items()}
    )
    try:
        patterns = scope.expand(files.text, files.folder).literal
    except ValueError as error:
        findings.problem(files.place, f"[include] files: {error}")
        return []
    if patterns is None:
        findings.problem(files.place, "[include] files: cannot be expanded, a variable is not set")
        return []
    found: list[str] = []
    for pattern in patterns.split():
        pattern = os.path.join(os.path.dirname(files.place.file), pattern)
        matches = sorted(glob(pattern))
        if not matches:
            findings.warn(files.place, f"[include] files: no file matches {pattern}")
        found += matches
    return found


def _read_included(file: str, place: Location, sections: IniSections, findings: Findings) -> None:
    try:
        text = read_text(file, findings)
    except OSError as error:
        findings.warn(place, f"[include] files: cannot read {file}: {error.strerror or error}")
        return
    if text is not None:
        read_ini(text, file, sections, findings)
