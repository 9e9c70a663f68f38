"""The meaning of a signal to the container: a shutdown, an update, or a signal for the programs that ask for it."""

from __future__ import annotations

from signal import SIGHUP

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.plan import Plan
    from supervisor.core.program import Signal


class Shutdown(Record):
    """Stop everything in order."""


class Update(Record):
    """Read the configuration again."""


class Forward(Record):
    """Send each named program its signal. Programs that drop it are not listed. May be empty."""

    targets: tuple[tuple[str, Signal], ...]


class Ignore(Record):
    """No program asks for it."""


def signals_named_by(plan: Plan) -> set[Signal]:
    """Return every signal that the table names."""
    mapped = {received for program in plan.programs.values() for received, _ in program.signals}
    return mapped | set(plan.settings.shutdown_signals)


def route(plan: Plan, signal: Signal) -> Shutdown | Update | Forward | Ignore:
    """Return what a signal does: first by shutdown_signals, then by the programs' maps, then as SIGHUP."""
    if signal in plan.settings.shutdown_signals:
        return Shutdown()
    named = [
        (program.name, target)
        for program in plan.programs.values()
        for received, target in program.signals
        if received == signal
    ]
    if named:
        return Forward(tuple((name, target) for name, target in named if target is not None))
    return Update() if signal == SIGHUP else Ignore()
