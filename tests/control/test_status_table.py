"""The table of `supctl status`: laid out by the server for the width that it is told."""

from __future__ import annotations

import asyncio
from signal import SIGKILL

import pytest

from supervisor.core.container import FilesLooked
from supervisor.core.events import ProcessExited
from supervisor.core.program import Condition, Dependency, Program, ShutdownOn
from supervisor.core.record import replace
from supervisor.core.tree import Usage
from supervisor.core.watch import Watch

from .dialogue import Reply, served
from .steered import SteeredContainer, oneshot, service

NEEDS = (Dependency("migrate", Condition.COMPLETED),)


def get(container: SteeredContainer, path: str, query: str = "") -> Reply:
    async def scenario() -> Reply:
        async with served(container, path) as control:
            return await control.ask("GET", f"/v1/status?{query}", accept="text/plain")

    return asyncio.run(scenario())


def busy() -> SteeredContainer:
    """web:1 is unhealthy, web:2 was never ready, db was killed, and worker waits for migrate, which is at it."""
    container = SteeredContainer(
        service("web", checked=True, scale=2),
        oneshot("migrate"),
        Program("worker", ("true",), depends_on=NEEDS),
        service("db"),
    ).begin()
    container.usages = {("web", 1): Usage(83.2, 57 * 1024 * 1024, 4)}
    container.say("migrate", "step 3 of 7").say("web", "serving")
    container.probe("web", True).wait(3700).end("db", None, SIGKILL).probe("web", False, "connection refused")
    return container


def test_a_program_that_may_miss_a_change_of_its_files_says_so(socket_path: str) -> None:
    container = SteeredContainer(replace(service("web"), watch=(Watch("/certs"),)), service("db")).begin()
    container.take(FilesLooked(("web", Watch("/certs")), problem="cannot watch /certs: Permission denied"))
    _, web, db = get(container, socket_path).text.splitlines()
    assert web.endswith("  cannot watch /certs: Permission denied")
    assert db.endswith("  -")


def test_the_whole_table(socket_path: str) -> None:
    table = get(busy(), socket_path).text
    assert table.splitlines() == [
        "NAME     STATE     HEALTH     PID  UPTIME  RESTARTS    CPU  MEMORY  LAST EXIT",
        "web:1    RUNNING   unhealthy  101   1h01m         0  1m23s     57M  -                   connection refused",
        "web:2    BACKOFF   -            -       -         1      -       -  0 (0.0s ago)        "
        "was not ready within 60 s; starts again in 0.1s",
        "migrate  STARTING  -          103   1h01m         0      -       -  -                   step 3 of 7",
        "worker   PENDING   -            -       -         0      -       -  -                   waits for migrate",
        "db       BACKOFF   -            -       -         1      -       -  SIGKILL (0.0s ago)  "
        "was terminated by SIGKILL; starts again in 0.1s",
    ]


def test_who_was_killed_for_want_of_memory_is_seen_at_once(socket_path: str) -> None:
    container = SteeredContainer(service("web")).begin().happen(("web", 1), ProcessExited(1, None, SIGKILL, True))
    assert "SIGKILL (0.0s ago, out of memory)" in get(container, socket_path).text


@pytest.mark.parametrize("width", range(20, 130))
def test_no_line_is_wider_than_the_terminal(socket_path: str, width: int) -> None:
    lines = get(busy(), socket_path, f"columns={width}").text.splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines] == ["NAME", "web:1", "web:2", "migrate", "worker", "db"]


def test_a_narrow_terminal_keeps_what_matters(socket_path: str) -> None:
    assert get(busy(), socket_path, "columns=60").text.splitlines()[:2] == [
        "NAME     STATE     HEALTH",
        "web:1    RUNNING   unhealthy  connection refused",
    ]


def test_the_number_of_an_instance_shows_only_where_there_are_several(socket_path: str) -> None:
    container = SteeredContainer(service("a"), service("b", scale=2))
    assert [line.split()[0] for line in get(container, socket_path).text.splitlines()] == ["NAME", "a", "b:1", "b:2"]


def test_the_colour_tells_good_from_bad_and_moves_nothing(socket_path: str) -> None:
    container = SteeredContainer(service("RUNNING"), service("b"), replace(oneshot("c"), shutdown_on=ShutdownOn.NEVER))
    container.begin().end("b", 1).end("c", 1)
    plain, colored = (get(container, socket_path, f"color={color}").text for color in (0, 1))
    assert "\x1b[32mRUNNING\x1b[0m" in colored and colored.splitlines()[1].startswith("RUNNING  \x1b[32m")
    for code in ("\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"):
        colored = colored.replace(code, "")
    assert colored == plain


@pytest.mark.parametrize(
    ("container", "query", "fine"),
    [
        pytest.param(SteeredContainer(service("a"), oneshot("b")).begin().end("b", 0), "", "yes", id="all up"),
        pytest.param(SteeredContainer(service("a"), service("b")).begin().end("b", 0), "", "no", id="one is down"),
        pytest.param(SteeredContainer(service("a"), service("b")).begin().end("b", 0), "name=a", "yes", id="not shown"),
        pytest.param(SteeredContainer(service("a", checked=True)).begin(), "", "no", id="not up yet"),
    ],
)
def test_a_header_says_whether_all_that_is_shown_is_up(
    socket_path: str, container: SteeredContainer, query: str, fine: str
) -> None:
    assert get(container, socket_path, query).headers["supinit-fine"] == fine


def test_what_a_process_says_gives_way_to_what_is_more_urgent(socket_path: str) -> None:
    def detail() -> str:
        return get(container, socket_path, "columns=60").text.splitlines()[1].partition("web")[2]

    container = SteeredContainer(service("web", checked=True)).begin().probe("web", True).say("web", "serving 7")
    assert detail().endswith("  serving 7")
    assert container.probe("web", False, "refused") and detail().endswith("  refused")
    assert container.probe("web", True) and detail().endswith("  serving 7")
    assert container.end("web", 1) and "  exited with code 1; s" in detail()


def test_what_a_program_says_cannot_steer_the_terminal(socket_path: str) -> None:
    container = SteeredContainer(service("web", checked=True)).begin().probe("web", True)
    container.say("web", "\x1b[2J\nweb RUNNING\x07")
    for _ in range(2):
        table = get(container, socket_path).text
        assert (len(table.splitlines()), "\x1b" in table, "\x07" in table) == (2, False, False)
        container.probe("web", False, "\x1b]0;owned\x07\r\nweb RUNNING")
