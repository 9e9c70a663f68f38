"""Sockets that are bound and kept: real addresses, real queues, and why a bind fails."""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.container import Closing, Fleet
from supervisor.core.program import Credentials, Program
from supervisor.core.record import replace
from supervisor.core.sockets import Backlog, DescriptorText, ListenSocket, SocketType
from supervisor.errors import SpawnError
from supervisor.process.sockets import Sockets, variables_of

from ..core.worlds import plan_of
from ..engines import open_folder as open_folder
from .nursery import NOBODY, Nursery, elsewhere

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
Events = list[tuple[str, str, dict[str, Any]]]


class Keeper:
    """The sockets under test, and the events that they report."""

    def __init__(self) -> None:
        self.events: Events = []
        self.sockets = Sockets(self._report)

    def _report(self, level: str, event: str, **fields: Any) -> None:
        self.events.append((level, event, fields))

    def bind(self, *specs: ListenSocket, **fields: Any) -> Program:
        """Bind the sockets of a program, all of which must succeed."""
        program = Program("web", ("web",), sockets=specs, **fields)
        assert self.why_not(program) == ()
        return program

    def why_not(self, *programs: Program) -> tuple[str, ...]:
        return self.sockets.explain(self.sockets.bind(programs))

    def follow(self, *programs: Program, fleet: Fleet | None = None) -> None:
        self.sockets.follow(plan_of(*programs), fleet or Fleet({}))

    def told(self) -> list[str]:
        return [f"{event} {fields['socket']}" for _, event, fields in self.events]


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    keeper = Keeper()
    yield keeper
    keeper.sockets.close()


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


@pytest.fixture
def tcp() -> ListenSocket:
    return ListenSocket("http", ("127.0.0.1", free_port()))


@pytest.fixture
def unix(tmp_path: Path) -> ListenSocket:
    return ListenSocket("api", str(tmp_path / "api.sock"))


def connect(spec: ListenSocket) -> socket.socket:
    family = socket.AF_UNIX if isinstance(spec.address, str) else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM if spec.kind is SocketType.STREAM else socket.SOCK_DGRAM)
    try:
        client.connect(spec.address)
    except OSError:
        client.close()
        raise
    return client


# ---- what is kept


def test_connections_wait_and_are_counted(keeper: Keeper, tcp: ListenSocket, unix: ListenSocket) -> None:
    keeper.bind(tcp, unix)
    clients = [connect(tcp), connect(tcp), connect(unix)]
    assert list(keeper.sockets.backlogs()) == [Backlog("web", "http", 2), Backlog("web", "api", 1)]
    for client in clients:
        client.close()


def test_a_process_has_the_sockets_from_descriptor_3_on(
    keeper: Keeper, nursery: Nursery, tcp: ListenSocket, unix: ListenSocket
) -> None:
    program = keeper.bind(tcp, unix)
    inodes = [os.fstat(own).st_ino for own, _ in keeper.sockets.pairs(program)]
    look = "readlink /proc/$$/fd/3 /proc/$$/fd/4; echo $LISTEN_PID $$; ls /proc/$$/fd/5 2>&1"
    output = nursery.output("sh", "-c", look, extra=keeper.sockets.pairs(program), pid_variable="LISTEN_PID").split()
    assert output[:2] == [f"socket:[{inode}]" for inode in inodes]
    assert output[2] == output[3]
    assert output[4] == "ls:"


def test_a_process_is_told_how_many_there_are_and_their_names(tcp: ListenSocket, unix: ListenSocket) -> None:
    environment = (("A", "1"), ("NGINX", DescriptorText("3:4:")))
    program = Program("web", ("web",), sockets=(tcp, unix), environment=environment)
    assert variables_of(program) == {"NGINX": "3:4:", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:api"}


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_ipv6_for_all_takes_ipv4_too(keeper: Keeper) -> None:
    port = free_port()
    keeper.bind(ListenSocket("http", ("::", port)))
    connect(ListenSocket("http", ("127.0.0.1", port))).close()


def test_a_datagram_waits(keeper: Keeper, tmp_path: Path) -> None:
    udp = ListenSocket("dns", ("127.0.0.1", free_port(socket.SOCK_DGRAM)), SocketType.DATAGRAM)
    unix = ListenSocket("log", str(tmp_path / "log.sock"), SocketType.DATAGRAM)
    program = keeper.bind(udp, unix)
    for spec, (own, _) in zip((udp, unix), keeper.sockets.pairs(program), strict=True):
        client = connect(spec)
        client.send(b"hello")
        with socket.socket(fileno=os.dup(own)) as server:
            assert server.recv(100) == b"hello"
        client.close()
    assert list(keeper.sockets.backlogs()) == []


def test_a_path_has_its_mode_whatever_the_umask(keeper: Keeper, unix: ListenSocket) -> None:
    before = os.umask(0o077)
    try:
        keeper.bind(replace(unix, mode=0o660))
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(str(unix.address)).st_mode) == 0o660


