"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from integration.busyness import slowness


class NeverCame(AssertionError):
    """The condition did not come true in time."""


def sleep_until(condition: Callable[[], object], limit: float = 10.0, about: str = "") -> float:
    """Return when `condition()` is true, with the seconds it took. Raises NeverCame.

    `limit`: seconds on an idle machine; on a busy one, it grows.
    """
    began = time.monotonic()
    while not condition():
        took = time.monotonic() - began
        if took > limit and took > limit * slowness(began):  # the slowness is only worked out when it decides
            raise NeverCame(f"not within {limit:g} s: {about or condition}")
        time.sleep(0.005)
    return time.monotonic() - began
