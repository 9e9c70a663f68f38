"""A oneshot with a store: it runs while this container holds the lease, and the store is told how it ended."""

from __future__ import annotations

from math import inf
from signal import SIGCONT, SIGKILL, SIGTERM

import pytest

from supervisor.core.actions import Claim, RunHooks, SendSignal, Spawn, TellStore
from supervisor.core.deadlines import next_deadline, postpone
from supervisor.core.events import (
    DeadlinePassed,
    DependenciesChecked,
    Event,
    HookEnded,
    Hurried,
    LeaseAwaited,
    LeaseEnded,
    LeaseHeld,
    ProcessExited,
    RestartRequested,
    Spawned,
    SpawnSkipped,
    StartRequested,
    StopAnnounced,
    StopRequested,
    Swept,
)
from supervisor.core.hook import Hook, HookKind
from supervisor.core.leasing import CONTACT_LIMIT
from supervisor.core.life import Backoff as BackoffPhase
from supervisor.core.life import (
    Blame,
    Claiming,
    Exit,
    Exited,
    Fatal,
    Goal,
    Lease,
    Life,
    Pending,
    Phase,
    Run,
    Running,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.lifecycle import advance
from supervisor.core.once import TELL_LIMIT, Once, Store, reason_to_skip
from supervisor.core.program import Program, ProgramType, Restart, RestartWhen, Scope
from supervisor.core.record import replace

from .worlds import OneLife

STORE = Store("redis://:secret@db/0", "redis://db:6379/0")
MIGRATE = Program(
    "migrate",
    ("migrate",),
    kind=ProgramType.ONESHOT,
    restart=Restart(RestartWhen.NEVER),
    once=Once("v1", store=STORE, lease=40.0),
)


def _claiming(subject: Program = MIGRATE) -> OneLife:
    return OneLife(subject).tell(StartRequested(), DependenciesChecked())


def _running(until: float = 40.0, subject: Program = MIGRATE) -> OneLife:
    return _claiming(subject).tell(LeaseHeld(1, until), Spawned(1, 100))


def _told(migrate: OneLife) -> OneLife:
    """Until the store is told, after a success at 5.0."""
    return migrate.tell(ProcessExited(1, 0), Swept(1), at=5.0)


def test_the_store_is_asked_before_anything_is_spawned() -> None:
    migrate = _claiming()
    assert migrate.refuses(StartRequested())
    migrate = _claiming()
    reason = "asks redis://db:6379/0 whether it is to run"
    assert (migrate.phase, migrate.actions) == (Claiming(CONTACT_LIMIT, reason), (Claim(1),))
    migrate.tell(LeaseHeld(1, 40.0), at=1.0)
    assert (migrate.phase, migrate.actions) == (Spawning(lease=Lease(40.0, 30.0)), (Spawn(1),))
    migrate.tell(Spawned(1, 100))
    assert isinstance(migrate.phase, Starting)
    assert migrate.phase.run.lease == Lease(40.0, 30.0)


def test_the_hooks_before_a_start_come_before_the_claim() -> None:
    hooked = replace(MIGRATE, pre_start=(Hook(("check",)),))
    migrate = _claiming(hooked)
    assert isinstance(migrate.actions[0], RunHooks)
    assert migrate.tell(HookEnded(1, HookKind.PRE_START, 0)).actions == (Claim(1),)


def test_while_another_container_runs_it_there_is_no_deadline_and_the_reason_says_who() -> None:
    migrate = _claiming().tell(LeaseAwaited(1, "another container is running it"), at=1.0)
    assert isinstance(migrate.phase, Claiming)
    assert (migrate.phase.reason, next_deadline(migrate.life)) == ("another container is running it", None)
    assert migrate.refuses(DependenciesChecked())
    assert migrate.tell(SpawnSkipped(1, "was done before for v1")).phase == Exited("was done before for v1")


def test_a_store_that_gives_no_answer_is_a_failed_start() -> None:
    migrate = _claiming().tell(DeadlinePassed(), at=CONTACT_LIMIT)
    assert migrate.phase == Fatal("cannot use redis://db:6379/0 for once: no answer within 30 s", 1)
    assert migrate.actions == ()


def test_a_claim_that_fails_is_a_failed_start_and_the_restart_policy_decides() -> None:
    failed = LeaseEnded(1, "cannot use redis://db:6379/0 for once: Connection refused")
    assert _claiming().tell(failed).phase == Fatal("cannot use redis://db:6379/0 for once: Connection refused", 1)
    again = _claiming(replace(MIGRATE, restart=Restart(RestartWhen.ON_FAILURE))).tell(failed)
    assert isinstance(again.phase, BackoffPhase)
    assert again.tell(DeadlinePassed(), DependenciesChecked(), at=1.0).actions == (Claim(2),)


@pytest.mark.parametrize("event", [StopRequested(), StopAnnounced(), Hurried()], ids=repr)
def test_what_waits_for_its_lease_is_down_at_once(event: Event) -> None:
    migrate = _claiming().tell(LeaseAwaited(1, "another container is running it"), event)
    assert (migrate.phase, migrate.life.goal, migrate.actions) == (Stopped(), Goal.DOWN, ())
    assert migrate.refuses(LeaseHeld(1, 40.0))


def test_a_renewal_moves_the_time_by_which_the_next_one_is_due() -> None:
    migrate = _running()
    assert next_deadline(migrate.life) == 30.0
    migrate.tell(LeaseHeld(1, 53.0), at=13.0)
    assert next_deadline(migrate.life) == 43.0
    migrate.now = 42.9
    assert migrate.refuses(DeadlinePassed())


@pytest.mark.parametrize(
    ("event", "at", "reason"),
    [
        (LeaseEnded(1, "another container has taken it over"), 20.0, "another container has taken it over"),
        (DeadlinePassed(), 30.0, "it was not renewed in time"),
    ],
    ids=["taken over", "not renewed"],
)
def test_a_lost_lease_stops_the_run_within_what_is_left_of_the_lease(event: Event, at: float, reason: str) -> None:
    subject = replace(MIGRATE, stop=(replace(MIGRATE.stop[0], wait=60.0),))
    migrate = _running(subject=subject).tell(event, at=at)
    assert isinstance(migrate.phase, Stopping) and migrate.phase.blame is not None
    assert migrate.phase.blame.sentence == f"lost its lease: {reason}"
    assert migrate.actions == (SendSignal(100, SIGTERM, Scope.MAIN), SendSignal(100, SIGCONT, Scope.MAIN))
    assert migrate.phase.deadline <= 40.0
    killed = migrate.tell(DeadlinePassed(), at=migrate.phase.deadline)
    assert killed.actions[-1:] == (SendSignal(100, SIGKILL, Scope.TREE),)


def test_a_stop_under_way_is_shortened_to_end_before_the_lease_does() -> None:
    subject = replace(MIGRATE, stop=(replace(MIGRATE.stop[0], wait=60.0),))
    migrate = _running(subject=subject).tell(StopRequested(), at=10.0)
    assert next_deadline(migrate.life) == 30.0
    migrate.tell(DeadlinePassed(), at=30.0)
    assert isinstance(migrate.phase, Stopping) and migrate.phase.blame is None
    deadline = next_deadline(migrate.life)
    assert deadline is not None and 30.0 < deadline <= 40.0


def test_a_pause_of_supinit_does_not_extend_a_lease() -> None:
    migrate = _running()
    migrate.life = postpone(migrate.life, 100.0)
    migrate.tell(DeadlinePassed(), at=100.0)
    assert isinstance(migrate.phase, Stopping)
    migrate.tell(DeadlinePassed(), at=100.0)
    assert migrate.actions == (SendSignal(100, SIGKILL, Scope.TREE),)


def test_success_counts_once_the_store_has_taken_it_in() -> None:
    migrate = _told(_running())
    assert isinstance(migrate.phase, Sweeping) and migrate.phase.tells_store
    assert (migrate.actions, migrate.life.is_alive) == ((TellStore(1, True),), True)
    assert migrate.refuses(Swept(1))
    assert migrate.tell(LeaseEnded(1)).phase == Exited()


def test_a_store_that_is_down_has_the_rest_of_the_lease_to_take_in_a_success() -> None:
    migrate = _told(_running())
    assert next_deadline(migrate.life) == 40.0
    assert migrate.tell(DeadlinePassed(), at=40.0).phase == Exited()


def test_a_stop_waits_only_a_moment_for_the_store() -> None:
    migrate = _told(_running()).tell(StopAnnounced())
    assert next_deadline(migrate.life) == 5.0 + TELL_LIMIT
    assert _told(_running()).tell(Hurried()).phase == Stopped()


@pytest.mark.parametrize(
    "events",
    [(ProcessExited(1, 3),), (StopRequested(), ProcessExited(1, 0)), (RestartRequested(), ProcessExited(1, 0))],
    ids=["failed", "stopped", "restarted"],
)
def test_what_did_not_succeed_gives_its_lease_back_without_a_record(events: tuple[Event, ...]) -> None:
    migrate = _running().tell(*events, Swept(1), at=5.0)
    assert migrate.actions == (TellStore(1, False),)
    assert next_deadline(migrate.life) == 5.0 + TELL_LIMIT


def test_what_is_restarted_claims_again() -> None:
    migrate = _running().tell(RestartRequested(), ProcessExited(1, 0), Swept(1), LeaseEnded(1))
    assert migrate.phase == Pending()
    assert migrate.tell(DependenciesChecked()).actions == (Claim(2),)


def test_a_lease_of_another_run_changes_nothing() -> None:
    assert _running().refuses(LeaseHeld(2, 99.0))
    assert _running().refuses(LeaseEnded(2, "another container has taken it over"))


# ---- whether it need not run


@pytest.mark.parametrize(
    ("order", "recorded", "reason"),
    [
        (None, ["9"], None),
        ("9", ["8", "9"], None),
        ("9", ["8", "10"], "was done for a later release (10 is after 9)"),
        ("1e3", ["1001"], "was done for a later release (1001 is after 1e3)"),
        ("9", ["b"], "was done for a later release (b is after 9)"),
        ("nan", ["b"], None),
    ],
)
def test_a_greater_order_that_is_recorded_means_that_it_need_not_run(
    order: str | None, recorded: list[str], reason: str | None
) -> None:
    assert reason_to_skip("v1", order, False, recorded) == reason


def test_a_recorded_key_means_that_it_need_not_run() -> None:
    assert reason_to_skip("v1", None, True, ()) == "was done before for v1"


def test_a_run_that_lost_its_lease_has_not_succeeded_whatever_its_code() -> None:
    migrate = _running().tell(LeaseEnded(1, "another container has taken it over"), at=5.0)
    migrate.tell(ProcessExited(1, 0), Swept(1), at=6.0)
    assert migrate.actions == (TellStore(1, succeeded=False),)


def test_a_lease_is_renewed_while_the_run_is_being_stopped() -> None:
    migrate = _running().tell(StopRequested(), LeaseHeld(1, 53.0), at=13.0)
    assert isinstance(migrate.phase, Stopping)
    assert migrate.phase.run.lease == Lease(53.0, 43.0)
    migrate.tell(ProcessExited(1, 0), at=14.0)
    assert isinstance(migrate.phase, Sweeping)
    assert next_deadline(migrate.tell(LeaseHeld(1, 25.0), at=14.0).life) == 15.0
    migrate.tell(LeaseHeld(1, 67.0), at=14.0)
    assert isinstance(migrate.phase, Sweeping)
    assert migrate.phase.run.lease == Lease(67.0, 57.0)


def test_only_a_store_is_told_within_the_time_of_a_stop() -> None:
    assert (Once("v1", store=STORE).tell_time, Once("v1", "/shared").tell_time) == (TELL_LIMIT, 0.0)
    assert MIGRATE.down_time == MIGRATE.stop_time + TELL_LIMIT
    assert replace(MIGRATE, once=None).down_time == MIGRATE.stop_time


LEASED = Run(100, 0.0, lease=Lease(40.0, 30.0))
ENDED = Exit(0, None, 5.0)


@pytest.mark.parametrize(
    ("phase", "at"),
    [
        (Starting(LEASED, 60.0), 30.0),
        (Starting(LEASED, 20.0), 20.0),
        (Running(LEASED), 30.0),
        (Stopping(LEASED, 0, 60.0), 30.0),
        (Sweeping(LEASED, ENDED, 60.0, 70.0, SIGTERM), 30.0),
        (Sweeping(LEASED, ENDED, 60.0, 70.0, hook="post_stop clean"), 30.0),
        (Sweeping(LEASED, ENDED, 60.0, 70.0), 60.0),
        (Sweeping(LEASED, ENDED, 60.0, 70.0, SIGTERM, tells_store=True), 60.0),
        (Running(replace(LEASED, lease=None)), None),
    ],
)
def test_a_lease_is_missed_as_long_as_something_of_the_run_is_left(phase: Phase, at: float | None) -> None:
    assert next_deadline(Life(Goal.UP, phase)) == at


def test_the_jitter_of_the_next_start_outlasts_the_telling() -> None:
    migrate = _running().tell(ProcessExited(1, 0), Swept(1, 0.5))
    assert isinstance(migrate.phase, Sweeping)
    assert (migrate.phase.tells_store, migrate.phase.jitter) == (True, 0.5)


def test_the_operator_is_told_what_the_containers_share() -> None:
    assert [Once("v1", store=STORE).place, Once("v1", "/shared").place] == ["redis://db:6379/0", "/shared"]
    assert STORE.scheme == "redis"


def test_nobody_is_asked_where_a_directory_is_shared() -> None:
    migrate = _claiming(replace(MIGRATE, once=Once("v1", "/shared")))
    assert (migrate.phase, migrate.actions) == (Spawning(), (Spawn(1),))


UNLEASED = replace(LEASED, lease=None)


@pytest.mark.parametrize(
    "phase",
    [
        Starting(UNLEASED, 60.0),
        Running(UNLEASED),
        Stopping(UNLEASED, 0, 60.0),
        Sweeping(UNLEASED, ENDED, 60.0, 70.0),
        Stopped(),
        Pending(),
        Fatal("failed", 1),
    ],
)
@pytest.mark.parametrize("subject", [MIGRATE, replace(MIGRATE, once=None)], ids=["with a store", "without"])
def test_a_report_about_a_lease_that_there_is_none_of_changes_nothing(phase: Phase, subject: Program) -> None:
    life = Life(Goal.UP, phase, generation=1)
    for event in (LeaseHeld(1, 99.0), LeaseEnded(1, "taken over"), LeaseAwaited(1, "it waits")):
        assert advance(subject, life, event, 5.0) == (life, ())


@pytest.mark.parametrize(
    "phase", [Starting(LEASED, 60.0), Running(LEASED), Stopping(LEASED, 0, 60.0), Sweeping(LEASED, ENDED, 60.0, 70.0)]
)
def test_a_lease_is_renewed_in_every_phase_with_a_process(phase: Starting | Running | Stopping | Sweeping) -> None:
    renewed = replace(phase, run=replace(LEASED, lease=Lease(99.0, 89.0)))
    assert advance(MIGRATE, Life(Goal.UP, phase, generation=1), LeaseHeld(1, 99.0), 5.0) == (
        Life(Goal.UP, renewed, generation=1),
        (),
    )


@pytest.mark.parametrize("phase", [Starting(LEASED, 60.0), Running(LEASED)])
def test_a_lost_lease_ends_what_starts_and_what_runs(phase: Phase) -> None:
    after, _ = advance(MIGRATE, Life(Goal.UP, phase, generation=1), LeaseEnded(1, "taken over"), 35.0)
    assert isinstance(after.phase, Stopping)
    assert (after.phase.blame, after.phase.run.lease) == (Blame("lost its lease: taken over"), Lease(40.0, inf))


def test_what_is_left_of_a_run_has_until_the_end_of_a_lost_lease() -> None:
    left = Life(Goal.UP, Sweeping(LEASED, ENDED, 60.0, 70.0, SIGTERM), generation=1)
    after, _ = advance(MIGRATE, left, LeaseEnded(1, "taken over"), 35.0)
    assert isinstance(after.phase, Sweeping)
    assert (after.phase.deadline <= 40.0, after.phase.run.lease) == (True, Lease(40.0, inf))


def test_telling_the_store_takes_no_longer_than_what_a_shortened_stop_has_left() -> None:
    left = Life(Goal.DOWN, Sweeping(LEASED, ENDED, 60.0, 70.0, SIGTERM, asked=True, pace=0.5), generation=1)
    assert advance(MIGRATE, left, Swept(1), 10.0) == (
        replace(left, phase=replace(left.phase, deadline=10.0 + TELL_LIMIT / 2, tells_store=True)),
        (TellStore(1, False),),
    )


def test_a_success_that_a_stop_waits_for_has_a_moment_to_be_told() -> None:
    left = Life(Goal.DOWN, Sweeping(LEASED, ENDED, 60.0, 70.0), generation=1)
    after, actions = advance(MIGRATE, left, Swept(1), 10.0)
    assert (next_deadline(after), actions) == (10.0 + TELL_LIMIT, (TellStore(1, True),))


def test_the_store_is_told_after_the_hooks() -> None:
    hooked = replace(MIGRATE, post_stop=(Hook(("clean",)),))
    migrate = _told(_running(subject=hooked))
    assert isinstance(migrate.phase, Sweeping) and migrate.phase.hook
    migrate.tell(HookEnded(1, HookKind.POST_STOP, 0))
    assert isinstance(migrate.phase, Sweeping)
    assert (migrate.phase.hook, migrate.phase.tells_store, migrate.actions) == ("", True, (TellStore(1, True),))


def test_a_budget_of_a_stop_bounds_the_telling() -> None:
    migrate = _told(_running()).tell(StopRequested(within=2.0), at=6.0)
    assert isinstance(migrate.phase, Sweeping)
    assert (migrate.phase.deadline, migrate.phase.pace) == (8.0, 0.0)


@pytest.mark.parametrize("before", [(), (ProcessExited(1, 0),)], ids=["running", "sweeping"])
def test_a_hurried_stop_tells_the_store_nothing(before: tuple[Event, ...]) -> None:
    migrate = _running().tell(*before, Hurried(), ProcessExited(1, 0), Swept(1))
    assert (migrate.phase, migrate.actions) == (Stopped(), ())


def test_a_store_that_gives_no_answer_delays_the_restart_without_jitter() -> None:
    again = _claiming(replace(MIGRATE, restart=Restart(RestartWhen.ON_FAILURE))).tell(
        DeadlinePassed(), at=CONTACT_LIMIT
    )
    assert again.phase == BackoffPhase(
        CONTACT_LIMIT + 0.1, "cannot use redis://db:6379/0 for once: no answer within 30 s"
    )
