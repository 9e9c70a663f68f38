"""start, stop, restart, reload and signal: asked once for all, answered when it has come about or cannot any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from signal import SIGHUP, SIGUSR1

import pytest

from supervisor.core.container import Asked, RollAsked, ScaleAsked, ShutdownAsked, Updated
from supervisor.core.events import RestartRequested, StartRequested, StopRequested
from supervisor.core.plan import make_plan
from supervisor.core.program import Condition, Dependency, Program, Settings, Table
from supervisor.core.record import replace
from supervisor.core.update_config import Order, UpdateConfig

from .dialogue import Reply, served
from .steered import SteeredContainer, oneshot, service


def post(container: SteeredContainer, path: str, target: str, body: object = None, accept: str | None = None) -> Reply:
    return post_then(container, path, target, lambda: None, body, accept)


def post_then(
    container: SteeredContainer,
    path: str,
    target: str,
    then: Callable[[], object],
    body: object = None,
    accept: str | None = None,
) -> Reply:
    """Post, and let `then` happen once the server waits for it."""

    async def scenario() -> Reply:
        async with served(container, path) as control:
            asking = asyncio.create_task(control.ask("POST", f"/v1/programs/{target}", body, accept))
            watching = asyncio.create_task(container.watched.wait())
            await asyncio.wait((asking, watching), return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            then()
            return await asking

    return asyncio.run(scenario())


def states(reply: Reply) -> list[str]:
    return [program["state"] for program in reply.json["programs"]]


# ---- stop


def test_stop_is_answered_once_the_process_is_gone(socket_path: str) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin()
    reply = post_then(container, socket_path, "web/stop", lambda: container.end("web", 0))
    assert (reply.status, states(reply)) == (200, ["STOPPED"])


def test_stop_of_what_is_down_is_answered_at_once(socket_path: str) -> None:
    reply = post(SteeredContainer(service("web")), socket_path, "web/stop")
    assert (reply.status, states(reply)) == (200, ["STOPPED"])


def test_stop_fails_if_somebody_starts_it_meanwhile(socket_path: str) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin()
    start = Asked((("web", 1),), StartRequested())
    reply = post_then(container, socket_path, "web/stop", lambda: container.take(start))
    assert (reply.status, reply.error_code) == (409, "failed")


def test_stop_during_a_shutdown_waits_for_its_turn(socket_path: str) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin().take(ShutdownAsked("test"))
    assert post_then(container, socket_path, "web/stop", lambda: container.end("web", 0)).status == 200


class ScaledDown(SteeredContainer):
    """Where a request and another client's scale are decided on in the same turn."""

    def ask(self, event: Asked | RollAsked | ScaleAsked | ShutdownAsked) -> None:
        super().ask(event)
        self.take(ScaleAsked("web", 1))


@pytest.mark.parametrize("command", ["start", "stop", "restart"])
def test_an_instance_that_is_gone_when_the_answer_is_written_has_no_entry(socket_path: str, command: str) -> None:
    container = ScaledDown(service("web", scale=2)).begin()
    reply = post(container, socket_path, f"web/{command}", {"wait": False})
    assert (reply.status, [entry["instance"] for entry in reply.json["programs"]]) == (202, [1])


# ---- start


def test_a_start_of_everything_is_taken_while_instances_are_being_replaced(socket_path: str) -> None:
    rolling = replace(service("web", scale=2), update_config=UpdateConfig(delay=10.0))
    container = SteeredContainer(rolling, service("db")).begin().take(RollAsked((("web", 1), ("web", 2)))).wait(2.0)
    container.take(Asked((("db", 1),), StopRequested()))
    reply = post_then(container, socket_path, "all/start", lambda: container.wait(1.0))
    assert (reply.status, states(reply)) == (200, ["RUNNING", "RUNNING", "RUNNING"])
    assert container.snapshot.fleet.rolls["web"].is_active


