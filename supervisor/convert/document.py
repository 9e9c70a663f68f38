"""A table as YAML text: block style, with comments above the keys they explain."""

from __future__ import annotations

import textwrap
from functools import cache

import yaml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Flow = str | int | tuple[str | int, ...] | dict[str, "Flow"] | list["Flow"]
    """A list is written with one item in each line, a tuple between brackets."""

WIDTH = 120
INDENT = "  "
_INDICATORS = frozenset("?:,[]{}#&*!|>'\"%@` ")
_ESCAPES = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


class Block:
    """A mapping and the comments above its keys. Comments of the key "" stand above the mapping itself."""

    def __init__(self) -> None:
        self.entries: dict[str, Flow | Block] = {}
        self.notes: dict[str, list[str]] = {}
        self.anchor = ""
        self.like: Block | None = None
        """A block with an anchor. It is merged in (`<<`), and only the entries that differ are written."""
        self.is_off = False
        """Write the whole block as a comment."""

    def note(self, sentence: str, key: str = "") -> None:
        notes = self.notes.setdefault(key, [])
        if sentence not in notes:
            notes.append(sentence)

    @property
    def notes_above(self) -> list[str]:
        """The notes of the block itself, and of keys that it does not have."""
        return [note for key, notes in self.notes.items() if key not in self.entries for note in notes]

    def sort(self, order: Iterable[str]) -> None:
        self.entries = {key: self.entries[key] for key in order if key in self.entries}


def write(document: Block) -> str:
    """Return the document as text, its own notes first."""
    lines = list(comment(document.notes_above))
    for key, value in document.entries.items():
        lines += ["", *_entry(key, value, document)]
    return "\n".join(lines).lstrip("\n") + "\n"


def comment(sentences: Iterable[str], indent: str = "") -> Iterator[str]:
    """Yield comment lines. Each sentence starts a new line."""
    for sentence in sentences:
        text = "".join(character if character.isprintable() else _escape(character) for character in sentence)
        yield from textwrap.wrap(
            text,
            WIDTH,
            initial_indent=f"{indent}# ",
            subsequent_indent=f"{indent}#   ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _block(block: Block, indent: str) -> Iterator[str]:
    known: dict[str, list[str]] = {}
    if block.like is not None and block.like.entries.keys() <= block.entries.keys():
        yield f"{indent}<<: *{block.like.anchor}"
        known = {key: list(_entry(key, value, block.like, indent)) for key, value in block.like.entries.items()}
    last = next(reversed(block.entries), None)
    for key, value in block.entries.items():
        lines = list(_entry(key, value, block, indent))
        if lines != known.get(key):
            yield from lines
        if isinstance(value, Block) and len(indent) == len(INDENT) and key != last:
            yield ""


def _entry(key: str, value: Flow | Block, parent: Block, indent: str = "") -> Iterator[str]:
    """Yield the lines of one key and its value."""
    yield from comment(parent.notes.get(key, ()), indent)
    head = f"{indent}{scalar(key)}:"
    if not isinstance(value, Block):
        yield from _value(head, value, indent)
        return
    if value.like is None:
        yield from comment(value.notes_above, indent)
    anchor = f" &{value.anchor}" if value.anchor else ""
    if not any(not isinstance(item, Block) or not item.is_off for item in value.entries.values()):
        head = f"{head} {{}}"  # else a mapping of nothing but comments would be null
    lines = [head + anchor, *_block(value, indent + INDENT)]
    if len(lines) == 2 and (same := lines[1].lstrip()).startswith("<<: "):
        lines = [f"{head} {same[4:]}"]
    yield from (f"{indent}# {line.removeprefix(indent)}" for line in lines) if value.is_off else lines


def _value(head: str, value: Flow, indent: str) -> Iterator[str]:
    if isinstance(value, list):
        yield head
        yield from (f"{indent}{INDENT}- {_flow(item)}" for item in value)
    else:
        yield f"{head} {_flow(value)}"


def _flow(value: Flow, in_flow: bool = False) -> str:
    match value:
        case tuple() | list():
            return f"[{', '.join(_flow(item, in_flow=True) for item in value)}]"
        case dict():
            pairs = (f"{scalar(name, in_flow=True)}: {_flow(item, in_flow=True)}" for name, item in value.items())
            return f"{{{', '.join(pairs)}}}"
        case str() | int():
            return scalar(value, in_flow)


def scalar(value: str | int, in_flow: bool = False) -> str:
    """Return a text or number so that YAML reads it back unchanged. `in_flow`: between brackets or braces."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _is_plain(value) and not (in_flow and frozenset(" ,?:[]{}").intersection(value)):
        return value
    if value.isprintable() and "'" not in value and ('"' in value or "\\" in value):
        return f"'{value}'"
    inside = (_ESCAPES.get(character) or _escape(character) for character in value)
    return f'"{"".join(inside)}"'


def _is_plain(text: str) -> bool:
    """Whether a text needs no quotes: no YAML reader takes it for a number, flag, date or null."""
    if not text or not text.isprintable() or text[0] in _INDICATORS or text.startswith("- ") or text == "-":
        return False
    if text.endswith((" ", ":")) or ": " in text or " #" in text:
        return False
    tag = _resolver().resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # PyYAML's stubs
    return bool(tag == "tag:yaml.org,2002:str")


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@cache
def _resolver() -> yaml.SafeLoader:
    return yaml.SafeLoader("")
