"""What supinit reports to the manager that started it. A socket of the test stands in for that of systemd or conmon."""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.core.container import Fleet
from supervisor.core.plan import make_plan
from supervisor.core.program import Settings, ShutdownOn, Table
from supervisor.core.snapshot import Snapshot, Views
from supervisor.core.verdict import Cause, Verdict
from supervisor.health.manager_socket import ManagerSocket

from ..engines import Turn, program, script, speaker
from ..engines import adopting as adopting
from ..engines import open_folder as open_folder
from ..engines import turned as turned
from ..process.nursery import LIMIT, open_descriptors

READY = "READY=1\nSTATUS=ready"


class Manager:
    """The manager that started supinit."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.listener.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def heard(self) -> list[str]:
        datagrams: list[str] = []
        while True:
            try:
                datagrams.append(self.listener.recv(1 << 16).decode())
            except BlockingIOError:
                return datagrams


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Its address is a path, or one of the abstract namespace, which starts with @ (sd_notify(3))."""
    manager = Manager(f"@supinit-{secrets.token_hex(8)}" if request.param == "abstract" else f"{tmp_path}/notify")
    yield manager
    manager.listener.close()


EMPTY = make_plan(Table(Settings(), ()))


def snapshot(ready: bool = False, reason: str | None = None) -> Snapshot:
    verdict = None if reason is None else Verdict(Cause.ASKED, 0, reason)
    fleet, stopping = Fleet({}, verdict=verdict), reason is not None
    return Snapshot(fleet, {}, ready, ready, stopping, EMPTY, Views(EMPTY, {}, None))


def test_ready_is_said_once_when_it_has_become_true(manager: Manager) -> None:
    own = ManagerSocket(manager.address)
    own.tell(snapshot())
    assert manager.heard() == []
    for _ in range(3):
        own.tell(snapshot(ready=True))
    assert manager.heard() == [READY]


def test_stopping_is_said_once_with_its_reason(manager: Manager) -> None:
    own = ManagerSocket(manager.address)
    own.tell(snapshot(ready=True))
    for _ in range(3):
        own.tell(snapshot(reason="SIGTERM was received"))
    assert manager.heard() == [READY, "STOPPING=1\nSTATUS=stopping: SIGTERM was received"]


@pytest.mark.parametrize(
    "reason", ["a\nREADY=1\nMAINPID=1", "a\0b", "\udcff", "x" * 100_000, "\x1b[31m", "日" * 5000], ids=ascii
)
def test_no_reason_can_say_anything_else_or_be_too_long(manager: Manager, reason: str) -> None:
    """systemd passes over what is longer than 4096 bytes."""
    ManagerSocket(manager.address).tell(snapshot(reason=reason))
    (datagram,) = manager.heard()
    lines = datagram.split("\n")
    assert len(lines) == 2
    assert lines[0] == "STOPPING=1"
    assert lines[1].startswith("STATUS=stopping: ")
    assert lines[1].isprintable()
    assert len(datagram.encode()) <= 4096


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "/nowhere/notify",
        "relative",
        "@supinit-nobody",
        "/" + "x" * 300,
        "vsock:2:1234",
        "/dev/null",
        "\udcff",
    ],
    ids=ascii,
)
def test_where_nobody_listens_nothing_happens(address: str | None) -> None:
    before = open_descriptors()
    own = ManagerSocket(address)
    own.tell(snapshot(ready=True))
    own.tell(snapshot(reason="over"))
    assert open_descriptors() == before


def test_no_descriptor_is_kept(manager: Manager) -> None:
    before = open_descriptors()
    ManagerSocket(manager.address).tell(snapshot(ready=True))
    assert open_descriptors() == before


def test_a_busy_manager_is_not_waited_for_and_hears_it_at_the_next_turn(manager: Manager) -> None:
    """Lost, READY=1 would cost the container its start."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
        other.connect(manager.listener.getsockname())
        with pytest.raises(BlockingIOError):
            while True:
                other.send(b"X_FLOOD=1")
    own = ManagerSocket(manager.address)
    own.tell(snapshot(ready=True))
    assert READY not in manager.heard()
    own.tell(snapshot(ready=True))
    own.tell(snapshot(ready=True))
    assert manager.heard() == [READY]


# ---- with a container


def test_it_hears_of_a_containers_life(turned: Turn, manager: Manager) -> None:
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); tell('here')\n"
    web = speaker(
        "web", blocked + "signal.sigwait([signal.SIGUSR1]); say('READY=1'); live()", shutdown_on=ShutdownOn.FAILURE
    )
    container = turned(web, program("other"), own={"NOTIFY_SOCKET": manager.address}).begin()
    container.run_until_told("here")
    assert manager.heard() == []
    os.kill(container.pid("web"), signal.SIGUSR1)
    container.run_until_up("web")
    assert manager.heard() == [READY]
    container.shut_down()
    assert manager.heard() == ["STOPPING=1\nSTATUS=stopping: the test asked"]


def test_a_container_that_never_was_ready_says_only_that_it_stops(turned: Turn, manager: Manager) -> None:
    web = program("web", "false", shutdown_on=ShutdownOn.FAILURE, min_uptime=LIMIT)
    container = turned(web, own={"NOTIFY_SOCKET": manager.address}).begin()
    container.run_until(lambda: container.engine.is_over)
    assert manager.heard() == ["STOPPING=1\nSTATUS=stopping: web exited with code 1"]


def test_a_program_gets_neither_the_socket_nor_a_way_to_ask_for_it(turned: Turn, manager: Manager) -> None:
    text = "tell('env=' + repr(os.environ.get('NOTIFY_SOCKET'))); live()"
    asking = program("asking", *script(text), environment=(("NOTIFY_SOCKET", None),))
    container = turned(asking, own={"NOTIFY_SOCKET": manager.address}).begin()
    assert container.value("env") == "None"
    container.shut_down()


def test_a_program_that_notifies_has_a_socket_of_its_own(turned: Turn, manager: Manager) -> None:
    text = "say('READY=1\\nSTATUS=mine'); barrier(); tell('env=' + os.environ['NOTIFY_SOCKET']); live()"
    web = speaker("web", text.replace("\n", "\\n"))
    container = turned(web, program("slow", min_uptime=LIMIT, shutdown_on=ShutdownOn.FAILURE))
    container.engine._manager = ManagerSocket(manager.address)
    container.begin()
    assert [container.value("env")] == container.private_sockets
    assert manager.heard() == []
    container.shut_down()
