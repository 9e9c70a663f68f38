"""The snapshot as JSON. Every field is always there, null where it does not apply; docs/openapi.yaml has the schema."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from supervisor import __version__
from supervisor.core.lanes import first_lane
from supervisor.core.schedule import Outcome
from supervisor.core.signals import signal_name
from supervisor.core.wording import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.control.api import Container
    from supervisor.control.console import Clock, Console
    from supervisor.core.life import Exit
    from supervisor.core.program import InstanceId, Program
    from supervisor.core.schedule import ScheduledRun

Json = dict[str, object]


def status_body(console: Console, instances: Iterable[InstanceId], is_measured: bool = True) -> Json:
    """Return the container, with the entries of the given instances."""
    container = console.container
    snapshot = container.snapshot
    return {
        **version_body(console),
        "pid": os.getpid(),
        "started_at": rfc3339(container.started_at),
        "ready": snapshot.ready,
        "healthy": snapshot.healthy,
        "stopping": snapshot.stopping,
        "verdict": _verdict(container),
        "last_event_id": container.journal.last_id,
        "programs": entries(console, instances, is_measured),
    }


def _verdict(container: Container) -> Json | None:
    """Return why the container ends; None until it does."""
    verdict = container.snapshot.verdict
    if verdict is None:
        return None
    return {
        "cause": verdict.cause.value,
        "code": verdict.code,
        "reason": verdict.reason,
        "program": None if verdict.instance is None else verdict.instance[0],
        "last_lines": container.last_lines or None,
    }


def version_body(console: Console) -> Json:
    return {"version": __version__, "revision": console.container.plan.settings.revision or None}


def entries(console: Console, instances: Iterable[InstanceId], is_measured: bool = True) -> list[Json]:
    """Return one entry for each instance, in the same order. Resource usage is included only if `is_measured`."""
    return [_entry(console, instance, is_measured) for instance in instances]


def _entry(console: Console, instance: InstanceId, is_measured: bool) -> Json:
    view = console.container.snapshot.instances[instance]
    usage = console.usage().get(first_lane(instance)) if is_measured and view.pid is not None else None
    clock = console.clock
    return {
        "name": view.name,
        "instance": view.instance,
        "type": console.container.plan.programs[view.name].kind.value,
        "state": view.state.value,
        "health": view.health.value,
        "health_detail": view.probe_detail or None,
        "health_failures": view.probe_failures,
        "pid": view.pid,
        "since": clock.date(view.since),
        "uptime_seconds": None if view.started_at is None else round(max(0.0, clock.now() - view.started_at), 3),
        "restarts": view.restarts,
        "last_exit": _exit(view.last_exit, clock),
        "last_lines": [] if view.last_exit is None else list(view.last_exit.last_lines),
        "reason": view.reason,
        "waiting_for": list(view.waiting_for),
        "starts_again_at": clock.date(view.starts_again_at),
        "status_text": view.status_text or None,
        "rolling": rolling(console, view.name),
        "watch": _watches(console, view.name),
        "autostart": console.container.plan.programs[view.name].starts_by_itself,
        **_schedule(console, view.name),
        "sockets": _sockets(console.container.plan.program_of(instance)),
        "cpu_seconds": None if usage is None else round(usage.cpu_seconds, 3),
        "memory_bytes": None if usage is None else usage.memory_bytes,
        "processes": None if usage is None else usage.processes,
    }


def next_run(console: Console, name: str) -> float | None:
    """Return when the next run of a scheduled program is due, in seconds since the epoch."""
    state = console.container.snapshot.fleet.schedules.get(name)
    if state is None or state.due_wall is not None:
        return None if state is None else state.due_wall
    return None if state.next_run is None else console.clock.wall(state.next_run)


def _schedule(console: Console, name: str) -> Json:
    """Return the fields of a schedule, null where the program has none."""
    state = console.container.snapshot.fleet.schedules.get(name)
    due = next_run(console, name)
    return {
        "next_run_at": None if due is None else rfc3339(due),
        "last_run": None if state is None or state.last_run is None else _run(state.last_run, console.clock),
        "runs_skipped": None if state is None else state.skipped,
        "runs_missed": None if state is None else state.outcomes[Outcome.MISSED],
    }


def _run(run: ScheduledRun, clock: Clock) -> Json:
    how: Json = {"code": run.code} if run.signal is None else {"signal": signal_name(run.signal)}
    return {
        "started_at": clock.date(run.started_at),
        "duration_seconds": round(run.ended_at - run.started_at, 3),
        "outcome": run.outcome.value,
        "reason": run.reason,
        **how,
    }


def _sockets(program: Program) -> list[Json]:
    """Return the sockets that the main process gets, in the order of their descriptors."""
    if not program.sockets:
        return []
    from supervisor.core.sockets import numbered

    return [
        {"name": socket.name, "listen": socket.listen, "type": socket.kind.value, "fd": number}
        for number, socket in numbered(program)
    ]


def rolling(console: Console, name: str) -> Json | None:
    """Return the rolling restart or update of a program, or None if none is under way or paused."""
    roll = console.container.snapshot.fleet.rolls.get(name)
    if roll is None or not (roll.is_active or roll.is_paused):
        return None
    return {
        "what": "rollback" if roll.is_rollback else roll.what,
        "state": "running" if roll.is_active else "paused",
        "replaced": len(roll.replaced),
        "instances": roll.total,
        "detail": rolling_detail(console, name),
    }


def rolling_detail(console: Console, name: str) -> str:
    """Return the progress of a program's rolling restart or update, or why it is paused; empty if there is none."""
    roll = console.container.snapshot.fleet.rolls.get(name)
    if roll is None:
        return ""
    from supervisor.core.roll_events import status_of  # loaded with the first roll

    return status_of(name, roll)


def _watches(console: Console, name: str) -> list[Json]:
    """Return what is known of each watch of a program, in the table's order."""
    files, date = console.container.snapshot.fleet.files, console.clock.date
    return [
        {
            "path": watch.path,
            "action": watch.action.value,
            "changed_at": date(None if (state := files.get((name, watch))) is None else state.changed_at),
            "problem": None if state is None else state.problem or None,
        }
        for watch in console.container.plan.programs[name].watch
    ]


def _exit(exit_: Exit | None, clock: Clock) -> Json | None:
    if exit_ is None:
        return None
    how: Json = {"code": exit_.code} if exit_.signal is None else {"signal": signal_name(exit_.signal)}
    return {**how, **({"out_of_memory": True} if exit_.out_of_memory else {}), "at": clock.date(exit_.at)}
