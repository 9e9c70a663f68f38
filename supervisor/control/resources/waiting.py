"""Waiting for the container to become as somebody wants it: woken by changes, never by a clock but the client's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from supervisor.control.http.message import RequestError
from supervisor.core.quantities import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.control.api import Container


async def until(container: Container, holds: Callable[[], bool], timeout: float | None) -> bool:
    """Return True once `holds()`, False after `timeout` seconds. Without one, the client's leaving is the limit."""
    try:
        async with asyncio.timeout(timeout):
            while not holds():
                await container.changed()
    except TimeoutError:
        return False
    return True


def read_timeout(value: object) -> float | None:
    """Read a duration from JSON or a query, None: no limit. Raises Refused."""
    if value is None:
        return None
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    seconds = parse_duration(text.strip())
    if seconds is None:
        raise RequestError(
            400, "invalid_duration", f"cannot read the duration {value!r}; write 30, 1.5, 500ms or 1m30s"
        )
    return seconds
