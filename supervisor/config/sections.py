"""Mappings with fixed keys.

A section reads each of its keys and passes the values to `make`. It passes nothing for a key that is not given: the
defaults are those of the records. `Key.default` documents them, and a test compares the two.
"""

from __future__ import annotations

from supervisor.config.kinds import OrNull, refuse_shape
from supervisor.config.reading import InvalidValue, join, suggestion
from supervisor.config.tree import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from supervisor.config.kinds import Schema, ValueKind
    from supervisor.config.reading import Reading
    from supervisor.config.tree import Node

    class Rule(Protocol):
        def check(self, place: SectionReading) -> None:
            """Report keys that cannot be used together."""

        def json_schema(self) -> Schema: ...


class Key:
    """One key of a section, with its documentation."""

    __slots__ = ("about", "default", "is_required", "kind", "name", "since")

    def __init__(
        self,
        name: str,
        kind: ValueKind,
        about: str,
        default: object = None,
        is_required: bool = False,
        since: str = "0.1.0",
    ) -> None:
        self.name = name
        self.kind = kind
        self.about = about
        """One line of documentation."""
        self.default = default
        """As it would be written in the table. None: `about` says what leaving the key out means."""
        self.is_required = is_required
        self.since = since

    def json_schema(self) -> Schema:
        schema = self.kind.json_schema()
        if not self.is_required:
            schema = {"anyOf": [schema, {"type": "null"}]}
        schema = {**schema, "description": self.about}
        if self.default is not None:
            schema["default"] = self.default
        return schema


class SectionReading:
    """One section of the document while it is being read. Its rules report problems here."""

    __slots__ = ("given", "is_intact", "node", "path", "reading", "values")

    def __init__(self, node: Mapping, path: str, reading: Reading) -> None:
        self.node = node
        self.path = path
        self.reading = reading
        self.given: dict[str, Node] = {}
        """The node of each key that is not null, in the order of the document."""
        self.values: dict[str, Any] = {}
        """Their values, without those that are invalid."""
        self.is_intact = True

    def problem(self, sentence: str, allowed: str = "") -> None:
        self.is_intact = False
        self.reading.problem(self.node, self.path, sentence, allowed)

    def warn_about(self, key: str, sentence: str) -> None:
        self.reading.warn(self.node.entries[key][0], join(self.path, key), sentence)

    def problem_with(self, key: str, sentence: str, allowed: str = "") -> None:
        self.is_intact = False
        self.reading.problem(self.node.entries[key][0], join(self.path, key), sentence, allowed)


class Section:
    """A mapping with fixed keys, and rules about them. `make` may raise ValueError with the reason.

    `foreign` names the table in `compose.py` that explains the keys which only Compose has.
    """

    __slots__ = ("foreign", "keys", "make", "required", "rules")

    def __init__(
        self, *keys: Key, make: Callable[..., object], rules: tuple[Rule, ...] = (), foreign: str = ""
    ) -> None:
        self.keys = {key.name: key for key in keys}
        self.required = tuple(key for key in keys if key.is_required)
        self.make = make
        self.rules = rules
        self.foreign = foreign

    @property
    def allowed(self) -> str:
        return f"a mapping with the keys {', '.join(self.keys)}"

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        place = self.read_parts(node, path, reading)
        if not place.is_intact:
            raise InvalidValue
        try:
            return self.make(**place.values)
        except ValueError as error:
            reading.refuse(node, path, str(error))

    def read_parts(self, node: Node, path: str, reading: Reading) -> SectionReading:
        """Read every valid key and report the others. Raises InvalidValue for a node that is not a mapping."""
        place = self.read_keys(node, path, reading)
        for name, value_node in place.given.items():
            try:
                place.values[name] = self.keys[name].kind.read(value_node, f"{path}.{name}", reading)
            except InvalidValue:
                place.is_intact = False
        for rule in self.rules:
            rule.check(place)
        return place

    def read_keys(self, node: Node, path: str, reading: Reading) -> SectionReading:
        """Find the keys that are given, without reading their values."""
        if type(node) is not Mapping:
            refuse_shape(node, path, reading, self.allowed)
        place = SectionReading(node, path, reading)
        for name, (_, value_node) in node.entries.items():
            key = self.keys.get(name)
            if key is None:
                if not name.startswith("x-"):
                    self._refuse_key(name, place)
            elif value_node.is_null and type(key.kind) is not OrNull and not key.is_required:
                continue
            else:
                place.given[name] = value_node
        for key in self.required:
            if key.name not in node.entries:
                place.problem(f"required key {key.name!r} is missing", key.kind.allowed)
        return place

    def _refuse_key(self, name: str, place: SectionReading) -> None:
        from supervisor.config import compose

        instead = getattr(compose, self.foreign).get(name) if self.foreign else None
        if instead is not None:
            place.problem_with(name, f"supinit does not have this key of Compose: {instead}")
        else:
            place.problem_with(name, f"unknown key{suggestion(name, self.keys)}", ", ".join(self.keys))

    def json_schema(self) -> Schema:
        schema: Schema = {
            "type": "object",
            "properties": {key.name: key.json_schema() for key in self.keys.values()},
            "patternProperties": {"^x-": True},
            "additionalProperties": False,
        }
        if self.required:
            schema["required"] = [key.name for key in self.required]
        if self.rules:
            schema["allOf"] = [rule.json_schema() for rule in self.rules]
        return schema
