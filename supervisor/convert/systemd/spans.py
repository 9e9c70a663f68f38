"""Read systemd's time spans, such as `1min 30s` (systemd.time(7))."""

from __future__ import annotations

import re

_SECONDS = {
    1e-6: ("us", "usec"), 1e-3: ("ms", "msec"), 1.0: ("s", "sec", "second", "seconds", ""),
    60.0: ("m", "min", "minute", "minutes"), 3600.0: ("h", "hr", "hour", "hours"), 86400.0: ("d", "day", "days"),
}  # fmt: skip
_UNITS = {unit: seconds for seconds, units in _SECONDS.items() for unit in units}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)\s*")


def read_span(text: str) -> str:
    """Return a time span as a duration; empty for 0, which means no limit. Raises ValueError for anything else."""
    seconds = 0.0
    position = 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None or part[2] not in _UNITS:
            raise ValueError(f"cannot read the time span {text!r}")
        seconds += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not seconds:
        return ""
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{max(1, round(seconds * 1000))}ms"
