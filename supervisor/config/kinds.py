"""Types of values: a scalar, a choice of words, a list, a map, or alternatives that differ in shape.

A type reads a node into a value and reports what is wrong with it. It describes itself in two ways: `allowed`, the
words in the parentheses of an error, and its JSON Schema. The scalar types are in `scalars.py`, mappings with fixed
keys in `sections.py`.
"""

from __future__ import annotations

from supervisor.config.reading import InvalidValue, quote, suggestion
from supervisor.config.tree import Mapping, Scalar, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Mapping as MappingOf
    from typing import Any, NoReturn, Protocol

    from supervisor.config.reading import Reading
    from supervisor.config.tree import Node

    Schema = dict[str, object]

    class ValueKind(Protocol):
        @property
        def allowed(self) -> str: ...

        def read(self, node: Node, path: str, reading: Reading) -> Any:
            """Return the value. Raises InvalidValue after the problem has been reported."""

        def json_schema(self) -> Schema: ...


class Value:
    """A scalar. `parse` returns None for an invalid value, or raises ValueError with the reason."""

    __slots__ = ("_schema", "allowed", "parse")

    def __init__(self, parse: Callable[[str], object], allowed: str, schema: Schema) -> None:
        self.parse = parse
        self.allowed = allowed
        self._schema = schema

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if type(node) is not Scalar or node.is_null:
            refuse_shape(node, path, reading, self.allowed)
        text = node.text
        return self.read_text(reading.expand(node, path) if "$" in text else text, node, path, reading)

    def read_text(self, text: str, node: Node, path: str, reading: Reading) -> Any:
        """Read the text of `node`, whose variables have been replaced."""
        try:
            check_text(text)
            value = self.parse(text)
        except ValueError as error:
            reading.refuse(node, path, str(error))
        if value is None:
            reading.refuse(node, path, f"cannot be {quote(text)}", self.allowed)
        return value

    def json_schema(self) -> Schema:
        return self._schema


class Choice:
    """A choice of words, each with its value."""

    __slots__ = ("words",)

    def __init__(self, words: MappingOf[str, object]) -> None:
        self.words = words

    @property
    def allowed(self) -> str:
        return ", ".join(self.words)

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if type(node) is not Scalar or node.is_null:
            refuse_shape(node, path, reading, self.allowed)
        word = reading.expand(node, path) if "$" in node.text else node.text
        if word not in self.words:
            reading.refuse(node, path, f"cannot be {quote(word)}{suggestion(word, self.words)}", self.allowed)
        return self.words[word]

    def json_schema(self) -> Schema:
        return or_variable({"enum": list(self.words)})


class ListOf:
    """A list, read into a tuple. `unique` returns the key by which two items are duplicates."""

    __slots__ = ("item", "may_be_empty", "unique")

    def __init__(
        self, item: ValueKind, may_be_empty: bool = True, unique: Callable[[Any], object] | None = None
    ) -> None:
        self.item = item
        self.may_be_empty = may_be_empty
        self.unique = unique

    @property
    def allowed(self) -> str:
        return f"a {'' if self.may_be_empty else 'non-empty '}list, each item {self.item.allowed}"

    def read(self, node: Node, path: str, reading: Reading) -> tuple[Any, ...]:
        if type(node) is not Sequence:
            refuse_shape(node, path, reading, self.allowed)
        if not node.items and not self.may_be_empty:
            reading.refuse(node, path, "cannot be empty", self.allowed)
        values = []
        is_intact = True
        for number, item in enumerate(node.items):
            try:
                values.append(self.item.read(item, f"{path}[{number}]", reading))
            except InvalidValue:
                is_intact = False
        if not is_intact:
            raise InvalidValue
        if self.unique is not None:
            refuse_repetition([self.unique(value) for value in values], node.items, path, reading)
        return tuple(values)

    def json_schema(self) -> Schema:
        limits: Schema = {} if self.may_be_empty else {"minItems": 1}
        return {"type": "array", "items": self.item.json_schema(), **limits}


class MapOf:
    """A mapping with any keys, read into a tuple of the results of `make` for each key and its value."""

    __slots__ = ("allowed", "key", "make", "value")

    def __init__(
        self,
        key: Value,
        value: ValueKind,
        allowed: str,
        make: Callable[[Any, Any], object] = lambda key, value: (key, value),
    ) -> None:
        self.key = key
        self.value = value
        self.allowed = allowed
        self.make = make

    def read(self, node: Node, path: str, reading: Reading) -> tuple[Any, ...]:
        if type(node) is not Mapping:
            refuse_shape(node, path, reading, self.allowed)
        names = []
        made = []
        is_intact = True
        for text, (key_node, value_node) in node.entries.items():
            entry_path = f"{path}.{text}"
            try:
                names.append(self.key.read_text(text, key_node, entry_path, reading))
                made.append(self.make(names[-1], self.value.read(value_node, entry_path, reading)))
            except InvalidValue:
                is_intact = False
        if not is_intact:
            raise InvalidValue
        refuse_repetition(names, [key for key, _ in node.entries.values()], path, reading)
        return tuple(made)

    def json_schema(self) -> Schema:
        names = {**self.key.json_schema(), "type": "string"}
        return {"type": "object", "propertyNames": names, "additionalProperties": self.value.json_schema()}


