"""What the API shows of the container."""

from __future__ import annotations

import asyncio
import os
from signal import SIGKILL
from typing import Any

import pytest

from supervisor import __version__
from supervisor.core.container import FilesLooked, FilesTouched, ShutdownAsked
from supervisor.core.program import Condition, Dependency, InstanceId, Program, Settings
from supervisor.core.record import replace
from supervisor.core.sockets import ListenSocket, SocketType
from supervisor.core.tree import Usage
from supervisor.core.watch import Watch, WatchAction

from .dialogue import Reply, served
from .steered import SteeredContainer, date, oneshot, service


def get(container: SteeredContainer, path: str, target: str, accept: str | None = None) -> Reply:
    async def scenario() -> Reply:
        async with served(container, path) as control:
            return await control.ask("GET", target, accept=accept)

    return asyncio.run(scenario())


def entry(container: SteeredContainer, path: str, name: str = "web") -> dict[str, Any]:
    reply = get(container, path, f"/v1/programs/{name}").json
    (only,) = reply["programs"]
    assert isinstance(only, dict)
    return only


def test_the_container_is_shown_whole(socket_path: str) -> None:
    container = SteeredContainer(service("web", scale=2), oneshot("migrate"), settings=Settings(revision="abc"))
    status = get(container.begin().end("migrate", 0), socket_path, "/v1/status").json
    names = [(program["name"], program["instance"]) for program in status.pop("programs")]
    assert names == [("web", 1), ("web", 2), ("migrate", 1)]
    assert status == {
        "version": __version__,
        "revision": "abc",
        "pid": os.getpid(),
        "started_at": date(0),
        "ready": True,
        "healthy": True,
        "stopping": False,
        "verdict": None,
        "last_event_id": container.journal.last_id,
    }


def test_text_is_a_line_an_instance_with_its_state_and_pid(socket_path: str) -> None:
    container = SteeredContainer(service("web", scale=2), oneshot("migrate")).begin().end("migrate", 0)
    reply = get(container, socket_path, "/v1/programs/all", "text/plain")
    assert reply.text == "web:1 is RUNNING, pid 101\nweb:2 is RUNNING, pid 102\nmigrate is EXITED\n"


def test_a_running_instance_has_every_field(socket_path: str) -> None:
    container = SteeredContainer(service("web", checked=True)).begin().probe("web", True).wait(3.5)
    container.usages = {("web", 1): Usage(1.23456, 4096, 3)}
    assert entry(container, socket_path) == {
        "name": "web",
        "instance": 1,
        "type": "service",
        "state": "RUNNING",
        "health": "healthy",
        "health_detail": None,
        "health_failures": 0,
        "pid": 101,
        "since": date(2),
        "uptime_seconds": 5.5,
        "restarts": 0,
        "last_exit": None,
        "last_lines": [],
        "reason": None,
        "waiting_for": [],
        "starts_again_at": None,
        "status_text": None,
        "rolling": None,
        "watch": [],
        "autostart": True,
        "next_run_at": None,
        "last_run": None,
        "runs_skipped": None,
        "runs_missed": None,
        "sockets": [],
        "cpu_seconds": 1.235,
        "memory_bytes": 4096,
        "processes": 3,
    }


def test_an_instance_shows_its_sockets_with_their_descriptors(socket_path: str) -> None:
    sockets = (ListenSocket("http", ("::", 80)), ListenSocket("log", "/run/log.sock", SocketType.DATAGRAM))
    container = SteeredContainer(replace(service("web"), sockets=sockets)).begin()
    assert entry(container, socket_path)["sockets"] == [
        {"name": "http", "listen": "[::]:80", "type": "stream", "fd": 3},
        {"name": "log", "listen": "/run/log.sock", "type": "datagram", "fd": 4},
    ]