def test_a_program_that_an_update_removes_meanwhile_has_no_entry(socket_path: str) -> None:
    slow = replace(service("web"), min_uptime=100.0)
    container = SteeredContainer(slow, service("db"))
    only_db = Updated(make_plan(Table(Settings(), (service("db"),))))
    reply = post_then(container, socket_path, "all/start", lambda: container.wait(1.0).take(only_db).wait(1.0))
    assert (reply.status, [entry["name"] for entry in reply.json["programs"]]) == (200, ["db"])


def test_a_start_waits_for_the_process_that_takes_over_meanwhile(socket_path: str) -> None:
    first = replace(service("web", scale=2), update_config=UpdateConfig(order=Order.START_FIRST))
    container = SteeredContainer(first).begin().end("web", 1, instance=2)
    container.take(RollAsked((("web", 1),)))
    reply = post_then(container, socket_path, "web/start", lambda: container.wait(1.0).wait(1.0))
    assert (reply.status, states(reply)) == (200, ["RUNNING", "RUNNING"])
    assert container.plan.programs["web"].second_lane == (1,)


@pytest.mark.parametrize("order", Order)
def test_a_rolling_restart_answers_with_the_processes_that_serve(socket_path: str, order: Order) -> None:
    config = UpdateConfig(order=order, monitor=1.0)
    container = SteeredContainer(replace(service("web"), update_config=config)).begin()
    reply = post_then(
        container, socket_path, "web/restart", lambda: container.wait(1.0).wait(1.0).wait(1.0), {"rolling": True}
    )
    assert (reply.status, states(reply)) == (200, ["RUNNING"])


def test_start_is_answered_once_it_is_up(socket_path: str) -> None:
    container = SteeredContainer(service("web"))
    reply = post_then(container, socket_path, "web/start", lambda: container.wait(1.0))
    assert (reply.status, states(reply)) == (200, ["RUNNING"])


def test_start_with_a_health_check_is_answered_once_it_is_healthy(socket_path: str) -> None:
    container = SteeredContainer(service("web", checked=True))
    reply = post_then(container, socket_path, "web/start", lambda: container.probe("web", True))
    assert (reply.status, reply.json["programs"][0]["health"]) == (200, "healthy")


def test_start_of_a_oneshot_is_answered_once_it_has_completed(socket_path: str) -> None:
    container = SteeredContainer(oneshot("migrate"))
    reply = post_then(container, socket_path, "migrate/start", lambda: container.wait(5.0).end("migrate", 0))
    assert (reply.status, states(reply)) == (200, ["EXITED"])


def test_start_that_fails_for_good_says_why(socket_path: str) -> None:
    container = SteeredContainer(oneshot("migrate"))
    reply = post_then(container, socket_path, "migrate/start", lambda: container.end("migrate", 7))
    assert (reply.status, reply.error_code, states(reply)) == (409, "failed", ["FATAL"])
    assert "migrate exited with code 7" in reply.json["error"]["message"]


def test_start_of_what_is_up_and_unhealthy_does_not_wait_for_a_miracle(socket_path: str) -> None:
    container = SteeredContainer(service("web", checked=True)).begin().probe("web", True).probe("web", False, "refused")
    reply = post(container, socket_path, "web/start")
    assert (reply.status, reply.json["error"]["message"]) == (
        409,
        "cannot start: web is unhealthy: refused",
    )


def test_start_fails_if_somebody_stops_it_meanwhile(socket_path: str) -> None:
    container = SteeredContainer(service("web"))
    stop = Asked((("web", 1),), StopRequested())
    assert post_then(container, socket_path, "web/start", lambda: container.take(stop)).status == 409


def test_start_fails_if_the_container_stops_meanwhile(socket_path: str) -> None:
    container = SteeredContainer(service("web"), obedient=False)
    reply = post_then(container, socket_path, "web/start", lambda: container.take(ShutdownAsked("test")))
    assert (reply.status, "the container is stopping" in reply.text) == (409, True)


