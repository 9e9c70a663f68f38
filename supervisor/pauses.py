"""Notice that supinit itself could not run: it was stopped (SIGSTOP), or the whole container was paused.

The selector knows how long the loop wanted to sleep and how long it did. It tells of a pause before the loop looks at
what has arrived meanwhile, so that time is never judged first.
"""

from __future__ import annotations

import selectors
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

THRESHOLD = 0.5
"""Seconds by which the loop may be late before that is a pause."""


class PauseSelector(selectors.EpollSelector):
    """Calls `note_pause` with the length of each pause, in seconds.

    A pause that begins while the loop sleeps is as long as that sleep at most, and that is what is told: the moment at
    which it began is not known, and nobody should have less time than is due to them.
    """

    def __init__(self, note_pause: Callable[[float], None]) -> None:
        super().__init__()
        self._note_pause = note_pause
        self._awake_since: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        begin = time.monotonic()
        if self._awake_since is not None and begin - self._awake_since > THRESHOLD:
            self._note_pause(begin - self._awake_since)
            timeout = 0  # there may be something to do now
        events = super().select(timeout)
        end = time.monotonic()
        if timeout is not None and end - begin > max(timeout, 0.0) + THRESHOLD:
            self._note_pause(end - begin)
        self._awake_since = end
        return events
