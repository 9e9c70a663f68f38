"""The table that `supctl status` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.resources.columns import Columns
from supervisor.control.resources.naming import label
from supervisor.control.resources.view import next_run, rolling_detail
from supervisor.core.counters import exit_key
from supervisor.core.health import Health
from supervisor.core.lanes import first_lane
from supervisor.core.snapshot import State
from supervisor.core.wording import printable, rfc3339, short_size, short_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.control.console import Console
    from supervisor.core.life import Exit
    from supervisor.core.program import InstanceId
    from supervisor.core.snapshot import InstanceView

DETAIL = ""
"""The last column, which has no heading."""
COLUMNS = Columns(
    headings=("NAME", "STATE", "HEALTH", "PID", "UPTIME", "RESTARTS", "CPU", "MEMORY", "LAST EXIT", DETAIL),
    dropped=("LAST EXIT", "CPU", "MEMORY", "RESTARTS", "PID", "UPTIME", "HEALTH"),
    numbers=frozenset({"PID", "UPTIME", "RESTARTS", "CPU", "MEMORY"}),
)
GREEN, YELLOW, RED, PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"


def lay_out(console: Console, instances: Iterable[InstanceId], width: int, color: bool) -> str:
    """Return the table without a newline at its end; no line is longer than `width`."""
    views = [console.container.snapshot.instances[instance] for instance in instances]
    first, *lines = COLUMNS.lay_out([_row(console, view) for view in views], width)
    start = first.find("STATE")
    if color and start >= 0:
        lines = [_colored(line, start, view) for line, view in zip(lines, views, strict=True)]
    return "\n".join((first, *lines))


def _row(console: Console, view: InstanceView) -> dict[str, str]:
    now = console.clock.now()
    usage = console.usage().get(first_lane((view.name, view.instance))) if view.pid is not None else None
    exit_ = view.last_exit
    return {
        "NAME": label(console.container.plan, (view.name, view.instance)),
        "STATE": view.state.value,
        "HEALTH": "-" if view.health is Health.NONE else view.health.value,
        "PID": "-" if view.pid is None else str(view.pid),
        "UPTIME": "-" if view.started_at is None else short_time(now - view.started_at),
        "RESTARTS": str(view.restarts),
        "CPU": "-" if usage is None else short_time(usage.cpu_seconds),
        "MEMORY": "-" if usage is None else short_size(usage.memory_bytes),
        "LAST EXIT": "-" if exit_ is None else _ending(exit_, now),
        DETAIL: printable(_detail(console, view)),
    }


def _ending(exit_: Exit, now: float) -> str:
    why = ", out of memory" if exit_.out_of_memory else ""
    return f"{exit_key(exit_)} ({short_time(now - exit_.at)} ago{why})"


def _schedule(console: Console, view: InstanceView) -> str:
    """Return the next run of a scheduled program and why its last run failed, or an empty string if unknown."""
    due = next_run(console, view.name) if view.awaits_run or (view.has_schedule and view.is_fine) else None
    if due is None:
        return ""
    # to the nearest second: the due time is on the wall clock
    left = short_time(round(max(0.0, due - console.clock.wall(console.clock.now()))))
    failed = f"; last run {view.reason}" if view.awaits_run and view.reason is not None else ""
    return f"next run in {left} ({rfc3339(due)[:19]}Z){failed}"


def _detail(console: Console, view: InstanceView) -> str:
    """Return the most important detail of an instance."""
    if schedule := _schedule(console, view):
        return schedule
    if view.waiting_for:
        return f"waits for {', '.join(view.waiting_for)}"
    if view.starts_again_at is not None:
        return f"{view.reason}; starts again in {short_time(view.starts_again_at - console.clock.now())}"
    if view.reason is not None:
        return view.reason
    is_ill = view.health is Health.UNHEALTHY or view.probe_failures > 0
    if is_ill and view.probe_detail:
        return view.probe_detail
    rolling = rolling_detail(console, view.name)
    return rolling or ("" if is_ill else view.status_text) or _watch_problem(console, view.name)


def _watch_problem(console: Console, name: str) -> str:
    """Return why changes of files may be missed, or an empty string."""
    files = console.container.snapshot.fleet.files
    return next((state.problem for (program, _), state in files.items() if program == name and state.problem), "")


def _colored(line: str, start: int, view: InstanceView) -> str:
    """Colour the state, which is at `start` unless the line was cut before it."""
    end = start + len(view.state.value)
    is_bad = view.state is State.FATAL or view.health is Health.UNHEALTHY
    color = RED if is_bad else GREEN if view.is_fine else YELLOW
    return f"{line[:start]}{color}{line[start:end]}{PLAIN}{line[end:]}" if len(line) >= end else line
