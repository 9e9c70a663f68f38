"""A Procfile means the same as a table, with a shell only where it takes one."""

from __future__ import annotations

from pathlib import Path
from signal import SIGTERM

import pytest

from supervisor.core.program import (
    Condition,
    Dependency,
    EnvFile,
    Program,
    ProgramType,
    Restart,
    RestartWhen,
    Scope,
    SignalStep,
)
from supervisor.core.record import replace

from .conversions import converted, losses_of, programs_of, refusals_of, table_of

FILE = "Procfile"
GROUP = (SignalStep(SIGTERM, 10.0, Scope.GROUP),)


def web_of(command: str, **environ: str) -> Program:
    (program,) = programs_of(f"web: {command}\n", FILE, **environ).values()
    return program


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python app.py", ("python", "app.py")),
        ('python -c "print(1); x"', ("python", "-c", "print(1); x")),
        ("python -c 'print($x)'", ("python", "-c", "print($x)")),
        ("python \"$X/a b\" 'x;y'", ("sh", "-c", "exec python \"$X/a b\" 'x;y'")),
        ("python 'a b'", ("python", "a b")),
        ("exec python app.py", ("python", "app.py")),
        ("gunicorn -b :$PORT app", ("sh", "-c", "exec gunicorn -b :$PORT app")),
        ("python app.py > /dev/null", ("sh", "-c", "exec python app.py > /dev/null")),
        ("A=$B python app.py", ("sh", "-c", "A=$B exec python app.py")),
        ("A=1 python app.py $A", ("sh", "-c", "A=1 exec python app.py $A")),
    ],
)
def test_a_command_has_a_shell_that_gets_out_of_the_way_only_where_it_needs_one(
    command: str, words: tuple[str, ...]
) -> None:
    assert web_of(command) == Program("web", words, environment=(("PORT", "5000"),))


@pytest.mark.parametrize(
    "command",
    ["cd lib && python app.py", "a; b", "a | b", "if true; then a; fi", "a & b", "(a)", "ulimit -n 10"],
)
def test_several_commands_in_one_shell_are_stopped_together(command: str) -> None:
    assert replace(web_of(command), environment=()) == Program(
        "web", ("sh", "-c", f"trap exit TERM; {command}"), stop=GROUP
    )


def test_output_to_another_descriptor_is_no_second_command() -> None:
    assert web_of("a > /x 2>&1").command == ("sh", "-c", "exec a > /x 2>&1")


def test_assignments_before_a_command_are_its_environment() -> None:
    program = web_of("A=1 B='x y' python app.py")
    assert program.command == ("python", "app.py")
    assert program.environment == (("PORT", "5000"), ("A", "1"), ("B", "x y"))


def test_ports_are_counted_and_that_of_web_is_the_containers() -> None:
    text = "clock: a\nweb: b\nother: PORT=1 c\n"
    assert {name: program.environment for name, program in programs_of(text, FILE).items()} == {
        "clock": (("PORT", "5000"),),
        "web": (("PORT", "5100"),),
        "other": (("PORT", "1"),),
    }
    assert programs_of(text, FILE, PORT="8080")["web"].environment == (("PORT", "8080"),)
    assert programs_of("a: x\nb: x\n", FILE, PORT="8080")["a"].environment == (("PORT", "8080"),)
    assert web_of("PORT=80 x", PORT="8080").environment == (("PORT", "80"),)


def test_release_runs_to_its_end_before_the_others() -> None:
    programs = programs_of("web: b\nrelease: a\n", FILE)
    assert programs == {
        "web": Program(
            "web",
            ("b",),
            environment=(("PORT", "5000"),),
            depends_on=(Dependency("release", Condition.COMPLETED),),
        ),
        "release": Program(
            "release",
            ("a",),
            environment=(("PORT", "5100"),),
            kind=ProgramType.ONESHOT,
            restart=Restart(RestartWhen.NEVER),
        ),
    }


def test_the_env_file_beside_it_is_read_and_its_port_counted_from(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nPORT=7000\n")
    programs = table_of(converted("a: x\nb: x\n", str(tmp_path / FILE))).programs
    assert [(program.env_file, program.environment) for program in programs] == [
        ((EnvFile(".env"),), (("PORT", "7000"),)),
        ((EnvFile(".env"),), (("PORT", "7100"),)),
    ]


def test_a_line_that_is_no_process_is_said_to_be_left_out() -> None:
    assert losses_of("# a comment\n\nweb: x\n  indented: y\nbad\n", FILE) == [
        "4: is not NAME: COMMAND, and is left out",
        "5: is not NAME: COMMAND, and is left out",
    ]


def test_a_name_that_is_not_allowed_becomes_the_nearest_one() -> None:
    assert list(programs_of("-x: a\nall: b\n", FILE)) == ["x", "all-2"]
    assert losses_of("-x: a\nall: b\n", FILE) == ["1: -x is called x here", "2: all is called all-2 here"]


def test_a_name_that_is_given_twice_is_refused_as_honcho_does() -> None:
    assert refusals_of("web: a\n\nweb: b\n", FILE) == ["3: web is defined twice, first in line 1"]


def test_the_kind_of_a_file_is_told_by_what_is_in_it() -> None:
    assert programs_of("web: x\n", "anything")["web"].command == ("x",)
    assert programs_of("; a comment\n[program:web]\ncommand: x\n", FILE)["web"].command == ("x",)
    assert refusals_of("nothing of the kind\n", FILE) == [
        "1: cannot be converted: it has neither a [SECTION] (supervisord.conf), services: (compose.yaml), "
        "NAME: COMMAND (Procfile) nor a job (crontab)"
    ]
