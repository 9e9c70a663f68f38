"""A command as one string: split as shlex.split splits it, but in linear time."""

from __future__ import annotations

import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.config.commands import split_words


def shlex_words(text: str) -> list[str] | None:
    try:
        return shlex.split(text)
    except ValueError:
        return None


@given(st.text(alphabet="ab '\"\\\\\n\t#$ä", max_size=30))
def test_a_text_is_split_as_shlex_splits_it(text: str) -> None:
    try:
        words: list[str] | None = split_words(text)
    except ValueError:
        words = None
    assert words == shlex_words(text)


@pytest.mark.parametrize("piece", ["word ", "letter", "'a b' ", '"a \\\\ b"', "\\\\x"], ids=repr)
def test_a_long_text_is_split_in_linear_time(piece: str) -> None:
    """shlex.split is quadratic in the length of a word."""
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    assert split_words(text)
    assert time.process_time() - began < 5
