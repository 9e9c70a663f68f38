"""Both clients against a served container: what they return, and what they raise."""

from __future__ import annotations

import asyncio
import inspect
import socket
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing
from signal import SIGHUP
from typing import Any, get_type_hints

import pytest

from supervisor import __version__
from supervisor.client import AsyncClient, Client, RefusedError, UnreachableError, answers
from supervisor.core.container import Asked, ShutdownAsked
from supervisor.core.events import RestartRequested, StartRequested, StopRequested

from ..control.dialogue import Served, served
from ..control.steered import SteeredContainer, oneshot, service
from ..control.test_openapi import DOCUMENT, resolved

Call = Callable[..., Coroutine[Any, Any, Any]]
"""A method by its name, of whichever client."""


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="supinit-") as directory:
        yield f"{directory}/control.sock"


@pytest.fixture(params=["blocking", "asyncio"])
def call(request: pytest.FixtureRequest, path: str) -> Call:
    """Call a method and return its result; of a stream, the list of all that it yields."""

    async def call(name: str, *arguments: Any, **options: Any) -> Any:
        if request.param == "blocking":
            return await asyncio.to_thread(_call_blocking, path, name, arguments, options)
        result = getattr(AsyncClient(path), name)(*arguments, **options)
        return [item async for item in result] if inspect.isasyncgen(result) else await result

    return call


