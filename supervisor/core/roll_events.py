"""The log events for a step of a rolling restart or update (docs/events.md)."""

from __future__ import annotations

from supervisor.core.log_events import LogEvent
from supervisor.core.roll import Outcome, Roll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.core.container import RollChange


def describe_roll(change: RollChange) -> Iterator[LogEvent]:
    """Yield the log events for one step."""
    before, after, about = change.before, change.after, {"program": change.name}
    if before is None:
        config = after.config
        values = {"what": after.what, "instances": after.total, "order": config.order.value}
        yield LogEvent("info", "program.rolling_begun", about | values | {"parallelism": config.parallelism})
        return
    if after.is_rollback and not before.is_rollback:
        yield LogEvent("warning", "program.rollback_begun", about | {"reason": after.cause, "instances": after.total})
    for number, (name, instance) in enumerate(after.replaced[len(before.replaced) :], len(before.replaced) + 1):
        values = {"program": name, "instance": instance, "done": number, "instances": after.total}
        state = None if change.health is None else "RUNNING"
        yield LogEvent("info", "program.replaced", values, state, change.health)
    for (name, instance), problem in after.failed[len(before.failed) :]:
        yield LogEvent(
            "warning", "program.replacement_failed", {"program": name, "instance": instance, "reason": problem}
        )
    if after.outcome is not before.outcome:
        yield _describe_end(change.name, after)


def _describe_end(name: str, roll: Roll) -> LogEvent:
    done = {"program": name, "what": roll.what, "done": len(roll.replaced), "instances": roll.total}
    match roll.outcome:
        case Outcome.PAUSED:
            return LogEvent("error", "program.rolling_paused", {**done, "reason": sentence_of(name, roll)})
        case Outcome.ROLLED_BACK:
            return LogEvent("error", "program.rolled_back", {**done, "reason": roll.reason})
        case Outcome.GIVEN_UP:
            return LogEvent("warning", "program.rolling_given_up", {**done, "reason": roll.reason})
        case _ if roll.failed:
            return LogEvent("error", "program.rolling_completed", {**done, "failed": len(roll.failed)})
        case _:
            return LogEvent("info", "program.rolling_completed", done)


def sentence_of(name: str, roll: Roll) -> str:
    """Say why a roll has not ended well, and how to go on or give up."""
    match roll.outcome:
        case Outcome.PAUSED if roll.is_rollback:
            return f"{roll.cause}; the rollback of {name} has failed, too: {roll.reason}; mend it and run supctl update"
        case Outcome.PAUSED if roll.what == "update":
            return (
                f"{roll.reason}; {_count(roll)} replaced, the update is paused: mend the table and run supctl update,"
                f" or supctl restart --rolling {name} to go on as it is; with the old table, supctl update undoes it"
            )
        case Outcome.PAUSED:
            return f"{roll.reason}; {_count(roll)} replaced, the restart is paused: mend the cause and run it again"
        case Outcome.ROLLED_BACK:
            return f"{roll.reason}; the update was rolled back, the old release serves"
        case Outcome.GIVEN_UP:
            return f"the rolling {roll.what} of {name} was given up, {_count(roll)} replaced: {roll.reason}"
        case _:
            return f"{roll.reason}; the others were replaced"


def status_of(name: str, roll: Roll) -> str:
    """Say how far a roll is, or why it is paused. Empty: it is over."""
    if roll.is_active:
        return f"{kind_of(roll)}: {_count(roll)} replaced"
    return sentence_of(name, roll) if roll.is_paused else ""


def kind_of(roll: Roll) -> str:
    return "rollback" if roll.is_rollback else f"rolling {roll.what}"


def _count(roll: Roll) -> str:
    return f"{len(roll.replaced)} of {roll.total}"
