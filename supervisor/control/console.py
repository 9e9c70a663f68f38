"""What every endpoint works on: the container, what its programs use, the clock and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervisor.control.api import Container
    from supervisor.core.program import InstanceId
    from supervisor.core.tree import Usage

FRESH = 1.0
"""Seconds for which a measurement is good: asking more often costs the container nothing more."""


class Console:
    def __init__(
        self,
        container: Container,
        usage: Callable[[], Mapping[InstanceId, Usage]],
        log: Callable[..., None],
        clock: Clock | None = None,
    ) -> None:
        self.container = container
        self.log = log
        self.clock = clock if clock is not None else Clock()
        self._measure = usage
        self._usage: Mapping[InstanceId, Usage] = {}
        self._measured_at = float("-inf")

    def usage(self) -> Mapping[InstanceId, Usage]:
        """What the instances use, at most FRESH seconds old."""
        now = self.clock.now()
        if now - self._measured_at >= FRESH:
            self._usage, self._measured_at = self._measure(), now
        return self._usage
