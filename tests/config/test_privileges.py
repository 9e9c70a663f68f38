"""Users that supinit cannot switch to, found when the table is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supervisor.config.lint import warnings_on
from supervisor.config.load import load
from supervisor.core.plan import make_plan
from supervisor.core.program import Credentials, Program, Settings, Table
from supervisor.errors import ConfigError

from ..engines import open_folder as open_folder
from ..process.nursery import NOBODY, elsewhere

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def test_every_user_that_cannot_be_switched_to_is_a_problem_with_its_place(open_folder: Path) -> None:
    table = open_folder / "supinit.yaml"
    table.write_text(
        f"programs:\n  a: {{command: x, user: '1'}}\n  b: {{command: x, user: '{NOBODY}'}}\n"
        "  c: {command: x, user: '2'}\n  d: {command: x}\n"
    )
    assert len(load(str(table), {}).programs) == 4  # as root

    def problems() -> tuple[str, ...]:
        os.chdir(open_folder)
        with pytest.raises(ConfigError) as caught:
            load("supinit.yaml", {})
        return caught.value.problems

    why = f"supinit runs as uid {NOBODY} without CAP_SETUID (start the container as root or as uid"
    names = {1: "daemon", 2: "bin"}
    assert elsewhere(problems, NOBODY) == tuple(
        f"supinit.yaml:{line}:25: programs.{name}.user: cannot switch to user {names[uid]}: {why} {uid}, or remove "
        "`user`)"
        for line, name, uid in ((2, "a", 1), (4, "c", 2))
    )


def test_groups_without_a_user_are_reported_at_their_own_key(open_folder: Path) -> None:
    table = open_folder / "supinit.yaml"
    table.write_text("programs:\n  web: {command: x, group_add: ['54321']}\n")

    def problems() -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            load(str(table), {})
        return caught.value.problems

    [problem] = elsewhere(problems, NOBODY)
    assert problem.startswith(f"{table}:2:32: programs.web.group_add: ")


@pytest.mark.parametrize("key", ["pre_start", "post_start", "pre_stop", "post_stop"])
def test_so_is_the_user_of_a_hook(open_folder: Path, key: str) -> None:
    table = open_folder / "supinit.yaml"
    table.write_text(f"programs:\n  web: {{command: x, {key}: [[a], {{command: b, user: '1'}}]}}\n")
    assert len(load(str(table), {}).programs) == 1  # as root

    def problems() -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            load(str(table), {})
        return caught.value.problems

    column = len(f"  web: {{command: x, {key}: [[a], {{command: b, user: ") + 1
    assert elsewhere(problems, NOBODY) == (
        f"{table}:2:{column}: programs.web.{key}[1].user: cannot switch to user daemon: supinit runs as uid {NOBODY} "
        "without CAP_SETUID (start the container as root or as uid 1, or remove `user`)",
    )


def test_a_program_that_cannot_be_signalled_is_a_warning() -> None:
    other = Program("web", ("true",), credentials=Credentials(33, 33, (33,), name="www-data"))
    plan = make_plan(Table(Settings(), (other, Program("own", ("true",)))))
    assert list(warnings_on(plan)) == []
    assert elsewhere(lambda: list(warnings_on(plan)), NOBODY) == [
        "programs.web.user: supinit cannot signal processes of www-data, so cannot stop them: it runs without CAP_KILL "
        "(add the capability KILL to the container)"
    ]
