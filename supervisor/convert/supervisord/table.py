"""Convert a supervisord.conf: settings, groups, programs, and their order."""

from __future__ import annotations

from supervisor.convert.draft import IDLE, Draft
from supervisor.convert.supervisord.environment import shared_environment
from supervisor.convert.supervisord.expansion import ExpansionScope
from supervisor.convert.supervisord.files import PROGRAMS, read_sections
from supervisor.convert.supervisord.instances import DEFAULT_PRIORITY, Group, Instances
from supervisor.convert.supervisord.listeners import convert_listener
from supervisor.convert.supervisord.options import Options
from supervisor.convert.supervisord.priorities import Rank, before
from supervisor.convert.supervisord.program import Common
from supervisor.convert.supervisord.settings import lose_section, read_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.convert.document import Block, Flow
    from supervisor.convert.findings import Findings, Location
    from supervisor.convert.supervisord.ini import IniSection, IniSections

FAILURES = "A program that fails for good ends the container; supervisord kept running (here: shutdown_on: never)."
EARLY = "An exit with code 0 within startsecs (min_uptime) was a failed start under supervisord; here it ended well."
ORDER = "depends_on replaces priority: started after those, without waiting until they are up, and stopped before them."
HERE = "%(here)s is the folder of the file at the time of conversion."
HOST = "%(host_node_name)s is $HOSTNAME, which container engines set."
NEEDED = "Must be set in the environment, as for supervisord: "


def convert_supervisord(text: str, path: str, environ: Mapping[str, str], findings: Findings) -> Block:
    """Return the table. It is useless where `findings` hold a problem."""
    sections = read_sections(text, path, environ, findings)
    conversion = _Conversion(findings, environ)
    if "supervisord" in sections:
        conversion.read_settings(sections["supervisord"])
    conversion.read_groups(sections)
    for section in sections.values():
        if section.kind in PROGRAMS and section.label:
            conversion.read_program(section)
        elif section.kind == "eventlistener":
            conversion.read_listener(section)
        elif section.name != "supervisord":
            lose_section(section, conversion.draft)
    return conversion.finish()


class _Conversion:
    def __init__(self, findings: Findings, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.draft = Draft(findings)
        self.draft.document.note(FAILURES)
        self.common = Common({})
        self.groups: dict[str, Group] = {}
        """By the name of each program in them."""
        self.places: dict[str, Location] = {}
        self.ranks: list[Rank] = []
        self.used_names: set[str] = set()
        self.used_variables: set[str] = set()
        self.ends_on_exit = False
        """An event listener ends the container when any program has ended."""

    def read_settings(self, section: IniSection) -> None:
        scope = ExpansionScope({}, {}, self.environ)
        self.common = read_settings(section, scope, self.draft)
        self.used_names |= scope.used_names
        self.used_variables |= scope.used_variables

    def read_groups(self, sections: IniSections) -> None:
        for section in sections.values():
            if section.kind == "group" and section.label:
                self._read_group(section, sections)

    def _read_group(self, section: IniSection, sections: IniSections) -> None:
        options = Options(section, ExpansionScope({}, {}, self.environ), self.draft.document, self.draft.findings)
        group = Group(section.label, options.value("priority", int, DEFAULT_PRIORITY))
        for name in (word.strip() for word in options.value("programs", str, "").split(",")):
            if not any(f"{kind}:{name}" in sections for kind in PROGRAMS):
                options.refuse("programs", f"there is no program {name!r}")
            elif name in self.groups:
                options.lose("programs", f"{name} is in {self.groups[name].name} already, and runs only once")
            else:
                self.groups[name] = group

    def read_program(self, section: IniSection) -> None:
        instances = Instances(section, self.groups.get(section.label), self.common, self.draft, self.environ)
        programs = instances.programs()
        self.places |= dict.fromkeys(programs, section.place)
        self.used_names |= instances.used_names
        self.used_variables |= instances.used_variables
        names = tuple(name for name, block in programs.items() if not block.is_off and IDLE not in block.entries)
        if names:
            self.ranks.append(Rank(names, instances.group.name, instances.group.priority, instances.priority))

    def read_listener(self, section: IniSection) -> None:
        self.ends_on_exit |= convert_listener(section, self.draft, self.environ)

    def finish(self) -> Block:
        """Assemble the table."""
        for program in self.draft.programs.values() if self.ends_on_exit else ():
            program.entries |= {"restart": "no", "shutdown_on": "exit"}
        self._set_order()
        self._share_files()
        document = self.draft.document
        for applies, sentence in (
            (any(block.entries.get("restart") == "on-failure" for block in self.draft.programs.values()), EARLY),
            (any("depends_on" in block.entries for block in self.draft.programs.values()), ORDER),
            ("here" in self.used_names, HERE),
            ("host_node_name" in self.used_names, HOST),
            (bool(self.used_variables), NEEDED + ", ".join(sorted(self.used_variables))),
        ):
            if applies:
                document.note(sentence)
        if self.common.environment:
            document.entries["x-environment"] = shared_environment(self.common.environment)
        return self.draft.finish()

    def _set_order(self) -> None:
        for rank in self.ranks:
            names = before(rank, self.ranks)
            for name in rank.names if names else ():
                self.draft.programs[name].entries["depends_on"] = names

    def _share_files(self) -> None:
        """Give programs that share a log file the rotation of the first one."""
        first_logs: dict[str, dict[str, Flow]] = {}
        for name, block in self.draft.programs.items():
            log = block.entries.get("log")
            if not isinstance(log, dict) or "file" not in log or block.is_off:
                continue
            first = first_logs.setdefault(str(log["file"]), log)
            rotation = {key: first[key] for key in ("max_size", "keep")}
            if any(log[key] != value for key, value in rotation.items()):
                log.update(rotation)
                sentence = f"{log['file']} is rotated with the settings of the first program that writes to it"
                self.draft.lose(self.places[name], sentence, block, "log")
