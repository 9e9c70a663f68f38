"""supctl run: a real process that has what the program has, and is the user's in everything else."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from supervisor.cli import supctl
from supervisor.core.program import Credentials, Limit, Program, SecretFile
from supervisor.process.executable import DEFAULT_PATH

from ..control.conftest import socket_path as socket_path
from ..control.dialogue import served
from ..control.steered import SteeredContainer, service

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def run(
    path: str, program: Program, *words: str, stdin: str = "", folder: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run supctl in a process of its own. Its output is read as a name of a file is, so that no byte is lost."""
    command = [sys.executable, "-m", "supervisor.cli.supctl", "-s", path, "run", *words]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}

    def run_supctl() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            errors="surrogateescape",
            timeout=60,
            check=False,
            cwd=folder,
            env=environment,
        )

    async def scenario() -> subprocess.CompletedProcess[str]:
        async with served(SteeredContainer(program, service("other", scale=2)), path):
            return await asyncio.to_thread(run_supctl)

    return asyncio.run(scenario())


def web(**fields: Any) -> Program:
    return Program("web", ("true",), **fields)


def test_it_has_the_environment_of_the_program_and_nothing_of_the_callers_but_the_terminal(
    socket_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    program = web(environment=(("A", SecretFile(str(tmp_path / "secret"))), ("ODD", os.fsdecode(b"\xff"))))
    monkeypatch.setenv("SURELY_NOT", "1")
    monkeypatch.setenv("TERM", "xterm-mine")
    result = run(socket_path, program, "web", "--", "env", "-0")
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(result.stdout.split("\0")[:-1]) == [
        "A=s3cret",
        os.fsdecode(b"ODD=\xff"),
        f"PATH={DEFAULT_PATH}",
        "SUPINIT_INSTANCE=1",
        "SUPINIT_PROGRAM=web",
        "TERM=xterm-mine",
    ]


def test_it_is_in_its_folder_with_its_umask_limits_and_priorities(socket_path: str, tmp_path: Path) -> None:
    program = web(
        working_dir=str(tmp_path),
        umask=0o27,
        ulimits=(Limit("nofile", 64, 64), Limit("core", 0, 0)),
        nice=os.getpriority(os.PRIO_PROCESS, 0) + 3,
        oom_score_adj=900,
    )
    script = "pwd; umask; ulimit -n; cat /proc/self/oom_score_adj; nice"
    result = run(socket_path, program, "web", "--", "sh", "-c", script)
    assert result.stdout.split() == [str(tmp_path), "0027", "64", "900", str(program.nice)], result.stderr


@as_root
def test_without_a_working_dir_it_is_where_supinit_is_though_its_user_could_not_get_there(
    socket_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    program = web(credentials=Credentials(NOBODY, NOBODY, (NOBODY,)))
    result = run(socket_path, program, "web", "--", "readlink", "/proc/self/cwd", folder="/")
    assert (result.stdout, result.stderr) == (f"{tmp_path}\n", "")


@as_root
def test_it_is_its_user_with_its_groups(socket_path: str) -> None:
    program = web(credentials=Credentials(NOBODY, NOBODY, (NOBODY, 7, 9), "somebody", "/home/somebody"))
    result = run(socket_path, program, "web", "--", "sh", "-c", "id -u; id -g; id -G; echo $HOME")
    assert result.stdout.split("\n")[:4] == ["65534", "65534", "65534 7 9", "/home/somebody"], result.stderr


@as_root
def test_it_has_the_capabilities_of_its_program_and_no_more(socket_path: str) -> None:
    program = web(
        credentials=Credentials(NOBODY, NOBODY, (NOBODY,)),
        cap_add=("NET_BIND_SERVICE",),
        cap_drop=("ALL",),
        no_new_privileges=True,
    )
    result = run(socket_path, program, "web", "--", "grep", "-E", "Cap|NoNewPrivs", "/proc/self/status")
    only = f"{1 << 10:016x}"
    assert dict(line.split(":\t") for line in result.stdout.splitlines()) == {
        "CapInh": only, "CapPrm": only, "CapEff": only, "CapBnd": only, "CapAmb": only, "NoNewPrivs": "1",
    }, result.stderr  # fmt: skip


def test_stdin_the_session_and_the_exit_code_are_the_callers_and_the_commands(socket_path: str) -> None:
    script = "read line; echo got $line; ps -o sid= -p $$; exit 9"
    result = run(socket_path, web(), "web", "--", "sh", "-c", script, stdin="hello\n")
    assert (result.returncode, result.stdout.split()) == (9, ["got", "hello", str(os.getsid(0))])


def test_arguments_are_as_they_are_and_options_behind_the_dashes_are_the_commands(socket_path: str) -> None:
    result = run(
        socket_path, web(), "other:2", "--", "sh", "-c", 'echo $SUPINIT_INSTANCE "$@"', "x", "", "--json", "--"
    )
    assert result.stdout == "2  --json --\n"


def test_it_dies_of_its_signals_and_of_a_reader_that_is_gone(socket_path: str) -> None:
    assert run(socket_path, web(), "web", "--", "sh", "-c", "kill -TERM $$").returncode == -signal.SIGTERM
    script = "kill -PIPE $$; echo survived"
    assert run(socket_path, web(), "web", "--", "sh", "-c", script).returncode == -signal.SIGPIPE


def test_the_command_is_looked_up_in_the_path_of_the_program(socket_path: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "mine").chmod(0o755)
    program = web(environment=(("PATH", str(tmp_path)),))
    assert run(socket_path, program, "web", "--", "mine").stdout == "found\n"
    result = run(socket_path, program, "web", "--", "env")
    expected = f"supctl: cannot run env in web: env was not found in {tmp_path}; give its path\n"
    assert (result.returncode, result.stderr) == (127, expected)


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["web", "--", "/etc/passwd"], 126, "cannot run /etc/passwd in web: /etc/passwd: Permission denied; make it"),
        (["web", "--", "/nowhere/x"], 127, "cannot run /nowhere/x in web: /nowhere/x: No such file or directory; give"),
        (["nobody", "--", "true"], 4, "cannot find a program 'nobody'"),
        (["all", "--", "true"], 2, "cannot run in all: name one program"),
        (["web"], 2, "run needs NAME -- COMMAND..."),
        (["web", "--"], 2, "run needs NAME -- COMMAND..."),
        (["web", "ls", "-l"], 2, "unknown option -l of run"),
    ],
)
def test_what_cannot_be_run_is_one_line(socket_path: str, words: list[str], code: int, part: str) -> None:
    result = run(socket_path, web(), *words)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (code, "", 1)
    assert part in result.stderr


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        (
            {"working_dir": "/nowhere"},
            "cannot change to /nowhere: No such file or directory; the program itself",
        ),
        (
            {"environment": (("A", SecretFile("/nowhere")),)},
            "cannot read secret /nowhere: No such file or directory; web needs",
        ),
    ],
)
def test_a_context_that_cannot_be_had_is_126(socket_path: str, fields: dict[str, Any], part: str) -> None:
    result = run(socket_path, web(**fields), "web", "--", "true")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (126, "", 1)
    assert part in result.stderr


