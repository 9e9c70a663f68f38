"""What the metrics are: their names, labels and texts, and where their values come from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from supervisor.control.http.message import Request, Response
from supervisor.control.metrics.exposition import END, Family, choose_format
from supervisor.control.resources.view import next_run, version_body
from supervisor.core.counters import BUCKETS, InstanceCounters
from supervisor.core.lanes import first_lane
from supervisor.core.output import STREAMS
from supervisor.core.snapshot import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from supervisor.control.console import Console
    from supervisor.core.counters import Histogram
    from supervisor.core.life import Life
    from supervisor.core.output import Output
    from supervisor.core.snapshot import InstanceView
    from supervisor.core.tree import Usage

BY = ("program", "instance")


async def scrape(console: Console, request: Request) -> Response:
    """Return all metrics in the format that the client accepts, by default the Prometheus text.

    With hundreds of programs this takes a while, so the loop turns after each metric.
    """
    format_ = choose_format(request.headers.get("accept", ""))
    parts: list[bytes] = []
    for family in _Projection(console).collect():
        parts.append(family.encode(format_))
        await asyncio.sleep(0)
    if format_.is_open:
        parts.append(END)
    return Response(200, b"".join(parts), format_.content_type)


class _Row:
    """Everything about one instance, to read single values off."""

    def __init__(self, labels: tuple[str, str], view: InstanceView, life: Life, counts: InstanceCounters) -> None:
        self.labels = labels
        self.view = view
        self.life = life
        self.counts = counts


class _Projection:
    def __init__(self, console: Console) -> None:
        self._console = console

    def collect(self) -> Iterator[Family]:
        rows = self._rows()
        yield self._instances()
        instances = set(map(first_lane, self._console.container.plan.instances))
        yield from self._about_container()
        yield from _states(rows)
        yield from self._times(rows)
        yield from _counters(rows)
        yield from self._watches(rows)
        yield self._rolling()
        yield self._restarts_due(rows)
        yield from self._oom_kills(rows)
        outputs = self._console.container.outputs
        yield from _outputs(output for instance, output in outputs.items() if instance in instances)
        yield from self._usages(rows)
        yield from self._schedules()
        yield from self._backlogs()
        yield _histogram("stop_seconds", "Time from the first stop step to the exit.", rows, _stop_seconds)
        yield _histogram("healthcheck_seconds", "Time that a health check took.", rows, _probe_seconds)

    def _rows(self) -> list[_Row]:
        container = self._console.container
        snapshot, counters = container.snapshot, container.counters.instances
        return [
            _Row((i[0], str(i[1])), view, snapshot.fleet.lives[i], counters.get(first_lane(i)) or InstanceCounters())
            for i, view in snapshot.instances.items()
            if i not in container.plan.programs[i[0]].beside
        ]

    def _about_container(self) -> Iterator[Family]:
        container = self._console.container
        version = {key: str(value or "") for key, value in version_body(self._console).items()}
        yield Family("info", "supinit_build", "The version of supinit and the revision of the container.").add_info(
            version
        )
        started = Family("gauge", "supinit_start_time_seconds", "When supinit started, since the epoch.")
        yield started.add((), container.started_at)
        yield Family("gauge", "supinit_ready", "Whether the container is ready.").add((), container.snapshot.ready)
        reaped = Family("counter", "supinit_orphans_reaped", "Processes of no program that were reaped.")
        yield reaped.add((), container.counters.orphans_reaped)
        errors = Family(
            "counter",
            "supinit_internal_errors",
            "Errors of supinit's own, by the part of it that failed.",
            labels=("where",),
        )
        for where, count in container.counters.internal_errors.items():
            errors.add((where,), count)
        yield errors

    def _instances(self) -> Family:
        about = "Instances that it is to have."
        family = Family("gauge", "supinit_program_instances", about, labels=("program",))
        for name, program in self._console.container.plan.programs.items():
            family.add((name,), program.scale)
        return family

    def _times(self, rows: Iterable[_Row]) -> Iterator[Family]:
        family = _gauge("start_time_seconds", "When the main process was started, since the epoch.")
        for row in rows:
            if row.view.started_at is not None:
                family.add(row.labels, round(self._console.clock.wall(row.view.started_at), 3))
        yield family

    def _oom_kills(self, rows: Iterable[_Row]) -> Iterator[Family]:
        """Absent where the kernel's count cannot be read: a 0 would be wrong."""
        total = self._console.container.oom_kills
        if total is None:
            return
        about = "Processes that the kernel killed in the cgroup because memory was short."
        yield Family("counter", "supinit_oom_kills", about).add((), total)
        kills = _counter("oom_kills", "Main processes that the kernel killed because memory was short.")
        for row in rows:
            kills.add(row.labels, row.counts.oom_kills)
        yield kills

    def _backlogs(self) -> Iterator[Family]:
        """Sockets for which the kernel reports no backlog have no sample."""
        about = "Connections that wait to be accepted on a socket that supinit keeps."
        family = Family("gauge", "supinit_socket_backlog", about, labels=("program", "socket"))
        for backlog in self._console.container.backlogs:
            family.add((backlog.program, backlog.socket), backlog.waiting)
        yield family

    def _watches(self, rows: Iterable[_Row]) -> Iterator[Family]:
        about = "Reloads and restarts because of changed files."
        labels = (*BY, "action", "outcome")
        actions = Family("counter", "supinit_program_watch_actions", about, labels=labels)
        for row in rows:
            for key, count in row.counts.watch_actions.items():
                actions.add((*row.labels, *key), count)
        failed = Family(
            "gauge", "supinit_program_watches_failed", "Watches that may miss a change.", labels=("program",)
        )
        programs = self._console.container.plan.programs
        problems = [name for (name, _), state in self._console.container.snapshot.fleet.files.items() if state.problem]
        for name in (name for name, program in programs.items() if program.watch):
            failed.add((name,), problems.count(name))
        yield from (actions, failed)

    def _rolling(self) -> Family:
        """Programs without update_config have no sample until their first roll."""
        about = "Whether a rolling restart or update is under way (running) or has stopped at a failure (paused)."
        family = Family("gauge", "supinit_program_rolling", about, labels=("program", "state"))
        rolls = self._console.container.snapshot.fleet.rolls
        for name, program in self._console.container.plan.programs.items():
            roll = rolls.get(name)
            if roll is not None or program.update_config is not None:
                family.add((name, "running"), float(roll is not None and roll.is_active))
                family.add((name, "paused"), float(roll is not None and roll.is_paused))
        return family

    def _restarts_due(self, rows: Iterable[_Row]) -> Family:
        about = "Restarts because of restart_when."
        family = Family("counter", "supinit_program_restarts_due", about, labels=(*BY, "reason"))
        for row in rows:
            for reason, count in row.counts.restarts_due.items():
                family.add((*row.labels, reason), count)
        return family

    def _usages(self, rows: Iterable[_Row]) -> Iterator[Family]:
        usages = self._console.usage()
        cpu = _counter("cpu_seconds", "CPU time of the process tree.")
        memory = _gauge("resident_memory_bytes", "Resident memory of the process tree.")
        processes = _gauge("processes", "Processes in the tree.")
        for row in rows:
            usage: Usage | None = usages.get(first_lane((row.view.name, row.view.instance)))
            if usage is not None and row.view.pid is not None:
                cpu.add(row.labels, usage.cpu_seconds)
                memory.add(row.labels, usage.memory_bytes)
                processes.add(row.labels, usage.processes)
        yield from (cpu, memory, processes)

    def _schedules(self) -> Iterator[Family]:
        """The samples are per program, because any free instance takes the next run."""
        by = ("program",)
        about = "Runs of a schedule that are over: succeeded, failed, stopped, or missed."
        runs = Family("counter", "supinit_program_scheduled_runs", about, labels=(*by, "outcome"))
        about = "Runs that were due while max_concurrent were under way."
        skipped = Family("counter", "supinit_program_scheduled_runs_skipped", about, labels=by)
        about = "When the next run is due, since the epoch."
        next_runs = Family("gauge", "supinit_program_next_run_timestamp_seconds", about, labels=by)
        about = "When the last run ended that succeeded, since the epoch."
        successes = Family("gauge", "supinit_program_last_successful_run_timestamp_seconds", about, labels=by)
        for name, state in self._console.container.snapshot.fleet.schedules.items():
            for outcome, count in state.outcomes.items():
                runs.add((name, outcome.value), count)
            skipped.add((name,), state.skipped)
            due = next_run(self._console, name)
            if due is not None:
                next_runs.add((name,), round(due, 3))
            if state.succeeded_at is not None:
                successes.add((name,), round(self._console.clock.wall(state.succeeded_at), 3))
        yield from (runs, skipped, next_runs, successes)


