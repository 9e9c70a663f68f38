"""A supervisord.conf, with what it includes, into a document of ours."""

from __future__ import annotations

from supervisor.config.schema import PROGRAM
from supervisor.convert.document import Block
from supervisor.convert.expansion import ExpansionScope
from supervisor.convert.given import Given
from supervisor.convert.inclusion import PROGRAMS, read_sections
from supervisor.convert.instances import DEFAULT_PRIORITY, Group, Instances
from supervisor.convert.names import Names
from supervisor.convert.order import Rank, before
from supervisor.convert.program import Common
from supervisor.convert.settings import lose_section, read_settings
from supervisor.convert.variables import shared_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.convert.findings import Findings, Location
    from supervisor.convert.ini import IniSection, IniSections

FAILURES = "A program that has failed for good ends the container; supervisord ran on, as shutdown_on: never has it."
ORDER = "depends_on stands for priority: started after those, without waiting until they are up, and stopped before."
HERE = "%(here)s is the folder where the file was when it was converted."
HOST = "%(host_node_name)s is $HOSTNAME, which container engines set."
NEEDED = "Where one of these is not set, supervisord did not start; supervisor.required_environment does the same: "


def convert_supervisord(text: str, path: str, environ: Mapping[str, str], findings: Findings) -> Block:
    """Return the document. It is of no use where `findings` have a problem."""
    sections = read_sections(text, path, environ, findings)
    conversion = _Conversion(findings)
    conversion.document.note(FAILURES)
    if "supervisord" in sections:
        conversion.read_settings(sections["supervisord"])
    conversion.read_groups(sections)
    for section in sections.values():
        if section.kind in PROGRAMS and section.label:
            conversion.read_program(section)
        elif section.name != "supervisord":
            lose_section(section, conversion.document, findings)
    return conversion.finish()


class _Conversion:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.document = Block()
        self.settings = Block()
        self.common = Common({})
        self.groups: dict[str, Group] = {}
        """By the names of their programs."""
        self.programs: dict[str, Block] = {}
        self.places: dict[str, Location] = {}
        self.ranks: list[Rank] = []
        self.names = Names()
        self.asked: set[str] = set()
        self.needed: set[str] = set()

    def read_settings(self, section: IniSection) -> None:
        scope = ExpansionScope({}, {})
        self.common = read_settings(section, scope, self.settings, self.findings)
        self.asked |= scope.asked
        self.needed |= scope.needed
        for note in self.settings.notes.pop("", ()):
            self.document.note(f"[supervisord] {note}")

    def read_groups(self, sections: IniSections) -> None:
        for section in sections.values():
            if section.kind == "group" and section.label:
                self._read_group(section, sections)

    def _read_group(self, section: IniSection, sections: IniSections) -> None:
        given = Given(section, ExpansionScope({}, {}), self.document, self.findings)
        group = Group(section.label, given.value("priority", int, DEFAULT_PRIORITY))
        for name in (word.strip() for word in given.value("programs", str, "").split(",")):
            if not any(f"{kind}:{name}" in sections for kind in PROGRAMS):
                given.refuse("programs", f"cannot name {name!r}, which is no program")
            elif name in self.groups:
                given.lose("programs", f"{name} is in {self.groups[name].name} already, and runs once only")
            else:
                self.groups[name] = group

    def read_program(self, section: IniSection) -> None:
        instances = Instances(section, self.groups.get(section.label), self.common, self.findings)
        programs = instances.programs(self.names)
        self.programs |= programs
        self.places |= dict.fromkeys(programs, section.place)
        self.asked |= instances.asked
        self.needed |= instances.needed
        names = tuple(name for name, block in programs.items() if not block.is_off)
        if names:
            self.ranks.append(Rank(names, instances.group.name, instances.group.priority, instances.priority))

    def finish(self) -> Block:
        """Put the document together."""
        self._set_order()
        self._share_files()
        for is_so, sentence in (
            (any("depends_on" in block.entries for block in self.programs.values()), ORDER),
            ("here" in self.asked, HERE),
            ("host_node_name" in self.asked, HOST),
            (bool(self.needed), NEEDED + ", ".join(sorted(self.needed))),
        ):
            if is_so:
                self.document.note(sentence)
        if self.settings.entries:
            self.document.entries["supervisor"] = self.settings
        if self.common.environment:
            self.document.entries["x-environment"] = shared_environment(self.common.environment)
        self.document.entries["programs"] = table = Block()
        table.entries.update(self.programs)
        return self.document

    def _set_order(self) -> None:
        for rank in self.ranks:
            names = before(rank, self.ranks)
            for name in rank.names if names else ():
                self.programs[name].entries["depends_on"] = names
                self.programs[name].sort(PROGRAM.keys)

    def _share_files(self) -> None:
        """Programs that write to one file rotate it in one way: that of the first."""
        first_logs: dict[str | int, dict[str, str | int]] = {}
        for name, block in self.programs.items():
            log = block.entries.get("log")
            if not isinstance(log, dict) or "file" not in log or block.is_off:
                continue
            first = first_logs.setdefault(log["file"], log)
            rotation = {key: first[key] for key in ("max_size", "keep")}
            if any(log[key] != value for key, value in rotation.items()):
                log.update(rotation)
                self._warn_of_shared_file(name, block, str(log["file"]))

    def _warn_of_shared_file(self, name: str, block: Block, file: str) -> None:
        sentence = f"{file} is rotated as the first program that writes to it has it"
        block.note(sentence, "log")
        self.findings.warn(self.places[name], sentence)
