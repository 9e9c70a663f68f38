"""Internal errors: each is counted, logged once with its traceback, and never the cause of another one.

A repeated error is only counted, and logged without a traceback at its 10th, 100th, 1000th … time, so that an error
that comes back in every turn fills neither the log nor the kept events.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar, TypeVarTuple

    from supervisor.core.counters import Counters
    from supervisor.logs.journal import Journal

    T = TypeVar("T")
    Ts = TypeVarTuple("Ts")


class Faults:
    """The internal errors of one container. `where` is a constant: it is the label of the metric."""

    def __init__(self, journal: Journal, counters: Counters) -> None:
        self._journal = journal
        self._counters = counters
        self._seen: dict[tuple[str, type[BaseException]], int] = {}

    def note(self, where: str, error: BaseException) -> None:
        """Count an error and log it, unless it is a repeated one. Never raises."""
        try:
            errors = self._counters.internal_errors
            errors[where] = errors.get(where, 0) + 1
            count = self._seen[where, type(error)] = self._seen.get((where, type(error)), 0) + 1
            if count == 1:
                self._journal.write(
                    "error", "internal.failed", where=where, reason=_sentence(error), traceback=_trace(error)
                )
            elif _is_power_of_ten(count):
                self._journal.write("error", "internal.repeated", where=where, reason=_sentence(error), count=count)
        except Exception:
            pass  # the log or the memory has failed as well

    def attempt(self, where: str, act: Callable[[*Ts], T], *args: *Ts) -> T | None:
        """Return the result of `act`. None: it failed, and the error is noted."""
        try:
            return act(*args)
        except Exception as error:
            self.note(where, error)
            return None


def _is_power_of_ten(count: int) -> bool:
    """Whether an error is logged again at its `count`th time."""
    return str(count).strip("0") == "1"


def _sentence(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _trace(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))
