"""The YAML that is written says what it was given, to any reader."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.convert.document import Block, scalar, write

TEXTS = st.text() | st.text(st.sampled_from("ab:-?[]{}&*!|>'\"%@`#,\n\t $<~=\u2028\u0085é\ufeff\\01."), max_size=8)


def block_of(**entries: object) -> Block:
    block = Block()
    block.entries.update(entries)  # type: ignore[arg-type]  # the test's own, all of them allowed
    return block


@settings(deadline=None)
@given(TEXTS)
def test_a_text_is_read_back_as_that_text(text: str) -> None:
    assert yaml.safe_load(f"a: {scalar(text)}") == {"a": text}
    assert yaml.safe_load(f"{scalar(text)}: a") == {text: "a"}


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1), st.dictionaries(TEXTS, TEXTS, min_size=1))
def test_a_text_between_brackets_is_read_back_as_that_text(items: list[str], pairs: dict[str, str]) -> None:
    text = write(block_of(items=tuple(items), pairs=pairs, steps=[pairs, pairs]))
    assert yaml.safe_load(text) == {"items": items, "pairs": pairs, "steps": [pairs, pairs]}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("no", '"no"'),
        ("0755", '"0755"'),
        ("null", '"null"'),
        ("12:30:45", '"12:30:45"'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ('"a" b', "'\"a\" b'"),
        ("a\nb", '"a\\nb"'),
        ("", '""'),
        ('nginx -g "daemon off;"', 'nginx -g "daemon off;"'),
        ("-c", "-c"),
        ("${HOME}/$$x", "${HOME}/$$x"),
    ],
)
def test_a_text_has_quotes_only_where_it_needs_them(text: str, written: str) -> None:
    assert scalar(text) == written


@settings(deadline=None)
@given(TEXTS)
def test_no_comment_reaches_the_table(text: str) -> None:
    document = block_of(programs=(block := block_of(command="x")))
    for place in (document, block):
        place.note(text)
        place.note(text, "command")
    assert yaml.safe_load(write(document)) == {"programs": {"command": "x"}}


def test_what_is_off_is_a_comment_and_what_is_like_another_says_what_differs() -> None:
    first, second = block_of(command="a", scale=2), block_of(command="b", scale=2)
    first.anchor, second.like = "one", first
    off = block_of(command="c", log={"mode": "none"})
    off.is_off = True
    off.note("why")
    document = block_of(programs=block_of(one=first, two=second, three=off))
    document.note("at the top", "")
    assert write(document).splitlines() == [
        "# at the top",
        "",
        "programs:",
        "  one: &one",
        "    command: a",
        "    scale: 2",
        "",
        "  two:",
        "    <<: *one",
        "    command: b",
        "",
        "  # why",
        "  # three:",
        "  #   command: c",
        "  #   log: {mode: none}",
    ]
