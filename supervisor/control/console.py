"""What every endpoint works on: the container, the resource usage of its programs, the clock and the log."""

from __future__ import annotations

import asyncio
import time

from supervisor.core.record import replace
from supervisor.core.tree import Measurement, by_instance
from supervisor.core.wording import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervisor.control.api import Container
    from supervisor.core.program import InstanceId
    from supervisor.core.tree import Usage

FRESH = 1.0
"""Seconds for which a measurement is reused: asking more often costs the container nothing more."""
JITTER = 0.5
"""Seconds that the two clocks may drift apart before dates follow, so that the same moment keeps the same date."""


class Clock:
    """Reads the monotonic clock, and dates its times in UTC even after the wall clock was set."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return seconds on the monotonic clock."""
        return time.monotonic()

    def wall(self, at: float) -> float:
        """Return seconds since the epoch for a time on the monotonic clock."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._offset) > JITTER:
            self._offset = offset
        return at + self._offset

    def date(self, at: float | None) -> str | None:
        """Return a time on the monotonic clock as RFC 3339; None stays None."""
        return None if at is None else rfc3339(self.wall(at))


class Console:
    """`measure` returns what the instances use; `log` writes one event to supinit's log.

    `fault` is told of an error that an endpoint did not expect, and of the part of supinit that it concerns.
    """

    def __init__(
        self,
        container: Container,
        measure: Callable[[], Mapping[InstanceId, Usage]],
        log: Callable[..., None],
        clock: Clock | None = None,
        fault: Callable[[str, BaseException], None] = lambda where, error: None,
    ) -> None:
        self.container = container
        self.log = log
        self.fault = fault
        self.clock = clock if clock is not None else Clock()
        self._measure = measure
        self._usage: Mapping[InstanceId, Usage] = {}
        self._measured_at = float("-inf")
        self._measuring: asyncio.Future[tuple[float, Measurement]] | None = None
        """The last measurement in slices, or the one that is under way."""

    def usage(self) -> Mapping[InstanceId, Usage]:
        """Return what the instances use, at most FRESH seconds old."""
        now = self.clock.now()
        if now - self._measured_at >= FRESH:
            self._measured_at = now
            try:
                self._usage = by_instance(self._measure())
            except OSError:  # no descriptor left to read /proc with: better no figures than no status
                self._usage = {}
        return self._usage

    async def measure(self) -> tuple[float, Measurement]:
        """Return the usage of the instances, at most FRESH seconds old, and its time. It is measured in slices."""
        if self._measuring is None or not self._is_fresh(self._measuring):
            self._measuring = asyncio.ensure_future(self._measure_in_slices())
        return await asyncio.shield(self._measuring)

    def _is_fresh(self, measuring: asyncio.Future[tuple[float, Measurement]]) -> bool:
        """Return whether clients may share this measurement: it is under way, or succeeded less than FRESH ago."""
        if not measuring.done():
            return True
        has_failed = measuring.cancelled() or measuring.exception() is not None
        return not has_failed and self.clock.now() - measuring.result()[0] < FRESH

    async def _measure_in_slices(self) -> tuple[float, Measurement]:
        try:
            measured = await self.container.measure()
            measurement = replace(measured, usages=by_instance(measured.usages))
        except OSError:
            measurement = Measurement({}, 0)
        self._usage, self._measured_at = measurement.usages, self.clock.now()
        return self._measured_at, measurement

    async def until(self, holds: Callable[[], bool], timeout: float | None) -> bool:
        """Return True once `holds()`, False after `timeout` seconds; None: the client's leaving is the only limit.

        Looks after each change of the container, and arms no timer but that of the client.
        """
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    await self.container.changed()
        except TimeoutError:
            return False
        return True
