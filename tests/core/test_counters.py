"""The counters, from the steps of lives."""

from __future__ import annotations

from signal import SIGKILL, SIGTERM

import pytest

from supervisor.core.container import Change, FilesChanged, Happened, RestartDue
from supervisor.core.counters import BUCKETS, Counters, Histogram
from supervisor.core.events import (
    DeadlinePassed,
    DependenciesChecked,
    ProcessExited,
    Spawned,
    StartRequested,
    StopRequested,
)
from supervisor.core.health import HealthState
from supervisor.core.healthcheck import HealthCheck, OnUnhealthy, TcpProbe
from supervisor.core.life import Exit, Life, Run, Running
from supervisor.core.output import STREAMS, LogQuery, Output
from supervisor.core.program import CommandStep, Program, ProgramType, SignalStep, Step
from supervisor.core.record import replace
from supervisor.core.watch import Watch, WatchAction

from .worlds import OneLife, World, plan_of, program

WEB = program("web")
CHECK = HealthCheck(TcpProbe("127.0.0.1", 80), interval=10.0, retries=1)


def _world(subject: Program, **obeys: tuple[int, ...]) -> World:
    return World(plan_of(subject, program("other")), obeys=obeys).begin().pass_to(2.0)


def _count(world: World) -> Counters:
    counters = Counters()
    for change in world.changes:
        counters.note(world.plan.programs[change.instance[0]], change)
    return counters


def test_exits_are_counted_by_code_and_by_signal() -> None:
    world = _world(WEB)
    for code, signal in ((7, None), (0, None), (7, None), (None, SIGKILL)):
        world.exits("web", code, signal).pass_to(world.now + 60.0)
    assert _count(world).of(("web", 1)).exits == {"7": 2, "0": 1, "SIGKILL": 1}


def test_starts_are_counted_where_there_was_a_process() -> None:
    world = _world(WEB).exits("web", 7).pass_to(5.0)
    world.unspawnable = {"web": ("cannot be started: EAGAIN", None)}
    world.exits("web", 7).pass_to(6.0)
    assert _count(world).of(("web", 1)).starts == 2
    world.unspawnable = {}
    assert _count(world.pass_to(60.0)).of(("web", 1)).starts == 3


@pytest.mark.parametrize("min_uptime", [0.0, 1.0], ids=["up at once", "up later"])
def test_a_start_is_counted_once(min_uptime: float) -> None:
    assert _count(_world(replace(WEB, min_uptime=min_uptime))).of(("web", 1)).starts == 1


def test_what_is_stopped_as_soon_as_it_is_there_was_started() -> None:
    counters, web = Counters(), OneLife(WEB).tell(StartRequested(), DependenciesChecked(), StopRequested())
    before = web.life
    counters.note(WEB, Change(("web", 1), before, web.tell(Spawned(1, 100)).life))
    assert counters.of(("web", 1)).starts == 1


@pytest.mark.parametrize("why", ["skipped", "held"])
def test_what_was_not_to_be_run_was_not_started(why: str) -> None:
    skipped, held = ({"job": "was done before"}, {}) if why == "skipped" else ({}, {"job": 0.5})
    job = replace(program("job"), kind=ProgramType.ONESHOT)
    world = World(plan_of(job, WEB), skipped=skipped, held=held).begin().pass_to(10.0)
    assert _count(world).of(("job", 1)).starts == 0


def test_a_stop_is_timed_from_its_first_step_to_its_exit() -> None:
    world = _world(WEB, web=()).stop("web").pass_to(6.0).exits("web")
    entry = _count(world).of(("web", 1))
    assert (entry.stop_seconds.total_seconds, sum(entry.stop_seconds.counts), entry.kills) == (4.0, 1, 0)


def test_a_crash_is_no_stop() -> None:
    assert sum(_count(_world(WEB).exits("web", 7)).of(("web", 1)).stop_seconds.counts) == 0


def test_a_stop_that_took_sigkill_is_a_kill() -> None:
    world = _world(WEB, web=()).stop("web").pass_to(30.0)
    entry = _count(world).of(("web", 1))
    assert (entry.kills, entry.exits, entry.stop_seconds.total_seconds) == (1, {"SIGKILL": 1}, 10.0)


