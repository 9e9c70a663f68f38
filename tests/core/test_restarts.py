"""What follows the end of a run: restart policies, delays, and when it is given up."""

from __future__ import annotations

from math import inf
from signal import SIGKILL, SIGTERM

import pytest

from supervisor.core.events import (
    DeadlinePassed,
    DependenciesChecked,
    ProcessExited,
    RestartRequested,
    SpawnFailed,
    StartRequested,
    StopRequested,
    Swept,
)
from supervisor.core.health import HealthState
from supervisor.core.life import (
    Backoff,
    Claiming,
    Exit,
    Exited,
    Fatal,
    Life,
    Pending,
    Phase,
    Preparing,
    Run,
    Scheduled,
    Spawning,
    Starting,
    Stopping,
    Sweeping,
)
from supervisor.core.program import Program, ProgramType, Restart, RestartDelay, RestartWhen
from supervisor.core.record import replace
from supervisor.core.restart_policy import JITTER, end_reason, exit_sentence, obstacle, restart_delay
from supervisor.core.schedule import Schedule

from .worlds import OneLife, World, plan_of

WEB = Program("web", ("web",))
MIGRATE = Program("migrate", ("migrate",), kind=ProgramType.ONESHOT)

ALWAYS = Restart(RestartWhen.ALWAYS)
ON_FAILURE = Restart(RestartWhen.ON_FAILURE)
NEVER = Restart(RestartWhen.NEVER)


def again(reason: str) -> Backoff:
    return Backoff(60.1, reason)


KILLED = Fatal("was terminated by SIGKILL", 137, Exit(None, SIGKILL, 60.0))


def _failed(code: int, more: str = "", *, at: float = 60.0) -> Fatal:
    """What is left of a program whose last run ended by itself, with this code."""
    return Fatal(f"exited with code {code}{more}", code, Exit(code, None, at))


@pytest.mark.parametrize(
    ("program", "restart", "code", "signal", "phase"),
    [
        pytest.param(WEB, ALWAYS, 0, None, again("exited with code 0"), id="service always ends well"),
        pytest.param(WEB, ALWAYS, 7, None, again("exited with code 7"), id="service always fails"),
        pytest.param(WEB, ON_FAILURE, 0, None, Exited(), id="service on-failure ends well"),
        pytest.param(WEB, ON_FAILURE, 7, None, again("exited with code 7"), id="service on-failure fails"),
        pytest.param(
            WEB, ON_FAILURE, None, SIGTERM, again("was terminated by SIGTERM"), id="service on-failure is killed"
        ),
        pytest.param(WEB, NEVER, 0, None, Exited(), id="service no ends well"),
        pytest.param(WEB, NEVER, 7, None, _failed(7), id="service no fails"),
        pytest.param(WEB, NEVER, None, SIGKILL, KILLED, id="service no is killed"),
        pytest.param(MIGRATE, ALWAYS, 0, None, Exited(), id="oneshot always ends well"),
        pytest.param(MIGRATE, ALWAYS, 7, None, again("exited with code 7"), id="oneshot always fails"),
        pytest.param(MIGRATE, ON_FAILURE, 0, None, Exited(), id="oneshot on-failure ends well"),
        pytest.param(MIGRATE, ON_FAILURE, 7, None, again("exited with code 7"), id="oneshot on-failure fails"),
        pytest.param(MIGRATE, NEVER, 0, None, Exited(), id="oneshot no ends well"),
        pytest.param(MIGRATE, NEVER, 7, None, _failed(7), id="oneshot no fails"),
    ],
)
def test_the_restart_policy_decides_what_follows_a_long_run(
    program: Program, restart: Restart, code: int | None, signal: int | None, phase: Phase
) -> None:
    web = OneLife(replace(program, restart=restart)).spawn()
    web.tell(DeadlinePassed(), at=1.0).end(code, signal, at=60.0)
    assert web.phase == phase


