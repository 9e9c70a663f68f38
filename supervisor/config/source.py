"""Read a file and parse it into a tree. Report whatever is wrong with its encoding and its YAML."""

from __future__ import annotations

import os

from supervisor.config import libyaml
from supervisor.config.composer import TOO_DEEP, Composer, DocumentEnded
from supervisor.regular_file import read_regular_file, read_to_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.config.reading import Reading
    from supervisor.config.tree import Node

MAX_BYTES = 16 * 1024 * 1024


def read_file(path: str, regular_only: bool = False) -> bytes:
    """Return the content of the file, which may be a pipe unless `regular_only`. Raises OSError."""
    if regular_only:
        return read_regular_file(path, MAX_BYTES)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_to_end(descriptor, MAX_BYTES)
    finally:
        os.close(descriptor)


def parse(data: bytes, file: str, reading: Reading) -> Node | None:
    """Build the tree of the document in `data`, which is YAML in UTF-8.

    Return None for an empty document, and after a problem that makes the document unreadable.
    """
    text = _decode(data, file, reading)
    if text is None:
        return None
    try:
        return Composer(file, reading, libyaml.new_parser(text).get_event).document()
    except DocumentEnded:
        return None
    except libyaml.error.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        words = ", ".join(filter(None, (error.context, error.problem)))
        sentence = f"invalid YAML: {words}"
        if "maximum nesting depth" in words:  # newer versions of libyaml have a limit of their own
            sentence = TOO_DEEP
        reading.problem_at(file, line, column, "", sentence)
    except libyaml.error.YAMLError:
        line, column, character = _first_unprintable(text)
        reading.problem_at(file, line, column, "", f"invalid YAML: {character} must be escaped")
    return None


def _decode(data: bytes, file: str, reading: Reading) -> str | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _position(data[: error.start].decode("utf-8-sig", "replace"))
        reading.problem_at(file, line, column, "", f"invalid UTF-8: byte 0x{data[error.start]:02x}")
        return None
    if "\0" in text:
        line, column = _position(text[: text.index("\0")])
        reading.problem_at(file, line, column, "", "cannot contain a null byte")
        return None
    return text


def _position(before: str) -> tuple[int, int]:
    """Return line and column, from 1, of the position after `before`."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _first_unprintable(text: str) -> tuple[int, int, str]:
    """Find the first character that YAML does not allow. The parsers name it in different ways, without a position."""
    for offset, character in enumerate(text):
        is_control = character < " " or "\x7f" <= character <= "\x9f"
        is_none = "\ud800" <= character <= "\udfff" or character in "\ufffe\uffff"
        if is_none or (is_control and character not in "\t\n\r\x85"):
            return *_position(text[:offset]), f"the character U+{ord(character):04X}"
    return 1, 1, "a control character"
