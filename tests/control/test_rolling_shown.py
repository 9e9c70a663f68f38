"""What status, why, usage and metrics show of a rolling restart or update."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from supervisor.core.container import Asked, RollAsked, Updated
from supervisor.core.events import RestartRequested, StopRequested
from supervisor.core.lanes import first_lane, other_lane
from supervisor.core.plan import make_plan
from supervisor.core.program import InstanceId, Program, Settings, Table
from supervisor.core.record import replace
from supervisor.core.tree import Usage
from supervisor.core.update_config import FailureAction, Order, UpdateConfig

from .dialogue import Reply, served
from .steered import SteeredContainer, service

CONFIG = UpdateConfig(delay=10.0)
WEB = replace(service("web", scale=2), update_config=CONFIG)
RUNNING = {"what": "restart", "state": "running", "replaced": 1, "instances": 2}
PAUSED = "web:2 exited with code 7; 1 of 2 replaced, the {} is paused: mend the {}"
RESTART = PAUSED.format("restart", "cause and run it again")
UPDATE = (
    PAUSED.format("update", "table and run supctl update")
    + ", or supctl restart --rolling web to go on as it is; with the old table, supctl update undoes it"
)


def ask(container: SteeredContainer, path: str, target: str, accept: str | None = None) -> Reply:
    async def scenario() -> Reply:
        async with served(container, path) as control:
            return await control.ask("GET", target, accept=accept)

    return asyncio.run(scenario())


def roll(container: SteeredContainer) -> SteeredContainer:
    """Replace the first instance."""
    return container.take(RollAsked(container.plan.programs["web"].instances)).wait(2.0)


def update(container: SteeredContainer, config: UpdateConfig = CONFIG) -> SteeredContainer:
    """Replace the first instance by a new entry."""
    new = replace(WEB, command=("new",), update_config=config)
    return container.take(Updated(make_plan(Table(Settings(), (new, service("db")))))).wait(2.0)


def up(order: Order = Order.STOP_FIRST) -> SteeredContainer:
    return SteeredContainer(replace(WEB, update_config=replace(CONFIG, order=order)), service("db")).begin()


def fail(container: SteeredContainer) -> SteeredContainer:
    """End the second new process."""
    return container.wait(10.0).wait(0.5).end("web", 7, instance=2).wait(60.0).wait(2.0)


def shown(container: SteeredContainer, path: str) -> dict[str, object]:
    programs = ask(container, path, "/v1/status").json["programs"]
    found = {program["name"]: program["rolling"] for program in programs}
    assert [program["rolling"] for program in programs] == [found[program["name"]] for program in programs]
    return found


def test_every_instance_shows_how_far_it_is(socket_path: str) -> None:
    assert shown(up(), socket_path) == {"web": None, "db": None}
    running = RUNNING | {"detail": "rolling restart: 1 of 2 replaced"}
    assert shown(roll(up()), socket_path) == {"web": running, "db": None}
    running = RUNNING | {"what": "update", "detail": "rolling update: 1 of 2 replaced"}
    assert shown(update(up()), socket_path) == {"web": running, "db": None}
    assert shown(roll(up()).wait(10.0).wait(10.0).wait(10.0), socket_path) == {"web": None, "db": None}


def test_a_pause_shows_why_and_how_to_go_on(socket_path: str) -> None:
    paused = RUNNING | {"state": "paused", "detail": RESTART}
    assert shown(fail(roll(up())), socket_path) == {"web": paused, "db": None}
    paused |= {"what": "update", "detail": UPDATE}
    assert shown(fail(update(up())), socket_path) == {"web": paused, "db": None}


def test_a_rollback_is_named_as_one(socket_path: str) -> None:
    container = update(up(), replace(CONFIG, failure_action=FailureAction.ROLLBACK))
    container.wait(10.0).wait(0.5).end("web", 7, instance=2)
    rolling = {"what": "rollback", "state": "running", "replaced": 0, "instances": 2}
    detail = {"detail": "rollback: 0 of 2 replaced"}
    assert shown(container, socket_path) == {"web": rolling | detail, "db": None}


@pytest.mark.parametrize("request_", [RestartRequested(), StopRequested()], ids=["a restart", "a stop"])
def test_a_paused_restart_is_over_with_the_next_request(socket_path: str, request_: RestartRequested) -> None:
    container = fail(roll(up())).take(Asked((("web", 1),), request_)).wait(2.0)
    assert shown(container, socket_path) == {"web": None, "db": None}
    assert "program.rolling_given_up" in [note.event for _, note in container.journal.told]


def test_a_paused_update_lasts_until_the_next_update(socket_path: str) -> None:
    container = fail(update(up())).take(Asked((("web", 1),), RestartRequested())).wait(2.0)
    assert shown(container, socket_path)["web"] == RUNNING | {"what": "update", "state": "paused", "detail": UPDATE}
    container.take(Updated(make_plan(Table(Settings(), (WEB, service("db")))))).wait(2.0)
    back = RUNNING | {"what": "update", "detail": "rolling update: 1 of 2 replaced"}
    assert shown(container, socket_path)["web"] == back


def test_the_table_says_it_where_an_instance_has_nothing_else_to_say(socket_path: str) -> None:
    container = roll(up()).say("db", "serving")
    _, first, second, db = ask(container, socket_path, "/v1/status", "text/plain").text.splitlines()
    assert first.endswith("  rolling restart: 1 of 2 replaced")
    assert second.endswith("  rolling restart: 1 of 2 replaced")
    assert db.endswith("  serving")


def test_why_ends_with_it(socket_path: str) -> None:
    container = fail(roll(up()))
    reply = ask(roll(up()), socket_path, "/v1/why", "text/plain")
    assert reply.text == "everything is up\n\nweb: rolling restart: 1 of 2 replaced.\n"
    reply = ask(container, socket_path, "/v1/why", "text/plain")
    assert (reply.text, reply.headers["supinit-fine"]) == (f"everything is up\n\n{RESTART}.\n", "yes")
    assert ask(container, socket_path, "/v1/why?name=db", "text/plain").text == "everything is up\n"
    rolling = {"name": "web", **RUNNING, "state": "paused", "detail": RESTART}
    assert ask(container, socket_path, "/v1/why").json == {"up": True, "programs": [], "rolling": [rolling]}


def test_the_metric_tells_running_from_paused(socket_path: str) -> None:
    def values(container: SteeredContainer) -> dict[tuple[str, str], float]:
        families = text_string_to_metric_families(ask(container, socket_path, "/metrics").text)
        samples = [s for f in families for s in f.samples if s.name == "supinit_program_rolling"]
        return {(s.labels["program"], s.labels["state"]): s.value for s in samples}

    assert values(up()) == {("web", "running"): 0, ("web", "paused"): 0}
    assert values(roll(up())) == {("web", "running"): 1, ("web", "paused"): 0}
    assert values(fail(roll(up()))) == {("web", "running"): 0, ("web", "paused"): 1}


# ---- two processes of one instance


def test_the_figures_of_an_instance_are_those_of_both_its_processes(socket_path: str) -> None:
    container = up(Order.START_FIRST)
    web: InstanceId = ("web", 1)
    container.take(RollAsked((web,)))
    assert {other_lane(web), web} < set(container.fleet.lives)  # the new process is not up yet
    container.usages = {web: Usage(5.0, 4000, 3), other_lane(web): Usage(0.5, 1000, 2), ("db", 1): Usage(1.0, 10, 1)}
    both = {"name": "web", "instance": 1, "cpu_seconds": 5.5, "memory_bytes": 5000, "processes": 5}
    db = {"name": "db", "instance": 1, "cpu_seconds": 1.0, "memory_bytes": 10, "processes": 1}
    assert ask(container, socket_path, "/v1/usage").json["programs"] == [both, db]
    entry = ask(container, socket_path, "/v1/status").json["programs"][0]
    assert {key: entry[key] for key in both} == both
    assert entry["pid"] == 101


def test_the_figures_of_an_instance_are_found_after_its_new_process_has_taken_over(socket_path: str) -> None:
    container = up(Order.START_FIRST)
    container.take(RollAsked((("web", 1),))).wait(2.0)
    serving = container.plan.programs["web"].instances[0]
    assert serving == other_lane(first_lane(serving))
    container.usages = {serving: Usage(0.5, 1000, 2)}
    figures = {"name": "web", "instance": 1, "cpu_seconds": 0.5, "memory_bytes": 1000, "processes": 2}
    assert ask(container, socket_path, "/v1/usage").json["programs"] == [figures]
    entry = ask(container, socket_path, "/v1/status").json["programs"][0]
    assert {key: entry[key] for key in figures} == figures
    assert "1000" in ask(container, socket_path, "/v1/status", "text/plain").text.splitlines()[1]
    assert 'resident_memory_bytes{instance="1",program="web"} 1000' in ask(container, socket_path, "/metrics").text


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        ((), "an update is about to remove it"),
        (
            (replace(service("web"), is_main=True),),
            "it is the main program, which has stdin and the terminal, so there is exactly one of it",
        ),
    ],
    ids=["removed", "main program"],
)
def test_a_scale_during_an_update_is_one_of_what_the_program_becomes(
    socket_path: str, after: tuple[Program, ...], sentence: str
) -> None:
    container = SteeredContainer(service("web"), service("db"), obedient=False).begin()
    container.take(Updated(make_plan(Table(Settings(), (*after, service("db"))))))

    async def scenario() -> Reply:
        async with served(container, socket_path) as control:
            return await control.ask("POST", "/v1/programs/web/scale", {"instances": 2})

    reply = asyncio.run(scenario())
    assert (reply.status, reply.json["error"]["message"]) == (409, f"cannot scale web to 2: {sentence}")
