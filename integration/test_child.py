"""What a program finds when it starts: its user, limits, directory, environment, descriptors and signals."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import child


def facts_of(run: Run, program: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Run children/report.py with the keys of `program` and return its report."""
    table = {"a": {"command": child("report.py"), "restart": "no", "log": {"mode": "raw"}} | program}
    container = run(table, **options)
    assert container.end() == 0, container.output
    facts: dict[str, Any] = json.loads(container.out.lines[0])
    return facts


def test_a_plain_program_has_a_session_of_its_own_and_nothing_left_over(run: Run) -> None:
    facts = facts_of(run, {})
    assert facts["session"] and facts["group"]
    assert facts["descriptors"] == [0, 1, 2]
    assert facts["stdin"] == "/dev/null"
    assert facts["blocked"] == 0
    assert facts["ignored"] == 0
    assert facts["uid"] == [os.getuid()] * 3


@pytest.mark.parametrize("user", ["nobody", str(pwd.getpwnam("nobody").pw_uid), "1234:2345"], ids=str)
def test_it_runs_as_its_user_who_has_no_way_back(run: Run, user: str) -> None:
    command = ["/bin/sh", "-c", "id -u; id -g; id -G; grep ^CapEff /proc/self/status; echo $$HOME"]
    container = run({"a": {"command": command, "user": user, "restart": "no", "log": {"mode": "raw"}}})
    assert container.end() == 0, container.output
    uid, gid, groups, capabilities, _ = container.out.lines
    nobody = pwd.getpwnam("nobody")
    assert (int(uid), int(gid)) == ((1234, 2345) if ":" in user else (nobody.pw_uid, nobody.pw_gid))
    assert groups == gid
    assert capabilities.split()[1].strip("0") == ""


def test_it_gets_the_groups_that_are_added(run: Run) -> None:
    command = ["/bin/sh", "-c", "id -G"]
    program = {"command": command, "user": "1234:2345", "group_add": ["3456", "adm"], "restart": "no"}
    container = run({"a": {**program, "log": {"mode": "raw"}}})
    assert container.end() == 0, container.output
    assert set(container.out.lines[0].split()) == {"2345", "3456", "4"}


def test_it_has_its_limits_umask_directory_niceness_and_oom_score(run: Run, tmp_path: Path) -> None:
    facts = facts_of(
        run,
        {
            "ulimits": {"nofile": {"soft": 321, "hard": 654}},
            "umask": "027",
            "working_dir": str(tmp_path),
            "nice": 5,
            "oom_score_adj": 300,
        },
    )
    assert facts["nofile"] == [321, 654]
    assert facts["umask"] == "027"
    assert facts["directory"] == str(tmp_path)
    assert facts["nice"] == os.getpriority(os.PRIO_PROCESS, 0) + 5
    assert facts["oom_score_adj"] == 300
    assert facts["session"] and facts["blocked"] == 0 and facts["ignored"] == 0 and facts["descriptors"] == [0, 1, 2]


def test_its_environment_is_supinits_then_env_file_then_its_own(run: Run, tmp_path: Path) -> None:
    env_file, secret = tmp_path / "app.env", tmp_path / "secret"
    env_file.write_text('# comment\nFROM_FILE="file"\nBOTH=file\nFROM_INIT=file\n')
    secret.write_text("hidden\n")
    program = {
        "env_file": [str(env_file)],
        "environment": {"BOTH": "table", "PLACE": "${FROM_INIT:-none}", "SECRET": {"file": str(secret)}},
    }
    facts = facts_of(run, program, environment={"FROM_INIT": "init", "KEPT": "kept", "NOTIFY_SOCKET": "/nowhere"})
    environment = facts["environment"]
    wanted = {
        "FROM_FILE": "file",
        "BOTH": "table",
        "FROM_INIT": "file",
        "PLACE": "init",
        "SECRET": "hidden",
        "KEPT": "kept",
        "SUPINIT_PROGRAM": "a",
        "SUPINIT_INSTANCE": "1",
    }
    assert {name: environment.get(name) for name in wanted} == wanted
    assert "NOTIFY_SOCKET" not in environment


def test_it_has_nothing_of_supinits_environment_where_the_table_says_so(run: Run) -> None:
    program = {"inherit_environment": False, "environment": ["A=1"]}
    environment = facts_of(run, program, environment={"KEPT": "kept"})["environment"]
    assert set(environment) - {"LC_CTYPE"} == {"A", "SUPINIT_PROGRAM", "SUPINIT_INSTANCE", "SUPINIT_ID"}
