"""Convert `numprocs`: to `scale`, or to one program for each instance where instances differ."""

from __future__ import annotations

from supervisor.convert.document import Block
from supervisor.convert.supervisord.expansion import ExpansionScope
from supervisor.convert.supervisord.fastcgi import move_socket, set_socket
from supervisor.convert.supervisord.options import Options
from supervisor.convert.supervisord.program import convert_program
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.convert.draft import Draft
    from supervisor.convert.supervisord.ini import IniSection
    from supervisor.convert.supervisord.program import Common

ONE_INSTANCE = "a program of one instance has the name of its section"
INSTANCES = "instances are named NAME:1, NAME:2 and so on"
MOST = 1000
DEFAULT_PRIORITY = 999
ONE_SOCKET = "the instances differ by process_num and would be several programs, which cannot share a socket"


class Group(Record):
    name: str
    priority: int


class Instances:
    """The programs that one [program:x] becomes. `used_names` and `used_variables`: as in `ExpansionScope`."""

    def __init__(
        self, section: IniSection, group: Group | None, common: Common, draft: Draft, environ: Mapping[str, str]
    ) -> None:
        self._section = section
        self._common = common
        self._draft = draft
        self._environ = environ
        self._block = Block()
        self._names: dict[str, str | int] = {"program_name": section.label}
        scope = ExpansionScope(self._names, common.environment, environ)
        self._head = head = Options(section, scope, self._block, draft.findings)
        self.priority = head.value("priority", int, DEFAULT_PRIORITY)
        self.group = group or Group(section.label, self.priority)
        self._first = head.value("numprocs_start", int, 0)
        self._count = self._read_count()
        self._names |= {"group_name": self.group.name, "numprocs": self._count}
        self.used_names: set[str] = set()
        self.used_variables: set[str] = head.scope.used_variables

    def _read_count(self) -> int | str:
        count = self._head.number("numprocs", 1)
        if isinstance(count, int) and count > MOST:
            self._head.lose("numprocs", f"supinit runs at most {MOST} instances")
            return MOST
        return count

    def programs(self) -> dict[str, Block]:
        """Add the programs to the draft, and return them by name."""
        self._convert(self._first, self._block)
        if "process_num" in self.used_names and isinstance(self._count, int) and self._count > 1:
            return self._one_for_each(self._count)
        name = self._add(self._section.label, self._block)
        self._lose_process_name(name)
        if self._count == 0:
            self._block.is_off = True
            self._head.lose("numprocs", "supervisord starts no instance")
        elif "process_num" in self.used_names and self._count != 1:
            self._head.lose("numprocs", "instances differ by process_num; write one program for each")
        elif self._count != 1:
            self._block.entries["scale"] = self._count
        return {name: self._block}

    def _convert(self, number: int, block: Block) -> None:
        scope = ExpansionScope(self._names | {"process_num": number}, self._common.environment, self._environ)
        options = Options(self._section, scope, block, self._draft.findings)
        for name in ("numprocs", "numprocs_start", "priority", "process_name"):
            options.raw(name)
        is_fastcgi = self._section.kind == "fcgi-program"
        if is_fastcgi:
            set_socket(options, block)
        convert_program(options, self._common)
        if is_fastcgi:
            move_socket(block)
        self.used_names |= scope.used_names
        self.used_variables |= scope.used_variables

    def _one_for_each(self, count: int) -> dict[str, Block]:
        """Return one program for each instance, named as supervisord names them."""
        programs: dict[str, Block] = {}
        if "sockets" in self._block.entries:
            self._block.is_off = True
            self._head.lose("socket", ONE_SOCKET)
            return {self._add(self._section.label, self._block): self._block}
        for number in range(self._first, self._first + count):
            block = self._block if number == self._first else Block()
            if block is not self._block:
                self._convert(number, block)
                block.like = self._block
            programs[self._add(self._instance_name(number), block)] = block
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

    def _instance_name(self, number: int) -> str:
        """Return supervisord's name of an instance. The section's name comes first where it says too little by itself.

        supervisord has GROUP:NAME, so a NAME such as 00 is enough there, and two groups may have the same.
        """
        name = self._process_name(number)
        has_letters = any(character.isalpha() for character in name)
        return name if has_letters and not self._draft.is_taken(name) else f"{self._section.label}_{name}"

    def _lose_process_name(self, name: str) -> None:
        if "process_name" not in self._section.options:
            return
        if self._count != 1:
            self._head.group("process_name", INSTANCES)
        elif self._process_name(self._first) != name:
            self._head.group("process_name", ONE_INSTANCE)

    def _add(self, wanted: str, block: Block) -> str:
        return self._draft.add(wanted, block, self._section.place, f"[{self._section.name}]")
