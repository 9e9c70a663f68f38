"""Files, includes, the environment, and what is true only of a whole table."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from supervisor.config.load import load
from supervisor.core.program import Program, Settings, Table
from supervisor.errors import ConfigError

from .documents import problems_of, settings_of, table_of

Write = Callable[..., None]


def refusal_of(path: str, **environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refusal:
        load(path, environ)
    return refusal.value.problems


def names(table: Table) -> list[str]:
    return [program.name for program in table.programs]


def test_the_smallest_table() -> None:
    assert table_of("programs: {web: {command: [nginx]}}") == Table(Settings(), (Program("web", ("nginx",)),))


def test_anchors_merge_keys_and_extensions_make_a_table_short() -> None:
    table = table_of("""
        x-worker: &worker {command: [celery, worker], restart_delay: {initial: 1s}}
        programs:
          a: *worker
          b: {<<: *worker, nice: 5, x-note: anything, log: {x-note: here too}}
    """)
    first = Program("a", ("celery", "worker"), restart_delay=table.programs[0].restart_delay)
    assert first.restart_delay.initial == 1.0
    assert table.programs == (first, Program("b", ("celery", "worker"), nice=5, restart_delay=first.restart_delay))


@pytest.mark.parametrize("text", ["", "# nothing", "x-only: 1", "programs:", "programs: {}", "supervisor:"])
def test_a_table_without_programs_is_for_a_main_program_only(text: str, write: Write) -> None:
    write(supinit=text)
    assert load("supinit.yaml", {}, needs_programs=False) == Table(Settings(), ())
    assert refusal_of("supinit.yaml") == ("supinit.yaml:1:1: programs: cannot be empty: there is no program to run",)


def test_a_file_that_is_not_there_is_named() -> None:
    assert refusal_of("nowhere.yaml") == ("cannot read nowhere.yaml: No such file or directory",)


def test_a_directory_is_no_file(tmp_path: os.PathLike[str]) -> None:
    assert refusal_of(os.fspath(tmp_path)) == (f"cannot read {os.fspath(tmp_path)}: Is a directory",)


def test_includes_are_relative_to_their_file_sorted_and_nested(write: Write) -> None:
    write(
        supinit="include: [parts/*.yaml, 'extra.yaml']\nprograms: {main: {command: x}}",
        parts__b="programs: {b: {command: x, depends_on: [main]}}",
        parts__a="include: [deep.yml.yaml]\nprograms: {a: {command: x}}",
        **{"parts__deep.yml": "supervisor: {drain_delay: 1}\nprograms: {deep: {command: x}}"},
        extra="x-nothing: here",
    )
    table = load("supinit.yaml", {})
    assert names(table) == ["main", "a", "deep", "b"]
    assert table.settings == Settings(drain_delay=1.0)


def test_an_include_by_its_absolute_path_with_a_variable(write: Write, tmp_path: os.PathLike[str]) -> None:
    write(supinit="include: ['$DIR/*.yaml']", parts__a="programs: {a: {command: x}}")
    assert names(load("supinit.yaml", {"DIR": f"{os.fspath(tmp_path)}/parts"})) == ["a"]


def test_an_include_in_composes_long_form(write: Write) -> None:
    write(
        supinit="include: [{path: 'a*.yaml'}, c.yaml, {path: [d.yaml, e.yaml]}]",
        **{name: f"programs: {{{name}: {{command: x}}}}" for name in ("a1", "a2", "c", "d", "e")},
    )
    assert names(load("supinit.yaml", {})) == ["a1", "a2", "c", "d", "e"]


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (
            "{}",
            "1:11: include[0]: required key 'path' is missing (allowed: a non-empty string; or a non-empty list, each",
        ),
        (
            "{path: []}",
            "1:18: include[0].path: cannot be empty (allowed: a non-empty list, each item a non-empty string)",
        ),
        (
            "{path: a.yaml, env_file: x.env}",
            "1:26: include[0].env_file: supinit does not have this key of Compose: variables come from supinit's own",
        ),
        (
            "{path: a.yaml, project_directory: /srv}",
            "1:26: include[0].project_directory: supinit does not have this key of Compose: a relative path in include",
        ),
    ],
)
def test_what_an_include_cannot_do_is_refused_with_what_to_write(write: Write, item: str, problem: str) -> None:
    write(supinit=f"include: [{item}]\nprograms: {{x: {{command: x}}}}", a="")
    (sentence,) = refusal_of("supinit.yaml")
    assert sentence.startswith(f"supinit.yaml:{problem}")


def test_a_pattern_may_match_nothing_and_a_file_is_read_once(write: Write) -> None:
    write(
        supinit="include: [none/*.yaml, a.yaml, '[a].yaml', './a.yaml']",
        a="programs: {a: {command: x}}",
    )
    assert names(load("supinit.yaml", {})) == ["a"]


def test_an_include_that_is_not_there_is_a_problem_of_the_including_file(write: Write) -> None:
    write(supinit="include:\n  - a.yaml\n  - none.yaml\nprograms: {x: {command: x}}", a="")
    assert refusal_of("supinit.yaml") == (
        "supinit.yaml:3:5: include[1]: cannot read none.yaml: No such file or directory",
    )


def test_files_that_include_each_other_are_a_problem(write: Write) -> None:
    write(supinit="include: [a.yaml]", a="include: [supinit.yaml]", b="include: ['b.y*']")
    assert refusal_of("supinit.yaml") == ("a.yaml:1:11: include[0]: include cycle: supinit.yaml includes this file",)
    assert refusal_of("b.yaml") == ("b.yaml:1:11: include[0]: include cycle: b.yaml includes this file",)


def test_what_two_files_define_is_a_problem_that_names_both_places(write: Write) -> None:
    write(
        supinit="include: [a.yaml]\nsupervisor: {}\nprograms:\n  web: {command: x}",
        a="supervisor: {drain_delay: 1}\nprograms:\n  web: {command: y}",
    )
    assert refusal_of("supinit.yaml") == (
        "a.yaml:1:13: supervisor: duplicate key, first given at supinit.yaml:2:13",
        "a.yaml:3:3: programs.web: program defined twice, first at supinit.yaml:4:3",
    )


def test_problems_of_all_files_come_in_one_pass_in_reading_order(write: Write) -> None:
    write(
        supinit="include: [b.yaml, a.yaml]\nprograms:\n  z: {command: x, nice: 99}\nsupervisor: {drain_delay: x}",
        a="programs: {a: {command: x, umask: 9}, y: {command: x, depends_on: [zz]}}",
        b="programs: {b: {command: [}",
    )
    problems = refusal_of("supinit.yaml")
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["supinit.yaml:3:25", "programs.z.nice"],
        ["supinit.yaml:4:27", "supervisor.drain_delay"],
        ["b.yaml:1:26", "invalid YAML"],
        ["a.yaml:1:35", "programs.a.umask"],
        ["a.yaml:1:68", "programs.y.depends_on[0]"],
    ]


def test_anchors_do_not_cross_files(write: Write) -> None:
    write(supinit="include: [a.yaml]\nx-a: &a {command: x}\nprograms: {b: *a}", a="programs: {a: *a}")
    assert refusal_of("supinit.yaml") == ("a.yaml:1:15: programs: unknown anchor &a",)


def test_the_environment_overrides_run_dir() -> None:
    assert settings_of("run_dir: /a", SUPINIT_RUN_DIR="/b").run_dir == "/b"
    assert settings_of("run_dir: /a", SUPINIT_RUN_DIR="").run_dir == "/a"
    assert table_of("", SUPINIT_RUN_DIR="/b").settings == Settings(run_dir="/b")


def test_each_variable_that_is_required_and_not_there_is_named() -> None:
    text = "supervisor:\n  required_environment: [A, B,\n    C]"
    assert problems_of(text, A="1", B="") == [
        "2:29: supervisor.required_environment[1]: required variable B is empty",
        "3:5: supervisor.required_environment[2]: required variable C is not set",
    ]
    assert table_of(text, A="1", B="2", C="3").settings.required_environment == ("A", "B", "C")


def test_an_unset_variable_is_empty_with_a_warning_that_says_where() -> None:
    table = table_of("programs:\n  web:\n    command: [nginx, $CONF]\n    environment: {B: '${B}', A: $SET}", SET="s")
    assert table.programs[0].command == ("nginx", "")
    assert table.programs[0].environment == (("B", ""), ("A", "s"))
    assert table.warnings == (
        "supinit.yaml:3:22: programs.web.command[1]: variable CONF is not set and is replaced with an empty string;"
        " write $$CONF where the shell is to replace it",
        "supinit.yaml:4:22: programs.web.environment.B: variable B is not set and is replaced with an empty string",
    )


def test_a_value_cannot_change_the_structure() -> None:
    table = table_of("programs: {web: {command: [nginx, $X]}}", X="a, b]\n  other: {command: c}")
    assert table.programs == (Program("web", ("nginx", "a, b]\n  other: {command: c}")),)


def test_keys_hold_no_variables() -> None:
    assert table_of("programs: {web: {command: x, environment: {$A: $A}}}", A="1").programs[0].environment == (
        ("$A", "1"),
    )


def test_a_fragment_that_many_use_has_one_problem() -> None:
    text = "x-a: &a {nice: 99}\nprograms: {a: {<<: *a, command: x}, b: {<<: *a, command: x}}"
    assert problems_of(text) == ["1:16: programs.a.nice: cannot be '99' (allowed: a whole number from -20 to 19)"]


def test_the_environment_may_hold_bytes_that_are_no_utf8() -> None:
    raw = os.fsdecode(b"/srv/\xff")
    assert table_of("programs: {web: {command: x, working_dir: $DIR}}", DIR=raw).programs[0].working_dir == raw
