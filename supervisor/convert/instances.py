"""A program of a supervisord.conf with its `numprocs`: a scale or, where instances differ, a program for each."""

from __future__ import annotations

from supervisor.convert.document import Block
from supervisor.convert.expansion import ExpansionScope
from supervisor.convert.given import Given
from supervisor.convert.program import convert_program
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.findings import Findings
    from supervisor.convert.ini import IniSection
    from supervisor.convert.names import Names
    from supervisor.convert.program import Common

MOST = 1000
DEFAULT_PRIORITY = 999
NO_SOCKET = "no socket is handed to a program: let it open its own, and take it in"


class Group(Record):
    name: str
    priority: int


class Instances:
    """`priority` is the program's own, `asked` and `needed` are what its values expanded."""

    def __init__(self, section: IniSection, group: Group | None, common: Common, findings: Findings) -> None:
        self._section = section
        self._common = common
        self._findings = findings
        self._block = Block()
        self._names: dict[str, str | int] = {"program_name": section.label}
        self._head = head = Given(section, ExpansionScope(self._names, common.environment), self._block, findings)
        self.priority = head.value("priority", int, DEFAULT_PRIORITY)
        self.group = group or Group(section.label, self.priority)
        self._first = head.value("numprocs_start", int, 0)
        self._count = self._read_count()
        self._names |= {"group_name": self.group.name, "numprocs": self._count}
        self.asked: set[str] = set()
        self.needed: set[str] = head.scope.needed

    def _read_count(self) -> int | str:
        count = self._head.number("numprocs", 1)
        if isinstance(count, int) and count > MOST:
            self._head.lose("numprocs", f"{MOST} instances are the most")
            return MOST
        return count

    def programs(self, names: Names) -> dict[str, Block]:
        """Convert it."""
        self._convert(self._first, self._block)
        if "process_num" in self.asked and isinstance(self._count, int) and self._count > 1:
            return self._one_for_each(names, self._count)
        name = self._name(names, self._section.label)
        self._lose_process_name(name)
        if self._count == 0:
            self._block.is_off = True
            self._head.lose("numprocs", "supervisord starts none of it")
        elif "process_num" in self.asked and self._count != 1:
            self._head.lose("numprocs", "instances differ by process_num: write one program for each")
        elif self._count != 1:
            self._block.entries["scale"] = self._count
        return {name: self._block}

    def _convert(self, number: int, block: Block) -> None:
        scope = ExpansionScope(self._names | {"process_num": number}, self._common.environment)
        given = Given(self._section, scope, block, self._findings)
        for name in ("numprocs", "numprocs_start", "priority", "process_name"):
            given.raw(name)
        if self._section.kind == "fcgi-program":
            block.is_off = True
            for name in ("socket", "socket_owner", "socket_mode", "socket_backlog"):
                given.lose(name, NO_SOCKET)
        convert_program(given, self._common)
        self.asked |= scope.asked
        self.needed |= scope.needed

    def _one_for_each(self, names: Names, count: int) -> dict[str, Block]:
        """Name them as supervisord does; of the others, only what differs from the first is written."""
        programs: dict[str, Block] = {}
        for number in range(self._first, self._first + count):
            block = self._block if number == self._first else Block()
            if block is not self._block:
                self._convert(number, block)
                block.like = self._block
            programs[self._name(names, self._process_name(number))] = block
        self._block.anchor = next(iter(programs)).replace(".", "_")
        return programs

    def _process_name(self, number: int) -> str:
        option = self._section.options.get("process_name")
        scope = ExpansionScope(self._names | {"process_num": number}, {})
        try:
            name = None if option is None else scope.expand(option.text, option.folder).literal
        except ValueError as error:
            self._head.refuse("process_name", str(error))
            name = None
        return name or f"{self._section.label}_{number}"

    def _lose_process_name(self, name: str) -> None:
        if "process_name" not in self._section.options:
            return
        if self._count != 1:
            self._head.lose("process_name", f"the instances are {name}:1, {name}:2 and so on")
        elif self._process_name(self._first) != name:
            self._head.lose("process_name", f"it is called {name}")

    def _name(self, names: Names, wanted: str) -> str:
        name = names.give(wanted)
        if name != wanted:
            self._findings.warn(self._section.place, f"[{self._section.name}]: {wanted} is called {name} here")
            self._block.note(f"{wanted} is called {name} here")
        return name