def test_start_goes_on_through_restarts_that_nobody_asked_for(socket_path: str) -> None:
    container = SteeredContainer(service("web"))
    reply = post_then(
        container, socket_path, "web/start", lambda: container.end("web", 1).wait(1.0).wait(0.0).wait(1.0)
    )
    assert (reply.status, reply.json["programs"][0]["restarts"]) == (200, 1)


def test_start_takes_what_it_depends_on_along(socket_path: str) -> None:
    needs = (Dependency("db", Condition.STARTED),)
    container = SteeredContainer(service("db"), Program("web", ("true",), depends_on=needs))
    reply = post_then(container, socket_path, "web/start", lambda: container.wait(1.0))
    assert (reply.status, container.snapshot.instances["db", 1].pid) == (200, 101)


# ---- restart


def test_restart_is_answered_once_another_process_is_up(socket_path: str) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin()
    pid = container.snapshot.instances["web", 1].pid
    reply = post_then(container, socket_path, "web/restart", lambda: container.end("web", 0).wait(1.0))
    assert (reply.status, states(reply)) == (200, ["RUNNING"])
    assert reply.json["programs"][0]["pid"] != pid


def test_restart_is_not_done_while_the_old_process_is_still_up(socket_path: str) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin()
    reply = post(container, socket_path, "web/restart", {"timeout": 0})
    assert (reply.status, reply.error_code, states(reply)) == (504, "timeout", ["STOPPING"])


def test_restart_of_several_is_answered_once_all_are_up_again(socket_path: str) -> None:
    """db is left alone until web, which depends on it, is down."""
    needs = (Dependency("db", Condition.STARTED),)
    web = Program("web", ("true",), depends_on=needs)
    container = SteeredContainer(service("db"), web, obedient=False).begin()
    seen = []

    def go_on() -> None:
        seen.append([container.snapshot.instances[name, 1].state.value for name in ("db", "web")])
        container.end("web", 0)
        seen.append([container.snapshot.instances[name, 1].state.value for name in ("db", "web")])
        container.end("db", 0).wait(1.0)

    reply = post_then(container, socket_path, "db,web/restart", go_on)
    assert (reply.status, states(reply)) == (200, ["RUNNING", "RUNNING"])
    assert seen == [["RUNNING", "STOPPING"], ["STOPPING", "PENDING"]]


def test_restart_fails_if_somebody_stops_it_before_its_turn(socket_path: str) -> None:
    needs = (Dependency("db", Condition.STARTED),)
    container = SteeredContainer(service("db"), Program("web", ("true",), depends_on=needs), obedient=False).begin()
    stop = Asked((("db", 1), ("web", 1)), StopRequested())
    reply = post_then(container, socket_path, "db,web/restart", lambda: container.take(stop))
    assert (reply.status, "was asked to stop meanwhile" in reply.json["error"]["message"]) == (409, True)


# ---- all of them


