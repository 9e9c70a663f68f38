"""The mirror: a container from one status and the events since then."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from signal import SIGKILL
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.client import AsyncClient, Client, Gap, Mirror, RefusedError, UnreachableError
from supervisor.client.answers import Event
from supervisor.client.mirror import Following
from supervisor.control.console import Console
from supervisor.control.resources.events import _as_json
from supervisor.control.resources.plan import plan
from supervisor.control.resources.view import status_body
from supervisor.core.container import Asked, RollAsked, Updated
from supervisor.core.events import Event as Asking
from supervisor.core.events import Probed, ProcessExited, RestartRequested, StartRequested, StopRequested
from supervisor.core.health import Health
from supervisor.core.log_events import LogEvent
from supervisor.core.plan import make_plan
from supervisor.core.program import Condition, Dependency, Program, Settings, ShutdownOn, Table
from supervisor.core.update_config import Order, UpdateConfig
from supervisor.logs.journal import MOST_TOLD

from ..control.dialogue import Served, served
from ..control.steered import CHECK, SteeredContainer, oneshot, service

Make = Callable[[str, float | None], AsyncGenerator[Mirror, None]]
TOLD = ("state", "health", "pid", "reason", "waiting_for", "restarts", "last_lines")


def fleet() -> SteeredContainer:
    needs = (Dependency("migrate", Condition.COMPLETED), Dependency("db", Condition.HEALTHY))
    return SteeredContainer(
        oneshot("migrate"),
        service("db", checked=True),
        Program("web", ("true",), scale=2, depends_on=needs, start_retries=3),
        Program("extra", ("true",), shutdown_on=ShutdownOn.NEVER, depends_on=(Dependency("web"),)),
        Program("later", ("true",), autostart=False, healthcheck=CHECK),
    )


def snapshot(container: SteeredContainer) -> Mirror:
    """Return a mirror that was made now."""
    console = Console(container, container.usage, print, container.clock)
    status = json.loads(json.dumps(status_body(console, container.plan.instances)))
    return Mirror(status, json.loads(plan(console, cast("Any", None)).body)["programs"])


def told(container: SteeredContainer, after: int) -> list[Event]:
    """Return the events after this id, as the API has them."""
    journal = container.journal
    first = journal.last_id - len(journal.told) + 1
    lines = [(number, at, note) for number, (at, note) in enumerate(journal.told, first) if number > after]
    return [json.loads(_as_json(*line)) for line in lines]


def seen(mirror: Mirror) -> dict[str, object]:
    entries = {
        f"{e['name']}:{e['instance']}": {field: cast("Any", e)[field] for field in TOLD}
        for e in mirror.status["programs"]
    }
    for entry, source in zip(entries.values(), mirror.status["programs"], strict=True):
        ending = source["last_exit"]
        entry["last_exit"] = None if ending is None else (ending.get("code"), ending.get("signal"))
        entry["starts_again"] = source["starts_again_at"] is not None
    return {"entries": entries, "healthy": mirror.status["healthy"]}


ALL = [("migrate", 1), ("db", 1), ("web", 1), ("web", 2), ("extra", 1), ("later", 1)]
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.05, 0.3, 1.0, 5.0, 40.0])),
    st.tuples(st.just("end"), st.sampled_from(ALL), st.sampled_from([0, 0, 1, 7, -9])),
    st.tuples(st.just("probe"), st.sampled_from(["db", "later"]), st.booleans()),
    st.tuples(st.just("ask"), st.sampled_from(ALL), st.sampled_from(["start", "stop", "restart"])),
)
REQUESTS: dict[str, Asking] = {"start": StartRequested(), "stop": StopRequested(), "restart": RestartRequested()}


def do(container: SteeredContainer, step: tuple[Any, ...]) -> None:
    match step:
        case ("wait", seconds):
            container.wait(seconds)
        case ("end", (name, number), code):
            if container.snapshot.instances[name, number].pid is not None:
                generation, lines = container.generation((name, number)), ("one", "two")
                killed = ProcessExited(generation, None, SIGKILL, last_lines=lines)
                ended = ProcessExited(generation, code, None, last_lines=lines)
                container.happen((name, number), killed if code < 0 else ended)
        case ("probe", name, passed):
            container.probe(name, passed, "no answer")
        case ("ask", instance, wish):
            container.take(Asked((instance,), REQUESTS[wish]))


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_whatever_happens_the_events_lead_from_one_status_to_the_next(steps: list[tuple[Any, ...]]) -> None:
    container = fleet()
    mirror = snapshot(container)
    container.begin()
    for step in [("wait", 0.0), *steps]:
        do(container, step)
        for event in told(container, mirror.last_id):
            assert mirror.take(event)
        assert seen(mirror) == seen(snapshot(container)), step


@pytest.mark.parametrize("order", list(Order))
def test_a_replacement_leads_to_the_new_process(order: Order) -> None:
    config = UpdateConfig(order, monitor=20.0)
    web = Program("web", ("true",), scale=2, update_config=config, healthcheck=CHECK)
    container = SteeredContainer(web).begin()
    for number in (1, 2):
        container.happen(("web", number), Probed(container.generation(("web", number)), True, ""))
    mirror, statuses = snapshot(container), 0
    before = [mirror.entry("web", number)["pid"] for number in (1, 2)]

    def follow() -> None:
        """Take the events; where they are not enough, build the mirror again from the status now."""
        nonlocal mirror, statuses
        for each in told(container, mirror.last_id):
            if each["id"] > mirror.last_id and not mirror.take(each):
                mirror, statuses = snapshot(container), statuses + 1
        now = snapshot(container)
        assert (seen(mirror), rolling(mirror)) == (seen(now), rolling(now))

    container.take(RollAsked(container.plan.programs["web"].instances))
    follow()
    for _ in range(60):
        for instance in container.plan.everyone:
            if container.fleet.lives[instance].health is Health.STARTING:
                container.happen(instance, Probed(container.generation(instance), True, ""))
                follow()
        container.wait(1.0)
        follow()
    after = [mirror.entry("web", number)["pid"] for number in (1, 2)]
    assert None not in after and set(before).isdisjoint(after)
    assert rolling(mirror) == [None, None]
    assert 4 <= statuses <= 6  # one at the beginning, one for each replacement, one at the end


def rolling(mirror: Mirror) -> list[object]:
    return [entry["rolling"] for entry in mirror.status["programs"]]


def test_dates_are_those_of_the_events() -> None:
    container = SteeredContainer(service("web")).begin()
    mirror = snapshot(container)
    container.end("web", 3)
    events = told(container, mirror.last_id)
    assert [event["event"] for event in events] == ["program.exited", "program.restart_delayed"]
    assert all(map(mirror.take, events))
    entry = mirror.entry("web")
    assert entry["last_exit"] == {"code": 3, "at": events[0]["time"]}
    assert entry["since"] == events[1]["time"]
    assert (entry["starts_again_at"] or "") > entry["since"]
    assert mirror.last == events[1]


def event(number: int, name: str, **values: object) -> Event:
    body = {"id": number, "time": "2026-01-31T23:59:59.123Z", "level": "info", "event": name, "program": None}
    return cast("Event", body | values)


def test_the_containers_own_steps_are_noted() -> None:
    mirror = snapshot(SteeredContainer(service("web")))
    assert (mirror.status["ready"], mirror.status["stopping"]) == (False, False)
    assert mirror.take(event(7, "container.became_ready"))
    assert (mirror.status["ready"], mirror.last_id) == (True, 7)
    assert mirror.take(event(8, "container.shutdown_begun", cause="asked"))
    assert [mirror.status[key] for key in ("ready", "healthy", "stopping")] == [False, False, True]
    assert not mirror.has_ended
    assert mirror.take(event(9, "container.ended", code=0))
    assert mirror.has_ended


@pytest.mark.parametrize(
    "unknown",
    [
        event(9, "container.updated", added="new"),
        event(9, "program.replaced", program="web", state="RUNNING", health="none", done=1, instances=1),
        event(9, "program.started", program="new", state="STARTING", health="none", pid=7),
        event(9, "program.started", program="web", instance=2, state="STARTING", health="none", pid=7),
    ],
    ids=["an update", "a replacement", "a program", "an instance"],
)
def test_what_it_does_not_know_takes_a_new_status(unknown: Event) -> None:
    mirror = snapshot(SteeredContainer(service("web")))
    assert not mirror.take(unknown)
    assert (mirror.last, mirror.last_id) == (unknown, 9)


def test_retries_come_less_and_less_often_until_patience_is_over() -> None:
    """An event, or a new status, means that supinit was reached."""
    mirror, error = snapshot(SteeredContainer(service("web")).begin()), UnreachableError("cannot reach supinit")
    following = Following(mirror, 10.0)
    pauses = [following.pause_after(error, now) for now in (5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 14.9)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    with pytest.raises(UnreachableError):
        following.pause_after(error, 15.0)
    assert following.take(event(7, "container.warned"))
    assert [following.pause_after(error, now) for now in (20.0, 21.0)] == [0.1, 0.2]
    following.renew(mirror.status, [])
    assert following.pause_after(error, 100.0) == 0.1
    assert Following(mirror, None).pause_after(error, 1e9) == 0.1


def test_it_ends_with_a_container_whose_last_events_do_not_arrive() -> None:
    mirror, error = snapshot(SteeredContainer(service("web")).begin()), UnreachableError("cannot reach supinit")
    mirror.take(event(7, "container.shutdown_begun", cause="asked"))
    following = Following(mirror, 0.0)
    assert (following.pause_after(error, 1.0), following.is_over) == (0.0, True)


def test_a_stream_that_breaks_off_continues_and_a_refusal_ends_it() -> None:
    following = Following(snapshot(SteeredContainer(service("web"))), 10.0)
    broken_off = RefusedError(0, "broken_off", "cannot continue: the client reads too slowly")
    assert (following.pause_after(broken_off, 1.0), following.needs_status) == (0.0, False)
    with pytest.raises(RefusedError, match="no rights"):
        following.pause_after(RefusedError(403, "forbidden", "no rights"), 1.0)


# ---- both clients


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="supinit-") as directory:
        yield f"{directory}/control.sock"


@pytest.fixture(params=["blocking", "asyncio"])
def mirrors(request: pytest.FixtureRequest) -> Make:
    """Yield the mirrors of whichever client."""

    async def blocking(path: str, patience: float | None) -> AsyncGenerator[Mirror, None]:
        iterator = Client(path).mirror(patience=patience)
        try:
            while (mirror := await asyncio.to_thread(next, iterator, None)) is not None:
                yield mirror
        finally:
            iterator.close()

    def waiting(path: str, patience: float | None) -> AsyncGenerator[Mirror, None]:
        return AsyncClient(path).mirror(patience=patience)

    return blocking if request.param == "blocking" else waiting


def talk(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 30))


def event_of(mirror: Mirror) -> str:
    """Return the name of the event that came last."""
    assert isinstance(mirror.last, dict)
    return mirror.last["event"]


async def disconnect(control: Served) -> None:
    """End every connection without a word, as when supinit is killed, and stop listening."""
    for task in control.server._limit._connections:
        task.cancel()
    control.server.close()
    await control.server.wait_closed()


@asynccontextmanager
async def restarted(control: Served, container: SteeredContainer, path: str) -> AsyncIterator[Served]:
    """Break every connection, and serve a container in the same place."""
    await disconnect(control)
    async with served(container, path) as again:
        yield again


@asynccontextmanager
async def followed(
    container: SteeredContainer, path: str, mirrors: Make, patience: float
) -> AsyncIterator[tuple[Served, AsyncGenerator[Mirror, None], Mirror]]:
    """Serve a container, and follow it: the server, the mirrors to come and the first one."""
    async with served(container, path) as control, aclosing(mirrors(path, patience)) as follower:
        yield control, follower, await anext(follower)


def test_it_follows_and_goes_on_without_a_gap_after_a_broken_connection(path: str, mirrors: Make) -> None:
    container = SteeredContainer(service("web"), service("db")).begin()

    async def scenario() -> None:
        async with followed(container, path, mirrors, 20.0) as (control, follower, mirror):
            assert (mirror.last, mirror.entry("web")["state"]) == (None, "RUNNING")
            container.end("web", 3)
            assert [event_of(await anext(follower)) for _ in range(2)] == ["program.exited", "program.restart_delayed"]
            assert mirror.entry("web")["state"] == "BACKOFF"
            last_id = mirror.last_id
            async with restarted(control, container, path):
                container.end("db", 4)
                assert [event_of(await anext(follower)) for _ in range(2)] == [
                    "program.exited",
                    "program.restart_delayed",
                ]
                assert (mirror.last_id, mirror.entry("db")["state"]) == (last_id + 2, "BACKOFF")

    talk(scenario)


def test_what_was_missed_is_told_and_the_mirror_is_made_anew(path: str, mirrors: Make) -> None:
    container = SteeredContainer(service("web")).begin()

    async def scenario() -> None:
        async with followed(container, path, mirrors, 20.0) as (control, follower, _):
            container.journal.put(LogEvent("info", "container.warned", {}))
            last_id = (await anext(follower)).last_id
            await disconnect(control)
            for _ in range(MOST_TOLD + 1):
                container.journal.put(LogEvent("info", "container.warned", {}))
            container.end("web", 3)
            async with served(container, path):
                mirror = await anext(follower)
                sentence = f"cannot continue after event {last_id}: later events are no longer kept"
                assert isinstance(mirror.last, Gap)
                assert (mirror.last.reason.partition(";")[0], mirror.last.is_new_container) == (sentence, False)
                assert mirror.entry("web")["state"] == "BACKOFF"

    talk(scenario)


def test_another_container_in_its_place_is_told(path: str, mirrors: Make) -> None:
    async def scenario() -> None:
        async with (
            served(SteeredContainer(service("web")).begin(), path) as control,
            aclosing(mirrors(path, None)) as follower,
        ):
            await anext(follower)
            await disconnect(control)
            other = SteeredContainer(service("new"))
            other.started_at += 60
            other.journal.first_id += 60_000
            other.journal.last_id += 60_000
            async with served(other.begin(), path):
                mirror = await anext(follower)
                assert isinstance(mirror.last, Gap)
                assert mirror.last.is_new_container
                assert [entry["name"] for entry in mirror.status["programs"]] == ["new"]

    talk(scenario)


def test_an_update_brings_a_new_status(path: str, mirrors: Make) -> None:
    container = SteeredContainer(service("web")).begin()

    async def scenario() -> None:
        async with followed(container, path, mirrors, 20.0) as (_, follower, _):
            container.journal.put(LogEvent("info", "container.updated", {"added": "new"}))
            container.take(Updated(make_plan(Table(Settings(), (service("web"), service("new"))))))
            mirror = await anext(follower)
            assert (event_of(mirror), mirror.entry("new")["state"]) == ("container.updated", "STARTING")
            container.wait(2.0)
            assert event_of(await anext(follower)) == "program.became_ready"
            assert mirror.entry("new")["state"] == "RUNNING"

    talk(scenario)


def test_it_ends_with_the_container_and_raises_where_supinit_stays_away(path: str, mirrors: Make) -> None:
    container = SteeredContainer(service("web")).begin()

    async def scenario() -> None:
        async with followed(container, path, mirrors, 0.0) as (control, follower, _):
            container.journal.put(LogEvent("info", "container.warned", {}))
            await anext(follower)
            container.journal.put(LogEvent("info", "container.ended", {"code": 0}))
            control.server.close()
            assert [event_of(mirror) async for mirror in follower] == ["container.ended"]
        async with followed(container, path, mirrors, 0.0) as (control, follower, _):
            await disconnect(control)
            with pytest.raises(UnreachableError, match="cannot reach supinit"):
                await anext(follower)

    talk(scenario)
