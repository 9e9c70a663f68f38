"""Log and count the changes that the core has decided on."""

from __future__ import annotations

from functools import partial

from supervisor.core.container import Change, RollChange
from supervisor.core.log_events import describe_change, describe_container_change, describe_container_phase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from supervisor.core.container import Fleet, FleetChange
    from supervisor.core.counters import Counters
    from supervisor.core.log_events import LogEvent
    from supervisor.core.program import Program
    from supervisor.faults import Faults
    from supervisor.launcher import Launcher
    from supervisor.logs.journal import Journal


class ChangeLog:
    """Notes the changes of one container. An error with one of them does not affect the others."""

    def __init__(
        self,
        launcher: Launcher,
        journal: Journal,
        counters: Counters,
        faults: Faults,
        last_lines: Callable[[], str],
    ) -> None:
        self._launcher = launcher
        self._journal = journal
        self._counters = counters
        self._faults = faults
        self._last_lines = last_lines
        """Returns the output of the program that ended the container."""

    def note(self, changes: Iterable[FleetChange]) -> None:
        """Note changes before anything else is done about them. The log later describes and counts them."""
        for change in changes:
            if isinstance(change, Change) and change.program is not None and change.program.once is not None:
                self._record(change, change.program)
            self._journal.put_later(partial(self._tell, change))

    def _record(self, change: Change, program: Program) -> None:
        if (problem := self._faults.attempt("once", self._launcher.note, change, program.once)) is not None:
            self._journal.write("error", "program.record_failed", program=program.name, reason=problem)

    def _tell(self, change: FleetChange) -> tuple[LogEvent, ...]:
        return self._faults.attempt("log", self._describe, change) or ()

    def _describe(self, change: FleetChange) -> tuple[LogEvent, ...]:
        if isinstance(change, RollChange):
            from supervisor.core.roll_events import describe_roll

            return tuple(describe_roll(change))
        if not isinstance(change, Change):
            self._counters.note_container(change)
            return (describe_container_change(change),)
        if (program := change.program) is None:
            return ()
        self._counters.note(program, change)
        return tuple(describe_change(program, change))

    def note_phase(self, before: Fleet, after: Fleet) -> None:
        """Note the end of the container."""
        if after.container_phase is not before.container_phase:
            self._faults.attempt("log", self._note_phase, before, after)

    def _note_phase(self, before: Fleet, after: Fleet) -> None:
        self._journal.put_all(describe_container_phase(before, after, self._last_lines()))