def test_a_process_that_outlives_sigkill_for_a_while_is_killed_once() -> None:
    counters, web = Counters(), OneLife(WEB).spawn()
    for event, at in (
        (StopRequested(), 2.0),
        (DeadlinePassed(), 12.0),
        (DeadlinePassed(), 13.0),
        (ProcessExited(1, 0), 13.5),
    ):
        before = web.life
        counters.note(WEB, Change(("web", 1), before, web.tell(event, at=at).life))
    entry = counters.of(("web", 1))
    assert (entry.kills, entry.exits, entry.stop_seconds.total_seconds) == (1, {"0": 1}, 11.5)


def test_a_kill_of_the_operator_is_no_stop_that_took_sigkill() -> None:
    assert _count(_world(WEB).exits("web", None, SIGKILL)).of(("web", 1)).kills == 0


@pytest.mark.parametrize(
    ("code", "signal", "short", "kills"),
    [(None, SIGKILL, True, 1), (None, SIGKILL, False, 0), (None, SIGTERM, True, 0), (137, None, True, 0)],
    ids=["the kernel's", "somebody's", "not SIGKILL", "only looks like one"],
)
def test_a_sigkill_while_memory_was_short_is_the_kernels(
    code: int | None, signal: int | None, short: bool, kills: int
) -> None:
    world = _world(WEB).tell(Happened(("web", 1), ProcessExited(1, code, signal, short)))
    assert _count(world).of(("web", 1)).oom_kills == kills


@pytest.mark.parametrize(
    "stop",
    [(SignalStep(SIGTERM, 1.0),), (SignalStep(SIGKILL, 9.0),), (SignalStep(SIGKILL, 1.0), SignalStep(SIGTERM, 9.0))],
    ids=["past the last step", "a step of its own", "an earlier step"],
)
def test_a_sigkill_of_the_stop_sequence_is_not_the_kernels(stop: tuple[SignalStep, ...]) -> None:
    web = OneLife(replace(WEB, stop=stop)).spawn().tell(StopRequested()).tell(DeadlinePassed(), at=2.0)
    assert web.tell(ProcessExited(1, None, SIGKILL, True)).life.last_exit == Exit(None, SIGKILL, 2.0)


@pytest.mark.parametrize(
    "stop",
    [
        WEB.stop,
        (SignalStep(SIGTERM, 9.0), SignalStep(SIGKILL, 9.0)),
        (CommandStep(("web", "stop"), 9.0), SignalStep(SIGKILL, 9.0)),
    ],
    ids=["none of its own", "a later step", "after a command"],
)
def test_a_sigkill_before_the_stop_sequence_came_to_it_is_the_kernels(stop: tuple[Step, ...]) -> None:
    web = OneLife(replace(WEB, stop=stop)).spawn().tell(StopRequested()).tell(ProcessExited(1, None, SIGKILL, True))
    assert web.life.last_exit == Exit(None, SIGKILL, 0.0, out_of_memory=True)


def test_probes_are_timed_and_failures_counted() -> None:
    world = _world(replace(WEB, healthcheck=CHECK))
    world.probed("web", passed=True).pass_to(15.0).probed("web", passed=False)
    entry = _count(world).of(("web", 1))
    assert (entry.probe_seconds.total_seconds, sum(entry.probe_seconds.counts)) == (5.0, 2)
    assert entry.probe_failures == 1


def test_the_failure_that_leads_to_a_restart_is_counted() -> None:
    world = _world(replace(WEB, healthcheck=replace(CHECK, on_unhealthy=OnUnhealthy.RESTART)))
    world.probed("web", passed=True).pass_to(15.0).probed("web", passed=False)
    entry = _count(world).of(("web", 1))
    assert (entry.probe_failures, sum(entry.probe_seconds.counts), entry.exits) == (1, 2, {"SIGTERM": 1})


def test_a_probe_that_a_stop_cut_off_is_not_counted() -> None:
    world = _world(replace(WEB, healthcheck=CHECK)).stop("web")
    assert sum(_count(world).of(("web", 1)).probe_seconds.counts) == 0


def test_a_step_without_news_counts_nothing() -> None:
    world = _world(WEB, web=(SIGTERM,)).exits("web", 7)
    counters, life = _count(world), world.life("web")
    counters.note(world.plan.programs["web"], Change(("web", 1), life, life))
    counters.note(world.plan.programs["web"], Change(("web", 1), life, Life()))
    assert counters.of(("web", 1)).exits == {"7": 1}


