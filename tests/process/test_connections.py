"""Connections as /proc/net/tcp and tcp6 show them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from random import Random

import pytest

from supervisor.process import connections
from supervisor.process.connections import TIME_WAIT_LENGTH, Connection, Look, ProbeTimes, parse, sockets_of

from .nursery import sleep_until

HEADING = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
OPEN = b"   1: 0200000A:1F90 0300000A:C350 01 00000000:00000000 02:000AFC80 00000000    33        0 4711 2 0 20 4 31"
ENDED = b"   2: 0200000A:1F90 0300000A:C351 06 00000000:00000000 03:00000FA0 00000000     0        0 0 3 0"
LISTENING = b"   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4710 1 0 100"
HALF_CLOSED = OPEN.replace(b" 01 ", b" 08 ")
LAST_BYTES = OPEN.replace(b" 01 ", b" 04 ")
OTHER_PORT = OPEN.replace(b"1F90", b"1F91")
OUTGOING = OPEN.replace(b"1F90", b"9999").replace(b"C350", b"1F90")
PORTS = (0x1F90,)


@pytest.fixture
def table(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> str:
    path = f"{tmp_path}/tcp"
    monkeypatch.setattr(connections, "TABLES", (path, f"{tmp_path}/tcp6"))
    return path


def _seen(path: str, *lines: bytes, probes: ProbeTimes | None = None) -> float | None:
    """Return for how long no client has been connected. None: nothing is known of any."""
    with open(path, "wb") as file:
        file.write(b"\n".join((HEADING, *lines, b"")))
    look = Look(PORTS, probes or ProbeTimes(), lambda: ())
    for _ in look.read():
        pass
    return None if look.last_seen is None else time.monotonic() - look.last_seen


def test_a_line_is_read() -> None:
    ends = (b"0200000A", 0x1F90), (b"0300000A", 0xC350)
    assert parse(OPEN) == Connection(*ends, 1, 4711)
    assert parse(ENDED) == Connection(ends[0], (b"0300000A", 0xC351), 6, 0, 40.0)
    mapped = OPEN.replace(b"0200000A", connections.MAPPED + b"0200000A").replace(
        b"0300000A", connections.MAPPED + b"0300000A"
    )
    assert parse(mapped) == parse(OPEN)


@pytest.mark.parametrize("line", [b"", b" ", HEADING, OPEN[:40], OPEN.replace(b"1F90", b"xyz"), b":" * 50, b"\0 " * 20])
def test_a_heading_and_a_broken_line_are_nothing(line: bytes) -> None:
    assert parse(line) is None


def test_no_bytes_make_it_raise() -> None:
    rng = Random(7)
    for _ in range(5000):
        line = bytearray(rng.choice((OPEN, ENDED, LISTENING)))
        for _ in range(rng.randint(1, 8)):
            line[rng.randrange(len(line))] = rng.randrange(256)
        parse(bytes(line[: rng.randint(0, len(line))]))


@pytest.mark.parametrize("line", [OPEN, LAST_BYTES], ids=["established", "last bytes"])
def test_an_open_connection_is_there_now(table: str, line: bytes) -> None:
    assert _seen(table, LISTENING, line) == pytest.approx(0.0, abs=0.5)


def test_an_ended_connection_was_there_until_it_ended(table: str) -> None:
    assert _seen(table, LISTENING, ENDED) == pytest.approx(20.0, abs=0.5)


@pytest.mark.parametrize(
    "line",
    [LISTENING, HALF_CLOSED, OTHER_PORT, OUTGOING, ENDED.replace(b"1F90", b"9999").replace(b"C351", b"1F90")],
    ids=["listening", "closed by the client", "another port", "outgoing", "outgoing and ended"],
)
def test_anything_else_is_not_a_client(table: str, line: bytes) -> None:
    assert _seen(table, line) is None


def test_ipv6_is_looked_at_where_there_is_any(table: str) -> None:
    address = b"B80D0120000000000000000001000000"
    with open(f"{table}6", "wb") as file:
        file.write(OPEN.replace(b"0200000A", address).replace(b"0300000A", b"F" + address[1:]))
    assert _seen(table, LISTENING) == pytest.approx(0.0, abs=0.5)


def test_a_table_that_cannot_be_read_is_an_error(table: str) -> None:
    with pytest.raises(FileNotFoundError):
        list(Look(PORTS, ProbeTimes(), lambda: ()).read())


@pytest.mark.parametrize(
    ("ended_after", "is_probe"), [(-1.0, False), (0.0, True), (0.5, True), (1.5, True), (3.0, False)], ids=str
)
def test_a_local_connection_that_ended_while_a_probe_ran_is_the_probe_s(
    table: str, ended_after: float, is_probe: bool
) -> None:
    """The probe ran for a second, 20 s ago."""
    probes, now = ProbeTimes(), time.monotonic()
    probes.end(probes.begin(now - 20.0), now - 19.0)
    ticks = int((TIME_WAIT_LENGTH - 20.0 + ended_after) * os.sysconf("SC_CLK_TCK"))
    line = ENDED.replace(b"00000FA0", b"%08X" % ticks)
    local = line.replace(b"0300000A", b"0200000A")
    assert (_seen(table, local, probes=probes) is None) == is_probe
    assert _seen(table, line, probes=probes) is not None


def test_probes_are_forgotten_when_the_kernel_has_forgotten_their_connections() -> None:
    probes = ProbeTimes()
    probes.end(probes.begin(0.0), 1.0)
    running = probes.begin(2.0)
    probes.begin(63.0)
    assert (probes.overlap(0.0, 1.0), probes.overlap(2.0, 2.0)) == (False, True)
    probes.end(running, 64.0)


@pytest.fixture(params=[("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)], ids=["IPv4", "IPv6"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    address, family = request.param
    try:
        listener = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"{address} is not there")
    with listener:
        yield listener


CLIENT = "import socket, sys; c = socket.create_connection((sys.argv[1], int(sys.argv[2]))); sys.stdin.read()"


def _look(port: int, *probe_pids: int) -> bool:
    """Whether a client is connected that is not a health check's."""
    look = Look((port,), ProbeTimes(), lambda: probe_pids)
    list(look.read())
    return look.last_seen is not None


def test_a_connection_of_supinit_itself_does_not_count(server: socket.socket) -> None:
    """This process is in the place of supinit."""
    with socket.create_connection(server.getsockname()[:2]) as client, server.accept()[0]:
        assert os.fstat(client.fileno()).st_ino in set(sockets_of(os.getpid()))
        # a table that changes while it is read may lack one of the two ends
        sleep_until(lambda: not _look(server.getsockname()[1]))


def test_a_connection_of_another_process_counts_unless_it_is_a_health_check(server: socket.socket) -> None:
    address, port = server.getsockname()[:2]
    command = [sys.executable, "-I", "-c", CLIENT, address, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as client:
        with server.accept()[0]:
            assert _look(port)
            sleep_until(lambda: not _look(port, client.pid))
        client.communicate()