def _call_blocking(path: str, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    result = getattr(Client(path), name)(*arguments, **options)
    return list(result) if inspect.isgenerator(result) else result


def talk(container: SteeredContainer, path: str, scenario: Callable[[Served], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with served(container, path) as control:
            return await scenario(control)

    return asyncio.run(asyncio.wait_for(run(), 30))


def up() -> SteeredContainer:
    return SteeredContainer(service("web", scale=2), service("db")).begin()


def test_what_there_is(path: str, call: Call) -> None:
    async def scenario(_: Served) -> None:
        status = await call("status", "web:2")
        assert [(e["name"], e["instance"], e["state"]) for e in status["programs"]] == [("web", 2, "RUNNING")]
        assert (status["version"], status["ready"]) == (__version__, True)
        assert [entry["pid"] for entry in await call("programs", "db", "web")] == [103, 101, 102]
        assert await call("version") == {"version": __version__, "revision": None}
        assert await call("tree") == []
        assert await call("why") == {"up": True, "programs": [], "rolling": []}
        assert "supinit_ready 1.0\n" in await call("metrics")
        assert await call("probe", "health", "db", max_age=1e6) == {"healthy": True, "because": []}

    talk(up(), path, scenario)


def test_a_probe_that_says_no_is_an_answer(path: str, call: Call) -> None:
    async def scenario(_: Served) -> None:
        assert await call("probe", "ready") == {"ready": False, "because": ["web is STARTING"]}

    container = SteeredContainer(service("web", checked=True)).begin()
    talk(container, path, scenario)


@pytest.mark.parametrize(
    ("method", "event"),
    [("start", StartRequested()), ("stop", StopRequested()), ("restart", RestartRequested())],
)
def test_what_changes_programs(path: str, call: Call, method: str, event: Any) -> None:
    container = up()

    async def scenario(_: Served) -> None:
        entries = await call(method, "db", "web:2", wait=False)
        assert [(entry["name"], entry["instance"]) for entry in entries] == [("db", 1), ("web", 2)]
        assert container.events == [Asked((("db", 1), ("web", 2)), event)]

    talk(container, path, scenario)


def test_signals_reloads_and_the_end(path: str, call: Call) -> None:
    container = up()

    async def scenario(_: Served) -> None:
        await call("signal", "HUP", "db")
        await call("signal", 1, "web:1")
        await call("reload", "web:2")
        await call("shutdown")
        assert container.signals == [(("db", 1), SIGHUP), (("web", 1), SIGHUP)]
        assert (container.reloads, [type(event) for event in container.events]) == ([("web", 2)], [ShutdownAsked])

    talk(container, path, scenario)


def test_an_update_says_what_it_changes(path: str, call: Call) -> None:
    container = up()
    container.new_plan = container.plan

    async def scenario(_: Served) -> None:
        settings: dict[str, list[str]] = {"changed": [], "needs_new_container": []}
        unchanged = {"programs": [], "settings": settings, "unchanged": 2}
        assert await call("update", dry_run=True) == {"applied": False, **unchanged}
        assert await call("update", timeout=5) == {"applied": True, **unchanged}
        container.new_plan = None
        with pytest.raises(RefusedError) as refused:
            await call("update")
        assert (refused.value.code, len(refused.value.details["problems"])) == ("invalid_configuration", 2)

    talk(container, path, scenario)


def test_a_wait_returns_once_it_holds_and_raises_after_its_time(path: str, call: Call) -> None:
    container = SteeredContainer(service("web", checked=True)).begin()

    async def scenario(_: Served) -> None:
        with pytest.raises(RefusedError) as refused:
            await call("wait", "healthy", "web", timeout=0.001)
        assert (refused.value.code, refused.value.status) == ("timeout", 504)
        waiting = asyncio.create_task(call("wait"))
        container.watched.clear()
        await container.watched.wait()
        container.probe("web", True)
        await waiting

    talk(container, path, scenario)


def test_what_fails_raises_with_the_entries(path: str, call: Call) -> None:
    container = SteeredContainer(oneshot("migrate"))

    async def scenario(_: Served) -> None:
        starting = asyncio.create_task(call("start", "migrate"))
        await container.watched.wait()
        container.end("migrate", 7)
        with pytest.raises(RefusedError, match="migrate exited with code 7") as refused:
            await starting
        assert (refused.value.code, refused.value.status) == ("failed", 409)
        assert [entry["state"] for entry in refused.value.details["programs"]] == ["FATAL"]

    talk(container, path, scenario)


def test_an_unknown_name_raises_and_no_name_at_all_is_not_every_program(path: str, call: Call) -> None:
    container = up()

    async def scenario(_: Served) -> None:
        with pytest.raises(RefusedError) as refused:
            await call("stop", "web", "wéb&?/")
        assert (refused.value.code, "'wéb&?/'" in refused.value.message) == ("no_such_program", True)
        with pytest.raises(ValueError, match="no program given"):
            await call("stop")
        assert container.events == []

    talk(container, path, scenario)


def test_logs_and_events_that_are_kept(path: str, call: Call) -> None:
    container = up().write("db", "a\n").write("web", '{"n": 1}\n', instance=2).write("db", "b\n", "stderr")

    async def scenario(_: Served) -> None:
        lines = await call("logs", since="2026-01-01")
        assert [line.get("message", line.get("data")) for line in lines] == ["a", {"n": 1}, "b"]
        assert [line["message"] for line in await call("logs", "db", last=1, stream="stdout")] == ["a"]
        (event,) = await call("events", "db", last=1)
        assert (event["event"], event["program"], event["level"]) == ("program.became_ready", "db", "info")

    talk(container, path, scenario)


def test_a_stream_that_follows_ends_with_the_container(path: str, call: Call) -> None:
    container = up()

    async def scenario(control: Served) -> None:
        following = asyncio.create_task(call("events", last=0, follow=True))
        while not container.journal.listeners:
            await asyncio.sleep(0.001)
        container.journal.write("info", "container.ended", code=0)
        control.server.close()
        assert [event["event"] for event in await following] == ["container.ended"]

    talk(container, path, scenario)


def test_a_stream_that_breaks_off_raises(path: str, call: Call) -> None:
    container = up()

    async def scenario(_: Served) -> None:
        following = asyncio.create_task(call("events", last=0, follow=True))
        while not container.journal.listeners:
            await asyncio.sleep(0.001)
        for number in range(2000):
            container.journal.write("info", "program.started", program="web", pid=number)
        with pytest.raises(RefusedError, match="events came faster") as refused:
            await following
        assert (refused.value.code, refused.value.status) == ("broken_off", 0)

    talk(container, path, scenario)


def test_leaving_a_stream_closes_its_connection(path: str) -> None:
    container = up()

    async def scenario(_: Served) -> None:
        async with aclosing(AsyncClient(path).events(last=1, follow=True)) as events:
            assert (await anext(events))["event"] == "program.became_ready"
            assert len(container.journal.listeners) == 1
        blocking = Client(path).events(last=1, follow=True)
        assert (await asyncio.to_thread(next, blocking))["event"] == "program.became_ready"
        await asyncio.to_thread(blocking.close)
        while container.journal.listeners:
            await asyncio.sleep(0.001)

    talk(container, path, scenario)


def test_a_supinit_that_is_not_there_or_goes_away_is_unreachable(path: str, call: Call) -> None:
    container = up()

    async def scenario(control: Served) -> None:
        starting = asyncio.create_task(call("wait", "stopped"))
        await container.watched.wait()
        control.server.close()
        with pytest.raises(UnreachableError, match="it closed the connection"):
            await starting
        with pytest.raises(UnreachableError, match=f"cannot reach supinit at {path}: no such file") as error:
            await call("status")
        assert isinstance(error.value.__cause__, FileNotFoundError)

    talk(container, path, scenario)


def test_a_supinit_that_does_not_answer_is_unreachable_after_the_clients_patience(path: str) -> None:
    async def scenario() -> None:
        blocking, waiting = Client(path, patience=0.05), AsyncClient(path, patience=0.05)
        for asking in (asyncio.to_thread(blocking.status), waiting.status()):
            with pytest.raises(UnreachableError, match=r"(timed out|did not answer in time)"):
                await asking

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        asyncio.run(scenario())


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        named = inspect.getmembers(client, inspect.isfunction)
        public = ((name, method) for name, method in named if name[0] != "_" or name == "__init__")
        return {name: list(inspect.signature(method).parameters) for name, method in public}

    assert methods(Client) == methods(AsyncClient)


@pytest.mark.parametrize(
    ("typed", "schema"),
    [
        (answers.Status, "Status"),
        (answers.Entry, "Entry"),
        (answers.End, "End"),
        (answers.Version, "Version"),
        (answers.LogLine, "LogLine"),
        (answers.Event, "Event"),
        (answers.Process, "Process"),
        (answers.Why, "Why"),
        (answers.Explanation, "Explanation"),
        (answers.Difference, "Difference"),
        (answers.Verdict, "Verdict"),
        (answers.PlannedProgram, "PlannedProgram"),
        (answers.Usage, "Usage"),
    ],
)
def test_the_types_have_the_fields_of_the_openapi_document(typed: type, schema: str) -> None:
    described = resolved(DOCUMENT["components"]["schemas"][schema])
    assert set(get_type_hints(typed)) == set(described["properties"])


def test_the_words_of_the_types_are_those_of_the_openapi_document() -> None:
    properties = DOCUMENT["components"]["schemas"]["Entry"]["properties"]
    assert list(answers.State.__args__) == properties["state"]["enum"]  # type: ignore[attr-defined]  # a Literal has it
    assert list(answers.Health.__args__) == properties["health"]["enum"]  # type: ignore[attr-defined]
