"""What a program has written can set colours on the operator's terminal, and nothing else."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable

import pytest

from supervisor.cli.ctl.logs import Screen, tame


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"plain \xc3\xa9\ttab\n", b"plain \xc3\xa9\ttab\n"),
        (b"\x1b[1;31mred\x1b[0m\x1b[m", b"\x1b[1;31mred\x1b[0m\x1b[m"),
        (b"dos\r\n", b"dos\r\n"),
        (b"10 %\r20 %\n", b"10 %^M20 %\n"),
        (b"\x1b[2J\x1b[H", b"^[[2J^[[H"),
        (b"\x1b]0;title\x07", b"^[]0;title^G"),
        (b"\x1b]52;c;cm0gLXJm\x1b\\", b"^[]52;c;cm0gLXJm^[\\"),
        (b"\xc2\x9b2J", b"^[[2J"),
        (b"\x00\x08\x7f\x0e", b"^@^H^?^N"),
        (b"\x1bc", b"^[c"),
    ],
    ids=["text", "colours", "CRLF", "CR", "clear", "title", "clipboard", "C1", "C0", "reset"],
)
def test_what_a_terminal_would_act_on_is_made_visible(written: bytes, shown: bytes) -> None:
    assert tame(written) == shown


def shown_in(pieces: Iterable[bytes], is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> bytes:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, write_through=True))
    screen = Screen(is_terminal)
    for piece in pieces:
        screen.show(piece)
    return file.getvalue()


def test_it_makes_no_difference_where_the_output_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"a\x1b[31mred\x1b[0m \x1b[2J\r\nx\ry\xc2\x9b1mz\xc3\xa9\n"
    for size in range(1, len(text)):
        pieces = (text[at : at + size] for at in range(0, len(text), size))
        assert shown_in(pieces, True, monkeypatch) == tame(text)


def test_a_file_gets_every_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown_in([b"\x1b[2J\r", b"\x00"], False, monkeypatch) == b"\x1b[2J\r\x00"
