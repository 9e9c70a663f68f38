"""The mirror: a client's copy of the state of a container, from one status and the events since then. No I/O.

`Client.mirror` and `AsyncClient.mirror` read both, and keep a mirror up to date.

Rule 1: an event changes what it tells: `state`, `health`, `pid`, `since`, `reason`, `waiting_for`, `starts_again_at`,
`restarts`, `last_exit` and `last_lines` of an instance; `ready`, `healthy` and `stopping` of the container.
Rule 2: figures (uptime, CPU time, memory, processes, failed health checks), the next run of a schedule and the status
text of a process are those of the last status: events do not contain them.
Rule 3: after an event that changes more than it contains (an update, a scale, a replacement), a new status is needed.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from supervisor.client.errors import ClientError, RefusedError
from supervisor.core.record import Record
from supervisor.core.wording import rfc3339

if TYPE_CHECKING:
    from supervisor.client.answers import Entry, Event, PlannedProgram, Status

UP = ("none", "healthy")
ENDED = ("EXITED", "FATAL", "STOPPED")
BEYOND = (
    "container.updated",
    "program.scaled",
    "program.rolling_begun",
    "program.replaced",
    "program.rollback_begun",
    "program.rolling_completed",
    "program.rolling_paused",
    "program.rolled_back",
    "program.rolling_given_up",
)
"""Events that change more than they contain. After `program.replaced`, another process may be the instance."""
FIRST_PAUSE, MAX_PAUSE = 0.1, 2.0
"""Seconds between two attempts to reach supinit."""


class Gap(Record):
    """Events that the client has missed: the mirror was built again from a new status."""

    reason: str
    is_new_container: bool
    """Whether the container was restarted."""


class Mirror:
    """`status` is the container now. `last` is what has changed it: an event, a gap, or None at the beginning."""

    def __init__(self, status: Status, plan: list[PlannedProgram], last: Event | Gap | None = None) -> None:
        self.status = status
        self.last = last
        self.last_id = status["last_event_id"]
        """The id of the last event that is in here: events are read on after it."""
        self._essential = {program["name"] for program in plan if program["essential"]}
        self._entries = {(entry["name"], entry["instance"]): entry for entry in status["programs"]}
        self._asked = {key for key, entry in self._entries.items() if entry["autostart"] or entry["last_exit"]}
        """The instances that were meant to run at some time."""

    @property
    def has_ended(self) -> bool:
        """Whether the container has ended in order."""
        return isinstance(self.last, dict) and self.last["event"] == "container.ended"

    def entry(self, name: str, instance: int = 1) -> Entry:
        """Return an instance as it is now. Raises KeyError for one that does not exist."""
        return self._entries[name, instance]

    def take(self, event: Event) -> bool:
        """Note an event. Return False if the mirror must be built again because the event does not tell enough."""
        self.last, self.last_id = event, event["id"]
        if event["event"] in BEYOND:
            return False
        if event["event"] == "container.became_ready":
            self.status["ready"] = True
        if event["event"] == "container.shutdown_begun":
            self.status["stopping"], self.status["ready"] = True, False
        if "state" in event:
            entry = self._entries.get((event["program"] or "", event.get("instance", 1)))
            if entry is None:
                return False
            self._asked.add((entry["name"], entry["instance"]))
            _change(entry, event)
        self.status["healthy"] = not self.status["stopping"] and all(map(self._is_fine, self._entries))
        return True

    def _is_fine(self, key: tuple[str, int]) -> bool:
        """Return whether the container can be healthy with this instance as it is."""
        entry = self._entries[key]
        return (
            entry["name"] not in self._essential
            or entry["state"] == "EXITED"
            or (entry["state"] == "RUNNING" and entry["health"] in UP)
            or (entry["state"] == "STOPPED" and key not in self._asked)
        )


class Following:
    """Decides what a client does next while it follows a container. The client does the I/O.

    `patience`: seconds for which supinit may be unreachable; then it is over when the container has ended. With None it
    goes on through restarts.
    """

    def __init__(self, mirror: Mirror, patience: float | None) -> None:
        self.mirror = mirror
        self.is_over = False
        self.needs_status = False
        """Whether the mirror must be built again before the next events are read."""
        self._missed = ""
        """Why events were missed."""
        self._patience = patience
        self._failed_at: float | None = None
        self._pause = FIRST_PAUSE

    def renew(self, status: Status, plan: list[PlannedProgram]) -> Mirror:
        """Build the mirror again."""
        before, last = self.mirror.status, self.mirror.last
        if self._missed:
            is_new = (status["pid"], status["started_at"]) != (before["pid"], before["started_at"])
            last = Gap(self._missed, is_new)
        self.mirror = Mirror(status, plan, last)
        self.needs_status, self._missed = False, ""
        self._note_success()
        return self.mirror

    def take(self, event: Event) -> bool:
        """Note an event. Return False if the mirror must be built again."""
        self._note_success()
        self.needs_status = not self.mirror.take(event)
        self.is_over = self.mirror.has_ended and self._patience is not None
        return not self.needs_status

    def _note_success(self) -> None:
        self._failed_at, self._pause = None, FIRST_PAUSE

    def pause_after(self, error: ClientError, now: float) -> float:
        """Return the seconds until the next attempt. Raises the error if the client must give up.

        `now`: seconds on a monotonic clock.
        """
        if isinstance(error, RefusedError):
            if error.code not in ("gone", "broken_off"):
                raise error
            if error.code == "gone":
                self.needs_status, self._missed = True, error.message
            return 0.0
        if self.mirror.status["stopping"] and self._patience is not None:
            self.is_over = True  # it has ended, and its last events did not arrive
            return 0.0
        self._failed_at = now if self._failed_at is None else self._failed_at
        if self._patience is not None and now - self._failed_at >= self._patience:
            raise error
        pause, self._pause = self._pause, min(MAX_PAUSE, 2 * self._pause)
        return pause


def _change(entry: Entry, event: Event) -> None:
    """Update an entry. Events have further values, which `Event` does not list."""
    values = cast("dict[str, Any]", event)
    if entry["state"] != event["state"]:
        entry.update({"state": event["state"], "since": event["time"]})
        entry.update({"reason": None, "waiting_for": [], "starts_again_at": None})
    entry["health"] = event["health"]
    match event["event"]:
        case "program.held_back":
            entry["waiting_for"] = values["waits_for"].split(",") if "waits_for" in values else []
            entry["reason"] = values.get("reason")
        case "program.started" | "program.became_ready":
            entry["pid"] = values["pid"]
        case "program.became_healthy" | "program.became_unhealthy":
            entry["health_detail"] = values["detail"] or None
        case "program.exited":
            how = {name: values[name] for name in ("code", "signal") if name in values}
            memory = {"out_of_memory": True} if values.get("reason") == "out of memory" else {}
            entry["pid"] = None
            entry["last_exit"] = cast("Any", {**how, **memory, "at": event["time"]})
            entry["last_lines"] = values.get("last_lines", [])
        case "program.restart_delayed":
            entry["restarts"] += 1
            entry["reason"] = values["reason"]
            entry["starts_again_at"] = _later(event["time"], values["seconds"])
        case "program.failed" | "program.completed" | "program.given_up":
            entry["reason"] = values.get("reason")
        case "program.hook_begun":
            entry["reason"] = values["hook"]
        case _:
            pass
    if event["state"] in ENDED:
        entry["pid"] = None


def _later(time: str, seconds: float) -> str:
    return rfc3339(datetime.fromisoformat(time).timestamp() + seconds)