def test_an_instance_shows_what_is_watched_for_it(socket_path: str) -> None:
    certs, conf = Watch("/certs"), Watch("/conf", WatchAction.RESTART)
    container = SteeredContainer(replace(service("web"), watch=(certs, conf))).begin()
    container.take(FilesLooked(("web", conf), problem="cannot watch /conf: Permission denied"))
    container.take(FilesLooked(("web", certs))).take(FilesTouched((("web", certs),))).wait(0.5)
    container.take(FilesLooked(("web", certs), ("tls.crt",)))
    assert entry(container, socket_path)["watch"] == [
        {"path": "/certs", "action": "reload", "changed_at": date(2.5), "problem": None},
        {
            "path": "/conf",
            "action": "restart",
            "changed_at": None,
            "problem": "cannot watch /conf: Permission denied",
        },
    ]


def test_an_instance_between_two_runs_says_how_it_ended_and_when_it_starts_again(socket_path: str) -> None:
    container = SteeredContainer(service("web")).begin().end("web", None, SIGKILL)
    shown = entry(container, socket_path)
    assert (shown["state"], shown["pid"], shown["uptime_seconds"], shown["cpu_seconds"]) == ("BACKOFF",) + (None,) * 3
    assert shown["last_exit"] == {"signal": "SIGKILL", "at": date(2)}
    assert shown["starts_again_at"] == date(2.1)


def test_an_instance_that_has_failed_for_good_says_why(socket_path: str) -> None:
    shown = entry(SteeredContainer(oneshot("migrate")).begin().end("migrate", 7), socket_path, "migrate")
    assert (shown["state"], shown["reason"]) == ("FATAL", "exited with code 7")
    assert shown["last_exit"] == {"code": 7, "at": date(2)}


def test_an_instance_that_waits_says_for_whom(socket_path: str) -> None:
    needs = (Dependency("migrate", Condition.COMPLETED),)
    container = SteeredContainer(oneshot("migrate"), Program("web", ("true",), depends_on=needs)).begin()
    assert entry(container, socket_path)["waiting_for"] == ["migrate"]


def test_a_oneshot_that_has_not_completed_is_starting_and_the_container_neither_ready_nor_healthy(
    socket_path: str,
) -> None:
    container = SteeredContainer(service("web"), oneshot("migrate")).begin().wait(3600.0)
    assert entry(container, socket_path, "migrate")["state"] == "STARTING"
    status = get(container, socket_path, "/v1/status").json
    assert (status["ready"], status["healthy"]) == (False, False)


def test_what_a_process_says_of_itself_is_shown_as_long_as_it_is_there(socket_path: str) -> None:
    container = SteeredContainer(service("web")).begin().say("web", "serving 7 \x1b[2Jclients")
    assert entry(container, socket_path)["status_text"] == "serving 7 \x1b[2Jclients"
    assert entry(container.say("web", ""), socket_path)["status_text"] is None
    assert entry(container.say("web", "serving").end("web", 1), socket_path)["status_text"] is None


def test_what_had_nothing_to_run_says_why(socket_path: str) -> None:
    container = SteeredContainer(service("web"), oneshot("migrate"), skipped={"migrate": "was done before for abc"})
    shown = entry(container.begin(), socket_path, "migrate")
    assert (shown["state"], shown["reason"], shown["last_exit"]) == ("EXITED", "was done before for abc", None)


def test_a_health_check_that_fails_says_what_it_saw(socket_path: str) -> None:
    container = SteeredContainer(service("web", checked=True)).begin().probe("web", False)
    shown = entry(container.wait(30).probe("web", False, "refused"), socket_path)
    assert (shown["health"], shown["health_detail"], shown["health_failures"]) == ("unhealthy", "refused", 1)


def test_one_instance_can_be_asked_for(socket_path: str) -> None:
    assert entry(SteeredContainer(service("web", scale=3)), socket_path, "web:2")["instance"] == 2
    assert entry(SteeredContainer(service("web", scale=3)), socket_path, "web%3A3")["instance"] == 3


def test_the_status_of_some_is_in_the_order_of_their_naming(socket_path: str) -> None:
    container = SteeredContainer(service("a"), service("b"), service("c"))
    status = get(container, socket_path, "/v1/status?name=c&name=a").json
    assert [program["name"] for program in status["programs"]] == ["c", "a"]


