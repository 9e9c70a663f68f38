"""The names of signals, both ways."""

from __future__ import annotations

from signal import SIGINT, SIGKILL, SIGQUIT, SIGRTMAX, SIGRTMIN, SIGTERM, Signals

import pytest

from supervisor.core.signals import parse_signal, signal_name

RESERVED = (32, 33)
"""The C library keeps these for itself (signal(7)), so that they have no name."""


@pytest.mark.parametrize("number", [number for number in range(1, 65) if number not in RESERVED])
def test_every_signal_has_a_name_that_reads_back(number: int) -> None:
    name = signal_name(number)
    assert name.startswith("SIG")
    for text in (name, name.lower(), name.removeprefix("SIG"), f" {name} ", str(number)):
        assert parse_signal(text) == number


@pytest.mark.parametrize("number", RESERVED)
def test_a_reserved_number_is_shown_and_not_read(number: int) -> None:
    assert signal_name(number) == f"SIG{number}"
    assert (parse_signal(str(number)), parse_signal(f"SIG{number}")) == (None, None)


@pytest.mark.parametrize(
    ("text", "signal"),
    [
        ("SIGQUIT", SIGQUIT),
        ("quit", SIGQUIT),
        ("3", SIGQUIT),
        ("Int", SIGINT),
        ("SIGRTMIN", SIGRTMIN),
        ("SIGRTMIN+0", SIGRTMIN),
        ("SIGRTMIN+3", SIGRTMIN + 3),
        ("RTMIN+3", SIGRTMIN + 3),
        ("SIGRTMAX-1", SIGRTMAX - 1),
        ("SIGRTMAX-30", SIGRTMIN),
        ("SIGRTMIN+30", SIGRTMAX),
        ("rtmax", SIGRTMAX),
    ],
)
def test_a_signal_is_read_as_it_is_written(text: str, signal: int) -> None:
    assert parse_signal(text) == signal


@pytest.mark.parametrize("number", [SIGTERM, SIGKILL, SIGRTMIN, SIGRTMAX])
def test_a_signal_with_a_name_is_read_as_that(number: int) -> None:
    assert isinstance(parse_signal(str(number.value if isinstance(number, Signals) else number)), Signals)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIG",
        "0",
        "65",
        "-1",
        "1.5",
        "SIGNOTHING",
        "SIGRTMIN-1",
        "SIGRTMAX+1",
        "SIGRTMIN+",
        "RTMIN+x",
        "SIGRTMIN-30",
        "RTMIN*5",
    ],
)
def test_what_is_no_signal_is_not_read(text: str) -> None:
    assert parse_signal(text) is None
