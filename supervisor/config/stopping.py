"""The `stop:` section: the steps of a stop sequence, each one thing done and a time to wait."""

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
    Key("path", TEXT, "The FIFO, such as uWSGI's master-fifo.", is_required=True),
    Key(
        "data",
        Made(ANY_TEXT, lambda text: text.encode("utf-8", "surrogateescape")),
        "What is written.",
        is_required=True,
    ),
    make=lambda path, data: (path, data),
)

STOP_STEPS = ListOf(
    Section(
        Key("signal", SIGNAL, "A signal to send."),
        Key("write", _WRITE, "Something to write to a FIFO."),
        Key("command", COMMAND, "A command to run, as the program's user."),
        Key("wait", duration(), "How long the program has before the next step.", is_required=True),
        Key("scope", words(Scope), "Whom the signal reaches.", "main"),
        make=_step,
        rules=(ExactlyOne("signal", "write", "command"), Needs("scope", "signal")),
    ),
    may_be_empty=False,
)
