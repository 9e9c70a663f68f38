"""The `stop:` section: the steps of a stop sequence. Each step has one action and a time to wait."""

from __future__ import annotations

from supervisor.config.commands import COMMAND
from supervisor.config.kinds import ListOf, Made
from supervisor.config.rules import ExactlyOne, Needs
from supervisor.config.scalars import ANY_TEXT, SIGNAL, TEXT, duration, words
from supervisor.config.sections import Key, Section
from supervisor.core.program import CommandStep, Scope, SignalStep, WriteStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import Signal, Step


def _step(
    wait: float,
    signal: Signal | None = None,
    scope: Scope = Scope.MAIN,
    write: tuple[str, bytes] | None = None,
    command: tuple[str, ...] = (),
) -> Step:
    if write is not None:
        path, data = write
        return WriteStep(path, data, wait)
    return CommandStep(command, wait) if signal is None else SignalStep(signal, wait, scope)


_WRITE = Section(
    Key("path", TEXT, "Path of the FIFO, such as uWSGI's master-fifo.", is_required=True),
    Key(
        "data",
        Made(ANY_TEXT, lambda text: text.encode("utf-8", "surrogateescape")),
        "Data to write.",
        is_required=True,
    ),
    make=lambda path, data: (path, data),
)

STOP_STEPS = ListOf(
    Section(
        Key("signal", SIGNAL, "Signal to send."),
        Key("write", _WRITE, "Data to write to a FIFO."),
        Key("command", COMMAND, "Command to run, as the program's user."),
        Key("wait", duration(), "Time before the next step.", is_required=True),
        Key(
            "scope",
            words(Scope),
            "Receivers of the signal: the main process, its process group, or the whole process tree.",
            "main",
        ),
        make=_step,
        rules=(ExactlyOne("signal", "write", "command"), Needs("scope", "signal")),
    ),
    may_be_empty=False,
)