@as_root
def test_root_does_nothing_for_a_supinit_of_another_user_that_it_could_not_do_itself(tmp_path: Path) -> None:
    """Who can put a socket in the place of supinit's would otherwise have commands run as root."""
    tmp_path.chmod(0o755)
    path = tmp_path / "control.sock"
    body = '{"program": "web", "uid": 0}'
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    serve = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.setuid(int(sys.argv[3]));"
        "s.listen(); print('ready', flush=True); c, _ = s.accept(); c.recv(9999); c.sendall(sys.argv[2].encode())"
    )
    arguments = [sys.executable, "-I", "-c", serve, str(path), answer, str(NOBODY)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as impostor:
        assert impostor.stdout is not None and impostor.stdout.readline() == "ready\n"
        command = [sys.executable, "-m", "supervisor.cli.supctl", "-s", str(path), "run", "web", "--", "id"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        impostor.kill()
    assert (result.returncode, result.stdout, result.stderr) == (
        77,
        "",
        f"supctl: cannot run id in web: supinit at {path} runs as uid {NOBODY}, which may not become uid 0; "
        f"run supctl as uid {NOBODY}\n",
    )


def test_no_supervisor_is_69(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "supervisor.cli.supctl", "-s", str(tmp_path / "none"), "run", "web", "--", "true"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 69


@as_root
def test_who_may_not_become_the_programs_user_is_77(socket_path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """supinit's own user may ask, but a supinit that is not root cannot start such a program either."""

    async def scenario() -> int:
        os.chmod(os.path.dirname(socket_path), 0o777)
        os.seteuid(NOBODY)
        try:
            async with served(SteeredContainer(web(credentials=Credentials(7, 7, (7,)))), socket_path):
                return await asyncio.to_thread(supctl.main, ["-s", socket_path, "run", "web", "--", "true"])
        finally:
            os.seteuid(0)

    assert asyncio.run(scenario()) == 77
    assert capsys.readouterr().err == (
        "supctl: cannot run true in web: cannot switch to user 7: Operation not permitted "
        "(it needs root, or CAP_SETUID and CAP_SETGID); run supctl as root\n"
    )
