"""Which sockets are bound, and how long each is needed."""

from __future__ import annotations

from signal import SIGUSR1

import pytest

from supervisor.core.container import (
    Draining,
    Fleet,
    ShutdownAsked,
    ShuttingDown,
)
from supervisor.core.events import StartRequested
from supervisor.core.fleet import new_fleet
from supervisor.core.life import Backoff, Life, Phase, Run, Running, Spawning, Starting, Stopped, Stopping
from supervisor.core.program import Dependency, Program, Settings
from supervisor.core.record import replace
from supervisor.core.roll import Outcome, Roll
from supervisor.core.sockets import ListenSocket, SocketType, in_use, numbered, wanted
from supervisor.core.update import UpdateAction, compare
from supervisor.core.update_config import UpdateConfig

from .worlds import World, plan_of

HTTP = ListenSocket("http", ("0.0.0.0", 80))
API = ListenSocket("api", "/run/api.sock")
WEB = Program("web", ("web",), sockets=(HTTP, API))


def used(world: World) -> list[str]:
    return sorted(socket.name for _, socket in in_use(world.plan, world.fleet).values())


def test_what_starts_with_the_container_is_bound_before() -> None:
    programs = (
        WEB,
        Program("late", ("x",), autostart=False, sockets=(replace(HTTP, address=("0.0.0.0", 81)),)),
        Program("other", ("x",), is_enabled=False, profiles=("p",), sockets=(HTTP,)),
        Program("none", ("x",), scale=0, sockets=(replace(HTTP, address=("0.0.0.0", 82)),)),
        Program("plain", ("x",)),
    )
    world = World(plan_of(*programs))
    assert [program.name for program in wanted(world.plan, world.fleet)] == ["web"]


def test_a_program_that_was_started_by_hand_has_its_sockets_bound_in_an_update() -> None:
    world = World(plan_of(replace(WEB, autostart=False))).begin()
    assert wanted(world.plan, world.fleet) == ()
    world.ask(StartRequested(), "web")
    assert [program.name for program in wanted(world.plan, world.fleet)] == ["web"]


def test_a_socket_is_kept_while_its_program_is_stopped() -> None:
    world = World(plan_of(WEB)).begin().pass_to(5.0)
    world.stop("web").pass_to(60.0)
    assert world.pids == {}
    assert used(world) == ["api", "http"]


def test_a_socket_that_an_update_removes_is_kept_until_its_program_is_gone() -> None:
    world = World(plan_of(WEB), obeys={"web": (SIGUSR1,)}).begin().pass_to(5.0)
    world.update(replace(WEB, sockets=(HTTP,)))
    assert used(world) == ["api", "http"]
    world.pass_to(60.0)
    assert used(world) == ["http"]
    assert world.pids != {}


def test_a_socket_that_an_update_adds_is_needed_while_the_old_process_is_still_there() -> None:
    world = World(plan_of(replace(WEB, sockets=(HTTP,))), obeys={"web": (SIGUSR1,)}).begin().pass_to(5.0)
    world.update(WEB)
    assert used(world) == ["api", "http"]


def test_in_a_shutdown_a_socket_is_closed_when_the_stop_of_its_program_begins() -> None:
    """What depends on it still has it: nginx passes its last requests on to a server that is still there."""
    app = Program("app", ("app",), sockets=(API,))
    nginx = Program("nginx", ("nginx",), sockets=(HTTP,), depends_on=(Dependency("app"),))
    settings = Settings(drain_delay=5.0)
    world = World(plan_of(app, nginx, settings=settings), obeys={"nginx": (SIGUSR1,), "app": (SIGUSR1,)})
    world.begin().pass_to(5.0)
    world.tell(ShutdownAsked("asked"))
    assert used(world) == ["api", "http"]
    world.pass_to(10.5)
    assert used(world) == ["api"]
    world.pass_to(21.0)
    assert used(world) == []


def test_a_changed_backlog_mode_or_owner_needs_no_new_process() -> None:
    changed = replace(WEB, sockets=(replace(HTTP, backlog=5), replace(API, mode=0o600, uid=1, gid=2)))
    [change] = compare(plan_of(WEB), {}, plan_of(changed)).programs
    assert (change.action, change.because) == (UpdateAction.CHANGE, ("sockets",))