@needs_root
@pytest.mark.parametrize(
    ("fields", "owner"),
    [({}, (5, 6)), ({"uid": 7}, (7, 6)), ({"uid": 7, "gid": 8}, (7, 8))],
    ids=["program's", "user", "user and group"],
)
def test_a_path_belongs_to_its_owner_or_to_the_programs_user(
    keeper: Keeper, unix: ListenSocket, fields: dict[str, int], owner: tuple[int, int]
) -> None:
    keeper.bind(replace(unix, **fields), credentials=Credentials(5, 6))
    status = os.stat(str(unix.address))
    assert (status.st_uid, status.st_gid) == owner


def test_nothing_is_asked_of_the_kernel_that_already_holds(open_folder: Path) -> None:
    """Without CAP_CHOWN, a path may belong to supinit's own user."""
    open_folder.chmod(0o777)
    spec = ListenSocket("api", str(open_folder / "api.sock"))

    def act() -> tuple[str, ...]:
        if os.geteuid() == 0:
            os.setgroups(())
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        keeper = Keeper()
        own = Credentials(os.geteuid(), os.getegid())
        return keeper.why_not(Program("web", ("web",), sockets=(spec,), credentials=own))

    assert elsewhere(act) == ()


# ---- stale files


@pytest.mark.parametrize("kind", list(SocketType), ids=lambda kind: kind.value)
def test_a_socket_file_that_nobody_uses_is_replaced(keeper: Keeper, unix: ListenSocket, kind: SocketType) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(unix.address))
    spec = replace(unix, kind=kind)
    keeper.bind(spec)
    connect(spec).close()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["stream", "datagram"])
def test_a_socket_that_somebody_uses_is_left_alone(keeper: Keeper, unix: ListenSocket, kind: int) -> None:
    with socket.socket(socket.AF_UNIX, kind) as live:
        live.bind(str(unix.address))
        if kind == socket.SOCK_STREAM:
            live.listen()
        [sentence] = keeper.why_not(Program("web", ("web",), sockets=(unix,)))
        assert sentence.startswith(f"programs.web.sockets.api: cannot listen on {unix.address}: address in use")
        with socket.socket(socket.AF_UNIX, kind) as client:
            client.connect(str(unix.address))


def test_a_file_that_is_no_socket_is_left_alone(keeper: Keeper, unix: ListenSocket) -> None:
    Path(str(unix.address)).write_text("precious")
    assert keeper.why_not(Program("web", ("web",), sockets=(unix,))) == (
        f"programs.web.sockets.api: cannot listen on {unix.address}: there is a file that is not a socket: "
        "remove it, or choose another path",
    )
    assert Path(str(unix.address)).read_text() == "precious"


def test_a_file_is_removed_at_the_end_but_not_another_one_in_its_place(tmp_path: Path) -> None:
    specs = [ListenSocket(name, str(tmp_path / name)) for name in ("a", "b")]
    keeper = Keeper()
    keeper.bind(*specs)
    (tmp_path / "b").unlink()
    (tmp_path / "b").write_text("another")
    keeper.sockets.close()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


# ---- what cannot be bound


def test_an_address_in_use_is_told_with_who_has_it(keeper: Keeper, nursery: Nursery, tcp: ListenSocket) -> None:
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', int(__import__('sys').argv[1])));"
        "print('up', flush=True); __import__('time').sleep(1000)"
    )
    assert not isinstance(tcp.address, str)
    pid = nursery.start("python3", "-I", "-c", code, str(tcp.address[1]))
    assert nursery.ear.line() == "up"
    [sentence] = keeper.why_not(Program("web", ("web",), sockets=(tcp,)))
    assert sentence.startswith(f"programs.web.sockets.http: cannot listen on {tcp.listen}: address in use by python3")
    assert sentence.endswith(f"(pid {pid})")


def test_an_address_that_supinit_has_itself_is_told(keeper: Keeper, tcp: ListenSocket) -> None:
    keeper.bind(tcp)
    assert not isinstance(tcp.address, str)
    wider = replace(tcp, address=("0.0.0.0", tcp.address[1]))
    assert keeper.why_not(Program("all", ("all",), sockets=(wider,))) == (
        f"programs.all.sockets.http: cannot listen on {wider.listen}: address in use by supinit itself, for "
        f"programs.web.sockets.http ({tcp.listen}): remove that first, or start a new container",
    )


def test_every_failure_is_told_and_nothing_is_left_bound(keeper: Keeper, tcp: ListenSocket, tmp_path: Path) -> None:
    good = ListenSocket("good", str(tmp_path / "good.sock"))
    bad = ListenSocket("bad", str(tmp_path / "missing" / "bad.sock"))
    foreign = ListenSocket("foreign", ("192.0.2.1", 80))
    sentences = keeper.why_not(Program("web", ("web",), sockets=(good, tcp, bad, foreign)))
    assert sentences == (
        f"programs.web.sockets.bad: cannot listen on {bad.listen}: No such file or directory: its directory has to "
        "exist (runtime_directory makes it)",
        "programs.web.sockets.foreign: cannot listen on 192.0.2.1:80: no network interface has this address "
        "(0.0.0.0 stands for all)",
    )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        connect(tcp)


