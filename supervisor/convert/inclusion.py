"""The files of a supervisord.conf: itself, and what its [include] names."""

from __future__ import annotations

import os

from supervisor.config.source import read_file
from supervisor.convert.expansion import ExpansionScope, Text
from supervisor.convert.findings import Location
from supervisor.convert.ini import DEFAULTS, read_ini

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.convert.findings import Findings
    from supervisor.convert.ini import IniSections, Option

PROGRAMS = ("program", "fcgi-program")


def read_sections(text: str, path: str, environ: Mapping[str, str], findings: Findings) -> IniSections:
    """Return the sections of all files, put together as supervisord does; [DEFAULT] is in those of programs."""
    sections: IniSections = {}
    read_ini(text, path, sections, findings)
    include = sections.pop("include", None)
    files = None if include is None else include.options.get("files")
    if include is not None and files is None:
        findings.problem(include.place, "[include] files: cannot be left out")
    if files is not None:
        for file in _matches(files, environ, findings):
            _read_included(file, files.place, sections, findings)
    nested = sections.pop("include", None)
    if nested is not None:
        findings.warn(nested.place, "[include]: an included file includes no others, to supervisord either")
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
        data = read_file(file)
    except OSError as error:
        findings.warn(place, f"[include] files: cannot read {file}: {error.strerror or error}")
        return
    text = decode(data, file, findings)
    if text is not None:
        read_ini(text, file, sections, findings)


def decode(data: bytes, file: str, findings: Findings) -> str | None:
    """Return a file's text; None where it is none, which is a problem with its line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Location(file, data[: error.start].count(b"\n") + 1)
        findings.problem(place, f"cannot be read as UTF-8: byte 0x{data[error.start]:02x}")
        return None
    if "\0" in text:
        findings.problem(Location(file, text[: text.index("\0")].count("\n") + 1), "cannot hold a NUL byte")
        return None
    return text
