"""`restart_when`: how large and how old a process may get before it is replaced."""

from __future__ import annotations

from supervisor.config.kinds import Made
from supervisor.config.rules import Needs, given
from supervisor.config.scalars import duration, size
from supervisor.config.sections import Key, Section
from supervisor.core.restart_limits import RestartLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.config.kinds import Schema
    from supervisor.config.sections import SectionReading

MIN_MEMORY = 1024 * 1024
MIN_INTERVAL = 1.0


def _memory(limit: int) -> int:
    if limit < MIN_MEMORY:
        raise ValueError("cannot be less than 1mb: every program has more, so it would be restarted for ever")
    return limit


def _interval(seconds: float) -> float:
    if seconds < MIN_INTERVAL:
        raise ValueError(f"cannot be less than {MIN_INTERVAL:g}s: a measurement reads every process in /proc")
    return seconds


class OneLimit:
    """At least one of the limits is given."""

    def check(self, place: SectionReading) -> None:
        if not {"memory", "age"} & place.given.keys():
            place.problem("one of memory, age is required")

    def json_schema(self) -> Schema:
        return {"anyOf": [given("memory"), given("age")]}


RESTART_LIMITS = Section(
    Key(
        "memory",
        Made(size(1), _memory),
        "Restart it when the resident memory of its process tree (MEMORY in supctl status) was above this in two"
        " measurements in a row.",
    ),
    Key(
        "age",
        duration(may_be_zero=False),
        "Restart it when it has run for this long, or at random up to a tenth less, so that many containers do not"
        " restart together.",
    ),
    Key("interval", Made(duration(), _interval), "Time between two measurements of the memory.", "30s"),
    make=RestartLimits,
    rules=(OneLimit(), Needs("interval", "memory")),
)
