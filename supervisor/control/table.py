"""The table that `supctl status` prints. It fits the terminal: the columns that matter least go first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.message import printable
from supervisor.control.naming import label
from supervisor.control.span import short_size, short_time
from supervisor.core.ledger import exit_key
from supervisor.core.life import Health
from supervisor.core.snapshot import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from supervisor.control.console import Console
    from supervisor.core.life import Exit
    from supervisor.core.program import InstanceId
    from supervisor.core.snapshot import InstanceView

HEADINGS = ("NAME", "STATE", "HEALTH", "PID", "UPTIME", "RESTARTS", "CPU", "MEMORY", "LAST EXIT", "DETAIL")
DROPPED = ("LAST EXIT", "CPU", "MEMORY", "RESTARTS", "PID", "UPTIME", "HEALTH")
"""What goes from a narrow terminal, first to last."""
NUMBERS = frozenset({"PID", "UPTIME", "RESTARTS", "CPU", "MEMORY"})
GAP = "  "
DETAIL_WIDTH = 24
"""Characters of the detail for which another column is given up."""
WIDEST = 10_000
"""For a reader that is no terminal: nothing is cut."""

GREEN, YELLOW, RED, PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"

Row = dict[str, str]


def lay_out(console: Console, instances: Iterable[InstanceId], width: int, color: bool) -> str:
    """Return the table without a line break at its end; no line is longer than `width`."""
    views = [console.container.snapshot.instances[instance] for instance in instances]
    rows = [_row(console, view) for view in views]
    headings = _fitting(rows, width)
    widths = [_width(rows, heading) for heading in headings]
    lines = [_line(headings, [h if h != "DETAIL" else "" for h in headings], widths, width)]
    for view, row in zip(views, rows, strict=True):
        line = _line(headings, [row[heading] for heading in headings], widths, width)
        lines.append(_colored(line, widths[0] + len(GAP), view) if color else line)
    return "\n".join(lines)


def _row(console: Console, view: InstanceView) -> Row:
    now = console.clock.now()
    usage = console.usage().get((view.name, view.instance)) if view.pid is not None else None
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
        "DETAIL": printable(_detail(view, now)),
    }


def _ending(exit_: Exit, now: float) -> str:
    why = ", out of memory" if exit_.out_of_memory else ""
    return f"{exit_key(exit_)} ({short_time(now - exit_.at)} ago{why})"


def _detail(view: InstanceView, now: float) -> str:
    if view.waiting_for:
        return f"waits for {', '.join(view.waiting_for)}"
    if view.starts_again_at is not None:
        return f"starts again in {short_time(view.starts_again_at - now)}"
    if view.reason is not None:
        return view.reason
    is_ill = view.health is Health.UNHEALTHY or view.probe_failures > 0
    return view.probe_detail if is_ill else view.said


def _fitting(rows: Sequence[Row], width: int) -> list[str]:
    """Choose the columns for a width."""
    headings = [heading for heading in HEADINGS if heading != "DETAIL" or any(row["DETAIL"] for row in rows)]
    for dropped in DROPPED:
        needed = sum(min(_width(rows, h), DETAIL_WIDTH if h == "DETAIL" else WIDEST) + len(GAP) for h in headings)
        if needed - len(GAP) <= width:
            break
        headings.remove(dropped)
    return headings


def _width(rows: Sequence[Row], heading: str) -> int:
    longest = max((len(row[heading]) for row in rows), default=0)
    return longest if heading == "DETAIL" else max(longest, len(heading))


def _line(headings: Sequence[str], cells: Sequence[str], widths: Sequence[int], width: int) -> str:
    columns = zip(headings, cells, widths, strict=True)
    padded = (cell.rjust(size) if heading in NUMBERS else cell.ljust(size) for heading, cell, size in columns)
    line = GAP.join(padded).rstrip()
    return line if len(line) <= width else line[: width - 1] + "…"


def _colored(line: str, start: int, view: InstanceView) -> str:
    """Colour the state, which stands at `start` unless the line was cut before it."""
    end = start + len(view.state.value)
    is_bad = view.state is State.FATAL or view.health is Health.UNHEALTHY
    color = RED if is_bad else GREEN if view.is_fine else YELLOW
    return f"{line[:start]}{color}{line[start:end]}{PLAIN}{line[end:]}" if len(line) >= end else line
