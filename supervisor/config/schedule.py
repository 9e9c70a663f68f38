"""The `schedule:` section: when a oneshot runs."""

from __future__ import annotations

from supervisor.config.kinds import Value, or_variable
from supervisor.config.rules import ExactlyOne, Needs
from supervisor.config.scalars import FLAG, duration, integer
from supervisor.config.sections import Key, Section
from supervisor.core.quantities import parse_duration
from supervisor.core.schedule import Schedule

MIN_INTERVAL = 0.1


def _cron(text: str) -> str:
    from supervisor.cron import parse_cron

    return parse_cron(text)


def _zone(text: str) -> str:
    from supervisor.cron import find_zone

    find_zone(text)
    return text


def _interval(text: str) -> float | None:
    seconds = parse_duration(text)
    return seconds if seconds is not None and seconds >= MIN_INTERVAL else None


_INTERVAL = Value(
    _interval,
    "a duration of at least 100ms, such as 30s, 10m or 1h30m",
    duration(may_be_zero=False).json_schema(),
)
_CRON = Value(
    _cron,
    'a cron expression such as "*/5 * * * *"',
    or_variable({"type": "string", "pattern": r"^\s*(@[A-Za-z]+|\S+(\s+\S+){4,5})\s*$"}),
)
_ZONE = Value(_zone, "UTC or the name of a time zone such as Europe/Berlin", or_variable({"type": "string"}))

SCHEDULE = Section(
    Key(
        "cron",
        _CRON,
        "Cron expression: minute, hour, day of month, month, day of week; a sixth field in front is the second. Or"
        " @hourly, @daily, @weekly, @monthly, @yearly.",
    ),
    Key("interval", _INTERVAL, "Time from the start of a run to the start of the next one, instead of cron."),
    Key("timezone", _ZONE, "Time zone of the cron expression.", "UTC"),
    Key("run_on_start", FLAG, "Whether it also runs when the container starts.", False),
    Key(
        "max_concurrent",
        integer(1, 1000),
        "How many runs may be active at a time. A run that is due while so many are active is skipped.",
        1,
    ),
    Key(
        "starting_deadline",
        duration(may_be_zero=False),
        "How late a run may start. A later one is missed. Default: half the time to the next run, at most 60s.",
    ),
    make=Schedule,
    rules=(ExactlyOne("cron", "interval"), Needs("timezone", "cron")),
)
