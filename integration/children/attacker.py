"""attacker.py KIND SOCKET: a hostile client, until it is killed. Prints "at it" when it has begun."""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Callable

CROWD = 200
STATUS = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"


def connect() -> socket.socket:
    """Return a non-blocking connection."""
    client = socket.socket(socket.AF_UNIX)
    client.setblocking(False)
    client.connect(PATH)
    return client


def send_to_the_end(data: bytes) -> None:
    """Send as much as is accepted, and read to the end, for a few seconds at most."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(PATH)
        client.sendall(data)
        while client.recv(65536):
            pass


def garbage() -> None:
    send_to_the_end(os.urandom(4096))


def huge_head() -> None:
    send_to_the_end(b"GET /livez HTTP/1.1\r\nX: " + b"a" * 10_000_000)


def pipelined() -> None:
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    send_to_the_end(STATUS * 999 + last)


crowd: list[socket.socket] = []


def crowded(data: bytes, half_closed: bool = False) -> None:
    """Keep many connections open that have all sent this; replace each one that is cut off."""
    while len(crowd) < CROWD:
        try:
            client = connect()
            client.send(data)
        except OSError:  # the backlog is full, or it was cut off already
            break
        if half_closed:
            client.shutdown(socket.SHUT_WR)
        crowd.append(client)
    poll = select.poll()
    for client in crowd:
        poll.register(client, select.POLLHUP)
    gone = {number for number, _ in poll.poll(10)}
    for client in crowd:
        if client.fileno() in gone:
            client.close()
    crowd[:] = [client for client in crowd if client.fileno() >= 0]


def slow() -> None:
    """Slowloris: one byte of a head now and then."""
    crowded(b"GET /livez HTTP/1.1\r\nX: ")
    for client in crowd:
        try:
            client.send(b"a")
        except OSError:
            pass


KINDS: dict[str, Callable[[], None]] = {
    "garbage": garbage,
    "huge heads": huge_head,
    "pipelined": pipelined,
    "slow": slow,
    "half-closed": lambda: crowded(b"GET /v1/wait?for=stopped HTTP/1.1\r\nHost: x\r\n", half_closed=True),
    "deaf": lambda: crowded(STATUS * 500),
}
KIND, PATH = sys.argv[1:]
for number in range(sys.maxsize):
    try:
        KINDS[KIND]()
    except OSError:  # cut off in the middle, as it should be
        pass
    if number == 0:
        print("at it", flush=True)
