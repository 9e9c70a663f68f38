"""Root and supinit's own user may do everything, members of socket_group may read, all others nothing."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from supervisor.control.access import Peer, Rights, peer_of, rights_of
from supervisor.control.http.connection_limit import MAX_CONNECTIONS, RESERVED

from .dialogue import Reply, served
from .steered import SteeredContainer, service

OWN, OTHER, GROUP = 500, 501, 900
NOBODY = 65534
only_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.mark.parametrize(
    ("peer", "rights"),
    [
        pytest.param(Peer(1, 0, 0), Rights.CONTROL, id="root"),
        pytest.param(Peer(1, OWN, OWN), Rights.CONTROL, id="own user"),
        pytest.param(Peer(1, OTHER, GROUP), Rights.READ, id="by primary group"),
        pytest.param(Peer(1, OTHER, OTHER, frozenset({3, GROUP})), Rights.READ, id="by supplementary group"),
        pytest.param(Peer(1, OTHER, 0, frozenset({0})), Rights.NOTHING, id="root's group is not root"),
    ],
)
def test_rights_follow_from_the_credentials(peer: Peer, rights: Rights) -> None:
    assert rights_of(peer, OWN, GROUP) is rights


def test_without_a_socket_group_nobody_else_may_read() -> None:
    assert rights_of(Peer(1, OTHER, GROUP), OWN, None) is Rights.NOTHING


def test_the_kernel_says_who_is_there() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_of(ours) == Peer(os.getpid(), os.geteuid(), os.getegid(), frozenset(os.getgroups()))


@contextmanager
def as_somebody(gid: int, *groups: int) -> Iterator[None]:
    """Connect as uid 65534: the credentials are taken at connect(2)."""
    before, before_gid = os.getgroups(), os.getegid()
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(before_gid)
        os.setgroups(before)


def ask_as(path: str, gid: int, *groups: int, method: str, target: str) -> tuple[Reply, SteeredContainer]:
    async def scenario() -> tuple[Reply, SteeredContainer]:
        container = SteeredContainer(service("web")).begin()
        async with served(container, path, mode=0o666, group=GROUP) as control:
            client = control.client()
            with as_somebody(gid, *groups):
                await client.__aenter__()
            try:
                return await client.ask(method, target), container
            finally:
                await client.leave()

    return asyncio.run(scenario())


@only_as_root
@pytest.mark.parametrize(("gid", "groups"), [(GROUP, ()), (NOBODY, (7, GROUP))], ids=["primary", "supplementary"])
def test_a_member_of_the_group_may_read_but_not_control(socket_path: str, gid: int, groups: tuple[int, ...]) -> None:
    assert ask_as(socket_path, gid, *groups, method="GET", target="/v1/status")[0].status == 200
    assert ask_as(socket_path, gid, *groups, method="HEAD", target="/healthz")[0].status == 200
    reply, container = ask_as(socket_path, gid, *groups, method="POST", target="/v1/programs/web/stop")
    assert (reply.status, reply.error_code, container.events) == (403, "not_permitted", [])


@only_as_root
def test_what_shows_secrets_is_for_those_who_control(socket_path: str) -> None:
    reply, _ = ask_as(socket_path, GROUP, method="GET", target="/v1/programs/web/context")
    assert reply.status == 403


@only_as_root
@pytest.mark.parametrize("target", ["/v1/status", "/metrics", "/livez"])
def test_a_stranger_may_nothing(socket_path: str, target: str) -> None:
    reply, _ = ask_as(socket_path, NOBODY, method="GET", target=target)
    assert (reply.status, reply.error_code) == (403, "not_permitted")
    assert "socket_group" in reply.json["error"]["message"]


@only_as_root
def test_readers_cannot_take_the_connections_that_are_kept_for_the_operator(socket_path: str) -> None:
    async def scenario() -> tuple[int, int]:
        async with served(SteeredContainer(service("web")), socket_path, mode=0o666, group=GROUP) as control:
            others = [control.client() for _ in range(MAX_CONNECTIONS - RESERVED)]
            for other in others:
                await other.__aenter__()
                await other.ask("GET", "/livez")
            reader = control.client()
            with as_somebody(GROUP):
                await reader.__aenter__()
            statuses = (await reader.ask("GET", "/livez")).status, (await control.ask("GET", "/livez")).status
            for client in (reader, *others):
                await client.leave()
            return statuses

    assert asyncio.run(scenario()) == (503, 200)
