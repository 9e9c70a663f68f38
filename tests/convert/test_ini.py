"""The text of a supervisord.conf, as RawConfigParser with supervisord's options reads it, and each line's number."""

from __future__ import annotations

import sys
from configparser import ParsingError, RawConfigParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from supervisor.convert.findings import Findings
from supervisor.convert.supervisord.ini import IniSections, read_ini

FILE = "supervisord.conf"
LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "", " ", "\t", "    "]),
        st.sampled_from(
            [
                *("[a]", "[b:c] ; d", "[a] x", "[]", "[[x]]", "key=value", "KEY : other", "key=", "k = a=b:c", "=x"),
                *("more", "x ; comment", "x;none", "x # comment", "; all", "# all", "", "   ", "a b = c", "x\u00a0;y"),
                *(("x;y ;z # w", "k=#a #b ;c") if sys.version_info < (3, 13) else ()),
            ]
        ),
    ).map("".join),
    max_size=8,
).map("\n".join)


def read(text: str) -> tuple[IniSections, Findings]:
    sections, findings = IniSections(), Findings()
    read_ini(text, FILE, sections, findings)
    return sections, findings


@settings(max_examples=400, deadline=None)
@given(LINES)
@example("[a]\nkey=1\n\n  2\n ; gone\n  3\n\n")
@example("[a]\nkey=1\r\n  2\r[a]\nkey=3")
def test_it_reads_what_supervisord_reads(text: str) -> None:
    parser = RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    sections, findings = read(text)
    try:
        parser.read_file(text.replace("\r\n", "\n").replace("\r", "\n").splitlines(keepends=True))
    except ParsingError:
        assert findings.problems
        return
    assert findings.problems == ()
    values = {name: {key: option.text for key, option in section.options.items()} for name, section in sections.items()}
    assert values == {name: dict(parser.items(name)) for name in parser.sections()}


def test_where_two_kinds_of_comments_meet_it_reads_what_supervisord_reads_with_python_before_3_13() -> None:
    """Python 3.13 looks for the first comment, older ones for the first that has no other mark before it."""
    sections, _ = read("[a]\nkey=x;y ;z # w")
    assert sections["a"].options["key"].text == "x;y ;z"


def test_every_option_knows_its_line() -> None:
    sections, _ = read("; first\n[program:a]\ncommand = x\n  y ; z\n\n[program:b]\nUser: root\n")
    options = [option for section in sections.values() for option in section.options.values()]
    assert [(option.name, option.text, str(option.place)) for option in options] == [
        ("command", "x\ny", "supervisord.conf:3"),
        ("user", "root", "supervisord.conf:7"),
    ]


def test_a_key_that_is_given_again_is_said_to_be_so() -> None:
    sections, findings = read("[a]\nx=1\n[b]\n[a]\nx=2\n")
    assert sections["a"].options["x"].text == "2"
    assert findings.warnings == ("supervisord.conf:2: [a] x: is overridden at supervisord.conf:5",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x=1", "supervisord.conf:1: cannot be read: there is no [SECTION] above it"),
        ("[a]\nx", "supervisord.conf:2: cannot be read: expected [SECTION] or KEY=VALUE"),
        ("[a]\n\n=x", "supervisord.conf:3: cannot be read: expected [SECTION] or KEY=VALUE"),
    ],
    ids=["no section", "no value", "no key"],
)
def test_a_line_that_means_nothing_is_a_problem(text: str, problem: str) -> None:
    assert read(text)[1].problems == (problem,)
