"""Compose's variables, as a table."""

from __future__ import annotations

import pytest

from supervisor.config.interpolation import interpolate

ENVIRON = {"SET": "value", "EMPTY": "", "OTHER": "other", "DOLLAR": "$SET ${SET}", "_a1": "under"}


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
        ("${UNSET:?no key}", "cannot do without the variable UNSET, which is not set: no key"),
        ("${EMPTY:?no key}", "cannot do without the variable EMPTY, which is empty: no key"),
        ("${UNSET?}", "cannot do without the variable UNSET, which is not set"),
        ("${UNSET:?see $OTHER}", "cannot do without the variable UNSET, which is not set: see other"),
        ("$", "cannot take '$' for a variable (a dollar sign is written $$)"),
        ("a$ b", "cannot take '$ b' for a variable (a dollar sign is written $$)"),
        ("$1", "cannot take '$1' for a variable (a dollar sign is written $$)"),
        ("$(date)", "cannot take '$(date)' for a variable (a dollar sign is written $$)"),
        ("$é", "cannot take '$é' for a variable (a dollar sign is written $$)"),
        ("${SET", "cannot find the closing brace of '${SET'"),
        ("${A:-${B}", "cannot find the closing brace of '${A:-${B}'"),
        ("x ${a long name that goes on", "cannot find the closing brace of '${a long name that g…'"),
        ("${}", "cannot take '${}' for a variable (allowed: ${VAR}, or VAR followed by :-, -, :+, +, :? or ?)"),
        ("${1}", "cannot take '${1}' for a variable (allowed: ${VAR}, or VAR followed by :-, -, :+, +, :? or ?)"),
        ("${A:x}", "cannot take '${A:x}' for a variable (allowed: ${VAR}, or VAR followed by :-, -, :+, +, :? or ?)"),
        ("${A B}", "cannot take '${A B}' for a variable (allowed: ${VAR}, or VAR followed by :-, -, :+, +, :? or ?)"),
        ("${SET:-$}", "cannot take '$' for a variable (a dollar sign is written $$)"),
        ("${A:-" * 30 + "}" * 30, "cannot nest variables deeper than 20 levels"),
    ],
)
def test_a_variable_that_is_required_or_malformed_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        interpolate(text, ENVIRON)
    assert str(refusal.value) == sentence
