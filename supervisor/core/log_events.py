"""The log events for a step of an instance or of the container: the event's name, its level and its values.

`info`: a phase has changed; `warning`: supinit will try again; `error`: a human should look; `debug`: the rest.
The list of all events is in docs/events.md.
"""

from __future__ import annotations

from supervisor.core.container import (
    ContainerReady,
    FilesChanged,
    Over,
    RestartDue,
    RunsPassedOver,
    ScaleChange,
    ShutdownBegun,
    WatchProblem,
)
from supervisor.core.health import Health
from supervisor.core.hook import HookStep
from supervisor.core.life import (
    Backoff,
    Claiming,
    Exited,
    Fatal,
    Pending,
    Preparing,
    Running,
    Scheduled,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.program import SignalStep, WriteStep
from supervisor.core.record import Record, assert_never
from supervisor.core.restart_policy import exit_sentence, unknown_sentence
from supervisor.core.signals import signal_name
from supervisor.core.snapshot import state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from supervisor.core.container import Change, ContainerChange, Fleet
    from supervisor.core.life import Exit, Life
    from supervisor.core.program import Program
    from supervisor.core.update import Difference


MAX_NAMES = 10
"""Names of files that one event lists."""


class LogEvent(Record):
    """One line of supinit's own log."""

    level: str
    event: str
    values: Mapping[str, object]
    state: str | None = None
    """The public state of the instance after the change that is told; None: no instance has changed."""
    health: str | None = None


def describe_change(program: Program, change: Change) -> Iterator[LogEvent]:
    """Yield the log events for one step of an instance."""
    about: dict[str, object] = {"program": change.instance[0]}
    if program.scale > 1:
        about["instance"] = change.instance[1]
    for level, event, values in _describe(program, change.before, change.after):
        if change.is_beside:
            yield LogEvent(level, event, about | values)
        else:
            yield LogEvent(level, event, about | values, state_of(change.after).value, change.after.health.value)


_Described = tuple[str, str, "dict[str, object]"]


def _describe(program: Program, before: Life, after: Life) -> Iterator[_Described]:
    if after.health is not before.health:
        yield from _describe_health(after)
    if type(after.phase) is not type(before.phase) or isinstance(after.phase, Stopping | Pending | Claiming):
        yield from _describe_phase(program, before, after)
    if (unknown := _unknown(after)) and not _unknown(before):
        yield "warning", "program.sweep_failed", {"reason": unknown_sentence(unknown)}


def _unknown(life: Life) -> str:
    return life.phase.unknown if isinstance(life.phase, Sweeping) else ""


def _describe_health(after: Life) -> Iterator[_Described]:
    detail = after.health_state.detail if after.health_state is not None else ""
    if after.health is Health.HEALTHY:
        yield "info", "program.became_healthy", {"detail": detail}
    elif after.health is Health.UNHEALTHY:
        yield "warning", "program.became_unhealthy", {"detail": detail}


def _describe_phase(program: Program, before: Life, after: Life) -> Iterator[_Described]:
    match after.phase:
        case Pending(on=on, held_by=held_by):
            if on and (not isinstance(before.phase, Pending) or before.phase.on != on):
                yield "info", "program.held_back", {"waits_for": ",".join(on)}
            elif isinstance(before.phase, Spawning) and not before.phase.was_held:
                yield "info", "program.held_back", {"reason": held_by}
        case Starting(run=run):
            yield "info", "program.started", {"pid": run.pid}
        case Running(run=run):
            if isinstance(before.phase, Spawning):
                yield "info", "program.started", {"pid": run.pid}
            yield "info", "program.became_ready", {"pid": run.pid, "after_seconds": _seconds(after.since - run.since)}
        case Stopping():
            yield from _describe_stop(program, before, after.phase)
        case Sweeping(run=run, exit=exit_, asked=asked, blame=blame):
            is_expected = asked or (blame is None and (exit_.code in program.success_exit_codes or program.is_main))
            level = "info" if is_expected else "warning"
            ending = {"signal": signal_name(exit_.signal)} if exit_.signal is not None else {"code": exit_.code}
            why = {"reason": "out of memory"} if exit_.out_of_memory else {}
            ran_for = _seconds(exit_.at - run.since)
            about = {"pid": run.pid, **ending, "ran_for": ran_for, **why, **_lines(exit_)}
            yield level, "program.exited", about
        case Backoff(until=until, reason=reason):
            yield "warning", "program.restart_delayed", {"seconds": _seconds(until - after.since), "reason": reason}
        case Stopped():
            yield "info", "program.stopped", {}
        case Exited(reason=reason):
            yield "info", "program.completed", {"reason": reason} if reason is not None else {}
        case Fatal(reason=reason, exit=exit_):
            level = "info" if program.is_main and exit_ is not None else "error"
            lines = _lines(before.phase.exit) if isinstance(before.phase, Sweeping) else {}
            yield level, "program.failed", {"reason": reason, **lines}
        case Scheduled(reason=reason):
            yield from _describe_scheduled(before, reason)
        case Preparing(hook=hook):
            yield "info", "program.hook_begun", {"hook": hook}
        case Claiming(reason=reason):
            if not isinstance(before.phase, Claiming) or before.phase.reason != reason:
                yield "info", "program.held_back", {"reason": reason}
        case Spawning():
            pass
        case _:
            assert_never(after.phase)


def _describe_scheduled(before: Life, reason: str | None) -> Iterator[_Described]:
    if isinstance(before.phase, Stopped | Exited | Fatal):
        yield "info", "program.scheduled", {}
    elif reason is None:
        yield "info", "program.completed", {}
    else:
        lines = _lines(before.phase.exit) if isinstance(before.phase, Sweeping) else {}
        yield "error", "program.run_failed", {"reason": reason, **lines}


def _lines(exit_: Exit) -> dict[str, object]:
    return {"last_lines": list(exit_.last_lines)} if exit_.last_lines else {}


def _describe_stop(program: Program, before: Life, phase: Stopping) -> Iterator[_Described]:
    earlier = before.phase.step_index if isinstance(before.phase, Stopping) else None
    if phase.is_stuck and not before.is_stuck:
        reason = "supinit may not signal it" if phase.is_refused else "SIGKILL has not ended it"
        yield "error", "program.left_behind", {"pid": phase.run.pid, "reason": reason}
    if phase.step_index == earlier:
        return
    if earlier is None and phase.blame is not None:
        yield "warning", "program.given_up", {"reason": phase.blame.sentence}
    if phase.is_refused:
        return  # the engine has logged the refusal
    if phase.step_index >= len(program.stop):
        yield "warning", "program.killed", {"pid": phase.run.pid}
        return
    step = program.stop[phase.step_index]
    match step:
        case SignalStep(signal=signal, scope=scope):
            doing = f"{signal_name(signal)} to its {scope.value}"
        case WriteStep(path=path):
            doing = f"write to {path}"
        case HookStep(hook=hook):
            doing = f"pre_stop {hook.label}"
        case _:
            doing = " ".join(step.command)
    wait = _seconds(step.wait * phase.pace)
    yield "info", "program.stop_begun" if earlier is None else "program.stop_continued", {"step": doing, "wait": wait}


def describe_container_change(change: ContainerChange) -> LogEvent:
    """Return the event for a change that is not a step of one instance."""
    match change:
        case ContainerReady():
            return LogEvent("info", "container.became_ready", {})
        case ShutdownBegun(verdict=verdict):
            level = "error" if verdict.is_failure else "info"
            values: dict[str, object] = {"cause": verdict.cause.value, "reason": verdict.reason}
            return LogEvent(level, "container.shutdown_begun", values)
        case ScaleChange(name=name, before=before, after=after):
            return LogEvent("info", "program.scaled", {"program": name, "instances": after, "before": before})
        case RunsPassedOver(program=program, count=count, outcome=outcome, reason=reason):
            event = "program.run_skipped" if outcome is None else "program.run_missed"
            return LogEvent("warning", event, {"program": program, "runs": count, "reason": reason})
        case FilesChanged(key=(name, watch), names=names, instances=instances):
            listed = ",".join(filter(None, names[:MAX_NAMES])) + (",…" if len(names) > MAX_NAMES else "")
            does = watch.action.value if instances else "nothing"
            files = {"changed": listed} if listed else {}
            return LogEvent(
                "info", "program.files_changed", {"program": name, "path": watch.path, **files, "does": does}
            )
        case RestartDue(instance=(name, number), limit=limit, reason=reason, is_one_of_many=is_one_of_many):
            about = {"program": name, "instance": number} if is_one_of_many else {"program": name}
            return LogEvent(
                "warning" if limit == "memory" else "info", "program.restart_due", {**about, "reason": reason}
            )
        case WatchProblem(key=(name, watch), problem=problem) if not problem:
            return LogEvent("info", "program.watch_restored", {"program": name, "path": watch.path})
        case WatchProblem(key=(name, _), problem=problem):
            return LogEvent("warning", "program.watch_failed", {"program": name, "reason": problem})
        case _:
            assert_never(change)


def describe_pause(seconds: float) -> LogEvent:
    """Return the event for a pause of supinit itself, by which every deadline has moved."""
    return LogEvent("warning", "container.resumed", {"paused_for": _seconds(seconds)})


def describe_update(difference: Difference) -> LogEvent:
    """Return the event for a new table: what it changes. The programs' own steps are events of their own."""
    from supervisor.core.update import UpdateAction  # loaded with the first update

    named = {
        "added": difference.names(UpdateAction.ADD),
        "removed": difference.names(UpdateAction.REMOVE),
        "restarted": difference.names(UpdateAction.RESTART),
        "changed": difference.names(UpdateAction.CHANGE),
        "settings": difference.settings,
        "needs_new_container": difference.later,
    }
    values: dict[str, object] = {key: ",".join(names) for key, names in named.items() if names}
    return LogEvent("info", "container.updated", values or {"unchanged": difference.unchanged})


def describe_container_phase(before: Fleet, after: Fleet, last_lines: str = "") -> Iterator[LogEvent]:
    """Yield the event for the end of the container. `last_lines`: the output of the program that ended it."""
    if (
        isinstance(after.container_phase, Over)
        and not isinstance(before.container_phase, Over)
        and after.verdict is not None
    ):
        verdict = after.verdict
        values: dict[str, object] = {"code": verdict.code, "cause": verdict.cause.value, "reason": verdict.reason}
        if verdict.instance is not None:
            values["program"] = verdict.instance[0]
        if verdict.exit is not None:
            values["exit"] = exit_sentence(verdict.exit)
        if after.killed:
            values["killed"] = after.killed
        if last_lines:
            values["last_lines"] = last_lines
        yield LogEvent("error" if verdict.is_failure else "info", "container.ended", values)


def _seconds(value: float) -> float:
    return round(value, 3)
