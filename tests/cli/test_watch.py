"""status --watch: what is drawn, and when it is refused. What a terminal shows of it: integration/test_terminal.py."""

from __future__ import annotations

import asyncio
import os

import pytest

from supervisor.cli import supctl
from supervisor.cli.ctl import watch
from supervisor.cli.ctl.call import Call
from supervisor.client.wire import connect

from ..control.dialogue import served
from ..control.steered import SteeredContainer, service
from .test_supctl import path as path  # a fixture


def test_a_table_is_drawn_over_the_one_before_without_clearing_anything_first() -> None:
    assert watch.drawn(b"NAME\nweb\n", 24) == b"\x1b[HNAME\x1b[K\r\nweb\x1b[K\x1b[J"


@pytest.mark.parametrize(
    ("height", "rest"),
    [(4, b"b\x1b[K\r\nc"), (3, b"... and 2 more"), (5, b"b\x1b[K\r\nc")],
    ids=["fits", "cut", "room"],
)
def test_what_is_higher_than_the_terminal_is_cut_and_says_so(height: int, rest: bytes) -> None:
    assert watch.drawn(b"NAME\na\nb\nc\n", height) == b"\x1b[HNAME\x1b[K\r\na\x1b[K\r\n" + rest + b"\x1b[K\x1b[J"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--watch",), "--watch needs a terminal (docker exec -t)"),
        (("--watch=2", "web"), "--watch needs a terminal"),
        (("--watch", "2", "web"), "--watch needs a terminal"),
        (("--watch", "--json"), "--watch and --json exclude each other"),
        (("--watch", "0"), "cannot read --watch=0; write seconds"),
        (("--watch=often",), "cannot read --watch=often; write seconds"),
    ],
)
def test_what_cannot_be_watched_is_2_and_one_line(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supctl.main(["status", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err.startswith(f"supctl: {says}")) == ("", 1, True)


@pytest.mark.parametrize(
    ("words", "seconds", "names"),
    [
        (("--watch",), "", ()),
        (("--watch", "web"), "", ("web",)),
        (("--watch", "5", "web"), "5", ("web",)),
        (("--watch=5", "web"), "5", ("web",)),
        (("web", "--watch", "500ms"), "500ms", ("web",)),
    ],
)
def test_the_seconds_may_be_left_out(words: tuple[str, ...], seconds: str, names: tuple[str, ...]) -> None:
    assert supctl.parse(["status", *words]) == Call("status", names, {"watch": seconds})


def test_one_connection_is_kept_as_long_as_it_lives(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is as long as it is not idle for longer than the supervisor's patience; then there is another one."""
    connected = 0

    def counted(path: str) -> object:
        nonlocal connected
        connected += 1
        return connect(path)

    monkeypatch.setattr(watch, "connect", counted)
    monkeypatch.setattr(watch, "_size", lambda: os.terminal_size((60, 24)))

    async def scenario() -> None:
        async with served(SteeredContainer(service("web")).begin(), path, patience=0.2):
            table = watch.Screen(Call("status", socket=path), connect(path))
            for expected in (0, 0):
                assert (await asyncio.to_thread(table.look)).status == 200
                assert connected == expected
            await asyncio.sleep(0.4)
            assert (await asyncio.to_thread(table.look)).body.startswith(b"NAME")
            assert connected == 1
            table.close()

    asyncio.run(scenario())
