"""/v1/programs/NAME/context: what `supctl run` needs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from supervisor.core.program import Credentials, EnvFile, Limit, Program, SecretFile
from supervisor.process.executable import DEFAULT_PATH

from .dialogue import Reply, Served, served
from .steered import SteeredContainer, service


def ask(path: str, *programs: Program, name: str = "web", accept: str | None = None) -> tuple[Reply, Served]:
    async def scenario() -> tuple[Reply, Served]:
        async with served(SteeredContainer(*programs), path) as control:
            return await control.ask("GET", f"/v1/programs/{name}/context", accept=accept), control

    return asyncio.run(scenario())


def test_it_is_all_that_the_program_has_but_the_id_by_which_its_processes_are_known(
    socket_path: str, tmp_path: Path
) -> None:
    (tmp_path / "env").write_text("A=1\n")
    (tmp_path / "secret").write_text("s3cret\n")
    program = Program(
        "web",
        ("true",),
        environment=(("B", SecretFile(str(tmp_path / "secret"))),),
        env_file=(EnvFile(str(tmp_path / "env")),),
        credentials=Credentials(33, 34, (34, 35), "app", "/home/app"),
        working_dir="/srv",
        umask=0o27,
        ulimits=(Limit("nofile", 10, -1),),
        nice=5,
        oom_score_adj=100,
        cap_add=("NET_BIND_SERVICE",),
        cap_drop=("ALL",),
        no_new_privileges=True,
        scale=2,
    )
    home = {"HOME": "/home/app", "USER": "app", "LOGNAME": "app"}
    assert ask(socket_path, program, name="web:2")[0].json == {
        "program": "web",
        "instance": 2,
        "environment": {
            "PATH": DEFAULT_PATH, "A": "1", "B": "s3cret", "SUPINIT_PROGRAM": "web", "SUPINIT_INSTANCE": "2", **home,
        },
        "supinit_dir": os.getcwd(),
        "working_dir": "/srv",
        "user": "app",
        "uid": 33,
        "gid": 34,
        "groups": [34, 35],
        "umask": "027",
        "ulimits": {"nofile": {"soft": 10, "hard": -1}},
        "nice": 5,
        "oom_score_adj": 100,
        "cap_add": ["NET_BIND_SERVICE"],
        "cap_drop": ["ALL"],
        "no_new_privileges": True,
    }  # fmt: skip


def test_what_the_program_leaves_to_supinit_is_supinits_own(socket_path: str) -> None:
    umask = os.umask(0o31)
    try:
        body = ask(socket_path, service("web", scale=3), accept="text/plain")[0].json
    finally:
        os.umask(umask)
    assert (body["instance"], body["supinit_dir"], body["umask"]) == (1, os.getcwd(), "031")
    assert (body["user"], body["uid"], body["gid"]) == (None, os.geteuid(), os.getegid())
    assert (body["groups"], body["ulimits"]) == (os.getgroups(), {})
    assert (body["working_dir"], body["nice"], body["oom_score_adj"]) == (None, None, None)
    assert (body["cap_add"], body["cap_drop"], body["no_new_privileges"]) == ([], [], False)


def test_bytes_that_are_no_utf_8_survive(socket_path: str) -> None:
    odd = os.fsdecode(b"\xff \xc3\xa9")
    reply, _ = ask(socket_path, Program("web", ("true",), environment=(("ODD", odd),)))
    assert reply.json["environment"]["ODD"] == odd


def test_who_asks_leaves_a_trace(socket_path: str) -> None:
    _, control = ask(socket_path, service("web"))
    values = {"action": "run", "program": "web", "peer_pid": os.getpid(), "peer_uid": os.geteuid()}
    assert control.log == [("info", "control.asked", values)]


def test_a_secret_that_cannot_be_read_is_named(socket_path: str) -> None:
    program = Program("web", ("true",), environment=(("B", SecretFile("/nowhere")),))
    reply, _ = ask(socket_path, program)
    assert (reply.status, reply.error_code) == (409, "failed")
    assert reply.json["error"]["message"].startswith("cannot read secret /nowhere: No such file or directory; ")


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("all", 400, "ambiguous_name"), ("web,db", 400, "ambiguous_name"), ("web:9", 404, "no_such_program")],
)
def test_it_is_of_one_program(socket_path: str, name: str, status: int, code: str) -> None:
    reply, _ = ask(socket_path, service("web", scale=2), service("db"), name=name)
    assert (reply.status, reply.error_code) == (status, code)