class ByShape:
    """Alternatives that differ in shape: a scalar, a list or a mapping. At least two are given."""

    __slots__ = ("alternatives",)

    def __init__(
        self, scalar: ValueKind | None = None, sequence: ValueKind | None = None, mapping: ValueKind | None = None
    ) -> None:
        shapes = ((Scalar, scalar), (Sequence, sequence), (Mapping, mapping))
        self.alternatives: dict[type, ValueKind] = {shape: kind for shape, kind in shapes if kind is not None}

    @property
    def allowed(self) -> str:
        return "; or ".join(kind.allowed for kind in self.alternatives.values())

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        kind = self.alternatives.get(type(node))
        if kind is None or node.is_null:
            refuse_shape(node, path, reading, self.allowed)
        return kind.read(node, path, reading)

    def json_schema(self) -> Schema:
        return {"anyOf": [kind.json_schema() for kind in self.alternatives.values()]}


class Made:
    """A type whose value is passed through `make`, which raises ValueError with the reason why it is invalid."""

    __slots__ = ("_schema", "kind", "make")

    def __init__(self, kind: ValueKind, make: Callable[[Any], object], schema: Schema | None = None) -> None:
        self.kind = kind
        self.make = make
        self._schema = schema

    @property
    def allowed(self) -> str:
        return self.kind.allowed

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        value = self.kind.read(node, path, reading)
        try:
            return self.make(value)
        except ValueError as error:
            reading.refuse(node, path, str(error))

    def json_schema(self) -> Schema:
        return self._schema or self.kind.json_schema()


class OrNull:
    """A type, or null with a meaning that differs from leaving the key out."""

    __slots__ = ("kind", "meaning", "null")

    def __init__(self, kind: ValueKind, null: object, meaning: str) -> None:
        self.kind = kind
        self.null = null
        self.meaning = meaning

    @property
    def allowed(self) -> str:
        return f"{self.kind.allowed}; or null, {self.meaning}"

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        return self.null if node.is_null else self.kind.read(node, path, reading)

    def json_schema(self) -> Schema:
        return {"anyOf": [self.kind.json_schema(), {"type": "null"}]}


class Deferred:
    """A type that is defined in a module of its own, which is loaded when a table uses the key."""

    __slots__ = ("_load",)

    def __init__(self, load: Callable[[], ValueKind]) -> None:
        self._load = load

    @property
    def kind(self) -> ValueKind:
        return self._load()

    @property
    def allowed(self) -> str:
        return self._load().allowed

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        return self._load().read(node, path, reading)

    def json_schema(self) -> Schema:
        return self._load().json_schema()


def or_variable(schema: Schema) -> Schema:
    """Return the schema that also accepts a string with a variable, whose value is known only at the start."""
    return {"anyOf": [schema, {"$ref": "#/$defs/variable"}]}


def check_text(text: str) -> None:
    """Raise ValueError for text that cannot be passed to the kernel as a C string."""
    if "\0" in text:
        raise ValueError("cannot contain a null byte")
    if not text.isascii():
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise ValueError("cannot contain an unpaired surrogate") from None


def refuse_shape(node: Node, path: str, reading: Reading, allowed: str) -> NoReturn:
    """Report that a node has the wrong shape."""
    if type(node) is Scalar:
        reading.refuse(node, path, "cannot be null" if node.is_null else f"cannot be {quote(node.text)}", allowed)
    reading.refuse(node, path, f"cannot be a {'list' if type(node) is Sequence else 'mapping'}", allowed)


def refuse_repetition(names: Iterable[object], nodes: Iterable[Node], path: str, reading: Reading) -> None:
    """Report each node that means the same as one before it, in whatever spelling."""
    first: dict[object, Node] = {}
    is_intact = True
    for name, node in zip(names, nodes, strict=True):
        if name in first:
            word = quote(node.text) if type(node) is Scalar else "item"
            reading.problem(node, path, f"duplicate {word}, first given on line {first[name].line}")
            is_intact = False
        first.setdefault(name, node)
    if not is_intact:
        raise InvalidValue