@pytest.mark.parametrize(
    ("restart", "code", "phase"),
    [
        pytest.param(ALWAYS, 0, Backoff(0.6, "exited with code 0"), id="always"),
        pytest.param(ON_FAILURE, 0, Exited(), id="on-failure ends well"),
        pytest.param(ON_FAILURE, 7, Backoff(0.6, "exited with code 7"), id="on-failure"),
        pytest.param(NEVER, 0, Exited(), id="no ends well"),
        pytest.param(NEVER, 7, _failed(7, at=0.5), id="no"),
    ],
)
def test_the_restart_policy_decides_what_follows_a_run_shorter_than_min_uptime(
    restart: Restart, code: int, phase: Phase
) -> None:
    assert OneLife(replace(WEB, restart=restart)).spawn().end(code, at=0.5).phase == phase


@pytest.mark.parametrize(("codes", "code"), [((0, 3), 3), ((3,), 3)], ids=["beside 0", "instead of 0"])
def test_a_success_exit_code_ends_well(codes: tuple[int, ...], code: int) -> None:
    program = replace(WEB, restart=ON_FAILURE, success_exit_codes=codes)
    assert OneLife(program).spawn().end(code, at=60.0).phase == Exited()


def test_code_0_that_is_no_success_does_not_become_the_containers_0() -> None:
    program = replace(WEB, restart=NEVER, success_exit_codes=(3,))
    assert OneLife(program).spawn().end(0, at=60.0).phase == Fatal("exited with code 0", 1, Exit(0, None, 60.0))


def _crash(web: OneLife, times: int, *, after: float = 0.5, code: int = 1) -> OneLife:
    """Let it crash so many times in a row, each time at once after its delay."""
    for number in range(times):
        if number:
            assert isinstance(web.phase, Backoff)
            web.tell(DeadlinePassed(), at=web.phase.until)
        web.spawn()
        spawned_at = web.now
        web.tell(DeadlinePassed(), at=spawned_at + min(after, 1.0))
        web.end(code, at=spawned_at + after)
    return web


@pytest.mark.parametrize("retries", [1, 2, 10])
def test_start_retries_starts_that_did_not_come_up_are_the_end(retries: int) -> None:
    web = OneLife(replace(WEB, start_retries=retries))
    if retries > 1:
        assert isinstance(_crash(web, retries - 1).phase, Backoff)
        web.tell(DeadlinePassed(), at=web.now + 60.0)
    _crash(web, 1)
    several = f"; gave up after {retries} starts in a row that did not come up" if retries > 1 else ""
    assert web.phase == _failed(1, several, at=web.now)
    assert web.life.restarts == retries - 1


def test_start_retries_none_never_gives_up() -> None:
    web = _crash(OneLife(replace(WEB, start_retries=None)), 50)
    assert isinstance(web.phase, Backoff)
    assert (web.life.failures, web.life.restarts) == (50, 50)


def test_start_retries_0_lets_what_had_come_up_start_again() -> None:
    web = _crash(OneLife(replace(WEB, start_retries=0)), 1, after=60.0)
    assert isinstance(web.phase, Backoff)


def test_a_run_that_came_up_forgets_the_failed_starts_before_it() -> None:
    web = _crash(OneLife(replace(WEB, start_retries=3)), 2)
    assert web.life.failures == 2
    web.tell(DeadlinePassed(), at=web.now + 60.0)
    _crash(web, 1, after=1.0)
    assert web.life.failures == 0
    assert isinstance(web.phase, Backoff)


def test_a_quick_end_that_would_be_a_success_still_counts_as_a_failed_start() -> None:
    """A daemon that goes into the background exits 0 at once, again and again."""
    web = _crash(OneLife(replace(WEB, start_retries=2)), 2, code=0)
    reason = "exited with code 0; gave up after 2 starts in a row that did not come up"
    assert web.phase == Fatal(reason, 1, Exit(0, None, web.now))


def test_with_min_uptime_0_every_process_has_come_up() -> None:
    web = _crash(OneLife(replace(WEB, min_uptime=0.0, start_retries=1)), 5, after=0.0)
    assert isinstance(web.phase, Backoff)
    assert web.life.failures == 0


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_on_failure_with_a_limit_restarts_so_many_times_in_a_row(limit: int) -> None:
    web = OneLife(replace(WEB, restart=Restart(RestartWhen.ON_FAILURE, limit), start_retries=None))
    _crash(web, limit + 1, after=5.0, code=7)
    several = f"; gave up after {limit} restarts in a row" if limit else ""
    assert web.phase == _failed(7, several, at=web.now)
    assert web.life.restarts == limit


