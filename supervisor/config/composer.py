"""Build the tree of a document from YAML events.

Rule 1: no document can create objects, recurse without end or grow without limit. Tags other than YAML's own are
        errors, and both the depth and the number of values, including those behind aliases, are limited.
Rule 2: an error that leaves the rest readable (a duplicate key, an unsupported tag) is reported, and reading continues.

Why not `yaml.compose`: building the tree from events is a third faster than walking over its nodes, and libyaml's
composer overflows the C stack on deep nesting, which would kill PID 1.
"""

from __future__ import annotations

from supervisor.config.libyaml import events
from supervisor.config.reading import join, quote
from supervisor.config.tree import Mapping, Scalar, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from supervisor.config.reading import Reading
    from supervisor.config.tree import Node

    Event = Any  # the stubs have marks that may be None; those of a parsed document never are

MAX_DEPTH = 50
TOO_DEEP = f"cannot be nested more than {MAX_DEPTH} levels deep"
MAX_VALUES = 500_000

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = ("!", _TAG + "str")
_PLAIN_TAGS = tuple(_TAG + name for name in ("null", "bool", "int", "float"))
_SEQUENCE_TAGS = (None, "!", _TAG + "seq")
_MAPPING_TAGS = (None, "!", _TAG + "map")


class DocumentEnded(Exception):
    """The rest of the document cannot be read. The reason has been reported."""


class Composer:
    """Reads the events of one document."""

    def __init__(self, file: str, reading: Reading, next_event: Callable[[], Event]) -> None:
        self.file = file
        self.reading = reading
        self.next_event = next_event
        self.values = 0
        self.depth = 0
        self.anchors: dict[str, tuple[Node | None, int]] = {}
        """By name, the node (None while it is being built) and its number of values."""

    def document(self) -> Node | None:
        """Build the tree of the document. Return None if there is no document."""
        root: Node | None = None
        is_first = True
        while type(event := self.next_event()) is not events.StreamEndEvent:
            if type(event) is events.DocumentStartEvent:
                if not is_first:
                    self.stop(event, "", "cannot contain more than one document")
                root = self.node(self.next_event(), "", "")
                is_first = False
        return root

    def node(self, event: Event, path: str, step: str | int) -> Node:
        """Build the node that begins with this event. It is the key or item `step` of the node at `path`."""
        self.values += 1
        if self.values > MAX_VALUES:
            self.stop_at_limit(event, path)
        kind = type(event)
        if kind is events.AliasEvent:
            return self.aliased(event, path)
        values_before = self.values
        anchor = event.anchor
        if kind is events.ScalarEvent:
            node: Node = self.scalar(event, path)
        else:
            if anchor is not None:
                self.anchors[anchor] = (None, 0)
            node = self.collection(event, f"{path}[{step}]" if type(step) is int else join(path, str(step)))
        if anchor is not None:
            self.anchors[anchor] = (node, self.values - values_before)
        return node

    def aliased(self, event: Event, path: str) -> Node:
        node, weight = self.anchors.get(event.anchor, (None, -1))
        if node is None:
            reason = f"unknown anchor &{event.anchor}" if weight < 0 else f"alias *{event.anchor} cannot contain itself"
            self.stop(event, path, reason)
        self.values += weight
        if self.values > MAX_VALUES:
            self.stop_at_limit(event, path)
        return node

    def scalar(self, event: Event, path: str) -> Scalar:
        tag = event.tag
        if tag is None:
            is_plain = not event.style
        else:
            is_plain = tag in _PLAIN_TAGS
            if not is_plain and tag not in _TEXT_TAGS:
                self.refuse_tag(event, path)
        mark = event.start_mark
        return Scalar(event.value, is_plain, self.file, mark.line + 1, mark.column + 1)

    def collection(self, event: Event, path: str) -> Sequence | Mapping:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.stop(event, path, TOO_DEEP)
        node = self.sequence(event, path) if type(event) is events.SequenceStartEvent else self.mapping(event, path)
        self.depth -= 1
        return node

    def sequence(self, event: Event, path: str) -> Sequence:
        if event.tag not in _SEQUENCE_TAGS:
            self.refuse_tag(event, path)
        items: list[Node] = []
        while type(item := self.next_event()) is not events.SequenceEndEvent:
            items.append(self.node(item, path, len(items)))
        mark = event.start_mark
        return Sequence(items, self.file, mark.line + 1, mark.column + 1)

    def mapping(self, event: Event, path: str) -> Mapping:
        if event.tag not in _MAPPING_TAGS:
            self.refuse_tag(event, path)
        entries: dict[str, tuple[Scalar, Node]] = {}
        while type(key_event := self.next_event()) is not events.MappingEndEvent:
            key = self.node(key_event, path, "?")
            if type(key) is not Scalar or key.is_null:
                self.reading.problem(key, path, "cannot have a key that is not a string")
                self.node(self.next_event(), path, "?")
                continue
            value = self.node(self.next_event(), path, key.text)
            if key.text in entries:
                first = entries[key.text][0].line
                self.reading.problem(key, join(path, key.text), f"duplicate key, first given on line {first}")
            else:
                entries[key.text] = (key, value)
        mark = event.start_mark
        if "<<" in entries and entries["<<"][0].is_plain:
            entries = self.merge(entries.pop("<<")[1], path) | entries
        return Mapping(entries, self.file, mark.line + 1, mark.column + 1)

    def merge(self, value: Node, path: str) -> dict[str, tuple[Scalar, Node]]:
        """Return the entries of a mapping, or of a list of mappings, where earlier ones take precedence."""
        entries: dict[str, tuple[Scalar, Node]] = {}
        for source in reversed(value.items) if type(value) is Sequence else (value,):
            if type(source) is Mapping:
                entries |= source.entries
            else:
                allowed = "a mapping, or a list of mappings"
                self.reading.problem(source, join(path, "<<"), "cannot be merged", allowed)
        return entries

    def refuse_tag(self, event: Event, path: str) -> None:
        tag = quote(event.tag.replace(_TAG, "!!"))
        mark = event.start_mark
        sentence = f"unsupported tag {tag} (allowed: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map)"
        self.reading.problem_at(self.file, mark.line + 1, mark.column + 1, path, sentence)

    def stop_at_limit(self, event: Event, path: str) -> NoReturn:
        self.stop(event, path, f"cannot contain more than {MAX_VALUES} values, including those behind aliases")

    def stop(self, event: Event, path: str, sentence: str) -> NoReturn:
        mark = event.start_mark
        self.reading.problem_at(self.file, mark.line + 1, mark.column + 1, path, sentence)
        raise DocumentEnded
