"""Compose's variables, as a table."""

from __future__ import annotations

import pytest

from supervisor.core.interpolation import interpolate

ENVIRON = {"SET": "value", "EMPTY": "", "OTHER": "other", "DOLLAR": "$SET ${SET}", "_a1": "under", "a1": "short"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("nothing", "nothing"),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a${SET}b", "avalueb"),
        ("$SET/$OTHER", "value/other"),
        ("$SET-1", "value-1"),
        ("${SET}s", "values"),
        ("$_a1", "under"),
        ("$a1", "short"),
        ("$EMPTY", ""),
        ("${SET:-default}", "value"),
        ("${EMPTY:-default}", "default"),
        ("${UNSET:-default}", "default"),
        ("${UNSET:-}", ""),
        ("${SET-default}", "value"),
        ("${EMPTY-default}", ""),
        ("${UNSET-default}", "default"),
        ("${SET:+there}", "there"),
        ("${EMPTY:+there}", ""),
        ("${UNSET:+there}", ""),
        ("${SET+there}", "there"),
        ("${EMPTY+there}", "there"),
        ("${UNSET+there}", ""),
        ("${SET:?message}", "value"),
        ("${SET?message}", "value"),
        ("${EMPTY?message}", ""),
        ("${UNSET:-${OTHER}}", "other"),
        ("${UNSET:-$OTHER}", "other"),
        ("${UNSET:-${UNSET:-${OTHER}-x}}", "other-x"),
        ("${UNSET:-a${OTHER}b}c", "aotherbc"),
        ("${SET:+${OTHER}}", "other"),
        ("${SET:-${MUST:?message}}", "value"),
        ('${UNSET:-{"a": {"b": 1}}}', '{"a": {"b": 1}}'),
        ("${UNSET:-:-x}", ":-x"),
        ("${UNSET:-a b}", "a b"),
        ("$$", "$"),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("$$$SET", "$value"),
        ("ready$$", "ready$"),
        ("${UNSET:-$$5}", "$5"),
    ],
)
def test_variables_are_replaced_as_compose_does(text: str, expected: str) -> None:
    assert interpolate(text, ENVIRON) == (expected, ())


def test_a_socket_is_looked_up_by_its_whole_name() -> None:
    assert interpolate("fd=${sockets.http.fd}", {"sockets.http.fd": "3"}) == ("fd=3", ())


def test_a_value_is_not_looked_at_again_for_variables() -> None:
    assert interpolate("$DOLLAR", ENVIRON) == ("$SET ${SET}", ())


@pytest.mark.parametrize(
    ("text", "expected", "unset"),
    [
        ("$NO", "", ("NO",)),
        ("${NO}", "", ("NO",)),
        ("a $NO b $NOT c", "a  b  c", ("NO", "NOT")),
        ("${UNSET:-$NO}", "", ("NO",)),
        ("${SET:-$NO}", "value", ()),
        ("${UNSET:+$NO}", "", ()),
    ],
)
def test_an_unset_variable_is_empty_and_named_where_it_was_needed(
    text: str, expected: str, unset: tuple[str, ...]
) -> None:
    assert interpolate(text, ENVIRON) == (expected, unset)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${UNSET:?no key}", "required variable UNSET is not set: no key"),
        ("${EMPTY:?no key}", "required variable EMPTY is empty: no key"),
        ("${UNSET?}", "required variable UNSET is not set"),
        ("${UNSET:?see $OTHER}", "required variable UNSET is not set: see other"),
        ("$", "invalid variable '$' (write $$ for a dollar sign)"),
        ("a$ b", "invalid variable '$ b' (write $$ for a dollar sign)"),
        ("$1", "invalid variable '$1' (write $$ for a dollar sign)"),
        ("$(date)", "invalid variable '$(date)' (write $$ for a dollar sign)"),
        ("$é", "invalid variable '$é' (write $$ for a dollar sign)"),
        ("${SET", "missing closing brace after '${SET'"),
        ("${A:-${B}", "missing closing brace after '${A:-${B}'"),
        ("x ${a long name that goes on", "missing closing brace after '${a long name that g…'"),
        ("${sockets.http.fd}", "cannot replace ${sockets.http.fd}: there are no sockets here"),
        ("${SET:-just long enough", "missing closing brace after '${SET:-just long eno…'"),
        ("${twenty_characters_", "missing closing brace after '${twenty_characters_'"),
        ("${}", "invalid variable '${}' (allowed: ${VAR}, or VAR followed by :-, -, :+, +, :? or ?)"),
        ("${:-x}", "invalid variable '${:-x}' (allowed: ${VAR}, or VAR followed by :-, -, :+, +, :? or ?)"),
        ("${1}", "invalid variable '${1}' (allowed: ${VAR}, or VAR followed by :-, -, :+, +, :? or ?)"),
        ("${A:x}", "invalid variable '${A:x}' (allowed: ${VAR}, or VAR followed by :-, -, :+, +, :? or ?)"),
        ("${A B}", "invalid variable '${A B}' (allowed: ${VAR}, or VAR followed by :-, -, :+, +, :? or ?)"),
        ("${SET:-$}", "invalid variable '$' (write $$ for a dollar sign)"),
        ("${A:-" * 30 + "}" * 30, "cannot nest variables more than 20 levels deep"),
    ],
)
def test_a_variable_that_is_required_or_malformed_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        interpolate(text, ENVIRON)
    assert str(refusal.value) == sentence


def test_variables_can_be_nested_20_levels_deep() -> None:
    assert interpolate("${A:-" * 20 + "x" + "}" * 20, {}) == ("x", ())