def test_a_run_of_reset_after_forgets_the_restarts_before_it() -> None:
    web = OneLife(replace(WEB, restart=Restart(RestartWhen.ON_FAILURE, 2), start_retries=None))
    _crash(web, 2, after=5.0)
    assert web.life.attempts == 2
    web.tell(DeadlinePassed(), at=web.now + 60.0)
    _crash(web, 1, after=10.0)
    assert isinstance(web.phase, Backoff)
    assert (web.life.attempts, web.life.restarts) == (1, 3)


def test_the_delay_grows_by_its_factor_up_to_its_cap_and_starts_again_after_a_long_run() -> None:
    delay = RestartDelay(initial=1.0, max=5.0, factor=2.0, reset_after=10.0)
    web = OneLife(replace(WEB, restart_delay=delay, start_retries=None))
    delays = []
    for after in (0.5, 0.5, 0.5, 0.5, 10.0, 0.5):
        _crash(web, 1, after=after)
        assert isinstance(web.phase, Backoff)
        delays.append(web.phase.until - web.now)
        web.tell(DeadlinePassed(), at=web.phase.until)
    assert delays == pytest.approx([1.0, 2.0, 4.0, 5.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("attempts", "jitter", "seconds"),
    [
        pytest.param(0, 0.0, 0.1, id="first"),
        pytest.param(1, 0.0, 0.2, id="second"),
        pytest.param(3, 0.5, 0.8 * (1 + JITTER / 2), id="jitter is a share"),
        pytest.param(9, 0.0, 30.0, id="cap"),
        pytest.param(10_000, 0.0, 30.0, id="cap without overflow"),
    ],
)
def test_restart_delay(attempts: int, jitter: float, seconds: float) -> None:
    assert restart_delay(RestartDelay(), attempts, jitter) == pytest.approx(seconds)


def test_a_restart_delay_without_growth_stays() -> None:
    assert restart_delay(RestartDelay(initial=2.0, factor=1.0), 1_000_000_000, 0.0) == 2.0


@pytest.mark.parametrize("code", [126, 127])
@pytest.mark.parametrize("restart", [ALWAYS, ON_FAILURE, NEVER], ids=lambda restart: restart.when.value)
def test_a_command_that_cannot_be_executed_or_found_is_fatal_at_once(restart: Restart, code: int) -> None:
    web = OneLife(replace(WEB, restart=restart)).tell(StartRequested(), DependenciesChecked())
    web.tell(SpawnFailed(1, "cannot be executed", code))
    assert web.phase == Fatal("cannot be executed", code)


def test_another_spawn_failure_is_tried_again_as_a_start_that_did_not_come_up() -> None:
    web = OneLife(replace(WEB, start_retries=2)).tell(StartRequested(), DependenciesChecked())
    web.tell(SpawnFailed(1, "cannot be started: out of memory", None))
    assert web.phase == Backoff(0.1, "cannot be started: out of memory")
    web.tell(DeadlinePassed(), DependenciesChecked(), at=0.1).tell(SpawnFailed(2, "cannot be started: EAGAIN", None))
    assert web.phase == Fatal("cannot be started: EAGAIN; gave up after 2 starts in a row that did not come up", 1)


def test_a_spawn_failure_with_restart_no_is_the_end() -> None:
    web = OneLife(replace(WEB, restart=NEVER)).tell(StartRequested(), DependenciesChecked())
    assert web.tell(SpawnFailed(1, "cannot be started: EAGAIN", None)).phase == Fatal("cannot be started: EAGAIN", 1)


def test_a_backoff_waits_for_its_dependencies_again() -> None:
    web = OneLife(WEB).spawn().end(1, at=0.5)
    assert web.tell(DeadlinePassed(), at=0.6).phase == Pending()
    assert web.tell(DependenciesChecked(("db",))).phase == Pending(("db",))


@pytest.mark.parametrize("request_", [StartRequested(), RestartRequested()], ids=["start", "restart"])
def test_a_request_ends_a_backoff_and_keeps_its_count(request_: StartRequested | RestartRequested) -> None:
    web = OneLife(WEB).spawn().end(1, at=0.5)
    assert web.tell(request_, at=0.55).phase == Pending()
    assert web.life.failures == 1


def test_a_restart_that_was_asked_for_is_not_counted_and_forgets_the_failures() -> None:
    web = _crash(OneLife(WEB), 2)
    web.tell(DeadlinePassed(), at=web.now + 60.0).spawn()
    web.tell(RestartRequested(), ProcessExited(3, None, SIGTERM), Swept(3))
    assert web.phase == Pending()
    assert (web.life.failures, web.life.attempts, web.life.restarts) == (0, 0, 2)


def test_a_start_of_what_has_failed_begins_from_nothing() -> None:
    web = _crash(OneLife(replace(WEB, start_retries=2)), 2)
    web.tell(StartRequested())
    assert (web.phase, web.life.failures, web.life.attempts) == (Pending(), 0, 0)


def test_an_exit_during_a_stop_is_no_failure() -> None:
    web = OneLife(WEB).spawn()
    web.tell(StopRequested()).end(7)
    assert (web.life.failures, web.life.restarts) == (0, 0)
    assert web.life.last_exit == Exit(7, None, 0.0)


def test_a_new_process_has_a_new_generation() -> None:
    web = _crash(OneLife(WEB), 3)
    assert web.life.generation == 3
    web.tell(DeadlinePassed(), DependenciesChecked(), at=web.now + 60.0)
    assert (web.phase, web.life.generation) == (Spawning(), 4)


def test_an_exit_says_whether_memory_was_short() -> None:
    exit_ = Exit(None, SIGKILL, 0.0)
    assert exit_sentence(exit_) == "was terminated by SIGKILL"
    assert exit_sentence(replace(exit_, out_of_memory=True)) == "was terminated by SIGKILL, out of memory"


def test_without_a_delay_the_replacement_is_asked_for_in_the_turn_in_which_nothing_is_left() -> None:
    """A loop that had to come back for it would first write its log and look at everything else."""
    web = replace(WEB, restart=ALWAYS, restart_delay=RestartDelay(initial=0.0))
    world = World(plan_of(web)).begin().exits("web", 7)
    assert [change.after.phase for change in world.changes[-5:]] == [
        Sweeping(Run(101, 0.0), Exit(7, None, 0.0), 1.0, 10.0),
        Backoff(0.0, "exited with code 7"),
        Pending(),
        Spawning(),
        Starting(Run(102, 0.0), 1.0),
    ]


def test_a_delay_after_a_billion_restarts_is_worked_out_at_once() -> None:
    assert restart_delay(RestartDelay(initial=1.0, max=8.0), 10**9, 0.0) == 8.0


@pytest.mark.parametrize(
    ("life", "sentence"),
    [
        (Life(phase=Pending(("db", "cache"))), "waits for db, cache"),
        (
            Life(phase=Pending(held_until=2.0, held_by="another container runs it")),
            "is held back: another container runs it",
        ),
        (Life(phase=Claiming(9.0, "asks db")), "is held back: asks db"),
        (Life(phase=Fatal("exited with code 7", 7)), "exited with code 7"),
        (Life(phase=Scheduled()), "waits for its next run"),
        (Life(phase=Preparing(0, "pre_start check", 9.0)), "runs pre_start check"),
        (
            Life(phase=Starting(Run(100, 0.0), 9.0), health_state=HealthState(0.0)),
            "is not healthy: its first health check has not come back",
        ),
        (
            Life(phase=Starting(Run(100, 0.0), 9.0), health_state=HealthState(0.0, detail="refused")),
            "is not healthy: refused",
        ),
        (Life(phase=Backoff(9.0, "x"), last_exit=Exit(7, None, 1.0)), "exited with code 7"),
        (Life(phase=Starting(Run(100, 0.0), inf)), "has not completed"),
        (Life(phase=Starting(Run(100, 0.0), 9.0)), "is not ready"),
        (Life(phase=Stopping(Run(100, 0.0), 0, inf)), "is not ready"),
    ],
)
def test_the_obstacle_of_each_phase_is_a_predicate(life: Life, sentence: str) -> None:
    assert obstacle(life) == sentence


def test_a_start_of_which_nothing_is_known_could_not_be_started() -> None:
    assert end_reason(None, None) == "could not be started"


def test_a_scheduled_run_that_ends_well_waits_for_the_next_one() -> None:
    job = replace(MIGRATE, schedule=Schedule(interval=60.0))
    assert OneLife(job).spawn().end(0).phase == Scheduled()
