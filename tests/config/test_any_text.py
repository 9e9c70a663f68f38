"""Whatever the file holds: a table, or a ConfigError with its place. Never anything else."""

from __future__ import annotations

import re
from contextlib import suppress

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from supervisor.config.schema import PROGRAM, SUPERVISOR
from supervisor.core.program import Table
from supervisor.core.quantities import MAX_DURATION, parse_duration, parse_size
from supervisor.errors import ConfigError

from .documents import FILE, table_of

PLACE = re.compile(rf"^{re.escape(FILE)}:[1-9][0-9]*:[1-9][0-9]*: ")
QUICKLY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

WORDS = st.sampled_from(
    (
        "~", "x", "1", "-1", "1s", "10mb", "true", "no", "$A", "${A:-b}", "${", "$$", "SIGTERM", "a:1", "/run/a", "''",
        "*a", "&a x", "!!str 1", "!x y", "[]", "{}", "[CMD, x]", "{condition: started}", "{soft: 1, hard: 2}", "<<",
        "(", "root",
    )
)  # fmt: skip
KEYS = st.sampled_from(
    [*PROGRAM.keys, *SUPERVISOR.keys, "programs", "supervisor", "web", "file", "x-a", "test", "wait"]
)
VALUES = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(KEYS, inner, max_size=4).map(
            lambda entries: "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"
        ),
    ),
    max_leaves=12,
)
PROGRAMS = st.dictionaries(st.sampled_from([*PROGRAM.keys]), VALUES, max_size=8).map(
    lambda keys: "programs: {web: {command: x, " + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}}"
)


def load_anything(text: str | bytes) -> None:
    try:
        assert isinstance(table_of(text), Table)
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert PLACE.match(problem), problem
            assert "\n" not in problem.replace("\\n", ""), problem


@QUICKLY
@given(st.binary())
@example(b"\xef\xbb\xbf")
@example(b"a: \xed\xa0\x80")
def test_any_bytes(data: bytes) -> None:
    load_anything(data)


@QUICKLY
@given(st.text(st.sampled_from("ab:-?[]{}&*!|>'\"%@`#,\n\t $<~\u2028\u0085é\ufeff\\01"), max_size=60))
def test_any_text_of_the_characters_that_mean_something(text: str) -> None:
    load_anything(text.encode())


@QUICKLY
@given(VALUES)
def test_any_document_of_known_words(text: str) -> None:
    load_anything(text.encode())


@QUICKLY
@given(PROGRAMS)
def test_any_program_of_known_words(text: str) -> None:
    load_anything(text.encode())
    with suppress(ConfigError):
        assert isinstance(table_of(text), Table)


@QUICKLY
@given(st.text(st.sampled_from("0123456789.-+ smhdukbg"), max_size=20))
def test_a_quantity_is_finite_and_never_negative(text: str) -> None:
    assert 0 <= (parse_duration(text) or 0) <= MAX_DURATION
    assert (parse_size(text) or 0) >= 0
