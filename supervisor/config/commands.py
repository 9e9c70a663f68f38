"""Commands: a list of words, or a string that is split into words as a shell does. No shell runs."""

from __future__ import annotations

from supervisor.config.kinds import ByShape, ListOf, Made, Value
from supervisor.config.scalars import ANY_TEXT, TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


_SPACE = " \t\r\n"
_SPECIAL = frozenset(_SPACE + "\"'\\")


def _command(words: Sequence[str]) -> tuple[str, ...]:
    if not words or not words[0]:
        raise ValueError("cannot be empty (allowed: a program to run and its arguments)")
    return tuple(words)


def _split(text: str) -> tuple[str, ...]:
    return _command(split_words(text))


def split_words(text: str) -> list[str]:
    """Split a text as a POSIX shell splits words, with quotes and backslashes. Raises ValueError.

    Like shlex.split, but in linear time, and without importing it and re before the first program runs.
    """
    words: list[str] = []
    word: list[str] = []
    is_word = False
    position, end = 0, len(text)
    while position < end:
        character = text[position]
        if character in _SPACE:
            if is_word:
                words.append("".join(word))
                word, is_word = [], False
            position += 1
            continue
        is_word = True
        if character in "\"'":
            position = _read_quoted(text, position, word)
        elif character == "\\":
            if position + 1 == end:
                raise ValueError("cannot be split into words: no character after the last backslash")
            word.append(text[position + 1])
            position += 2
        else:
            start = position
            while position < end and text[position] not in _SPECIAL:
                position += 1
            word.append(text[start:position])
    if is_word:
        words.append("".join(word))
    return words


def _read_quoted(text: str, start: int, word: list[str]) -> int:
    """Add what is quoted to the word, and return the position after the closing quote."""
    quote = text[start]
    position = start + 1
    while True:
        close = text.find(quote, position)
        if close < 0:
            raise ValueError(f"cannot be split into words: no closing quote {quote}")
        escape = text.find("\\", position, close) if quote == '"' else -1
        if escape < 0:
            word.append(text[position:close])
            return close + 1
        word.append(text[position:escape])
        following = text[escape + 1 : escape + 2]
        word.append(following if following in '\\"' else f"\\{following}")
        position = escape + 2


COMMAND_TEXT = Value(_split, "a string, split into words as a shell does", TEXT.json_schema())
COMMAND_WORDS = Made(ListOf(ANY_TEXT), _command, ListOf(ANY_TEXT, may_be_empty=False).json_schema())
COMMAND = ByShape(scalar=COMMAND_TEXT, sequence=COMMAND_WORDS)
