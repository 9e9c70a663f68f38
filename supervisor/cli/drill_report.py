"""What a drill has shown: supinit's own events in, a report and its failures out. Nothing here touches a process."""

from __future__ import annotations

from supervisor.core.record import Record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Event = Mapping[str, object]
    """One event of supinit's log, as its JSON line has it."""
    Events = Sequence[tuple[float, Event]]
    """Each with the seconds since the start."""

DOCKER_STOP = 10.0
"""Seconds that `docker stop` waits before it kills."""


class Drill(Record):
    """How a drill went. Times are seconds; `events` are all that supinit has logged."""

    table: str
    events: Events
    programs: tuple[str, ...] = ()
    """In the table's order."""
    up_after: float | None = None
    """When everything was ready and healthy, or None if that did not happen."""
    not_up: tuple[str, ...] = ()
    """One sentence for each instance that was not up in time."""
    orphans: tuple[str, ...] = ()
    """Commands of processes that belonged to no program before the shutdown."""
    stop_took: float | None = None
    """Seconds from SIGTERM to the end of supinit, or None if it had to be killed."""
    worst_case: float = 0.0
    """What a shutdown may take by the plan."""
    shutdown_timeout: float | None = None
    code: int | None = None
    """supinit's exit code, or None if it had to be killed."""
    left: tuple[str, ...] = ()
    """Commands of processes that survived supinit."""


class Row(Record):
    """One instance in the report."""

    label: str
    up_after: float | None = None
    steps: tuple[str, ...] = ()
    stop_begun: float | None = None
    stopped: float | None = None
    result: str = ""


def rows_of(drill: Drill) -> list[Row]:
    """Return one row for each instance that the events name, in the table's order."""
    rows: dict[str, Row] = {}
    for at, event in sorted(drill.events, key=lambda told: _place(drill, told[1])):
        if "name" in event and str(event["event"]).startswith("program."):
            label = _label(event)
            rows[label] = _after(rows.get(label, Row(label)), at, event)
    return list(rows.values())


def _place(drill: Drill, event: Event) -> int:
    name = event.get("name")
    return drill.programs.index(str(name)) if name in drill.programs else len(drill.programs)


def _after(row: Row, at: float, event: Event) -> Row:
    match event["event"]:
        case "program.became_ready" | "program.completed" if row.up_after is None:
            row = replace(row, up_after=at)
        case "program.stop_begun":
            return replace(row, stop_begun=at, stopped=None, steps=(str(event.get("step")),))
        case "program.stop_continued":
            return replace(row, steps=(*row.steps, str(event.get("step"))))
        case "program.killed":
            return replace(row, steps=(*row.steps, "SIGKILL"))
        case "program.exited":
            how = f"exited with {event['code']}" if "code" in event else f"ended by {event.get('signal')}"
            return replace(row, result=how)
        case "program.failed":
            return replace(row, stopped=at, result=f"FATAL: {event.get('reason')}")
    return replace(row, stopped=at) if event["event"] == "program.stopped" else row


def failures_of(drill: Drill) -> list[str]:
    """Return one sentence for everything that should not have happened. Empty: the drill has passed."""
    found = [*drill.not_up, *_failures_in(drill.events), *_failures_of_the_end(drill)]
    if drill.up_after is None and not found:
        found.append("supinit did not answer on its control socket in time")
    return list(dict.fromkeys(found))