def test_a_step_between_two_probes_is_not_a_probe() -> None:
    state = HealthState(0.0, due=9.0, ended_at=1.0)
    counters, before = Counters(), Life(phase=Running(Run(100, 0.0)), health_state=state)
    counters.note(WEB, Change(("web", 1), before, replace(before, status_text="ok")))
    assert counters.instances == {}


def test_every_counter_begins_at_zero() -> None:
    counters = Counters().of(("web", 1))
    histograms = [counters.stop_seconds, counters.probe_seconds]
    assert [(each.total_seconds, set(each.counts)) for each in histograms] == [(0.0, {0})] * 2
    assert [counters.starts, counters.kills, counters.leftovers_killed, counters.oom_kills] == [0] * 4
    assert [counters.exits, counters.watch_actions, counters.restarts_due] == [{}, {}, {}]
    assert counters.probe_failures == 0


@pytest.mark.parametrize(
    ("seconds", "index"),
    [(0.0, 0), (0.005, 0), (0.006, 1), (60.0, len(BUCKETS) - 1), (60.1, len(BUCKETS))],
    ids=["zero", "on a bound", "above a bound", "on the last bound", "above the last bound"],
)
def test_a_histogram_counts_each_value_once(seconds: float, index: int) -> None:
    histogram = Histogram()
    histogram.observe(seconds)
    assert histogram.counts == tuple(int(place == index) for place in range(len(BUCKETS) + 1))
    assert histogram.total_seconds == seconds


def test_stopping_twice_is_one_stop() -> None:
    world = _world(WEB, web=()).stop("web").pass_to(3.0).ask(StopRequested(1.0), "web").pass_to(30.0)
    assert sum(_count(world).of(("web", 1)).stop_seconds.counts) == 1


def test_reloads_and_restarts_because_of_changed_files_are_counted_by_their_outcome() -> None:
    counters = Counters()
    assert (counters.orphans_reaped, counters.instances) == (0, {})
    of_web = counters.of(("web", 1))
    for outcome in ("done", "failed", "done"):
        of_web.note_watch("reload", outcome)
    restarted = FilesChanged(("web", Watch("/conf", WatchAction.RESTART)), ("a",), (("web", 1), ("web", 2)))
    counters.note_container(restarted)
    counters.note_container(replace(restarted, key=("web", Watch("/certs")), instances=(("web", 1),)))
    assert of_web.watch_actions == {("reload", "done"): 2, ("reload", "failed"): 1, ("restart", "done"): 1}
    assert counters.of(("web", 2)).watch_actions == {("restart", "done"): 1}


def test_what_an_instance_has_written_is_counted_from_zero() -> None:
    output = Output(("web", 1))
    assert (output.instance, output.read, output.dropped, output.invalid) == (("web", 1), [0, 0], 0, 0)


def test_lines_that_are_asked_for_are_plain_text_without_times_unless_somebody_wants_more() -> None:
    assert LogQuery({}) == LogQuery({}, STREAMS, None, 0.0, as_json=False, is_colored=False, is_stamped=False)


def test_restarts_because_of_a_limit_are_counted_by_the_limit() -> None:
    counters = Counters()
    for limit in ("memory", "age", "memory"):
        counters.note_container(RestartDue(("web", 1), limit, "it is too large", is_one_of_many=False))
    assert counters.of(("web", 1)).restarts_due == {"memory": 2, "age": 1}


@pytest.mark.parametrize(("ended_at", "seconds"), [(5.25, 0.25), (4.0, 0.0)])
def test_a_probe_takes_the_time_from_its_beginning_to_its_end(ended_at: float, seconds: float) -> None:
    before = HealthState(0.0, due=None, started_at=5.0)
    after = HealthState(0.0, due=9.0, ended_at=ended_at, last_pass_at=ended_at)
    counters, phase = Counters(), Running(Run(100, 0.0))
    change = Change(("web", 1), Life(phase=phase, health_state=before), Life(phase=phase, health_state=after))
    counters.note(WEB, change)
    entry = counters.of(("web", 1))
    assert (entry.probe_seconds.total_seconds, sum(entry.probe_seconds.counts)) == (seconds, 1)
    assert entry.probe_failures == 0
