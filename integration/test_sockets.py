"""Sockets that supinit keeps: bound before anything starts, through stops and updates, until the end."""

from __future__ import annotations

import signal
import socket
import stat
from os import mkfifo
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import Container, child
from integration.nginx_uwsgi import free_port
from integration.test_killed import kill
from integration.test_update import pids, quick, rewrite
from integration.waiting import sleep_until

Table = dict[str, Any]
ECHO = """
import os, socket, sys
server = socket.socket(fileno=int(os.environ.get("FD", 3)))
print("accepting", flush=True)
while True:
    client, _ = server.accept()
    client.sendall(b"%d %s" % (os.getpid(), os.environ["SUPINIT_INSTANCE"].encode()))
    client.close()
"""
"""A server that answers each connection with its pid and the number of its instance."""


def echo(listen: str, **fields: Any) -> Table:
    sockets = {"http": {"listen": listen}}
    return {"command": ["python3", "-I", "-c", ECHO], "sockets": sockets, "min_uptime": "50ms", **fields}


def ask(port: int, limit: float = 20.0) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=limit) as client:
        return b"".join(iter(lambda: client.recv(100), b"")).decode()


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture
def port() -> int:
    return free_port()


# ---- the start


def test_an_address_in_use_starts_nothing_and_every_reason_is_told(run: Run, tmp_path: Path, port: int) -> None:
    marker = tmp_path / "started"
    precious = tmp_path / "precious"
    precious.write_text("kept")
    with socket.create_server(("127.0.0.1", port)):
        sockets = {"http": {"listen": f"127.0.0.1:{port}"}, "api": {"listen": str(precious)}}
        container = run({"first": {"command": ["touch", str(marker)]}, "web": {"command": "true", "sockets": sockets}})
        assert container.end() == 78
    assert f"programs.web.sockets.http: cannot listen on 127.0.0.1:{port}: address in use" in container.err.text
    assert f"programs.web.sockets.api: cannot listen on {precious}: there is a file that is not a socket" in (
        container.err.text
    )
    assert container.out.text == ""
    assert not marker.exists()
    assert precious.read_text() == "kept"