def _failures_in(events: Events) -> Iterator[str]:
    for _, event in events:
        match event["event"]:
            case "program.failed" if event.get("level") == "error":
                yield f"{_label(event)} failed: {event.get('reason')}"
            case "program.restart_delayed":
                reason = f": {event['reason']}" if event.get("reason") else ""
                yield f"{_label(event)} had to be started again{reason}"
            case "program.given_up":
                yield f"{_label(event)} was given up: {event.get('reason')}"
            case "program.became_unhealthy":
                yield f"{_label(event)} became unhealthy: {event.get('detail')}"
            case "program.killed":
                yield f"{_label(event)} was killed: it did not end within its stop sequence"
            case "program.leftovers":
                yield f"{_label(event)} left processes that were killed{_names(event)}"
            case "program.left_behind":
                yield f"{_label(event)} left processes that were not killed: {event.get('reason')}{_names(event)}"
            case "program.step_failed":
                yield f"{_label(event)} could not be stopped as the table says: {event.get('reason')}"
            case "container.shutdown_begun" | "container.ended":
                pass  # what brought the container down is an event of its own
            case name if event.get("level") == "error":
                about = f" of {_label(event)}" if "name" in event else ""
                yield f"{name}{about}: {event.get('reason')}"


def _failures_of_the_end(drill: Drill) -> Iterator[str]:
    yield from (f"{command} belonged to no program" for command in drill.orphans)
    yield from (f"{command} survived supinit" for command in drill.left)
    if drill.stop_took is None:
        yield "the shutdown did not end, and supinit was killed"
        return
    budget = DOCKER_STOP if drill.shutdown_timeout is None else drill.shutdown_timeout
    if drill.stop_took > budget + 1.0:
        whose = "docker stop waits" if drill.shutdown_timeout is None else "shutdown_timeout allows"
        yield f"the shutdown took {drill.stop_took:.1f}s, longer than the {budget:g}s that {whose}"
    if drill.code and not _is_code_of_main(drill.events):
        yield f"supinit exited with code {drill.code}"


def _is_code_of_main(events: Events) -> bool:
    """Whether the exit code is that of a main program that was asked to stop."""
    ended = [event for _, event in events if event["event"] == "container.ended"]
    return any(event.get("cause") == "asked" and "name" in event for event in ended)


def report(drill: Drill) -> Iterator[str]:
    """Yield the report, line by line."""
    yield f"drill of {drill.table}"
    yield ""
    up = "not everything was ready and healthy" if drill.up_after is None else "ready and healthy after"
    yield up if drill.up_after is None else f"{up} {drill.up_after:.1f}s"
    yield ""
    yield from _table(drill)
    yield ""
    if drill.stop_took is not None:
        yield f"shutdown: {drill.stop_took:.1f}s (worst case by the plan: {drill.worst_case:g}s)"
    yield f"killed: {_joined(_killed(drill.events))}"
    yield f"left: {_joined((*drill.orphans, *drill.left))}"
    yield f"exit code: {'none, it was killed' if drill.code is None else drill.code}"
    yield ""
    failures = failures_of(drill)
    yield "the drill has failed:" if failures else "the drill has passed"
    yield from (f"- {failure}" for failure in failures)


def _table(drill: Drill) -> Iterator[str]:
    lines = [("PROGRAM", "UP AFTER", "STOP", "TOOK", "END")]
    for row in rows_of(drill):
        took = "-" if row.stop_begun is None or row.stopped is None else f"{row.stopped - row.stop_begun:.1f}s"
        up = "-" if row.up_after is None else f"{row.up_after:.1f}s"
        lines.append((row.label, up, ", ".join(row.steps) or "-", took, row.result or "-"))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    for line in lines:
        yield "  ".join((*(cell.ljust(width) for cell, width in zip(line[:4], widths, strict=True)), line[4]))


def _killed(events: Events) -> tuple[str, ...]:
    killed = [_label(event) for _, event in events if event["event"] == "program.killed"]
    leftovers = [
        f"what {_label(event)} left{_names(event)}" for _, event in events if event["event"] == "program.leftovers"
    ]
    return (*killed, *leftovers)


def _names(event: Event) -> str:
    names = event.get("names")
    return f" ({names})" if names else ""


def _joined(words: Sequence[str]) -> str:
    return ", ".join(words) or "nothing"


def _label(event: Event) -> str:
    instance = event.get("instance")
    return str(event.get("name")) if instance is None else f"{event.get('name')}:{instance}"