@needs_root
def test_a_privileged_port_needs_the_right() -> None:
    def act() -> tuple[str, ...]:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        return Keeper().why_not(Program("web", ("web",), sockets=(ListenSocket("http", ("127.0.0.1", 1)),)))

    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        first = int(file.read())
    if first <= 1:
        pytest.skip("every port is free for everybody here")
    assert elsewhere(act) == (
        f"programs.web.sockets.http: cannot listen on 127.0.0.1:1: ports below {first} need CAP_NET_BIND_SERVICE "
        "(use a higher port, or add the capability NET_BIND_SERVICE to the container)",
    )


# ---- over time


def test_what_is_not_in_the_table_any_more_is_closed(keeper: Keeper, tcp: ListenSocket, unix: ListenSocket) -> None:
    program = keeper.bind(tcp, unix)
    keeper.follow(program)
    keeper.follow(replace(program, sockets=(tcp,)))
    assert keeper.told() == ["socket.bound http", "socket.bound api", "socket.closed api"]
    assert not os.path.exists(str(unix.address))
    connect(tcp).close()


def test_a_socket_that_moves_to_another_program_is_the_same_one(keeper: Keeper, tcp: ListenSocket) -> None:
    program = keeper.bind(tcp)
    before = keeper.sockets.pairs(program)
    client = connect(tcp)
    other = Program("api", ("api",), sockets=(replace(tcp, name="main"),))
    assert keeper.why_not(other) == ()
    keeper.follow(other)
    assert keeper.sockets.pairs(other) == before
    assert list(keeper.sockets.backlogs()) == [Backlog("api", "main", 1)]
    client.close()


@needs_root
def test_a_new_backlog_mode_and_owner_are_applied_in_place(
    keeper: Keeper, tcp: ListenSocket, unix: ListenSocket
) -> None:
    program = keeper.bind(tcp, unix)
    keeper.follow(program)
    changed = (replace(tcp, backlog=7), replace(unix, mode=0o600, uid=5, gid=6))
    keeper.follow(replace(program, sockets=changed))
    status = os.stat(str(unix.address))
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (5, 6, 0o600)
    with socket.socket(fileno=os.dup(keeper.sockets.pairs(program)[0][0])) as listening:
        info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    assert int.from_bytes(info[28:32], sys.byteorder) == 7
    keeper.follow(program)
    assert stat.S_IMODE(os.stat(str(unix.address)).st_mode) == 0o666


@needs_root
def test_a_link_in_the_place_of_a_socket_is_not_followed(keeper: Keeper, unix: ListenSocket, tmp_path: Path) -> None:
    """The directory may belong to the program's user, and supinit is root."""
    secret = tmp_path / "secret"
    secret.write_text("root's own")
    secret.chmod(0o600)
    program = keeper.bind(unix)
    keeper.follow(program)
    os.unlink(str(unix.address))
    os.symlink(secret, str(unix.address))
    keeper.follow(replace(program, sockets=(replace(unix, mode=0o666, uid=5, gid=6),)))
    status = secret.stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o600)
    assert keeper.told()[-1] == "socket.change_failed api"


def test_a_file_that_somebody_has_removed_is_made_again_at_the_next_start(keeper: Keeper, unix: ListenSocket) -> None:
    program = keeper.bind(unix)
    os.unlink(str(unix.address))
    keeper.sockets.hold(program)
    connect(unix).close()
    assert "socket.restored api" in keeper.told()


def test_a_socket_that_a_process_has_shut_down_listens_again_at_the_next_start(
    keeper: Keeper, tcp: ListenSocket
) -> None:
    """shutdown(2) is about the socket, not about one descriptor of it."""
    program = keeper.bind(tcp)
    with socket.socket(fileno=os.dup(keeper.sockets.pairs(program)[0][0])) as theirs:
        theirs.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ConnectionRefusedError):
        connect(tcp)
    keeper.sockets.hold(program)
    connect(tcp).close()


def test_a_program_that_starts_later_gets_its_sockets_then(keeper: Keeper, tcp: ListenSocket) -> None:
    program = Program("web", ("web",), sockets=(tcp,), autostart=False)
    keeper.sockets.hold(program)
    connect(tcp).close()
    with pytest.raises(SpawnError, match="address in use by supinit itself"):
        keeper.sockets.hold(replace(program, sockets=(replace(tcp, address=("0.0.0.0", int(tcp.address[1]))),)))


def test_in_the_end_nothing_is_needed(keeper: Keeper, tcp: ListenSocket) -> None:
    program = keeper.bind(tcp)
    keeper.follow(program)
    keeper.follow(program, fleet=Fleet({}, container_phase=Closing(1.0, 2.0)))
    with pytest.raises(ConnectionRefusedError):
        connect(tcp)
