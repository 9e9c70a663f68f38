"""usage: CPU time and memory of each instance.

Rule 1: nothing is measured unless a client asks. Clients that ask within `console.FRESH` seconds share a measurement.
Rule 2: a measurement reads /proc in slices, so it does not block the loop. `interval_seconds` tells clients how often
to ask. It grows with the number of processes, so that measuring takes less than 1 % of a processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.http.message import Request, Response, json_response
from supervisor.core.wording import rfc3339

if TYPE_CHECKING:
    from supervisor.control.console import Console
    from supervisor.core.tree import Measurement

INTERVAL = 2.0
"""Seconds between two measurements, at least."""
PAUSE = 0.006
"""Seconds of the interval per process. Reading a process takes about 30 µs."""


async def usage(console: Console, _: Request) -> Response:
    """Always JSON."""
    at, measurement = await console.measure()
    programs = [
        {
            "name": name,
            "instance": number,
            "cpu_seconds": round(used.cpu_seconds, 3),
            "memory_bytes": used.memory_bytes,
            "processes": used.processes,
        }
        for (name, number), used in measurement.usages.items()
    ]
    return json_response(
        {"time": rfc3339(console.clock.wall(at)), "interval_seconds": interval_of(measurement), "programs": programs}
    )


def interval_of(measurement: Measurement) -> float:
    """Return the seconds from this measurement to the next."""
    return round(max(INTERVAL, PAUSE * measurement.processes), 3)
