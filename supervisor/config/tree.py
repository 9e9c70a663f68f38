"""The document as it was written: scalars, sequences and mappings, each of which knows its file, line and column.

A scalar stays the text that was written. What it means is for the key that takes it to say, so there is no "no" that
became False, and no "022" that became 18. (Plain classes: a record would cost three times as much, once a value.)
"""

from __future__ import annotations

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


class Scalar:
    """A text. `is_plain`: written without quotes, which is how null is written."""

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
    """Entries by key, each with the key's own node. What `<<` merges in stands before the mapping's own entries."""

    __slots__ = ("column", "entries", "file", "line")

    def __init__(self, entries: dict[str, tuple[Scalar, Node]], file: str, line: int, column: int) -> None:
        self.entries = entries
        self.file = file
        self.line = line
        self.column = column

    is_null = False


Node = Scalar | Sequence | Mapping
