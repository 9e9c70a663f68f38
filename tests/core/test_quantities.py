"""Numbers as operators write them."""

from __future__ import annotations

import pytest

from supervisor.core.quantities import (
    parse_duration,
    parse_integer,
    parse_limit,
    parse_mode,
    parse_number,
    parse_size,
)

NO_NUMBERS = ["", " ", "x", "1x", "1 s", " 1", "1e3", "inf", "nan", "0x10", "1_000", "١", "²", "1.2.3", ".", "--1"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("90", 90.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("500ms", 0.5),
        ("250us", 0.00025),
        ("30s", 30.0),
        ("1.5s", 1.5),
        ("2m", 120.0),
        ("1m30s", 90.0),
        ("1h2m3s", 3723.0),
        ("1s500ms", 1.5),
        ("2d", 172800.0),
        ("3650d", 315360000.0),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", [*NO_NUMBERS, "-1", "-1s", "s", "1s2", "1min", "1S", "1m30", "3651d", "9" * 30])
def test_anything_else_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("1b", 1),
        ("1k", 1024),
        ("64kb", 65536),
        ("64KB", 65536),
        ("10mb", 10485760),
        ("10M", 10485760),
        ("1g", 1073741824),
        ("1.5g", 1610612736),
        ("2GB", 2147483648),
    ],
)
def test_a_size_is_a_number_of_bytes_or_one_with_a_unit_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", [*NO_NUMBERS, "-1", "1kib", "1t", "kb", "1k1", "1kb2b"])
def test_anything_else_is_no_size(text: str) -> None:
    assert parse_size(text) is None


@pytest.mark.parametrize(
    ("text", "mode"), [("022", 18), ("22", 18), ("0o22", 18), ("0660", 432), ("0", 0), ("777", 511)]
)
def test_a_mode_is_octal_however_it_is_written(text: str, mode: int) -> None:
    assert parse_mode(text) == mode


@pytest.mark.parametrize("text", [*NO_NUMBERS, "8", "0o", "1000", "0o1777", "07777", "-22", "u=rwx", "00000"])
def test_anything_else_is_no_mode(text: str) -> None:
    assert parse_mode(text) is None


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("7", 7), ("-20", -20), ("+5", 5), ("007", 7), ("-" + "9" * 18, 1 - 10**18)]
)
def test_an_integer_has_digits_and_a_sign(text: str, number: int) -> None:
    assert parse_integer(text) == number


@pytest.mark.parametrize("text", [*NO_NUMBERS, "1.0", "-", "+-1", "9" * 19, "9" * 5000])
def test_anything_else_is_no_integer(text: str) -> None:
    assert parse_integer(text) is None


@pytest.mark.parametrize(("text", "number"), [("2", 2.0), ("1.5", 1.5), (".5", 0.5), ("2.", 2.0), ("9" * 18, 1e18)])
def test_a_number_may_have_a_point(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize("text", [*NO_NUMBERS, "-1", "9" * 19, "9" * 400])
def test_anything_else_is_no_number(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("text", "limit"), [("1024", 1024), ("0", 0), ("-1", -1), ("unlimited", -1), ("UNLIMITED", -1)]
)
def test_a_limit_is_a_number_or_unlimited(text: str, limit: int) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", [*NO_NUMBERS, "-2", "infinity"])
def test_anything_else_is_no_limit(text: str) -> None:
    assert parse_limit(text) is None