@pytest.mark.parametrize("name", ["nobody", "web:0", "web:2", "web:x", "web:", ":1", "%00", "web:9999999999999999999"])
@pytest.mark.parametrize("target", ["/v1/programs/{}", "/v1/status?name=web&name={}", "/healthz?name={}"])
def test_an_unknown_name_is_a_404_that_says_what_there_is(socket_path: str, name: str, target: str) -> None:
    reply = get(SteeredContainer(service("web")), socket_path, target.format(name))
    assert (reply.status, reply.error_code) == (404, "no_such_program")
    assert "web" in reply.json["error"]["message"]


def test_a_shutdown_shows_at_once(socket_path: str) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin().take(ShutdownAsked("test"))
    status = get(container, socket_path, "/v1/status").json
    assert (status["ready"], status["healthy"], status["stopping"]) == (False, False, True)


def test_what_brings_the_container_down_is_shown_with_its_last_lines(socket_path: str) -> None:
    container = SteeredContainer(oneshot("migrate"), service("db")).begin().end("migrate", 7)
    container.last_lines = "cannot import name app"
    assert get(container, socket_path, "/v1/status").json["verdict"] == {
        "cause": "program ended",
        "code": 7,
        "reason": "migrate exited with code 7",
        "program": "migrate",
        "last_lines": "cannot import name app",
    }


def test_while_draining_the_container_is_healthy_and_not_ready(socket_path: str) -> None:
    container = SteeredContainer(service("web"), settings=Settings(drain_delay=5.0)).begin().take(ShutdownAsked("test"))
    status = get(container, socket_path, "/v1/status").json
    assert (status["ready"], status["healthy"], status["stopping"]) == (False, True, True)


def test_without_a_revision_it_is_null(socket_path: str) -> None:
    container = SteeredContainer(service("web"), settings=Settings(revision=""))
    assert get(container, socket_path, "/v1/version").json == {"version": __version__, "revision": None}


def test_usage_is_measured_once_for_all_who_ask_at_the_same_time(socket_path: str) -> None:
    container = SteeredContainer(service("a"), service("b")).begin()

    async def scenario() -> None:
        async with served(container, socket_path) as control, control.client() as client:
            for target in ("/v1/status", "/v1/programs/a", "/metrics"):
                await client.ask("GET", target)
            assert container.measured == 1
            container.wait(1.0)
            await client.ask("GET", "/v1/status")
            assert container.measured == 2

    asyncio.run(scenario())


def test_probes_do_not_measure(socket_path: str) -> None:
    container = SteeredContainer(service("web")).begin()
    for target in ("/livez", "/readyz", "/healthz"):
        get(container, socket_path, target)
    assert container.measured == 0


@pytest.mark.parametrize(
    ("method", "target", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("GET", "/v1/status/", 404, None),
        ("GET", "/v1/programs//start", 404, None),
        ("POST", "/v1/status", 405, "GET, HEAD"),
        ("GET", "/v1/programs/web/start", 405, "POST"),
        ("DELETE", "/metrics", 405, "GET, HEAD"),
    ],
)
def test_what_is_not_there_is_said_so(
    socket_path: str, method: str, target: str, status: int, allow: str | None
) -> None:
    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path) as control:
            reply = await control.ask(method, target)
            assert (reply.status, reply.headers.get("allow")) == (status, allow)
            assert reply.json["error"]["message"].startswith("cannot ")

    asyncio.run(scenario())


def test_a_usage_that_cannot_be_measured_is_null_and_the_rest_is_there(socket_path: str) -> None:
    """Without descriptors, /proc cannot be read."""

    def fail() -> dict[InstanceId, Usage]:
        raise OSError(24, "Too many open files")

    container = SteeredContainer(service("web")).begin()
    container.usage = fail  # type: ignore[method-assign]  # the measurement is what comes from outside

    async def scenario() -> Reply:
        async with served(container, socket_path) as control:
            return await control.ask("GET", "/v1/status")

    (entry,) = asyncio.run(scenario()).json["programs"]
    assert (entry["state"], entry["cpu_seconds"], entry["processes"]) == ("RUNNING", None, None)