def test_another_address_name_type_or_order_needs_a_new_process() -> None:
    for sockets in (
        (HTTP,),
        (API, HTTP),
        (replace(HTTP, name="web"), API),
        (replace(HTTP, address=("0.0.0.0", 81)), API),
        (replace(HTTP, kind=SocketType.DATAGRAM), API),
    ):
        [change] = compare(plan_of(WEB), {}, plan_of(replace(WEB, sockets=sockets))).programs
        assert (change.action, change.because) == (UpdateAction.RESTART, ("sockets",))


def test_sockets_are_numbered_from_3_in_the_tables_order() -> None:
    assert list(numbered(WEB)) == [(3, HTTP), (4, API)]


def test_a_socket_is_shown_as_the_table_has_it() -> None:
    assert (HTTP.listen, API.listen, replace(HTTP, address=("::1", 80)).listen) == (
        "0.0.0.0:80",
        "/run/api.sock",
        "[::1]:80",
    )


def test_what_is_down_and_wanted_again_or_is_still_stopping_has_its_sockets_bound_in_an_update() -> None:
    late = replace(WEB, autostart=False)
    world = World(plan_of(late, Program("other", ("x",))), obeys={"web": ()}).begin().ask(StartRequested(), "web")
    waits = World(world.plan).begin().ask(StartRequested(), "web").pass_to(2.0).exits("web", 7)
    assert isinstance(waits.phase("web"), Backoff)
    assert [program.name for program in wanted(waits.plan, waits.fleet)] == ["web"]
    world.pass_to(2.0).stop("web")
    assert isinstance(world.phase("web"), Stopping)
    assert [program.name for program in wanted(world.plan, world.fleet)] == ["web"]


@pytest.mark.parametrize(
    ("phase", "names"),
    [
        (Spawning(), ["api", "http"]),
        (Starting(Run(100, 0.0), 9.0), ["api", "http"]),
        (Running(Run(100, 0.0)), ["api", "http"]),
        (Stopping(Run(100, 0.0), 0, 9.0), []),
        (Stopped(), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_in_a_shutdown_a_socket_is_kept_for_what_has_not_begun_to_stop(phase: Phase, names: list[str]) -> None:
    fleet = Fleet({("web", 1): Life(phase=phase)}, ShuttingDown(5.0))
    assert sorted(socket.name for _, socket in in_use(plan_of(WEB), fleet).values()) == names
    drains = replace(fleet, container_phase=Draining(5.0, 9.0))
    assert sorted(socket.name for _, socket in in_use(plan_of(WEB), drains).values()) == ["api", "http"]


def test_what_an_update_removes_brings_no_sockets() -> None:
    world = World(plan_of(WEB, Program("x", ("x",))), obeys={"web": ()}).begin().pass_to(5.0)
    world.update(Program("x", ("x",)))
    assert used(world) == ["api", "http"]
    assert used(world.pass_to(60.0)) == []


CHANGED = replace(WEB, sockets=(replace(HTTP, name="new", address=("0.0.0.0", 81)), replace(API, name="new_api")))
ROLL = Roll(1, "update", UpdateConfig(), (), 1, becomes=CHANGED, before=WEB)


@pytest.mark.parametrize(
    ("roll", "names"),
    [
        (ROLL, ["http", "new", "new_api"]),
        (replace(ROLL, before=None), ["http", "new", "new_api"]),
        (replace(ROLL, outcome=Outcome.PAUSED), ["http", "new", "new_api"]),
        (replace(ROLL, outcome=Outcome.COMPLETED), ["api", "http"]),
        (replace(ROLL, becomes=None, before=CHANGED), ["api", "http"]),
    ],
    ids=["under way", "without a way back", "paused", "completed", "a restart"],
)
def test_the_sockets_of_both_entries_are_kept_while_a_rolling_update_may_continue(roll: Roll, names: list[str]) -> None:
    fleet = replace(new_fleet(plan_of(WEB)), rolls={"web": roll})
    assert sorted(socket.name for _, socket in in_use(plan_of(WEB), fleet).values()) == names