@pytest.mark.parametrize(
    ("verb", "event"), [("start", StartRequested()), ("stop", StopRequested()), ("restart", RestartRequested())]
)
@pytest.mark.parametrize(
    ("names", "instances"),
    [
        ("web", (("web", 1), ("web", 2))),
        ("web:2", (("web", 2),)),
        ("db,web:1,db", (("db", 1), ("web", 1))),
        ("all", (("web", 1), ("web", 2), ("db", 1))),
    ],
)
def test_all_named_instances_are_asked_in_one_event(
    socket_path: str,
    verb: str,
    event: StartRequested | StopRequested | RestartRequested,
    names: str,
    instances: tuple[tuple[str, int], ...],
) -> None:
    container = SteeredContainer(service("web", scale=2), service("db"))
    reply = post(container, socket_path, f"{names}/{verb}", {"wait": False})
    assert (reply.status, container.events) == (202, [Asked(instances, event)])


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "signal"])
def test_one_unknown_name_among_several_touches_nothing(socket_path: str, verb: str) -> None:
    container = SteeredContainer(service("web")).begin()
    reply = post(container, socket_path, f"web,nobody/{verb}", {"signal": "HUP"} if verb == "signal" else None)
    assert (reply.status, container.events, container.signals) == (404, [], [])


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_nothing_is_started_while_the_container_stops(socket_path: str, verb: str) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin().take(ShutdownAsked("test"))
    reply = post(container, socket_path, f"web/{verb}")
    assert (reply.status, reply.error_code, container.events) == (409, "stopping", [])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "invalid_body"),
        ({"wait": 1}, "invalid_body"),
        ({"wait": None}, "invalid_body"),
        ({"timeout": "soon"}, "invalid_duration"),
        ({"timeout": -1}, "invalid_duration"),
        ({"timeout": True}, "invalid_duration"),
        ({"timeout": {}}, "invalid_duration"),
    ],
)
def test_a_body_that_means_nothing_changes_nothing(socket_path: str, body: object, code: str) -> None:
    container = SteeredContainer(service("web")).begin()
    reply = post(container, socket_path, "web/restart", body)
    assert (reply.status, reply.error_code, container.events) == (400, code, [])


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff", b"[" * 60_000, b'{"timeout": NaN}', b'{"timeout": ' + b"9" * 6000 + b"}"]
)
def test_a_broken_body_is_told_so(socket_path: str, raw: bytes) -> None:
    async def scenario() -> None:
        container = SteeredContainer(service("web")).begin()
        async with served(container, socket_path) as control, control.client() as client:
            reply = await client.ask("POST", "/v1/programs/web/stop", raw=raw)
            assert (reply.status, container.events) == (400, [])

    asyncio.run(scenario())


@pytest.mark.parametrize("timeout", ["1ms", 0.001, "0.001"])
def test_what_does_not_come_about_in_time_goes_on(socket_path: str, timeout: object) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin()
    reply = post(container, socket_path, "web/stop", {"timeout": timeout})
    assert (reply.status, states(reply)) == (504, ["STOPPING"])
    assert "web is STOPPING" in reply.json["error"]["message"]


