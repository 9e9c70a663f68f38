"""The files in run_dir, created again when somebody removes or replaces them.

The markers and the notify sockets are repaired here. The owners of other files add a keeper, which looks after its own.
"""

from __future__ import annotations

import time

from supervisor.core.log_events import LogEvent
from supervisor.core.trouble import Troubles
from supervisor.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from supervisor.core.snapshot import Snapshot
    from supervisor.health.markers import Markers
    from supervisor.health.notices import Notices


class RunDir:
    """`keepers` are called by each repair."""

    def __init__(self, path: str, markers: Markers, notices: Notices) -> None:
        self._path = path
        self._markers = markers
        self._notices = notices
        self._lost = Troubles("path", "container.files_lost", "container.files_restored")
        self.keepers: list[Callable[[], None]] = []

    def follow(self, snapshot: Snapshot) -> Iterator[LogEvent]:
        """Bring the markers into step with `snapshot`, and yield what the log should say about it."""
        troubles = tuple(self._markers.apply(snapshot))
        yield from troubles
        if troubles:
            yield from self.repair(snapshot)  # perhaps run_dir is gone

    def repair(self, snapshot: Snapshot) -> Iterator[LogEvent]:
        """Restore what is missing, and yield what the log should say about it. The markers follow `snapshot`."""
        try:
            was_lost = self._markers.repair()
            was_lost |= self._notices.repair()
        except (StartError, OSError) as error:
            event = self._lost.note(self._path, str(error), time.monotonic())
        else:
            event = self._lost.note(self._path, None, time.monotonic())
            if was_lost:
                event = event or LogEvent("warning", "container.files_restored", {"path": self._path})
                yield from self._markers.apply(snapshot)
        if event is not None:
            yield event
        for keeper in self.keepers:
            keeper()