def _states(rows: Iterable[_Row]) -> Iterator[Family]:
    states = Family("gauge", "supinit_program_state", "1 for the state that it is in, else 0.", labels=(*BY, "state"))
    healthy = _gauge("healthy", "Whether it is RUNNING and, with a health check, healthy.")
    for row in rows:
        for state in State:
            states.add((*row.labels, state.value), float(row.view.state is state))
        healthy.add(row.labels, float(row.life.is_up))
    yield from (states, healthy)


def _counters(rows: Iterable[_Row]) -> Iterator[Family]:
    exits = Family(
        "counter", "supinit_program_exits", "Ends of main processes, by code or signal name.", labels=(*BY, "code")
    )
    starts = _counter("starts", "Starts of the main process.")
    restarts = _counter("restarts", "Restarts that nobody asked for.")
    kills = _counter("kills", "Stops that took SIGKILL at the end of the stop sequence.")
    leftovers = _counter("leftovers_killed", "Processes that were killed after their main process had ended.")
    failures = _counter("healthcheck_failures", "Health checks that did not pass.")
    for row in rows:
        for code, count in row.counts.exits.items():
            exits.add((*row.labels, code), count)
        starts.add(row.labels, row.counts.starts)
        restarts.add(row.labels, row.view.restarts)
        kills.add(row.labels, row.counts.kills)
        leftovers.add(row.labels, row.counts.leftovers_killed)
        failures.add(row.labels, row.counts.probe_failures)
    yield from (exits, starts, restarts, kills, leftovers, failures)


