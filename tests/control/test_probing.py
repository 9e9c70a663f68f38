"""livez, readyz, healthz and the wait for them: 200 or 503, and a line that names what is not up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from supervisor.core.container import ShutdownAsked
from supervisor.core.program import Condition, Dependency, Program, Restart, RestartWhen, Settings, ShutdownOn
from supervisor.core.record import replace

from .dialogue import Reply, served
from .steered import SteeredContainer, oneshot, service


def get(
    container: SteeredContainer, path: str, target: str, accept: str = "text/plain", then: Callable[[], object] = str
) -> Reply:
    """Ask, and let `then` happen once the server waits for it."""

    async def scenario() -> Reply:
        async with served(container, path) as control:
            asking = asyncio.create_task(control.ask("GET", target, accept=accept))
            watching = asyncio.create_task(container.watched.wait())
            await asyncio.wait((asking, watching), return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            then()
            return await asking

    return asyncio.run(scenario())


def verdict(container: SteeredContainer, path: str, target: str) -> tuple[int, str]:
    reply = get(container, path, target)
    return reply.status, reply.text


def test_livez_is_200_whatever_the_programs_do(socket_path: str) -> None:
    container = SteeredContainer(oneshot("migrate")).begin().end("migrate", 1)
    assert verdict(container, socket_path, "/livez") == (200, "alive\n")


def test_readyz_is_200_from_the_moment_that_all_were_up(socket_path: str) -> None:
    container = SteeredContainer(service("web"), service("db"))
    assert verdict(container, socket_path, "/readyz") == (503, "not ready: web is STOPPED, db is STOPPED\n")
    assert verdict(container.begin(), socket_path, "/readyz") == (200, "ready\n")
    assert verdict(container.end("web", 1), socket_path, "/readyz") == (200, "ready\n")


def test_healthz_is_503_while_something_essential_is_not_up(socket_path: str) -> None:
    container = SteeredContainer(service("web", checked=True), oneshot("migrate")).begin().end("migrate", 0)
    assert verdict(container, socket_path, "/healthz") == (503, "not healthy: web is STARTING\n")
    assert verdict(container.probe("web", True), socket_path, "/healthz") == (200, "healthy\n")
    expected = "not healthy: web is unhealthy (connection refused)\n"
    assert verdict(container.probe("web", False, "connection refused"), socket_path, "/healthz") == (503, expected)


def test_what_never_ends_the_container_holds_nothing_back_unless_it_is_named(socket_path: str) -> None:
    extra = replace(service("extra", checked=True), shutdown_on=ShutdownOn.NEVER)
    container = SteeredContainer(service("web"), extra).begin()
    assert verdict(container, socket_path, "/readyz") == (200, "ready\n")
    assert verdict(container, socket_path, "/healthz") == (200, "healthy\n")
    assert verdict(container, socket_path, "/healthz?name=web&name=extra") == (503, "not healthy: extra is STARTING\n")


def test_a_program_that_waits_says_for_whom(socket_path: str) -> None:
    needs = (Dependency("migrate", Condition.COMPLETED),)
    container = SteeredContainer(oneshot("migrate"), Program("web", ("true",), depends_on=needs)).begin()
    assert verdict(container, socket_path, "/healthz?name=web")[1] == (
        "not healthy: web is PENDING (waits for migrate)\n"
    )


@pytest.mark.parametrize("target", ["/readyz", "/healthz", "/healthz?name=web"])
def test_a_shutdown_makes_all_of_them_503(socket_path: str, target: str) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin().take(ShutdownAsked("test"))
    status, text = verdict(container, socket_path, target)
    assert (status, text.endswith(": the container is stopping\n")) == (503, True)


DRAINED = Settings(drain_delay=5.0)


def test_while_draining_it_is_healthy_and_not_ready(socket_path: str) -> None:
    """A load balancer should send no more requests; an orchestrator has no reason to restart the container."""
    container = SteeredContainer(service("web", checked=True), service("db"), settings=DRAINED, obedient=False).begin()
    container.probe("web", True).take(ShutdownAsked("test"))
    assert verdict(container, socket_path, "/readyz") == (503, "not ready: the container is stopping\n")
    for target in ("/healthz", "/healthz?name=web", "/healthz?max_age=30s"):
        assert verdict(container, socket_path, target) == (200, "healthy\n")
    assert verdict(container.wait(4.9), socket_path, "/healthz") == (200, "healthy\n")
    expected = "not healthy: web is unhealthy (refused)\n"
    assert verdict(container.probe("web", False, "refused"), socket_path, "/healthz") == (503, expected)
    expected = "not healthy: the container is stopping\n"
    assert verdict(container.probe("web", True).wait(0.1), socket_path, "/healthz") == (503, expected)


@pytest.mark.parametrize("seconds", [0.0, 4.9, 5.0], ids=["begun", "draining", "stopping"])
@pytest.mark.parametrize("passed", [True, False], ids=["well", "ill"])
def test_healthz_says_what_the_markers_say(socket_path: str, seconds: float, passed: bool) -> None:
    container = SteeredContainer(service("web", checked=True), settings=DRAINED, obedient=False).begin()
    container.probe("web", True).probe("web", passed).take(ShutdownAsked("test")).wait(seconds)
    snapshot = container.snapshot
    assert (verdict(container, socket_path, "/healthz")[0] == 200) is snapshot.healthy
    assert (verdict(container, socket_path, "/healthz?name=web")[0] == 200) is ("web" in snapshot.healthy_programs)
    assert (verdict(container, socket_path, "/readyz")[0] == 200) is snapshot.ready


def test_a_oneshot_that_has_not_completed_holds_both_back(socket_path: str) -> None:
    container = SteeredContainer(service("web"), oneshot("migrate")).begin().wait(3600.0)
    assert verdict(container, socket_path, "/readyz") == (503, "not ready: migrate is STARTING\n")
    assert verdict(container, socket_path, "/healthz") == (503, "not healthy: migrate is STARTING\n")
    assert verdict(container.end("migrate", 0), socket_path, "/readyz") == (200, "ready\n")
    assert verdict(container, socket_path, "/healthz") == (200, "healthy\n")


def test_with_a_greatest_age_an_old_pass_does_not_count(socket_path: str) -> None:
    container = SteeredContainer(service("web", checked=True)).begin().probe("web", True).wait(20)
    assert verdict(container, socket_path, "/healthz?max_age=20s") == (200, "healthy\n")
    expected = "not healthy: web passed its last check 20s ago\n"
    assert verdict(container, socket_path, "/healthz?max_age=19s") == (503, expected)
    assert verdict(container, socket_path, "/healthz?name=web&max_age=19.9") == (503, expected)


def test_without_a_health_check_the_last_pass_is_now(socket_path: str) -> None:
    container = SteeredContainer(service("web")).begin().wait(1000)
    assert verdict(container, socket_path, "/healthz?max_age=0") == (200, "healthy\n")


def test_a_greatest_age_that_is_no_duration_is_told_so(socket_path: str) -> None:
    assert get(SteeredContainer(service("web")), socket_path, "/healthz?max_age=young").status == 400


def test_json_says_the_same(socket_path: str) -> None:
    reply = get(SteeredContainer(service("web")), socket_path, "/healthz", "application/json")
    assert (reply.status, reply.json) == (503, {"healthy": False, "because": ["web is STOPPED"]})
    assert reply.body.count(b"\n") == 1


def test_the_words_of_a_health_check_cannot_steer_a_terminal(socket_path: str) -> None:
    container = SteeredContainer(service("web", checked=True)).begin().probe("web", False, "\x1b[2Jowned\nhealthy")
    assert verdict(container, socket_path, "/healthz")[1].count("\n") == 1
    assert "\x1b" not in verdict(container, socket_path, "/healthz")[1]


# ---- wait


@pytest.mark.parametrize(
    ("target", "then", "text"),
    [
        ("for=ready", lambda container: container.probe("web", True), "ready\n"),
        ("", lambda container: container.probe("web", True), "healthy\n"),
        ("for=healthy&name=web", lambda container: container.probe("web", True), "healthy\n"),
        ("for=stopped&name=web", lambda container: container.end("web", 0), "stopped\n"),
    ],
)
def test_wait_is_answered_once_it_holds(
    socket_path: str, target: str, then: Callable[[SteeredContainer], object], text: str
) -> None:
    never = Restart(RestartWhen.NEVER)
    container = SteeredContainer(replace(service("web", checked=True), restart=never)).begin()
    reply = get(container, socket_path, f"/v1/wait?{target}", then=lambda: then(container))
    assert (reply.status, reply.text) == (200, text)


def test_wait_for_what_holds_is_answered_at_once(socket_path: str) -> None:
    container = SteeredContainer(service("web")).begin()
    assert verdict(container, socket_path, "/v1/wait?for=ready&name=web&timeout=0") == (200, "ready\n")


def test_wait_while_draining_is_answered_at_once(socket_path: str) -> None:
    container = SteeredContainer(service("web"), service("db"), settings=DRAINED, obedient=False).begin()
    container.take(ShutdownAsked("test"))
    assert verdict(container, socket_path, "/v1/wait?for=healthy") == (200, "healthy\n")
    assert verdict(container, socket_path, "/v1/wait?for=ready")[0] == 409
    assert verdict(container.end("db", 1), socket_path, "/v1/wait?for=healthy")[0] == 409


def test_wait_is_given_up_after_its_time(socket_path: str) -> None:
    container = SteeredContainer(service("web", checked=True)).begin()
    reply = get(container, socket_path, "/v1/wait?timeout=1ms", "application/json")
    assert (reply.status, reply.error_code) == (504, "timeout")
    assert "web is STARTING" in reply.json["error"]["message"]


def test_wait_is_given_up_where_there_is_no_hope(socket_path: str) -> None:
    container = SteeredContainer(service("web", checked=True), obedient=False).begin()
    shut_down = ShutdownAsked("test")
    assert get(container, socket_path, "/v1/wait?for=ready", then=lambda: container.take(shut_down)).status == 409
    failed = SteeredContainer(replace(oneshot("migrate"), shutdown_on=ShutdownOn.NEVER), service("web")).begin()
    failed.end("migrate", 7)
    assert verdict(failed, socket_path, "/v1/wait?name=migrate") == (
        409,
        "cannot become healthy: migrate is FATAL (exited with code 7)\n",
    )


def test_wait_for_something_else_is_told_what_there_is(socket_path: str) -> None:
    reply = get(SteeredContainer(service("web")), socket_path, "/v1/wait?for=godot")
    assert (reply.status, reply.text) == (400, "cannot wait for 'godot'; wait for ready, healthy, stopped\n")
