"""The names of signals, both ways, and how the end of a process is put into words."""

from __future__ import annotations

from signal import SIGRTMAX, SIGRTMIN, Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import Signal


def signal_name(signal: Signal) -> str:
    """Return "SIGTERM", "SIGRTMIN+3" or, for a number without a name, "SIG32"."""
    try:
        return Signals(signal).name
    except ValueError:
        return f"SIGRTMIN+{signal - SIGRTMIN}" if signal in range(SIGRTMIN, SIGRTMAX) else f"SIG{signal}"


def end_sentence(code: int | None, signal: Signal | None) -> str:
    """Say how a process ended, as a predicate: "exited with code 7" or "was terminated by SIGKILL"."""
    return f"exited with code {code}" if signal is None else f"was terminated by {signal_name(signal)}"


def parse_signal(text: str) -> Signal | None:
    """Read "SIGQUIT", "QUIT", "quit", "3", "SIGRTMIN+3" or "RTMAX-1". None: there is no such signal."""
    name = text.strip().upper()
    if name.isdecimal():
        return _known(int(name))
    name = name if name.startswith("SIG") else "SIG" + name
    for base in (SIGRTMIN, SIGRTMAX):
        offset = name.removeprefix(base.name)
        if offset[:1] in ("+", "-") and offset[1:].isdecimal():
            number = base + int(offset)
            return _known(number) if SIGRTMIN <= number <= SIGRTMAX else None
    return Signals.__members__.get(name)


def _known(number: int) -> Signal | None:
    if number in Signals._value2member_map_:
        return Signals(number)
    return number if number in range(SIGRTMIN, SIGRTMAX) else None
