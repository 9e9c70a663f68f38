"""The next three runs of each schedule, for `supinit --check`. Loaded only if the table has a schedule."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import islice

from supervisor.core.wording import exact_time
from supervisor.cron import find_zone, times_after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.core.plan import Plan
    from supervisor.core.schedule import Schedule

RUNS = 3


def describe_schedules(plan: Plan, now: float | None = None) -> Iterator[str]:
    """Yield a line for each schedule. `now`: seconds since the epoch, by default the current time."""
    wall = time.time() if now is None else now
    schedules = {name: s for name in plan.scheduled if (s := plan.programs[name].schedule) is not None}
    width = max(map(len, schedules), default=0)
    yield f"next runs, from {_date(wall, 'UTC')}:"
    for name, schedule in schedules.items():
        yield f"  {name:{width}}  {_describe(schedule, wall)}"


def _describe(schedule: Schedule, wall: float) -> str:
    start = ("at the start",) if schedule.run_on_start else ()
    if schedule.cron is None:
        interval = schedule.interval or 0.0
        runs = [f"{exact_time(count * interval)} after the start" for count in range(1, RUNS + 1)]
        return f"every {exact_time(interval)}: {', '.join((*start, *runs)[:RUNS])}"
    dates = [_date(at, schedule.timezone) for at in islice(times_after(schedule.cron, schedule.timezone, wall), RUNS)]
    return f"{schedule.cron} ({schedule.timezone}): {', '.join((*start, *dates)[:RUNS])}"


def _date(at: float, zone: str) -> str:
    return datetime.fromtimestamp(int(at), find_zone(zone)).isoformat(" ")
