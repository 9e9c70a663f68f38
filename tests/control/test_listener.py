"""The listening socket: a long queue, and a reserve for when descriptors run out."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from supervisor.control.http.listener import RESERVE

from .dialogue import served
from .steered import SteeredContainer, service

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(path: str) -> socket.socket:
    """Connect and ask without blocking, as curl does. Raises BlockingIOError where the kernel's queue is full."""
    client = socket.socket(socket.AF_UNIX)
    client.setblocking(False)
    try:
        client.connect(path)
        client.sendall(GET)
    except BaseException:
        client.close()
        raise
    return client


async def answer(client: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(client, 4096)


def test_a_burst_of_connects_that_do_not_block_is_queued_and_served(socket_path: str) -> None:
    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path):
            clients = [connect(socket_path) for _ in range(200)]  # in one turn, so nothing is taken meanwhile
            for client in clients:
                assert (await answer(client)).startswith(b"HTTP/1.1 200 OK")
                client.close()

    asyncio.run(asyncio.wait_for(scenario(), 30))


@contextmanager
def no_descriptors_left() -> Iterator[list[int]]:
    """Use up all descriptors; those in the list may be closed to have some again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, hard))
    taken: list[int] = []
    try:
        while True:
            try:
                taken.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        yield taken
    finally:
        while taken:
            os.close(taken.pop())
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_some_are_served_from_the_reserve_and_the_rest_later_and_the_log_says_so_once(
    socket_path: str,
) -> None:
    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path) as control:
            await control.ask("GET", "/livez")
            clients = [socket.socket(socket.AF_UNIX) for _ in range(RESERVE + 4)]
            with no_descriptors_left() as taken:
                for client in clients:
                    client.setblocking(False)
                    client.connect(socket_path)
                    client.sendall(GET)
                for client in clients[:RESERVE]:
                    assert (await answer(client)).startswith(b"HTTP/1.1 200 OK")
                while taken:
                    os.close(taken.pop())
                for client in clients[RESERVE:]:
                    assert (await answer(client)).startswith(b"HTTP/1.1 200 OK")
                reason = "cannot accept connections: Too many open files"
                assert control.log[0] == ("warning", "control.exhausted", {"reason": reason})
                assert control.log[1:] == [("info", "control.recovered", {})]
            for client in clients:
                client.close()

    asyncio.run(asyncio.wait_for(scenario(), 30))
