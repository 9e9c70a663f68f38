"""What an env file means: the examples of Compose's documentation, and what public env files contain."""

from __future__ import annotations

import pytest

from supervisor.errors import SpawnError
from supervisor.process.env_file import parse, parse_raw

OWN = {"OWN": "own", "EMPTY": ""}


def read(text: str) -> dict[str, str]:
    return parse("app.env", text, OWN, {})


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("A: b", "b"),
        ("  A  =  b  ", "b"),
        ("export A=b", "b"),
        ("export\tA=b", "b"),
        ('A="b c"', "b c"),
        ("A='b c'", "b c"),
        ('A="  b  "', "  b  "),
        ("A='\"b\"'", '"b"'),
        ("A=it's", "it's"),
        ("A=b=c", "b=c"),
        ("A=b # a comment", "b"),
        ("A=b\t# a comment", "b"),
        ("A=b# no comment", "b# no comment"),
        ("A=b#c", "b#c"),
        ('A="b # no comment"', "b # no comment"),
        ('A="b" # a comment', "b"),
        ("A='b' # it's a comment", "b"),
        ("A= # a comment", ""),
        ("A=b\\nc", "b\\nc"),
        ("A=ä", "ä"),
        ("A=one\u2028two\x0cthree\x85four", "one\u2028two\x0cthree\x85four"),
        ('A="b\\nc\\td\\re"', "b\nc\td\re"),
        ('A="b\\\\nc"', "b\\nc"),
        ('A="b\\qc"', "b\\qc"),
        ('A="{\\"hello\\": \\"json\\"}"', '{"hello": "json"}'),
        ("A='b\\nc'", "b\\nc"),
        ("A='Let\\'s go!'", "Let's go!"),
        ('A="one\ntwo # three\n\nfour"', "one\ntwo # three\n\nfour"),
        ("A='one\ntwo'", "one\ntwo"),
        ("A=$OWN", "own"),
        ("A=${OWN}/b", "own/b"),
        ('A="${OWN}/b"', "own/b"),
        ("A='${OWN}/b'", "${OWN}/b"),
        ("A=${NONE:-default}", "default"),
        ("A=${NONE}b", "b"),
        ("A=${EMPTY:-default}", "default"),
        ("A=b$$c", "b$c"),
        ('A="\\$OWN"', "$OWN"),
        ('A="\\\\$OWN"', "\\own"),
    ],
)
def test_an_assignment(line: str, value: str) -> None:
    assert read(f"# first\n\n{line}\n  # last\n") == {"A": value}


def test_a_variable_is_looked_up_in_supinits_environment_then_in_the_lines_above() -> None:
    assert read("OWN=file\nA=1\nB=$A$OWN$C\nC=3\n") == {"OWN": "file", "A": "1", "B": "1own", "C": "3"}


def test_a_name_alone_takes_supinits_own_value() -> None:
    assert read("OWN\nexport EMPTY\nNONE\n") == {"OWN": "own", "EMPTY": ""}


def test_a_byte_order_mark_and_windows_line_ends_are_left_out() -> None:
    assert read('\ufeffA=b\r\nC="d\r\ne"\r\n') == {"A": "b", "C": "d\ne"}


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "\ufeff"])
def test_a_file_without_variables_sets_nothing(text: str) -> None:
    assert read(text) == {}


def test_the_last_line_needs_no_newline_and_the_last_assignment_wins() -> None:
    assert read("A=b\nC=d\nA=e") == {"A": "e", "C": "d"}


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        ("=b", 3, "not a NAME=VALUE line"),
        ("A B=c", 3, "not a NAME=VALUE line"),
        ("curl -f", 3, "not a NAME=VALUE line"),
        ("A='b", 3, "missing closing quote '"),
        ('A="one\ntwo\n', 3, 'missing closing quote "'),
        ('A="one\ntwo"\nA="b"c', 5, 'unexpected text after the closing quote "'),
        ("A=${B", 3, "missing closing brace after '${B'"),
        ("A=${B:?no B}", 3, "required variable B is not set: no B"),
        ("A=$1", 3, "invalid variable '$1' (write $$ for a dollar sign)"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(lines: str, line: int, reason: str) -> None:
    with pytest.raises(SpawnError) as caught:
        read(f"X=y\n\n{lines}")
    assert str(caught.value) == f"cannot read env_file app.env:{line}: {reason}"
    assert caught.value.code is None


def test_lines_cannot_double_without_end() -> None:
    lines = ["A0=" + "x" * 1000, *(f"A{n}=$A{n - 1}$A{n - 1}" for n in range(1, 64))]
    with pytest.raises(SpawnError) as caught:
        read("\n".join(lines))
    assert str(caught.value) == "cannot read env_file app.env:9: the value of A8 is longer than 128 KiB"


def test_a_long_file_is_read_in_linear_time() -> None:
    text = "".join(f"A{number}=$OWN\n" for number in range(60_000))
    assert set(read(text).values()) == {"own"}


def test_a_raw_file_has_no_quotes_no_variables_and_only_whole_line_comments() -> None:
    text = "\ufeffA='$B' # c\r\n# comment\n\n  D= e \nOWN\nNONE\n"
    assert parse_raw("app.env", text, OWN) == {"A": "'$B' # c", "D": " e ", "OWN": "own"}


def test_a_raw_file_names_its_wrong_line() -> None:
    with pytest.raises(SpawnError, match=r"^cannot read env_file app\.env:2: not a NAME=VALUE line$"):
        parse_raw("app.env", "A=b\nB C=d\n", OWN)
