"""Convert a timer unit to the schedule of its service.

Source: systemd.timer(5), systemd.time(7).
"""

from __future__ import annotations

import re

from supervisor.convert.systemd.spans import read_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.document import Block, Flow
    from supervisor.convert.draft import Draft
    from supervisor.convert.systemd.unit import Unit

_WORDS = {
    "minutely": "* * * * *", "hourly": "0 * * * *", "daily": "0 0 * * *", "monthly": "0 0 1 * *",
    "weekly": "0 0 * * MON", "yearly": "0 0 1 1 *", "annually": "0 0 1 1 *", "quarterly": "0 0 1 1,4,7,10 *",
    "semiannually": "0 0 1 1,7 *",
}  # fmt: skip
_CALENDAR = re.compile(
    r"(?:(?P<days>[A-Za-z][A-Za-z,.]*)(?:\s+|$))?(?:\*-(?P<month>[\d*,./]+)-(?P<day>[\d*,./]+)(?:\s+|$))?"
    r"(?:(?P<hour>[\d*,./]+):(?P<minute>[\d*,./]+)(?::(?P<second>[\d*,./]+))?)?(?:\s*(?P<zone>UTC|[A-Z]\w+/[\w/+-]+))?$"
)
_PART = re.compile(r"\*(/\d+)?|\d+(\.\.\d+)?(/\d+)?")
_DAY = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*(?:\.\.(mon|tue|wed|thu|fri|sat|sun)[a-z]*)?", re.IGNORECASE)
_WEEK = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
_NOT_NEEDED = ("AccuracySec", "RemainAfterElapse", "DeferReactivation", "FixedRandomDelay", "Unit")
CATCH_UP = "1h"
"""The `starting_deadline` for Persistent=. systemd makes up for every missed run, even from before the boot."""


def set_schedule(timer: Unit, block: Block, draft: Draft) -> None:
    """Make a program of the service that a timer starts into a scheduled oneshot."""
    calendars, schedule = timer.all("Timer.OnCalendar"), dict[str, "Flow"]()
    boots = [key for key in ("OnActiveSec", "OnBootSec", "OnStartupSec") if timer.all(f"Timer.{key}")]
    again = [key for key in ("OnUnitActiveSec", "OnUnitInactiveSec") if timer.all(f"Timer.{key}")]

    def lose(key: str, reason: str) -> None:
        found = timer.all(f"Timer.{key}")
        draft.lose(found[-1].place if found else timer.place, f"{timer.file_name}: {key}: {reason}", block, "schedule")

    for calendar in calendars:
        try:
            found = read_calendar(calendar.value)
        except ValueError as error:
            draft.lose(calendar.place, f"{timer.file_name}: OnCalendar: {error}", block, "schedule")
            continue
        if schedule:
            draft.lose(calendar.place, f"{timer.file_name}: OnCalendar: only one time is written", block, "schedule")
        else:
            schedule.update(found)
    if schedule and again:
        lose(again[0], "only OnCalendar is written")
    elif again:
        try:
            schedule["interval"] = read_span(timer.last(f"Timer.{again[0]}"))
        except ValueError as error:
            lose(again[0], str(error))
    if again == ["OnUnitInactiveSec"]:
        lose("OnUnitInactiveSec", "counted from the start of the run before, not from its end")
    if schedule and boots:
        schedule["run_on_start"] = True
        draft.mention(
            timer.place, f"{timer.file_name}: {boots[0]}: the first run comes at the start", block, "schedule"
        )
    if schedule and timer.last("Timer.Persistent").lower() in ("1", "true", "yes", "on"):
        schedule["starting_deadline"] = CATCH_UP
        lose("Persistent", f"a missed run is made up for within {CATCH_UP}, not across a new container")
    if timer.all("Timer.RandomizedDelaySec"):
        lose("RandomizedDelaySec", "a run starts at its time")
    for key in timer.keys:
        section, _, name = key.partition(".")
        known = (*_NOT_NEEDED, "OnCalendar", "Persistent", "RandomizedDelaySec", *boots, *again)
        if section == "Timer" and name not in known:
            lose(name, "cannot be written")
    if not schedule and not boots:
        lose("Timer", "no time of it can be written, so the program waits for supctl start")
        block.entries["autostart"] = False
    _make_oneshot(block, draft, timer)
    if schedule:
        block.entries["schedule"] = schedule


def _make_oneshot(block: Block, draft: Draft, timer: Unit) -> None:
    block.entries["type"] = "oneshot"
    block.entries["shutdown_on"] = "never"
    for key in ("ready", "watchdog"):
        block.entries.pop(key, None)
    if block.entries.get("restart") == "always":
        del block.entries["restart"]
        draft.mention(timer.place, f"{timer.file_name}: a run that has ended is not started again", block)


def read_calendar(text: str) -> dict[str, str | int]:
    """Return a calendar expression as `cron` and perhaps `timezone`. Raises ValueError if cron cannot express it."""
    if text.lower() in _WORDS:
        return {"cron": _WORDS[text.lower()]}
    found = _CALENDAR.match(text.strip())
    if found is None or not any(found.group("days", "month", "hour")):
        raise ValueError(f"cannot write {text!r} as a cron expression")
    month, day = found["month"] or "*", found["day"] or "*"
    hour, minute, second = found["hour"] or "0", found["minute"] or "0", found["second"] or "0"
    fields = [_numbers(field, text) for field in (minute, hour, day, month)]
    fields.append(_days(found["days"], text) if found["days"] else "*")
    if int(second) if second.isdigit() else second:
        fields.insert(0, _numbers(second, text))
    return {"cron": " ".join(fields), **({"timezone": found["zone"]} if found["zone"] else {})}


def _numbers(field: str, text: str) -> str:
    parts = field.split(",")
    if not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"cannot write {text!r} as a cron expression")
    plain = (part.lstrip("0") or "0" if part.isdigit() else part for part in parts)
    return ",".join(plain).replace("..", "-")


def _days(field: str, text: str) -> str:
    days = []
    for part in field.split(","):
        found = _DAY.fullmatch(part)
        if found is None:
            raise ValueError(f"cannot write {text!r} as a cron expression")
        first, last = found[1].upper(), (found[2] or "").upper()
        if not last:
            days.append(first)
            continue
        week = _WEEK[_WEEK.index(first) :] + _WEEK  # cron's week begins with Sunday, systemd's with Monday
        span = week[: week.index(last) + 1]
        days.append(f"{first}-{last}" if "SUN" not in span else ",".join(span))
    return ",".join(days)
