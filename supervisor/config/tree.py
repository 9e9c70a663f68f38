"""The document as a tree of scalars, sequences and mappings, each with its file, line and column.

A scalar keeps the text as written, and the type of its key gives it a meaning. So "no" never turns into False, nor
"022" into 18. (These are plain classes because there is one per value, and a record costs three times as much.)
"""

from __future__ import annotations

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


class Scalar:
    """A string. `is_plain`: written without quotes, as null is."""

    __slots__ = ("column", "file", "is_null", "is_plain", "line", "text")

    def __init__(self, text: str, is_plain: bool, file: str, line: int, column: int) -> None:
        self.text = text
        self.is_plain = is_plain
        self.is_null = is_plain and text in _NULLS
        self.file = file
        self.line = line
        self.column = column


class Sequence:
    __slots__ = ("column", "file", "items", "line")

    def __init__(self, items: list[Node], file: str, line: int, column: int) -> None:
        self.items = items
        self.file = file
        self.line = line
        self.column = column

    is_null = False


class Mapping:
    """Entries by key, each with the node of its key. Entries merged in by `<<` come before the mapping's own."""

    __slots__ = ("column", "entries", "file", "line")

    def __init__(self, entries: dict[str, tuple[Scalar, Node]], file: str, line: int, column: int) -> None:
        self.entries = entries
        self.file = file
        self.line = line
        self.column = column

    is_null = False


Node = Scalar | Sequence | Mapping