def test_a_client_that_leaves_ends_the_wait_and_nothing_else(socket_path: str) -> None:
    async def scenario() -> None:
        container = SteeredContainer(service("web"), obedient=False).begin()
        async with served(container, socket_path) as control:
            async with control.client() as client:
                client.send_raw(b"POST /v1/programs/web/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                await container.watched.wait()
            await control.server.wait_closed()
            assert container.snapshot.instances["web", 1].state.value == "STOPPING"

    asyncio.run(scenario())


def test_a_request_sent_ahead_is_answered_after_the_wait(socket_path: str) -> None:
    async def scenario() -> None:
        container = SteeredContainer(service("web"), obedient=False).begin()
        async with served(container, socket_path) as control, control.client() as client:
            client.send_raw(b"POST /v1/programs/web/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            await container.watched.wait()
            client.send_raw(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            container.wait(1.0).end("web", 0)
            first, _, second = (await client.read_all()).partition(b"HTTP/1.1 404")
            assert first.startswith(b"HTTP/1.1 200") and second

    asyncio.run(scenario())


def test_text_is_one_line_an_instance(socket_path: str) -> None:
    container = SteeredContainer(service("web", scale=2), service("db"))
    reply = post(container, socket_path, "all/start", {"wait": False}, accept="text/plain")
    assert reply.text == "web:1 is STARTING, pid 101\nweb:2 is STARTING, pid 102\ndb is STARTING, pid 103\n"


def test_who_asked_for_what_is_in_the_log(socket_path: str) -> None:
    async def scenario() -> None:
        async with served(SteeredContainer(service("web")), socket_path) as control:
            await control.ask("POST", "/v1/programs/web/stop")
            ((level, event, values),) = control.log
            assert (level, event, values["action"], values["program"]) == ("info", "control.asked", "stop", "web")

    asyncio.run(scenario())


# ---- reload


def test_a_reload_reaches_every_instance_that_has_a_process(socket_path: str) -> None:
    container = SteeredContainer(service("web", scale=3)).begin().end("web", 1, instance=2)
    assert post(container, socket_path, "web/reload").status == 200
    assert container.reloads == [("web", 1), ("web", 3)]


def test_a_reload_that_fails_is_a_failure_with_its_reason(socket_path: str) -> None:
    container = SteeredContainer(service("web")).begin()
    container.reload_problem = "nginx exited with code 1: unknown directive"
    reply = post(container, socket_path, "web/reload")
    assert (reply.status, reply.error_code) == (409, "failed")
    assert "unknown directive" in reply.json["error"]["message"]


def test_what_has_no_process_is_not_reloaded(socket_path: str) -> None:
    container = SteeredContainer(service("web"), oneshot("migrate")).begin().end("migrate", 0)
    reply = post(container, socket_path, "web,migrate/reload")
    assert (reply.status, reply.error_code, container.reloads) == (409, "not_running", [])


# ---- signal


def test_a_signal_goes_to_every_instance_that_has_a_process(socket_path: str) -> None:
    container = SteeredContainer(service("web", scale=3)).begin().end("web", 1, instance=2)
    assert post(container, socket_path, "web/signal", {"signal": "usr1"}).status == 200
    assert container.signals == [(("web", 1), SIGUSR1), (("web", 3), SIGUSR1)]


@pytest.mark.parametrize("target", ["web:2/signal", "web/signal"])
def test_a_signal_goes_to_one_instance(socket_path: str, target: str) -> None:
    container = SteeredContainer(service("web", scale=3)).begin()
    instance = {} if ":" in target else {"instance": 2}
    assert post(container, socket_path, target, {"signal": 1, **instance}).status == 200
    assert container.signals == [(("web", 2), SIGHUP)]


def test_where_one_named_program_has_no_process_nobody_gets_a_signal(socket_path: str) -> None:
    container = SteeredContainer(service("web"), oneshot("migrate")).begin().end("migrate", 0)
    reply = post(container, socket_path, "web,migrate/signal", {"signal": "HUP"})
    assert (reply.status, reply.error_code, container.signals) == (409, "not_running", [])


def test_a_signal_that_the_kernel_refuses_is_an_error(socket_path: str) -> None:
    container = SteeredContainer(service("web")).begin()
    container.signal_problem = "Operation not permitted"
    reply = post(container, socket_path, "web/signal", {"signal": "HUP"})
    assert (reply.status, reply.error_code) == (409, "failed")
    assert reply.json["error"]["message"] == "cannot signal web: Operation not permitted"


@pytest.mark.parametrize("signal", [None, "SIGNOTHING", 0, 99, "", True, [1]])
def test_an_unknown_signal_is_told_so(socket_path: str, signal: object) -> None:
    container = SteeredContainer(service("web")).begin()
    reply = post(container, socket_path, "web/signal", {"signal": signal})
    assert (reply.status, reply.error_code, container.signals) == (400, "invalid_signal", [])


# ---- shutdown


def test_shutdown_is_asked_for_and_answered_at_once(socket_path: str) -> None:
    async def scenario() -> None:
        container = SteeredContainer(service("web"), obedient=False).begin()
        async with served(container, socket_path) as control:
            reply = await control.ask("POST", "/v1/shutdown")
            assert (reply.status, reply.json) == (202, {"stopping": True})
            assert container.snapshot.stopping

    asyncio.run(scenario())


def test_the_answer_to_shutdown_is_sent_before_the_container_can_end(socket_path: str) -> None:
    """With nothing up, the shutdown is over in the same turn of the loop; the client must still get its answer."""

    class Ending(SteeredContainer):
        def ask(self, event: Asked | RollAsked | ScaleAsked | ShutdownAsked) -> None:
            super().ask(event)
            asyncio.get_running_loop().call_soon(close)

    async def scenario() -> None:
        async with served(container, socket_path) as control, control.client() as client:
            closing.append(control.server.close)
            assert (await client.ask("POST", "/v1/shutdown")).status == 202

    def close() -> None:
        closing[0]()

    closing: list[Callable[[], None]] = []
    container = Ending(service("web"))
    asyncio.run(scenario())
