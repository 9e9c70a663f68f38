"""The table that a conversion writes: programs by name, comments, and findings. All source formats share it."""

from __future__ import annotations

import re

from supervisor.config.scalars import RESERVED_NAMES
from supervisor.config.schema import PROGRAM
from supervisor.convert.document import Block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.findings import Findings, Location

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.-]+")


IDLE = "autostart"
"""The key that leaves a program for `supctl start`."""


class Draft:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.document = Block()
        """The whole table. Notes without a key stand at its top."""
        self.programs: dict[str, Block] = {}
        self._taken = set(RESERVED_NAMES)

    def is_taken(self, name: str) -> bool:
        return name in self._taken

    def name(self, wanted: str) -> str:
        """Reserve and return the wanted name, or the nearest one that is allowed and free."""
        name = stem = _FORBIDDEN.sub("-", wanted).lstrip("_.-") or "program"
        number = 1
        while name in self._taken:
            number += 1
            name = f"{stem}-{number}"
        self._taken.add(name)
        return name

    def add(self, wanted: str, program: Block, place: Location, source: str = "") -> str:
        """Add a program and return its name. A changed name is a warning, which begins with `source`."""
        name = self.name(wanted)
        self.programs[name] = program
        if name != wanted:
            sentence = f"{wanted} is called {name} here"
            self.findings.mention(place, f"{source}: {sentence}" if source else sentence)
            program.note(sentence)
        return name

    def lose(self, place: Location, sentence: str, block: Block | None = None, key: str = "") -> None:
        """Record a loss: a warning, and a comment above `key` of the block (default: at the top of the table)."""
        self.findings.warn(place, sentence)
        (self.document if block is None else block).note(sentence, key)

    def mention(self, place: Location, sentence: str, block: Block | None = None, key: str = "") -> None:
        """Record a small difference, in the same two places."""
        self.findings.mention(place, sentence)
        (self.document if block is None else block).note(sentence, key)

    def finish(self) -> Block:
        """Return the table, with the programs last and the keys of each in the order of the reference."""
        for program in self.programs.values():
            program.sort(PROGRAM.keys)
        for sentence in self.findings.group_sentences:
            self.document.note(sentence)
        self.document.entries["programs"] = table = Block()
        table.entries.update(self.programs)
        return self.document
