"""Parse a unit file into sections of keys, each with its line.

Source: systemd.syntax(7): a line that ends with a backslash continues, # and ; begin comment lines, a key may be given
several times, and an empty value forgets the earlier ones.
"""

from __future__ import annotations

import os

from supervisor.convert.findings import Location
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.findings import Findings


class Assignment(Record):
    value: str
    place: Location


class Unit:
    """A unit file. Keys are those of all its sections, as `Section.Key`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.keys: dict[str, list[Assignment]] = {}

    @property
    def file_name(self) -> str:
        return os.path.basename(self.path)

    @property
    def name(self) -> str:
        return self.file_name.rpartition(".")[0]

    @property
    def place(self) -> Location:
        return Location(self.path, 1)

    def all(self, key: str) -> list[Assignment]:
        return self.keys.get(key, [])

    def is_emptied(self, key: str) -> bool:
        """Return whether the last assignment of a list is the empty one, which discards those before it."""
        return self.keys.get(key) == []

    def last(self, key: str) -> str:
        """Return the last value of a key; empty where it is not given."""
        return self.keys[key][-1].value if self.keys.get(key) else ""

    def words(self, key: str) -> list[str]:
        """Return the words of all values of a key that holds a list of names."""
        return [word for assignment in self.all(key) for word in assignment.value.split()]


def read_unit(text: str, path: str, findings: Findings) -> Unit:
    unit = Unit(path)
    section = ""
    pending, start = "", 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        stripped = line.strip()
        if stripped.startswith(("#", ";")) or (not stripped and not pending):
            continue
        start = start if pending else number
        if stripped.endswith("\\"):
            pending += stripped[:-1].rstrip() + " "
            continue
        stripped, pending = (pending + stripped).strip(), ""
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
            continue
        key, equals, value = stripped.partition("=")
        if not equals or not section:
            findings.problem(Location(path, start), "cannot be read: expected [SECTION] or KEY=VALUE")
            continue
        name = f"{section}.{key.strip()}"
        if value.strip():
            unit.keys.setdefault(name, []).append(Assignment(value.strip(), Location(path, start)))
        else:
            unit.keys[name] = []
    return unit
