"""The command line of supinit, and its signal rewrites."""

from __future__ import annotations

import signal

import pytest

from supervisor.cli.rewriting import parse_rewrites
from supervisor.cli.supinit import USAGE, parse
from supervisor.errors import UsageError

Asked = tuple[dict[str, str], list[str], tuple[str, ...]]


def asked(text: str) -> Asked:
    line = parse(text.split())
    return line.options, line.rewrites, line.command


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ({}, [], ())),
        ("cmd", ({}, [], ("cmd",))),
        ("-- cmd -g", ({}, [], ("cmd", "-g"))),
        ("-g cmd -s -- x", ({"--process-group": ""}, [], ("cmd", "-s", "--", "x"))),
        ("-sg cmd", ({"--subreaper": "", "--process-group": ""}, [], ("cmd",))),
        ("--subreaper --process-group", ({"--subreaper": "", "--process-group": ""}, [], ())),
        ("-r 15:3 cmd", ({"--rewrite": "15:3"}, ["15:3"], ("cmd",))),
        ("-r15:3 -r 1:0 cmd", ({"--rewrite": "1:0"}, ["15:3", "1:0"], ("cmd",))),
        ("--rewrite=15:3 --rewrite 1:0", ({"--rewrite": "1:0"}, ["15:3", "1:0"], ())),
        ("-gr 15:3 cmd", ({"--process-group": "", "--rewrite": "15:3"}, ["15:3"], ("cmd",))),
        ("-gr15:3 cmd", ({"--process-group": "", "--rewrite": "15:3"}, ["15:3"], ("cmd",))),
        ("-cFILE cmd", ({"--config": "FILE"}, [], ("cmd",))),
        ("-sc FILE", ({"--subreaper": "", "--config": "FILE"}, [], ())),
        ("--config=a=b", ({"--config": "a=b"}, [], ())),
        ("--single-child cmd", ({"--single-child": ""}, [], ("cmd",))),
        ("-h", ({"--help": ""}, [], ())),
    ],
)
def test_options_are_read_as_getopt_reads_them(text: str, expected: Asked) -> None:
    assert asked(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("--", "no command given after --"),
        ("-x cmd", "unknown option -x"),
        ("-gx cmd", "unknown option -x in -gx"),
        ("- cmd", "unknown option --"),
        ("--nope cmd", "unknown option --nope"),
        ("--subreaper=1 cmd", "unknown option --subreaper=1"),
        ("-c", "option -c requires a value"),
        ("-gr", "option -r requires a value"),
        ("--rewrite", "option --rewrite requires a value"),
        ("--expand", "--expand requires --check"),
        ("-g --single-child cmd", "--process-group and --single-child cannot be used together"),
        ("--log-format xml", "--log-format must be plain or json"),
    ],
)
def test_wrong_use_is_reported(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        asked(text)
    assert str(caught.value) == complaint


def test_the_help_fits_a_terminal_and_names_every_short_option() -> None:
    assert all(f"  -{letter}, " in USAGE for letter in "cgrsh")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], {}),
        (["15:3"], {15: 3}),
        (["TERM:QUIT"], {15: 3}),
        (["SIGTERM:SIGQUIT", "hup:0"], {15: 3, 1: 0}),
        (["15:2", "TERM:3"], {15: 3}),
        (["RTMIN:RTMAX"], {signal.SIGRTMIN: signal.SIGRTMAX}),
        (["SIGRTMIN+3:RTMAX-1"], {signal.SIGRTMIN + 3: signal.SIGRTMAX - 1}),
        (["40:USR1"], {40: 10}),
        (["INT:KILL", "QUIT:STOP"], {2: 9, 3: 19}),
    ],
)
def test_a_rewrite_names_two_signals_in_any_spelling(texts: list[str], expected: dict[int, int]) -> None:
    assert parse_rewrites(texts) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("15", "write FROM:TO, as in TERM:QUIT or 15:0"),
        ("", "write FROM:TO, as in TERM:QUIT or 15:0"),
        (":3", "a signal is missing"),
        ("15:", "a signal is missing"),
        ("15:3:2", "unknown signal 3:2"),
        ("0:15", "unknown signal 0"),
        ("99:15", "unknown signal 99"),
        ("15:-1", "unknown signal -1"),
        ("15:SIGNONE", "unknown signal SIGNONE"),
        ("_UNBLOCK:3", "unknown signal _UNBLOCK"),
        ("SIG_SETMASK:3", "unknown signal SIG_SETMASK"),
        ("RTMIN+99:3", "unknown signal RTMIN+99"),
        ("²:3", "unknown signal ²"),
        ("KILL:15", "KILL cannot be caught"),
        ("19:15", "19 cannot be caught"),
        ("CHLD:15", "supinit itself handles CHLD and never forwards it"),
    ],
)
def test_a_rewrite_that_makes_no_sense_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rewrites([text])
    assert str(caught.value) == f"cannot rewrite {text}: {complaint}"