def _outputs(outputs: Iterable[Output]) -> Iterator[Family]:
    read = Family("counter", "supinit_program_log_bytes", "Bytes that it has written.", labels=(*BY, "stream"))
    dropped = _counter("log_dropped_bytes", "Bytes that did not reach a place that they were meant for.")
    invalid = _counter("log_invalid_utf8", "Replacement characters that stand for what was not UTF-8, in JSON.")
    for output in outputs:
        name, number = output.instance
        for stream, size in zip(STREAMS, output.read, strict=True):
            read.add((name, str(number), stream), size)
        dropped.add((name, str(number)), output.dropped)
        invalid.add((name, str(number)), output.invalid)
    yield from (read, dropped, invalid)


def _counter(name: str, documentation: str) -> Family:
    return Family("counter", f"supinit_program_{name}", documentation, labels=BY)


def _gauge(name: str, documentation: str) -> Family:
    return Family("gauge", f"supinit_program_{name}", documentation, labels=BY)


def _stop_seconds(row: _Row) -> Histogram:
    return row.counts.stop_seconds


def _probe_seconds(row: _Row) -> Histogram:
    return row.counts.probe_seconds


def _histogram(
    name: str, documentation: str, rows: Iterable[_Row], histogram_of: Callable[[_Row], Histogram]
) -> Family:
    family = Family("histogram", f"supinit_program_{name}", documentation, labels=BY)
    for row in rows:
        histogram = histogram_of(row)
        family.add_histogram(row.labels, BUCKETS, histogram.counts, histogram.total_seconds)
    return family
