"""Parse a supervisord.conf into sections and options, each with its line.

Reads as Python's RawConfigParser does with supervisord's options, but keeps line numbers: `=` or `:` follows a key, a
deeper indented line continues a value, ` ;` or ` #` starts a comment anywhere. A test compares the two.
"""

from __future__ import annotations

import os
import re
from itertools import zip_longest

from supervisor.convert.findings import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.findings import Findings

COMMENTS = ("#", ";")
DEFAULTS = "DEFAULT"
_HEADER = re.compile(r"\[(.+)\]")
_OPTION = re.compile(r"(.*?)\s*[=:]\s*(.*)$")


class Option:
    """A key and its unexpanded value, one or more lines."""

    def __init__(self, name: str, first: str, place: Location) -> None:
        self.name = name
        self.lines = [first]
        self.place = place

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    @property
    def folder(self) -> str:
        return os.path.dirname(os.path.abspath(self.place.file))


class IniSection:
    def __init__(self, name: str, place: Location) -> None:
        self.name = name
        self.place = place
        self.options: dict[str, Option] = {}

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]

    @property
    def label(self) -> str:
        """The part after the colon, as in program:LABEL."""
        return self.name.partition(":")[2].strip()


IniSections = dict[str, IniSection]


def read_ini(text: str, file: str, sections: IniSections, findings: Findings) -> None:
    """Add the sections of a text to `sections`. A repeated section is merged, a repeated key replaces the first."""
    reader = _Reader(file, sections, findings)
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        reader.read(number, line)


class _Reader:
    def __init__(self, file: str, sections: IniSections, findings: Findings) -> None:
        self.file = file
        self.sections = sections
        self.findings = findings
        self.section: IniSection | None = None
        self.option: Option | None = None
        self.indent = 0

    def read(self, number: int, line: str) -> None:
        content, has_comment = _without_comment(line)
        indent = len(line) - len(line.lstrip())
        if not content:
            if self.option is not None and not has_comment:
                self.option.lines.append("")
        elif self.option is not None and indent > self.indent:
            self.option.lines.append(content)
        else:
            self.indent = indent
            self._begin(Location(self.file, number), content)

    def _begin(self, place: Location, content: str) -> None:
        """Read a line that does not continue a value."""
        if header := _HEADER.match(content):
            self.section = self.sections.setdefault(header[1], IniSection(header[1], place))
            self.option = None
            return
        option = _OPTION.match(content)
        if option is None or not option[1]:
            self.findings.problem(place, "cannot be read: expected [SECTION] or KEY=VALUE")
        elif self.section is None:
            self.findings.problem(place, "cannot be read: there is no [SECTION] above it")
        else:
            self._take(self.section, Option(option[1].lower(), option[2], place))

    def _take(self, section: IniSection, option: Option) -> None:
        before = section.options.get(option.name)
        if before is not None:
            sentence = f"[{section.name}] {option.name}: is overridden at {option.place}"
            self.findings.warn(before.place, sentence)
        section.options[option.name] = self.option = option


def _without_comment(line: str) -> tuple[str, bool]:
    """Return the text before a comment, stripped, and whether there is a comment."""
    if line.strip().startswith(COMMENTS):
        return "", True
    start = _comment_start(line)
    return line[:start].strip(), start is not None


def _comment_start(line: str) -> int | None:
    """Return where a comment starts.

    Before Python 3.13, RawConfigParser tries the first `#` and the first `;`, then the second of each.
    So in `x;y ;z #` the comment starts at ` #`, not at ` ;`.
    """
    places = ([at for at, character in enumerate(line) if character == mark] for mark in COMMENTS)
    for candidates in zip_longest(*places):
        starts = [at for at in candidates if at is not None and (at == 0 or line[at - 1].isspace())]
        if starts:
            return min(starts)
    return None
