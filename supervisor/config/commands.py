"""Commands: a list of words, or a string that is split into words as a shell does. No shell runs."""

from __future__ import annotations

from supervisor.config.kinds import ByShape, ListOf, Made, Value
from supervisor.config.scalars import ANY_TEXT, TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def _command(words: Sequence[str]) -> tuple[str, ...]:
    if not words or not words[0]:
        raise ValueError("cannot be empty (allowed: a program to run and its arguments)")
    return tuple(words)


def _split(text: str) -> tuple[str, ...]:
    import shlex

    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {str(error).lower()}") from None
    return _command(words)


COMMAND = ByShape(
    scalar=Value(_split, "a string, split into words as a shell does", TEXT.json_schema()),
    sequence=Made(ListOf(ANY_TEXT), _command, ListOf(ANY_TEXT, may_be_empty=False).json_schema()),
)
