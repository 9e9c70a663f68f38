"""`watch`: when the files are looked at, and what a change does to the processes of a program."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from supervisor.core.actions import Reload
from supervisor.core.container import (
    Begun,
    FilesChanged,
    FilesLooked,
    FilesTouched,
    Happened,
    LookAtFiles,
    Order,
    Resumed,
    RollAsked,
    ShutdownAsked,
    TimePassed,
    WatchProblem,
)
from supervisor.core.events import BecameReady, RestartRequested, Spawned, StartRequested, StopRequested
from supervisor.core.file_changes import FileState
from supervisor.core.fleet import advance, new_fleet, next_deadline
from supervisor.core.life import Backoff, Fatal, Running, Starting, Stopped
from supervisor.core.log_events import LogEvent, describe_container_change
from supervisor.core.plan import Plan
from supervisor.core.program import Program, Readiness, Restart, RestartDelay, RestartWhen, Settings, ShutdownOn
from supervisor.core.record import replace
from supervisor.core.update_config import UpdateConfig
from supervisor.core.watch import Watch, WatchAction

from .worlds import World, ignoring_all_but_sigkill, plan_of, program

CERTS = Watch("/certs")
CONFIG = Watch("/conf", WatchAction.RESTART, 2.0)
RELOADS, RESTARTS = ("web", CERTS), ("web", CONFIG)
WEB = replace(program("web"), watch=(CERTS,))
OTHER = program("other")


def _world(*programs: Program) -> World:
    """A world whose programs are RUNNING since 1.0, at 10.0."""
    return World(plan_of(*programs)).begin().pass_to(10.0)


def _change(world: World, key: tuple[str, Watch], *names: str, changed_at: float | None = None) -> World:
    """Let files change, and the kernel tell of it."""
    world.watched[key] = FilesLooked(key, names or ("tls.crt",), changed_at)
    return world.tell(FilesTouched((key,)))


def test_the_files_are_looked_at_when_the_container_starts() -> None:
    plan = plan_of(WEB)
    turn = advance(plan, new_fleet(plan), Begun(), 5.0)
    assert [order for order in turn.orders if isinstance(order, LookAtFiles)] == [LookAtFiles(RELOADS, 5.0)]


def test_a_change_reloads_the_program_when_it_was_quiet_for_the_debounce_time() -> None:
    world = _change(_world(WEB), RELOADS).pass_to(100.0)
    assert world.file_looks == [(0.0, "/certs"), (10.5, "/certs")]
    assert world.reloads == [(10.5, ("web", 1))]


def test_what_has_happened_without_a_change_does_nothing() -> None:
    world = _world(WEB).tell(FilesTouched((RELOADS,))).pass_to(100.0)
    assert (len(world.file_looks), world.reloads) == (2, [])


def test_each_event_postpones_the_look() -> None:
    world = _change(_world(WEB), RELOADS)
    for at in (10.4, 10.8, 11.2):
        world.pass_to(at).tell(FilesTouched((RELOADS,)))
    assert world.pass_to(100.0).reloads == [(11.7, ("web", 1))]


def test_events_without_end_postpone_the_look_ten_times_the_debounce_time_at_most() -> None:
    world = _change(_world(WEB), RELOADS)
    for number in range(1, 100):
        world.pass_to(10.0 + number / 10).tell(FilesTouched((RELOADS,)))
    assert world.reloads == [(15.0, ("web", 1))]


def test_a_change_during_a_look_is_looked_at_again() -> None:
    plan = plan_of(WEB)
    fleet = _world(WEB).fleet
    fleet = advance(plan, fleet, FilesTouched((RELOADS,)), 10.0).fleet
    fleet = advance(plan, fleet, FilesTouched((RELOADS,)), 10.5).fleet
    looking = advance(plan, fleet, TimePassed(), 11.0)
    assert LookAtFiles(RELOADS) in looking.orders
    touched = advance(plan, looking.fleet, FilesTouched((RELOADS,)), 11.1).fleet
    assert next_deadline(touched) is None, "there is one look at a time"
    answered = advance(plan, touched, FilesLooked(RELOADS), 11.2).fleet
    assert next_deadline(answered) == 11.6


def test_every_instance_is_reloaded() -> None:
    world = _change(_world(replace(WEB, scale=3)), RELOADS).pass_to(11.0)
    assert world.reloads == [(10.5, ("web", number)) for number in (1, 2, 3)]


def test_a_restart_takes_the_stop_sequence_and_what_depends_on_it_waits() -> None:
    web = replace(WEB, watch=(CONFIG,))
    world = _change(_world(web, OTHER), RESTARTS).pass_to(100.0)
    assert world.deaths == [(12.0, ("web", 1))]
    assert world.spawned == [("web", 1), ("other", 1), ("web", 1)]
    assert isinstance(world.phase("web"), Running)


def test_several_changes_at_once_are_one_restart() -> None:
    second = Watch("/more", WatchAction.RESTART, 2.0)
    world = _world(replace(WEB, watch=(CONFIG, second)))
    _change(_change(world, RESTARTS), ("web", second)).pass_to(100.0)
    assert len(world.deaths) == 1


def test_a_restart_is_rolling_where_update_config_says_so() -> None:
    web = replace(WEB, watch=(CONFIG,), scale=2, update_config=UpdateConfig())
    world = _change(_world(web), RESTARTS).pass_to(100.0)
    assert world.deaths == [(12.0, ("web", 1)), (13.0, ("web", 2))]


def test_a_change_during_a_rolling_restart_is_followed_by_another_one() -> None:
    """web:1 has been replaced before the change, web:2 has not."""
    web = replace(WEB, watch=(replace(CONFIG, debounce=0.0),), scale=2, update_config=UpdateConfig(delay=5.0))
    world = _world(web).tell(RollAsked((("web", 1), ("web", 2)))).pass_to(12.0)
    assert world.deaths == [(10.0, ("web", 1))]
    _change(world, world.plan.watches[0]).pass_to(100.0)
    first, second, *more = world.deaths
    assert (first, second) == ((10.0, ("web", 1)), (16.0, ("web", 2)))
    assert [instance for _, instance in more] == [("web", 1)], "web:2 was started after the change"


def _stopped(world: World) -> World:
    return world.stop("web").pass_to(20.0)


def _failed(world: World) -> World:
    return world.exits("web", 7).pass_to(20.0)


NEVER = Restart(RestartWhen.NEVER)


@pytest.mark.parametrize("watch", [CERTS, CONFIG], ids=["reload", "restart"])
@pytest.mark.parametrize(("act", "phase"), [(_stopped, Stopped), (_failed, Fatal)], ids=["stopped", "fatal"])
def test_what_is_down_stays_down(watch: Watch, act: Callable[[World], World], phase: type) -> None:
    web = replace(WEB, watch=(watch,), restart=NEVER, shutdown_on=ShutdownOn.NEVER)
    world = act(_world(web, OTHER))
    _change(world, ("web", watch)).pass_to(100.0)
    assert isinstance(world.phase("web"), phase)
    assert (world.reloads, world.spawned) == ([], [("web", 1), ("other", 1)])


def test_what_waits_for_its_next_start_is_started_at_once() -> None:
    web = replace(WEB, watch=(CONFIG,), restart_delay=RestartDelay(initial=1000.0, max=1000.0))
    world = _world(web, OTHER).exits("web", 7)
    assert isinstance(world.phase("web"), Backoff)
    _change(world, RESTARTS).pass_to(20.0)
    assert isinstance(world.phase("web"), Running)


def test_a_reload_waits_until_the_process_is_running() -> None:
    web = replace(WEB, ready=Readiness(log="up", timeout=60.0))
    world = World(plan_of(web)).begin().pass_to(5.0)
    _change(world, RELOADS).pass_to(20.0)
    assert isinstance(world.phase("web"), Starting)
    assert world.reloads == []
    world.happens("web", BecameReady(1))
    assert world.reloads == [(20.0, ("web", 1))]


def test_a_reload_that_waits_is_dropped_with_its_process() -> None:
    web = replace(WEB, ready=Readiness(log="up", timeout=60.0))
    world = World(plan_of(web)).begin().pass_to(5.0)
    _change(world, RELOADS).pass_to(20.0)
    world.exits("web", 7).pass_to(30.0)
    world.happens("web", BecameReady(2)).pass_to(40.0)
    assert world.reloads == []


@pytest.mark.parametrize("watch", [CERTS, CONFIG], ids=["reload", "restart"])
def test_a_process_that_was_started_after_the_change_has_read_it(watch: Watch) -> None:
    """Such as one whose pre_start hook writes the file: it would be restarted for ever."""
    world = _world(replace(WEB, watch=(watch,)))
    _change(world, ("web", watch))
    world.now = 10.1
    world.ask(RestartRequested(), "web").pass_to(100.0)
    assert (world.reloads, len(world.deaths)) == ([], 1)


def test_what_changed_before_the_first_look_and_after_the_start_is_a_change() -> None:
    plan = plan_of(WEB)
    fleet = advance(plan, new_fleet(plan), Begun(), 5.0).fleet
    fleet = advance(plan, fleet, Happened(("web", 1), Spawned(1, 100)), 5.1).fleet
    fleet = advance(plan, fleet, FilesLooked(RELOADS, ("tls.crt",), 5.2), 5.3).fleet
    fleet = advance(plan, fleet, TimePassed(), 5.8).fleet
    fleet = advance(plan, fleet, FilesLooked(RELOADS), 5.9).fleet
    turn = advance(plan, fleet, TimePassed(), 6.1)
    assert turn.orders == (Order(("web", 1), Reload(1)),)


def test_what_changed_before_the_first_look_and_before_the_start_is_known_to_the_process() -> None:
    plan = plan_of(WEB)
    fleet = advance(plan, new_fleet(plan), Begun(), 5.0).fleet
    fleet = advance(plan, fleet, Happened(("web", 1), Spawned(1, 100)), 5.1).fleet
    fleet = advance(plan, fleet, FilesLooked(RELOADS, ("tls.crt",), 5.05), 5.3).fleet
    fleet = advance(plan, fleet, TimePassed(), 5.8).fleet
    turn = advance(plan, fleet, FilesLooked(RELOADS), 5.9)
    assert turn.changes == (FilesChanged(RELOADS, ("tls.crt",), ()),)


def test_what_the_first_look_finds_waits_with_the_events_that_come_meanwhile() -> None:
    plan = plan_of(WEB)
    fleet = advance(plan, new_fleet(plan), Begun(), 5.0).fleet
    fleet = advance(plan, fleet, Happened(("web", 1), Spawned(1, 100)), 5.1).fleet
    fleet = advance(plan, fleet, TimePassed(), 6.1).fleet
    first = advance(plan, fleet, FilesLooked(RELOADS, ("tls.crt",), 6.9), 7.0)
    assert first.changes == ()
    fleet = advance(plan, first.fleet, FilesTouched((RELOADS,)), 7.4).fleet
    assert next_deadline(fleet) == 7.9
    fleet = advance(plan, fleet, TimePassed(), 7.9).fleet
    second = advance(plan, fleet, FilesLooked(RELOADS, ("tls.key",)), 8.0)
    assert second.changes == (FilesChanged(RELOADS, ("tls.crt", "tls.key"), (("web", 1),)),)
    assert second.orders == (Order(("web", 1), Reload(1)),)


def test_nothing_is_done_in_a_shutdown() -> None:
    world = _world(WEB)
    world.obeys = ignoring_all_but_sigkill(world.plan)
    _change(world, RELOADS).tell(ShutdownAsked("SIGTERM was received"))
    assert (world.fleet.files, world.watched) == ({}, {})
    world.run_out()
    assert world.reloads == []


@pytest.mark.parametrize("watch", [CERTS, CONFIG], ids=["reload", "restart"])
def test_a_program_that_waits_for_its_stop_is_left_alone(watch: Watch) -> None:
    """What depends on it is stopped first."""
    web, app = replace(WEB, watch=(watch,)), program("app", "web")
    world = World(plan_of(web, app, OTHER), obeys={"app": ()}).begin().pass_to(10.0)
    _change(world, ("web", watch)).ask(StopRequested(), "web", "app").pass_to(13.0)
    assert isinstance(world.phase("web"), Running)
    world.pass_to(100.0)
    assert isinstance(world.phase("web"), Stopped)
    assert world.reloads == []


def test_a_watch_that_does_not_work_looks_again_and_finds_changes_all_the_same() -> None:
    world = _world(WEB)
    problem = "cannot watch /certs: the limit of inotify watches is reached"
    world.watched[RELOADS] = FilesLooked(RELOADS, problem=problem)
    world.tell(FilesTouched((RELOADS,))).pass_to(20.0)
    assert world.fleet.files[RELOADS].problem == problem
    world.watched[RELOADS] = FilesLooked(RELOADS, ("tls.crt",), problem=problem)
    world.pass_to(41.0)
    assert world.reloads == [(40.5, ("web", 1))]
    assert world.pass_to(1000.0).fleet.files[RELOADS].problem == ""
    assert next_deadline(world.fleet) is None, "a watch that works looks at nothing"


def test_an_update_begins_and_ends_watches_in_place() -> None:
    world = _world(WEB)
    world.update(replace(WEB, watch=(CERTS, CONFIG)))
    assert list(world.watched) == [RELOADS, RESTARTS]
    world.update(replace(WEB, watch=(CONFIG,)))
    assert list(world.watched) == [RESTARTS]
    assert (list(world.fleet.files), world.deaths) == ([RESTARTS], [])
    world.update(OTHER).pass_to(20.0)
    assert (world.watched, world.fleet.files) == ({}, {})


def test_a_new_entry_of_a_program_that_has_left_is_watched() -> None:
    """Its plan is put together from old and new entries (replace_entries)."""
    world = _world(WEB, OTHER)
    world.update(replace(WEB, command=("another",), watch=(CONFIG,)), OTHER).pass_to(20.0)
    assert list(world.watched) == [RESTARTS]


def test_the_time_of_a_pause_is_not_quiet_time() -> None:
    world = _change(_world(WEB), RELOADS).tell(Resumed(100.0), at=110.2).pass_to(200.0)
    assert world.reloads == [(110.5, ("web", 1))]


def test_a_container_whose_files_rest_has_no_deadline() -> None:
    assert next_deadline(_world(WEB).fleet) is None


@pytest.mark.parametrize(
    ("change", "event"),
    [
        (
            FilesChanged(RELOADS, ("tls.crt", "tls.key"), (("web", 1),)),
            LogEvent(
                "info",
                "program.files_changed",
                {"program": "web", "path": "/certs", "changed": "tls.crt,tls.key", "does": "reload"},
            ),
        ),
        (
            FilesChanged(RESTARTS, ("",), ()),
            LogEvent("info", "program.files_changed", {"program": "web", "path": "/conf", "does": "nothing"}),
        ),
        (
            FilesChanged(RELOADS, tuple(map(str, range(12))), ()),
            LogEvent(
                "info",
                "program.files_changed",
                {"program": "web", "path": "/certs", "changed": "0,1,2,3,4,5,6,7,8,9,…", "does": "nothing"},
            ),
        ),
        (
            WatchProblem(RELOADS, "cannot watch /certs: Permission denied"),
            LogEvent(
                "warning",
                "program.watch_failed",
                {"program": "web", "reason": "cannot watch /certs: Permission denied"},
            ),
        ),
        (
            WatchProblem(RELOADS, ""),
            LogEvent("info", "program.watch_restored", {"program": "web", "path": "/certs"}),
        ),
    ],
    ids=["change", "of a file", "many", "problem", "restored"],
)
def test_the_events_say_what_has_changed_and_what_that_does(
    change: FilesChanged | WatchProblem, event: LogEvent
) -> None:
    assert describe_container_change(change) == event


def _random_plan(rng: Random) -> Plan:
    watches = tuple(
        Watch(f"/{number}", rng.choice(list(WatchAction)), rng.choice((0.0, 0.5, 3.0))) for number in range(3)
    )
    programs = (
        replace(WEB, watch=watches[:2], scale=rng.randint(1, 2)),
        replace(OTHER, watch=watches[2:]),
        program("plain"),
    )
    return plan_of(*programs, settings=Settings(shutdown_timeout=5.0))


@pytest.mark.parametrize("seed", range(100))
def test_every_change_reaches_each_older_process_exactly_once_and_soon(seed: int) -> None:
    """A process that was RUNNING when the last event came is reloaded or replaced once the files have been quiet."""
    rng = Random(seed)
    world = World(_random_plan(rng)).begin().pass_to(100.0)
    for _ in range(20):
        key = rng.choice(world.plan.watches)
        name, watch = key
        before = {i: life.generation for i, life in world.fleet.lives.items() if isinstance(life.phase, Running)}
        reloads = len(world.reloads)
        _change(world, key)
        for _ in range(rng.randint(0, 3)):
            world.pass_to(world.now + rng.random() * watch.debounce).tell(FilesTouched((key,)))
        end = world.now + 11 * watch.debounce + 20.0
        world.pass_to(end)
        mine = [i for i in before if i[0] == name]
        if watch.action is WatchAction.RELOAD:
            assert [i for _, i in world.reloads[reloads:]] == mine
            assert {i: world.fleet.lives[i].generation for i in before} == before
        else:
            assert len(world.reloads) == reloads
            assert all(world.fleet.lives[i].generation == before[i] + (i[0] == name) for i in before)
        if rng.random() < 0.3:
            world.ask(rng.choice((StopRequested(), StartRequested(), RestartRequested())), name)
            world.pass_to(world.now + 20.0)


def test_an_event_for_a_watch_that_has_ended_changes_nothing() -> None:
    world = _world(WEB)
    before = world.fleet
    assert world.tell(FilesTouched((RESTARTS,))).fleet == before


def test_a_change_that_the_first_look_finds_waits_for_the_debounce_time() -> None:
    plan = plan_of(WEB)
    fleet = _world(WEB).fleet
    first = replace(fleet.files[RELOADS], is_first=True, is_looking=True, last_hint=9.0)
    fleet = replace(fleet, files={RELOADS: first})
    found = advance(plan, fleet, FilesLooked(RELOADS, ("tls.crt",), 8.0), 10.0).fleet
    assert (next_deadline(found), found.files[RELOADS].last_hint) == (10.5, 9.0)
    found = advance(plan, fleet, FilesLooked(RELOADS, ("tls.crt",), 9.5), 10.0).fleet
    assert found.files[RELOADS].last_hint == 9.5


def test_an_update_that_leaves_a_watch_as_it_is_does_not_look_again() -> None:
    world = _world(WEB, OTHER).update(WEB, replace(OTHER, start_retries=3)).pass_to(20.0)
    assert world.file_looks == [(0.0, "/certs")]


def test_a_pause_moves_the_look_and_the_first_hint() -> None:
    world = _world(WEB).tell(FilesTouched((RELOADS,))).tell(Resumed(5.0), at=10.2)
    state = world.fleet.files[RELOADS]
    assert (state.first_hint, state.last_hint, state.look_at) == (15.0, 10.0, 15.5)


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    world = _world(WEB)
    before = world.fleet
    for key in (RELOADS, RESTARTS):
        assert world.tell(FilesLooked(key, ("tls.crt",))).fleet == before


def test_a_change_that_the_first_look_cannot_date_is_from_before_the_look() -> None:
    plan, fleet = plan_of(WEB), _world(WEB).fleet
    first = replace(fleet.files[RELOADS], is_first=True, is_looking=True, looks_for=8.0)
    found = advance(plan, replace(fleet, files={RELOADS: first}), FilesLooked(RELOADS, ("tls.crt",)), 10.0).fleet
    assert found.files[RELOADS].last_hint == 8.0


STARTS = replace(WEB, ready=Readiness(log="up", timeout=60.0))


@pytest.mark.parametrize(
    "act",
    [
        lambda world: world.exits("web", 7),
        lambda world: world.stop("web", "app"),
        lambda world: world.update(replace(STARTS, scale=0), OTHER),
        lambda world: world.update(OTHER),
    ],
    ids=["it ends", "it is to stop", "it leaves", "it is removed"],
)
def test_a_reload_is_owed_to_the_process_that_was_there(act: Callable[[World], World]) -> None:
    web = replace(STARTS, restart_delay=RestartDelay(0.0))
    world = _change(World(plan_of(web, program("app", "web"), OTHER), obeys={"app": ()}).begin().pass_to(5.0), RELOADS)
    assert world.pass_to(20.0).fleet.files[RELOADS].owed == ((("web", 1), 1),)
    act(world)
    assert [state.owed for state in world.fleet.files.values()] in ([()], [])
    assert world.pass_to(100.0).reloads == []


def test_there_is_one_look_at_a_time_and_the_next_one_begins_with_nothing() -> None:
    plan, fleet = plan_of(WEB), _world(WEB).fleet
    fleet = advance(plan, fleet, FilesTouched((RELOADS,)), 10.0).fleet
    looking = advance(plan, fleet, TimePassed(), 10.5).fleet
    assert looking.files == {RELOADS: FileState(is_first=False, looks_for=10.0)}
    touched = advance(plan, looking, FilesTouched((RELOADS,)), 10.6).fleet
    assert touched.files[RELOADS] == FileState(10.6, 10.6, 11.1, is_first=False, looks_for=10.0)
    assert advance(plan, touched, TimePassed(), 12.0).orders == ()


def test_a_problem_of_a_watch_is_told_once_and_so_is_its_end() -> None:
    plan, fleet = plan_of(WEB), _world(WEB).fleet
    told: list[object] = []
    for at, problem in ((10.0, "it is full"), (50.0, "it is full"), (90.0, "")):
        fleet = advance(plan, fleet, FilesTouched((RELOADS,)), at).fleet
        fleet = advance(plan, fleet, TimePassed(), at + 0.5).fleet
        turn = advance(plan, fleet, FilesLooked(RELOADS, problem=problem), at + 1.0)
        fleet, told = turn.fleet, [*told, *turn.changes]
    assert told == [WatchProblem(RELOADS, "it is full"), WatchProblem(RELOADS, "")]


def test_a_change_is_kept_with_its_time() -> None:
    state = _change(_world(WEB), RELOADS).pass_to(100.0).fleet.files[RELOADS]
    assert state == FileState(is_looking=False, is_first=False, looks_for=10.0, changed_at=10.5)


def test_a_restart_without_update_config_is_one_of_all_instances() -> None:
    world = _change(_world(replace(WEB, watch=(CONFIG,), scale=2)), RESTARTS).pass_to(100.0)
    assert (world.deaths, world.fleet.rolls) == ([(12.0, ("web", 1)), (12.0, ("web", 2))], {})


def test_a_restart_is_no_reload() -> None:
    web = replace(WEB, watch=(CONFIG,), scale=2, update_config=UpdateConfig())
    world = _change(_world(web), RESTARTS).pass_to(100.0)
    assert (world.reloads, world.fleet.files[RESTARTS].owed) == ([], ())


@pytest.mark.parametrize(
    ("watch", "names", "looks", "reloads"),
    [
        (CERTS, ("tls.crt",), [10.6], [(10.6, ("web", 2)), (11.0, ("web", 1))]),
        (CERTS, (), [10.6], []),
        (CONFIG, (), [12.1], []),
        (CONFIG, ("web.conf",), [12.1, 13.1, 14.1, 15.1, 16.1, 17.1, 18.1, 19.1], []),
    ],
    ids=["reload", "nothing to reload", "nothing to restart", "restart"],
)
def test_only_a_restart_waits_for_the_end_of_a_rolling_restart(
    watch: Watch, names: tuple[str, ...], looks: list[float], reloads: list[object]
) -> None:
    world = _world(replace(WEB, watch=(watch,), scale=2, update_config=UpdateConfig(delay=60.0)))
    world.tell(RollAsked((("web", 1), ("web", 2)))).pass_to(10.1)
    world.watched["web", watch] = FilesLooked(("web", watch), names)
    world.tell(FilesTouched((("web", watch),))).pass_to(20.0)
    assert [at for at, _ in world.file_looks[1:]] == pytest.approx(looks)
    assert [(pytest.approx(at), instance) for at, instance in world.reloads] == reloads


def test_a_process_that_was_started_at_the_moment_of_a_change_may_not_have_read_it() -> None:
    world = _world(WEB).ask(RestartRequested(), "web")
    _change(world, RELOADS).pass_to(100.0)
    assert world.reloads == [(11.0, ("web", 1))]


def test_a_pause_leaves_a_watch_alone_that_waits_for_nothing() -> None:
    world = _world(WEB)
    before = world.fleet.files
    assert world.tell(Resumed(5.0), at=15.0).fleet.files == before


def test_an_update_begins_the_first_watch_of_a_table() -> None:
    world = _world(program("web")).update(WEB)
    assert (list(world.watched), world.file_looks) == ([RELOADS], [(10.0, "/certs")])


def test_a_reload_is_no_longer_owed_to_what_has_failed_for_good() -> None:
    web = replace(STARTS, restart=NEVER, shutdown_on=ShutdownOn.NEVER)
    world = _change(World(plan_of(web, OTHER)).begin().pass_to(5.0), RELOADS).pass_to(20.0).exits("web", 7)
    assert (type(world.phase("web")), world.fleet.files[RELOADS].owed) == (Fatal, ())


def test_a_hint_that_comes_during_a_look_is_the_time_of_what_waits_for_the_end_of_a_rolling_restart() -> None:
    web = replace(WEB, watch=(CONFIG,), scale=2, update_config=UpdateConfig(delay=60.0))
    world = _world(web).tell(RollAsked((("web", 1), ("web", 2)))).pass_to(20.0)
    fleet = advance(world.plan, world.fleet, FilesTouched((RESTARTS,)), 20.0).fleet
    fleet = advance(world.plan, fleet, TimePassed(), 22.0).fleet
    found = advance(world.plan, fleet, FilesLooked(RESTARTS, ("a",)), 22.2).fleet.files[RESTARTS]
    assert (found.last_hint, found.look_at) == (20.0, 23.2)
    fleet = advance(world.plan, fleet, FilesTouched((RESTARTS,)), 22.1).fleet
    found = advance(world.plan, fleet, FilesLooked(RESTARTS, ("a",)), 22.2).fleet.files[RESTARTS]
    assert (found.last_hint, found.look_at) == (22.1, 23.2)
