"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable


class NeverCame(AssertionError):
    """The condition did not come true in time."""


def sleep_until(condition: Callable[[], object], limit: float = 10.0, about: str = "") -> float:
    """Return when `condition()` is true, with the seconds it took. Raises NeverCame after `limit`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > limit:
            raise NeverCame(f"not within {limit:g} s: {about or condition}")
        time.sleep(0.005)
    return time.monotonic() - began