def test_check_shows_sockets_and_binds_nothing(start: Run, tmp_path: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        container = start({"web": echo(f"127.0.0.1:{port}")}, "--check", pid1=False)
        assert container.end() == 0
    assert f"  web  descriptor 3: http, 127.0.0.1:{port} (stream)" in container.out.lines


def test_clients_that_come_before_the_program_wait_for_it(run: Run, tmp_path: Path, port: int) -> None:
    """The socket is bound before the first program starts, whatever its own program waits for."""
    gate = tmp_path / "gate"
    mkfifo(gate)
    container = run(
        {
            "migrate": {"command": ["cat", str(gate)], "type": "oneshot"},
            "web": echo(f"127.0.0.1:{port}", depends_on={"migrate": {"condition": "completed"}}),
        }
    )
    container.expect("program.started program=migrate")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        assert not container.err.has("program.started program=web")
        _, metrics = container.request("GET", "/metrics")
        assert 'supinit_socket_backlog{program="web",socket="http"} 1.0' in metrics
        gate.write_text("")
        assert client.recv(100).split()[1] == b"1"


def test_a_privileged_port_without_the_right_is_78(run: Run) -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first <= 1:
        pytest.skip("every port is free for everybody here")
    bare = ("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")
    container = run({"web": echo("127.0.0.1:1")}, inside=bare)
    assert container.end() == 78
    assert f"ports below {first} need CAP_NET_BIND_SERVICE" in container.err.text


def test_all_instances_share_the_sockets(run: Run, port: int) -> None:
    container = run({"web": echo(f"127.0.0.1:{port}", scale=2)})
    container.await_ready()
    answers: set[str] = set()

    def have_both_answered() -> bool:
        answers.add(ask(port).split()[1])
        return answers == {"1", "2"}

    sleep_until(have_both_answered, 20, "both instances have answered")
    entries = container.programs()
    expected = [{"name": "http", "listen": f"127.0.0.1:{port}", "type": "stream", "fd": 3}]
    assert [entries[name]["sockets"] for name in ("web", "web:2")] == [expected, expected]


def test_the_descriptors_of_notify_and_sockets_do_not_collide(run: Run, port: int) -> None:
    script = f"import os; os.write(5, b'\\n'); os.close(5)\n{ECHO}"
    web = echo(f"127.0.0.1:{port}", environment={"FD": "${sockets.http.fd}"}, ready={"notify": {"fd": 5}})
    web |= {"command": ["python3", "-I", "-c", script], "user": "www-data"}
    web["sockets"] = {"local": {"listen": f"127.0.0.1:{free_port()}"}, **web["sockets"]}
    container = run({"web": web})
    container.await_ready()
    assert ask(port).split()[1] == "1"


# ---- while the container runs


def test_a_stopped_program_answers_those_who_waited_once_it_is_started(run: Run, port: int) -> None:
    container = run({"web": echo(f"127.0.0.1:{port}"), "other": quick()})
    container.await_ready()
    assert container.supctl("stop", "web").returncode == 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        assert container.supctl("start", "web").returncode == 0
        assert client.recv(100).split()[1] == b"1"


def test_a_socket_file_is_made_and_removed_with_the_container(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    sockets = {"api": {"listen": str(path), "mode": "0660", "group": "www-data"}}
    container = run({"web": quick("sleep", "600", user="www-data", sockets=sockets)})
    container.await_ready()
    status = path.stat()
    assert (stat.S_IMODE(status.st_mode), path.owner(), path.group()) == (0o660, "www-data", "www-data")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert not path.exists()


def test_a_socket_may_be_in_a_runtime_directory(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "app"
    web = quick(runtime_directory=[str(folder)], sockets={"api": {"listen": str(folder / "app.sock")}})
    container = run({"web": web})
    container.await_ready()
    assert stat.S_ISSOCK((folder / "app.sock").stat().st_mode)


def test_in_a_shutdown_new_clients_are_refused_while_the_program_finishes(run: Run, port: int) -> None:
    container = run({"web": echo(f"127.0.0.1:{port}") | {"command": child("witness.py", "--linger", "2")}})
    container.await_ready()
    assert not is_refused(port)
    container.signal(signal.SIGTERM)
    container.expect("socket.closed program=web")
    assert container.end() == 0
    assert is_refused(port)


def test_a_supinit_that_is_not_pid_1_and_was_killed_leaves_an_address_that_the_next_one_gets(
    start: Run, port: int, tmp_path: Path
) -> None:
    """Its programs have the socket, too, so they are ended before it is bound again."""
    web = echo(f"127.0.0.1:{port}")
    web["sockets"]["api"] = {"listen": str(tmp_path / "api.sock")}
    first = start({"web": web}, pid1=False)
    first.await_ready()
    before = ask(port)
    kill(first)
    assert ask(port) == before
    second = start({"web": web}, pid1=False, settings={"run_dir": str(first.run_dir)})
    second.expect("program.became_ready program=web")
    assert ask(port) != before
    second.signal(signal.SIGTERM)
    assert second.end() == 0
    assert not (tmp_path / "api.sock").exists()


# ---- an update


@pytest.fixture
def container(run: Run, port: int) -> Container:
    container = run({"web": echo(f"127.0.0.1:{port}"), "other": quick()})
    container.await_ready()
    return container


def test_an_update_binds_what_is_new_and_closes_what_is_gone(container: Container, port: int) -> None:
    new = free_port()
    before = pids(container)
    rewrite(container, {"web": echo(f"127.0.0.1:{new}"), "other": quick()})
    assert container.supctl("update").returncode == 0
    after = pids(container)
    assert after["web"] != before["web"]
    assert after["other"] == before["other"]
    assert ask(new).split()[1] == "1"
    assert is_refused(port)


def test_an_update_keeps_a_socket_that_moves_to_another_program(container: Container, port: int) -> None:
    web = echo(f"127.0.0.1:{port}")
    rewrite(container, {"web": quick(), "other": quick(), "api": web})
    assert container.supctl("update").returncode == 0
    sleep_until(lambda: ask(port).split()[1] == "1", 15, "the new program answers")
    assert not container.err.has("socket.closed")


def test_an_update_with_another_backlog_or_mode_needs_no_new_process(container: Container, port: int) -> None:
    before = pids(container)
    web = echo(f"127.0.0.1:{port}")
    web["sockets"]["http"]["backlog"] = 5
    rewrite(container, {"web": web, "other": quick()})
    done = container.supctl("update")
    assert (done.returncode, done.stdout.split("\n")[0].split()) == (0, ["=", "web", "in", "place:", "sockets"])
    assert pids(container) == before


def test_an_update_whose_socket_cannot_be_bound_changes_nothing(
    container: Container, port: int, tmp_path: Path
) -> None:
    before = pids(container)
    taken = free_port()
    web = echo(f"127.0.0.1:{port}", environment={"A": "1"})
    web["sockets"] |= {"new": {"listen": str(tmp_path / "new.sock")}, "taken": {"listen": f"127.0.0.1:{taken}"}}
    rewrite(container, {"web": web})
    with socket.create_server(("127.0.0.1", taken)):
        refused = container.supctl("update")
        status, answer = container.request("POST", "/v1/update")
    sentence = f"programs.web.sockets.taken: cannot listen on 127.0.0.1:{taken}: address in use"
    assert refused.returncode == 1
    assert sentence in refused.stderr + refused.stdout
    assert status == 422
    assert [problem.startswith(sentence) for problem in answer["problems"]] == [True]
    assert pids(container) == before
    assert not (tmp_path / "new.sock").exists()
    assert ask(port).split()[1] == "1"
    assert container.supctl("update").returncode == 0
    assert (tmp_path / "new.sock").exists()


def test_a_program_that_is_started_by_hand_gets_its_socket_then(run: Run, port: int) -> None:
    web = echo(f"127.0.0.1:{port}", autostart=False, start_retries=1, shutdown_on="never")
    container = run({"other": quick(), "web": web})
    container.await_ready()
    with socket.create_server(("127.0.0.1", port)):
        failed = container.supctl("start", "web")
        assert failed.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}: address in use" in failed.stderr + failed.stdout
    assert container.supctl("start", "web").returncode == 0
    assert ask(port).split()[1] == "1"


def test_hooks_and_commands_have_no_sockets(run: Run, port: int) -> None:
    look = ["sh", "-c", "echo fds $LISTEN_FDS$NGINX; ls /proc/self/fd/3 2>&1 | cut -d: -f3"]
    web = echo(f"127.0.0.1:{port}", pre_start=[look], environment={"NGINX": "${sockets.http.fd}:"})
    container = run({"web": web})
    container.await_ready()
    assert container.out.has("web | fds")
    assert not container.out.has("web | fds 1")
    done = container.supctl("run", "web", "--", "sh", "-c", "echo $LISTEN_FDS$LISTEN_PID$NGINX.")
    assert done.stdout == ".\n"


def test_a_drill_binds_and_closes_the_sockets(start: Run, tmp_path: Path, port: int) -> None:
    container = start({"web": echo(f"127.0.0.1:{port}", stop_signal="SIGTERM", success_exit_codes=[0, 143])}, "--drill")
    assert container.end(60) == 0
    assert is_refused(port)
