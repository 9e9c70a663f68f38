"""NAMEs: programs, instances, all, and patterns as a shell has them."""

from __future__ import annotations

import asyncio

import pytest

from supervisor.control.http.message import RequestError
from supervisor.control.resources.naming import resolve

from .dialogue import served
from .steered import SteeredContainer, service

CONTAINER = SteeredContainer(service("web", scale=3), service("web-admin"), service("db"))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["db"], "db:1"),
        (["web:2"], "web:2"),
        (["all"], "web:1 web:2 web:3 web-admin:1 db:1"),
        (["*"], "web:1 web:2 web:3 web-admin:1 db:1"),
        (["web*"], "web:1 web:2 web:3 web-admin:1"),
        (["web:*"], "web:1 web:2 web:3"),
        (["web:[12]"], "web:1 web:2"),
        (["*:1"], "web:1 web-admin:1 db:1"),
        (["*:2"], "web:2"),
        (["?b"], "db:1"),
        (["[!w]*"], "db:1"),
        (["db", "web*:3", "*b"], "db:1 web:3 web:1 web:2"),
        ([], ""),
    ],
)
def test_a_name_stands_for_instances_each_once_in_the_order_of_naming(names: list[str], found: str) -> None:
    assert " ".join(f"{name}:{number}" for name, number in resolve(CONTAINER.plan, names)) == found


@pytest.mark.parametrize("name", ["nobody", "w", "x*", "WEB*", "web:4*", "web:4", "web:", "db:", "", "[", "db:*:1"])
def test_what_there_is_none_of_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match="cannot find") as refused:
        resolve(CONTAINER.plan, ["web", name])
    assert (refused.value.status, refused.value.code) == (404, "no_such_program")


def test_an_error_names_a_few_of_many() -> None:
    plan = SteeredContainer(*(service(f"p{number}") for number in range(500))).plan
    for name in ("nobody", "x*"):
        with pytest.raises(RequestError, match=r"there are: p0, p1, .*, p11 and 488 more$"):
            resolve(plan, [name])


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/v1/status?name={}", None),
        ("GET", "/v1/programs/{}", None),
        ("POST", "/v1/programs/{}/stop", {"wait": False}),
        ("POST", "/v1/programs/{}/start", {"wait": False}),
        ("POST", "/v1/programs/{}/restart", {"wait": False}),
        ("POST", "/v1/programs/{}/reload", None),
        ("POST", "/v1/programs/{}/signal", {"signal": "HUP"}),
        ("GET", "/v1/logs?name={}", None),
        ("GET", "/v1/wait?name={}", None),
        ("GET", "/healthz?name={}", None),
    ],
)
def test_a_pattern_is_good_wherever_a_name_is(socket_path: str, method: str, target: str, body: object) -> None:
    async def scenario() -> list[int]:
        container = SteeredContainer(service("web", scale=2), service("db")).begin()
        async with served(container, socket_path) as control:
            return [
                (await control.ask(method, target.format(name), body)).status for name in ("w*", "web:*", "%2A", "x*")
            ]

    *good, bad = asyncio.run(scenario())
    assert set(good) <= {200, 202}
    assert bad == 404
